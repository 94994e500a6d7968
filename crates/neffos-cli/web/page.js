/**
 * The page: rooms, chat, private messages and presence in namespace "default".
 *
 * Content from other clients is only inserted as text, never as HTML.
 */
import { dial } from "./neffos.js";

/** @typedef {import("./neffos.js").Conn} Conn */
/** @typedef {import("./neffos.js").Message} Message */
/** @typedef {import("./neffos.js").Missing} Missing */
/** @typedef {import("./neffos.js").NsConn} NsConn */
/** @typedef {import("./neffos.js").StateChange} StateChange */
/** @typedef {{ id: string, name: string, rooms: Set<string> }} Person */
/** @typedef {{ linked: boolean, servers: number, connections: number }} Cluster this server and the other ones */
/** @typedef {"self" | "other" | "server" | "event"} Speaker */
/** @typedef {{ speaker: Speaker, id: string, name: string, text: string, at: Date }} Line */
/**
 * @typedef {object} Place a conversation
 * @property {"lobby" | "room" | "person"} kind
 * @property {string} key the room's name, or the person's id
 * @property {string} title
 * @property {Line[]} lines
 * @property {number} unread
 * @property {string} [proof] a secret of the two members of a private conversation, which survives a new id
 */

const NAMESPACE = "default";
const KEPT_LINES = 500;
const SHOWN_PEOPLE = 200;
const GOLDEN_ANGLE = 137.508;
/** A web address up to a blank, without closing punctuation at its end. The group makes `split` keep the address. */
const WEB_ADDRESS = /\b(https?:\/\/[^\s<>"']*[^\s<>"'.,;:!?)\]}])/iu;

// ---- elements ----

/**
 * @template {HTMLElement} [E=HTMLElement]
 * @param {string} id
 * @returns {E}
 */
function element(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return /** @type {E} */ (found);
}

/**
 * @param {string} id
 * @returns {HTMLInputElement}
 */
const input = (id) => element(id);

/**
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {string} className
 * @param {...(Node | string)} children
 */
function make(tag, className, ...children) {
  const made = document.createElement(tag);
  made.className = className;
  made.append(...children);
  return made;
}

// ---- state ----

let myName = storedName() ?? inventedName();
/** The id of this window's connection. @type {string} */
let myId = "";
/** @type {Conn | undefined} */
let conn;

/** @type {Place} */
const lobby = { kind: "lobby", key: "", title: "Lobby", lines: [], unread: 0 };
/** @type {Place[]} */
let places = [lobby];
let current = lobby;
/** @type {Map<string, Person>} */
const people = new Map();

// ---- conversations ----

/**
 * @param {Place["kind"]} kind
 * @param {string} key
 */
function findPlace(kind, key) {
  return places.find((place) => place.kind === kind && place.key === key);
}

/**
 * @param {"room" | "person"} kind
 * @param {string} key
 * @param {string} title
 */
function openPlace(kind, key, title) {
  const known = findPlace(kind, key);
  if (known) return known;
  /** @type {Place} */
  const place = { kind, key, title, lines: [], unread: 0 };
  places.push(place);
  showPlaces();
  return place;
}

/** @param {Place} place */
function dropPlace(place) {
  places = places.filter((other) => other !== place);
  if (current === place) visit(lobby);
  showPlaces();
}

/** @param {Place} place */
function visit(place) {
  current = place;
  place.unread = 0;
  element("say-note").textContent = "";
  showPlaces();
  showPlace();
  showPeople();
}

function showPlaces() {
  element("places").replaceChildren(...places.map(placeItem));
  // In a narrow window, the conversations are a scrolling strip.
  element("places").querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
}

/** @param {Place} place */
function placeItem(place) {
  const sign = make("span", "place-sign", { lobby: "", room: "#", person: "@" }[place.kind]);
  sign.ariaHidden = "true";
  const unread = make("span", "unread", place.unread > 0 ? String(place.unread) : "");
  if (place.unread > 0) unread.append(make("span", "unseen", " unread"));

  const button = make("button", "place", sign, make("span", "place-name", place.title), unread);
  button.type = "button";
  button.title = place.title;
  if (place === current) button.setAttribute("aria-current", "true");
  button.addEventListener("click", () => {
    visit(place);
    prepareToWrite();
  });
  return make("li", "", button);
}

/** Focuses the text field, but not on touch screens: there, the keyboard would cover half of the page. */
function prepareToWrite() {
  if (matchMedia("(hover: hover)").matches) input("text").focus();
}

function showPlace() {
  const { kind, key, title } = current;
  element("place-title").textContent = kind === "room" ? `# ${title}` : title;
  element("place-about").textContent = {
    lobby: "Everyone who has this page open",
    room: "Those who joined this room",
    person: `Between you and ${title} alone`,
  }[kind];
  element("leave").textContent = kind === "person" ? "Close" : "Leave";
  element("leave").hidden = kind === "lobby";
  element("empty-title").textContent = {
    lobby: "Nothing since you came",
    room: "Nothing since you came",
    person: title,
  }[kind];
  element("empty-text").textContent = {
    lobby: "Write below, or let a program speak first.",
    room: `Whoever joins ${key} sees what is said from then on.`,
    person: "What you write here reaches nobody else.",
  }[kind];
  input("text").placeholder = kind === "lobby" ? "Write to everyone" : `Write to ${title}`;
  showLines();
  showCommand();
}

// ---- lines ----

/**
 * @param {Place} place
 * @param {Omit<Line, "at">} said
 */
function addLine(place, said) {
  const line = { ...said, at: new Date() };
  const previous = place.lines.at(-1);
  place.lines.push(line);
  if (place.lines.length > KEPT_LINES) place.lines.shift();
  if (place === current) return appendLine(line, previous);
  place.unread += 1;
  showPlaces();
}

/**
 * @param {Place} place
 * @param {string} text
 */
function note(place, text) {
  addLine(place, { speaker: "event", id: "", name: "", text });
}

/**
 * @param {Place} place
 * @param {string} text
 */
function addOwnLine(place, text) {
  addLine(place, { speaker: "self", id: myId, name: myName, text });
}

/** Fills the log again. It is marked as busy, so that screen readers do not read old lines. */
function showLines() {
  const log = element("lines");
  log.ariaBusy = "true";
  log.replaceChildren(...current.lines.map((line, at) => lineItem(line, current.lines[at - 1])));
  log.ariaBusy = "false";
  element("empty").hidden = current.lines.length > 0;
  scrollToEnd();
}

/**
 * @param {Line} line
 * @param {Line | undefined} previous
 */
function appendLine(line, previous) {
  const { scrollHeight, scrollTop, clientHeight } = element("scroll");
  const atEnd = scrollHeight - scrollTop - clientHeight < 80;
  const log = element("lines");
  log.append(lineItem(line, previous));
  if (log.childElementCount > KEPT_LINES) log.firstElementChild?.remove();
  element("empty").hidden = true;
  if (atEnd || line.speaker === "self") scrollToEnd();
}

function scrollToEnd() {
  const scroll = element("scroll");
  scroll.scrollTop = scroll.scrollHeight;
}

/**
 * @param {Line} line
 * @param {Line | undefined} previous
 */
function lineItem(line, previous) {
  if (line.speaker === "event") return make("p", "happened", line.text);

  const item = make("div", "line");
  if (!isSameTurn(line, previous)) {
    item.dataset["first"] = "";
    item.append(face(line.id, line.speaker === "server" ? ">" : line.name), lineHead(line));
  }
  item.append(make("p", "said", ...linked(line.text)));
  return item;
}

/**
 * The text, with its web addresses as links. Only http and https become links, and the opened page cannot reach this one.
 *
 * @param {string} text
 * @returns {(Node | string)[]}
 */
function linked(text) {
  return text.split(WEB_ADDRESS).map((piece, at) => (at % 2 === 1 ? link(piece) : piece));
}

/** @param {string} address */
function link(address) {
  if (!URL.canParse(address)) return address;
  const made = make("a", "", address);
  made.href = address;
  made.target = "_blank";
  made.rel = "noopener noreferrer nofollow ugc";
  return made;
}

/** @param {Line} line */
function lineHead({ speaker, name, at }) {
  const time = make("time", "", at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }));
  time.dateTime = at.toISOString();
  const head = make("div", "line-head", make("span", "who", name));
  if (speaker === "self") head.append(make("span", "tag", "you"));
  if (speaker === "server") head.append(make("span", "tag", "program"));
  head.append(time);
  return head;
}

/**
 * @param {Line} line
 * @param {Line | undefined} previous
 */
function isSameTurn(line, previous) {
  if (!previous || previous.speaker !== line.speaker || previous.id !== line.id) return false;
  return previous.name === line.name && line.at.getTime() - previous.at.getTime() < 120_000;
}

/**
 * @param {string} id
 * @param {string} name
 */
function face(id, name) {
  const made = make("span", "face", Array.from(name)[0]?.toUpperCase() ?? "?");
  made.ariaHidden = "true";
  if (id !== "") made.style.setProperty("--hue", String(hueOf(id)));
  return made;
}

/** The hues of the people seen so far. @type {Map<string, number>} */
const hues = new Map();

/**
 * Returns a different colour for each id: the next one is in the largest gap on the colour circle.
 *
 * @param {string} id
 */
function hueOf(id) {
  const known = hues.get(id);
  if (known !== undefined) return known;
  const hue = Math.round((190 + hues.size * GOLDEN_ANGLE) % 360);
  hues.set(id, hue);
  return hue;
}

// ---- people ----

/**
 * Stores the name of a connection, and a room that it has joined.
 *
 * @param {string} id as the server gave it
 * @param {string} name
 * @param {string} [room]
 */
function meet(id, name, room = "") {
  if (id === myId) return;
  const person = people.get(id) ?? { id, name, rooms: new Set() };
  person.name = name;
  if (room !== "") person.rooms.add(room);
  people.set(id, person);
  const place = findPlace("person", id);
  if (place && place.title !== name) {
    place.title = name;
    showPlaces();
    if (place === current) showPlace();
  }
  showPeople();
}

/** @param {string} id */
function part(id) {
  if (people.delete(id)) showPeople();
}

/**
 * A reconnection changes an id. A private conversation continues with the connection that knows its proof: only the two
 * members of the conversation have ever received it.
 *
 * @param {string} proof
 * @param {string} id
 */
function recognize(proof, id) {
  const place = places.find((one) => one.kind === "person" && one.proof === proof);
  if (!place || place.key === id) return;
  people.delete(place.key);
  place.key = id;
}

function showPeople() {
  const here = [...people.values()].filter(isHere);
  const known = here.sort((left, right) => left.name.localeCompare(right.name));
  element("people-title").firstChild?.replaceWith(current.kind === "room" ? `In # ${current.title} ` : "People ");
  element("people-empty").textContent =
    current.kind === "room"
      ? "Nobody else has shown up in this room yet."
      : "Nobody else yet. Open this page in a second window.";
  element("people").replaceChildren(...known.slice(0, SHOWN_PEOPLE).map(personItem));
  element("people-count").textContent = known.length > 0 ? String(known.length) : "";
  element("people-empty").hidden = known.length > 0;
}

/**
 * Whether the list shows a person: in a room, only its members.
 *
 * @param {Person} person
 */
function isHere({ rooms }) {
  return current.kind !== "room" || rooms.has(current.key);
}

/** @param {Person} person */
function personItem({ id, name }) {
  const mark = face(id, name);
  mark.classList.add("small");
  const act = make("span", "person-act", "message");
  const button = make("button", "person", mark, make("span", "person-name", name), act);
  button.type = "button";
  button.title = `${name}, ${id}`;
  button.addEventListener("click", () => {
    showSide(false);
    visit(openPlace("person", id, name));
    prepareToWrite();
  });
  return make("li", "", button);
}

// ---- received messages ----

/** @type {import("./neffos.js").Handlers} */
const handlers = {
  [NAMESPACE]: {
    chat: unlessRefused((_, message) => hearChat(message)),
    private: unlessRefused((_, message) => hearPrivate(message)),
    hello: unlessRefused((ns, message) => hearHello(ns, message)),
    left: unlessRefused((_, message) => hearLeft(message)),
    bye: unlessRefused((_, message) => part(message.sender ?? "")),
    _OnAnyEvent: unlessRefused((_, message) => {
      if (!message.event.startsWith("_On")) hearProgram(message, `${message.event}: ${message.text()}`);
    }),
  },
};

/**
 * The server refuses an event with a message of the same name and an error. That is not a message of another person.
 * The page reports only that a line was refused, in the conversation in which it was written.
 *
 * @param {(ns: NsConn, message: Message) => void} hear
 * @returns {(ns: NsConn, message: Message) => void}
 */
function unlessRefused(hear) {
  return (ns, message) => {
    if (message.error === undefined) hear(ns, message);
    else if (message.event === "chat") note(placeOf(message), `Not sent: ${message.error.message}`);
  };
}

// The server states the sender of each message. Ids in bodies prove nothing: any client can write any id.

/** @param {Message} message */
function hearChat(message) {
  const { sender } = message;
  const said = fields(message);
  if (sender === undefined || typeof said["name"] !== "string" || typeof said["text"] !== "string") {
    return hearProgram(message, message.text());
  }
  meet(sender, said["name"], message.room);
  addLine(placeOf(message), { speaker: "other", id: sender, name: said["name"], text: said["text"] });
}

/** @param {Message} message */
function hearPrivate(message) {
  const { sender } = message;
  if (sender === undefined) return hearProgram(message, message.text());
  const said = fields(message);
  const name = asText(said["name"]) || "Somebody";
  const proof = asText(said["proof"]);
  if (proof !== "") recognize(proof, sender);
  meet(sender, name, asText(said["room"]));
  if (typeof said["text"] !== "string") return;
  const place = openPlace("person", sender, name);
  if (proof !== "") place.proof ??= proof;
  addLine(place, { speaker: "other", id: sender, name, text: said["text"] });
}

/**
 * Another window has connected, or has joined a room. This window answers it.
 *
 * @param {NsConn} ns
 * @param {Message} message
 */
function hearHello(ns, message) {
  const { room, sender } = message;
  if (sender === undefined) return;
  const said = fields(message);
  meet(sender, asText(said["name"]) || "Somebody", room);
  if (said["known"] !== true) ns.emit("private", { to: sender, name: myName, here: true, room });
}

/** @param {Message} message */
function hearLeft({ room, sender }) {
  people.get(sender ?? "")?.rooms.delete(room);
  showPeople();
}

/**
 * @param {Message} message
 * @param {string} said
 */
function hearProgram(message, said) {
  addLine(placeOf(message), { speaker: "server", id: "", name: "server", text: said });
}

/** @param {Message} message */
function placeOf({ room }) {
  return room === "" ? lobby : openPlace("room", room, room);
}

/**
 * Returns the body as an object, which is empty for any other body.
 *
 * @param {Message} message
 * @returns {Record<string, unknown>}
 */
function fields(message) {
  try {
    const body = message.json();
    return typeof body === "object" && body !== null ? /** @type {Record<string, unknown>} */ (body) : {};
  } catch {
    return {};
  }
}

/** @param {unknown} value */
function asText(value) {
  return typeof value === "string" ? value : "";
}

// ---- sent messages ----

/** @param {{ known?: boolean }} [more] */
function sayHello(more = {}) {
  conn?.emit(NAMESPACE, "hello", { name: myName, ...more });
  for (const { key } of joinedRooms()) sayHelloIn(key, more);
}

/**
 * @param {string} room
 * @param {{ known?: boolean }} [more]
 */
function sayHelloIn(room, more = {}) {
  conn?.namespace(NAMESPACE)?.emit("hello", { name: myName, ...more }, { room });
}

function joinedRooms() {
  return places.filter(({ kind }) => kind === "room");
}

/** Sends each private conversation its proof, after this window has got a new id. */
function sayProofs() {
  for (const { kind, key, proof } of places) {
    if (kind === "person" && proof) conn?.emit(NAMESPACE, "private", { to: key, name: myName, here: true, proof });
  }
}

/**
 * @param {Place} place
 * @param {string} said
 * @returns {boolean} whether the message was sent
 */
function say(place, said) {
  const ns = conn?.namespace(NAMESPACE);
  if (!ns) return false;
  if (place.kind === "person") {
    addOwnLine(place, said);
    sayPrivately(ns, place, said);
    return true;
  }
  if (!ns.emit("chat", { name: myName, text: said }, { room: place.key })) return false;
  addOwnLine(place, said);
  return true;
}

/**
 * @param {NsConn} ns
 * @param {Place} place
 * @param {string} said
 */
async function sayPrivately(ns, place, said) {
  place.proof ??= secret();
  try {
    await ns.ask("private", { to: place.key, name: myName, text: said, proof: place.proof });
  } catch (error) {
    part(place.key);
    note(place, `Not delivered: ${isNobody(error) ? `${place.title} has left` : messageOf(error)}`);
  }
}

/** 128 random bits. */
function secret() {
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (word) => word.toString(36)).join("");
}

/** @param {string} name */
async function joinRoom(name) {
  const ns = conn?.namespace(NAMESPACE);
  if (!ns) throw new Error("not connected");
  await ns.join(name);
  sayHelloIn(name);
  visit(openPlace("room", name, name));
}

/** @param {Place} place */
async function leavePlace(place) {
  const ns = conn?.namespace(NAMESPACE);
  if (place.kind === "room") {
    ns?.emit("left", {}, { room: place.key });
    await ns?.leave(place.key);
    for (const { rooms: theirs } of people.values()) theirs.delete(place.key);
  }
  dropPlace(place);
}

/** @param {unknown} error */
function isNobody(error) {
  return messageOf(error) === "nobody has this id";
}

/** @param {unknown} error */
function messageOf(error) {
  return error instanceof Error ? error.message : String(error);
}

// ---- the connection ----

async function start() {
  showState("waiting", "Connecting");
  try {
    // The change of state reports namespaces and rooms that could not be restored.
    conn = await dial("./ws", handlers, { onStateChange: (change) => conn && follow(change), onError: () => {} });
    await conn.connect(NAMESPACE);
  } catch (error) {
    return giveUp(error);
  }
  enter();
}

/** @param {unknown} error */
function giveUp(error) {
  const closing = conn;
  conn = undefined;
  void closing?.close();
  showState("refused", `Not connected: ${messageOf(error)}`);
}

/** @param {StateChange} change */
function follow(change) {
  switch (change.state) {
    case "lost":
      return countDown(change.delay);
    case "connected":
      return comeBack(change.missing);
    case "closed": {
      const { error, closeInfo } = change;
      const why = error?.message ?? (closeInfo.reason || `the server closed it, code ${closeInfo.code}`);
      return showState("refused", `Refused: ${why}`);
    }
  }
}

/** @param {Missing[]} missing the namespaces and rooms that the server refused after a reconnection */
function comeBack(missing) {
  const [first] = missing;
  if (first?.room === "") return giveUp(first.error);
  enter();
  for (const { room } of missing) {
    const place = findPlace("room", room);
    if (!place) continue;
    dropPlace(place);
    note(lobby, `You are no longer in ${place.title}`);
  }
}

/** Says hello at the start and after each reconnection: this window may have a new id, and other people may be connected. */
function enter() {
  const isBack = myId !== "";
  myId = conn?.id ?? "";
  people.clear();
  showPeople();
  showState("connected", "Connected");
  element("say-note").textContent = "";
  sayHello();
  if (isBack) sayProofs();
}

/** @type {ReturnType<typeof setInterval> | undefined} */
let counting;

/** @param {number} delay */
function countDown(delay) {
  const due = performance.now() + delay;
  showState("waiting", "Reconnecting");
  const show = () => {
    const seconds = Math.ceil((due - performance.now()) / 1000);
    element("state-detail").textContent = seconds > 0 ? `in ${seconds} s` : "now";
  };
  show();
  counting = setInterval(show, 250);
}

/**
 * @param {"waiting" | "connected" | "refused"} state
 * @param {string} said
 */
function showState(state, said) {
  clearInterval(counting);
  element("state").dataset["state"] = state;
  element("state-text").textContent = said;
  element("state-detail").textContent = "";
  element("again").hidden = state !== "refused";
  if (state === "connected") return;
  fillNumbers();
  showCluster(undefined);
}

// ---- numbers ----

async function showNumbers() {
  if (document.hidden || conn?.state !== "connected") return;
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
  const said = cluster?.linked === false ? "Other servers are out of reach" : "";
  // Set only on a change. Otherwise, screen readers would read it every second.
  if (element("apart").textContent !== said) element("apart").textContent = said;
}

/** @param {unknown} value */
function number(value) {
  return typeof value === "number" ? Math.round(value).toLocaleString() : "–";
}

// ---- the command ----

function showCommand() {
  const room = current.kind === "room" ? { room: current.key } : {};
  const body = JSON.stringify({ namespace: NAMESPACE, ...room, event: "chat", body: "hello from curl" });
  element("api-place").textContent = current.kind === "room" ? `room ${current.title}` : "everyone";
  element("command").textContent = [
    `curl -X POST ${new URL("./api/broadcast", location.href)}`,
    `-H "Authorization: Bearer $NEFFOS_API_KEY"`,
    `-H "Content-Type: application/json"`,
    `-d ${shellQuoted(body)}`,
  ].join(" \\\n  ");
}

/** @param {string} word */
function shellQuoted(word) {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

async function copyCommand() {
  const command = element("command");
  try {
    await navigator.clipboard.writeText(command.textContent ?? "");
    flash("Copied");
  } catch {
    // Pages over plain HTTP from another machine have no clipboard API. The user copies with the keyboard.
    getSelection()?.selectAllChildren(command);
    flash("Press Ctrl+C");
  }
}

/** @param {string} said */
function flash(said) {
  element("copy").textContent = said;
  element("copy-note").textContent = said;
  setTimeout(() => {
    element("copy").textContent = "Copy";
    element("copy-note").textContent = "";
  }, 2000);
}

// ---- the name ----

function storedName() {
  try {
    return localStorage.getItem("name");
  } catch {
    return null;
  }
}

function inventedName() {
  const words = ["Amber", "Brisk", "Calm", "Clever", "Gentle", "Merry", "Quiet", "Silver", "Swift", "Tidal"];
  const animals = ["Badger", "Crane", "Dolphin", "Falcon", "Heron", "Lynx", "Marten", "Otter", "Robin", "Seal"];
  /** @param {string[]} list */
  const pick = (list) => list[Math.floor(Math.random() * list.length)];
  return `${pick(words)} ${pick(animals)}`;
}

/** @param {string} name */
function rename(name) {
  if (name === "" || name === myName) return;
  myName = name;
  try {
    localStorage.setItem("name", name);
  } catch {
    // Without storage, the name lasts until the page is closed.
  }
  sayHello({ known: true });
}

// ---- forms and buttons ----

/** @param {boolean} open */
function showSide(open) {
  element("side").toggleAttribute("data-open", open);
  element("more").ariaExpanded = String(open);
  element("more").textContent = open ? "Close" : "People";
}

/**
 * @param {string} id
 * @param {() => void} act
 */
function onSubmit(id, act) {
  element(id).addEventListener("submit", (event) => {
    event.preventDefault();
    act();
  });
}

onSubmit("say", () => {
  const said = input("text").value.trim();
  if (said === "") return;
  const isSent = say(current, said);
  element("say-note").textContent = isSent ? "" : "Not sent: there is no connection at the moment.";
  if (isSent) input("text").value = "";
});

onSubmit("join", async () => {
  const name = input("room").value.trim();
  if (name === "") return;
  try {
    await joinRoom(name);
    input("room").value = "";
    element("join-note").textContent = "";
    prepareToWrite();
  } catch (error) {
    element("join-note").textContent = `Not joined: ${messageOf(error)}`;
  }
});

onSubmit("you", () => {
  rename(input("name").value.trim());
  input("name").value = myName;
  showSide(false);
});

element("leave").addEventListener("click", async () => {
  const place = current;
  try {
    await leavePlace(place);
  } catch (error) {
    element("say-note").textContent = `Not left: ${messageOf(error)}`;
  }
});

element("again").addEventListener("click", start);
element("copy").addEventListener("click", copyCommand);
element("more").addEventListener("click", () => showSide(!element("side").hasAttribute("data-open")));
addEventListener("keydown", (event) => {
  if (event.key === "Escape") showSide(false);
});
addEventListener("pagehide", () => conn?.emit(NAMESPACE, "bye", {}));
addEventListener("pageshow", (event) => {
  if (event.persisted) sayHello();
});
document.addEventListener("visibilitychange", showNumbers);
setInterval(showNumbers, 1000);

input("name").value = myName;
showPlaces();
showPlace();
start();
