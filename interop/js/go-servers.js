/** The servers in Go that clients run against, and the scenarios that they cannot pass. */
import { requiredPath } from "./servers.js";

/** @returns {import("./servers.js").Target[]} */
export function goServers() {
  const folder = requiredPath("NEFFOS_GO_SERVERS");
  return versions.flatMap(({ version, upgraders, cannot }) =>
    upgraders.map((upgrader) => ({
      name: `the Go server ${version} with ${upgrader}`,
      program: `${folder}/server-${version}`,
      flags: ["--upgrader", upgrader],
      cannot,
    })),
  );
}

const notInTheFixture = {
  "a refusal with a close code names the code": "its fixture refuses without a code",
  "what the server asks in a room that was just joined is answered":
    "it runs OnRoomJoined before it replies to the join",
};

const versions = [
  {
    version: "v0.0.24",
    upgraders: ["gorilla", "gobwas"],
    cannot: {
      "a client that offers subprotocols is let in": "it chooses none",
      ...notInTheFixture,
      "a client learns why it was closed": "it drops the connection without a close frame",
      "a client that is closed with 1012 knows that the server restarts":
        "it drops the connection without a close frame",
    },
  },
  {
    version: "v0.0.25",
    upgraders: ["gorilla", "gobwas", "coder"],
    cannot: {
      "a client that offers subprotocols is let in": "it chooses none",
      ...notInTheFixture,
      "a client that is closed with 1012 knows that the server restarts": "it says 1001 for every reason",
    },
  },
];
