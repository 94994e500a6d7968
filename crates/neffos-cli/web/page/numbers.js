/** Shows the numbers of the server, once a second. */

import { currentConn } from "./connection.js";
import { element, tell } from "./elements.js";

/** @typedef {{ linked: boolean, servers: number, connections: number }} Cluster this server and the other ones */

export function startNumbers() {
  document.addEventListener("visibilitychange", showNumbers);
  setInterval(showNumbers, 1000);
}

async function showNumbers() {
  if (document.hidden || currentConn()?.state !== "connected") return;
  try {
    const response = await fetch("./api/live");
    if (!response.ok) return;
    const numbers = await response.json();
    fillNumbers(numbers.connections, numbers.delivered_per_second, numbers.dropped);
    showCluster(numbers.cluster);
  } catch {
    // The server is away, which the state already shows.
  }
}

export function clearNumbers() {
  fillNumbers();
  showCluster(undefined);
}

/**
 * @param {unknown} [connections]
 * @param {unknown} [delivered]
 * @param {unknown} [dropped]
 */
function fillNumbers(connections, delivered, dropped) {
  element("connections").textContent = number(connections);
  element("delivered").textContent = number(delivered);
  element("dropped").textContent = number(dropped);
}

/**
 * Shows the connections of the whole cluster, or that the other servers are out of reach.
 *
 * @param {Cluster | undefined} cluster
 */
function showCluster(cluster) {
  const isTogether = cluster?.linked === true && cluster.servers > 1;
  element("connected-where").textContent = isTogether ? `connected to ${cluster.servers} servers` : "connected";
  if (isTogether) element("connections").textContent = number(cluster.connections);
  tell("apart", cluster?.linked === false ? "Other servers are out of reach" : "");
}

/** @param {unknown} value */
function number(value) {
  return typeof value === "number" ? Math.round(value).toLocaleString() : "–";
}
