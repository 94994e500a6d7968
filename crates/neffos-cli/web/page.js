/**
 * The page: rooms, chat, private messages and presence in namespace "default". This file connects its modules with the
 * elements of the page and with each other.
 */
import { copyCommand, showCommand } from "./page/command.js";
import { currentConn, start } from "./page/connection.js";
import { startDemo } from "./page/demo.js";
import { element, input, onSubmit, prepareToWrite } from "./page/elements.js";
import { messageOf } from "./page/errors.js";
import { appendLine, showLines } from "./page/lines.js";
import { myself } from "./page/myself.js";
import { clearNumbers, startNumbers } from "./page/numbers.js";
import { forgetAll, watchPeople } from "./page/people.js";
import { currentPlace, dropPlace, findPlace, lobby, note, watchPlaces } from "./page/places.js";
import { joinRoom, leavePlace, rename, say, sayBye, sayHello, sayProofs } from "./page/say.js";
import { isSideOpen, showPeople, showSide } from "./page/side.js";
import { countDown, showState } from "./page/state.js";
import { showHead, showPlaces } from "./page/talk.js";

/** @import { Missing } from "./neffos.js" */

// ---- what is shown after a change ----

function showCurrent() {
  showHead();
  showLines();
  showCommand();
  showPeople();
}

watchPlaces({ list: showPlaces, current: showCurrent, line: appendLine });
watchPeople(showPeople);

// ---- the connection ----

/** @type {import("./page/connection.js").Watcher} */
const watcher = {
  waiting() {
    showState("waiting", "Connecting");
    clearNumbers();
  },
  lost(delay) {
    countDown(delay);
    clearNumbers();
  },
  connected(missing) {
    enter();
    missing.forEach(loseRoom);
  },
  refused(why) {
    showState("refused", why);
    clearNumbers();
  },
};

/** Says hello at the start and after each reconnection: this window may have a new id, and other people may be connected. */
function enter() {
  const isBack = myself.id !== "";
  myself.id = currentConn()?.id ?? "";
  forgetAll();
  showState("connected", "Connected");
  element("say-note").textContent = "";
  sayHello();
  if (isBack) sayProofs();
}

/** @param {Missing} missing a room that the server refused after a reconnection */
function loseRoom({ room }) {
  const place = findPlace("room", room);
  if (!place) return;
  dropPlace(place);
  note(lobby, `You are no longer in ${place.title}`);
}

// ---- forms and buttons ----

onSubmit("say", () => {
  const said = input("text").value.trim();
  if (said === "") return;
  const isSent = say(currentPlace(), said);
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
  input("name").value = myself.name;
  showSide(false);
});

element("leave").addEventListener("click", async () => {
  try {
    await leavePlace(currentPlace());
  } catch (error) {
    element("say-note").textContent = `Not left: ${messageOf(error)}`;
  }
});

element("again").addEventListener("click", () => start(watcher));
element("copy").addEventListener("click", copyCommand);
element("more").addEventListener("click", () => showSide(!isSideOpen()));
addEventListener("keydown", (event) => {
  if (event.key === "Escape") showSide(false);
});
addEventListener("pagehide", sayBye);
addEventListener("pageshow", (event) => {
  if (event.persisted) sayHello();
});

input("name").value = myself.name;
showPlaces();
showCurrent();
startNumbers();
startDemo();
start(watcher);
