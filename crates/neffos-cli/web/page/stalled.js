/**
 * Owns the stalled reader of this window: a client that joins a room and reads nothing. Browsers read every websocket to
 * its end, so the server's own program opens it, and reports on it for as long as it lasts.
 */

/** @typedef {{ open: boolean, cut: boolean, room: string, missed: number, seconds: number }} ReaderState */

/**
 * Opens a stalled reader. Resolves when it has ended.
 *
 * @param {AbortSignal} signal ends it
 * @param {(state: ReaderState) => void} report called twice a second, and at the end
 */
export async function openStalledReader(signal, report) {
  const response = await fetch("./api/stalled", { method: "POST", headers: { "neffos-page": "1" }, signal });
  if (!response.ok) throw new Error(await reasonOf(response));
  if (!response.body) return;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (text + value).split("\n");
    text = lines.pop() ?? "";
    for (const line of lines) report(JSON.parse(line));
  }
}

/** @param {Response} response */
async function reasonOf(response) {
  try {
    return (await response.json()).error;
  } catch {
    return `status ${response.status}`;
  }
}
