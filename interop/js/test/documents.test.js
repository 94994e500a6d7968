/** Runs each block of JavaScript in docs and in clients/js/README.md against the program. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { requiredPath, startServer } from "../servers.js";

const PROGRAM = requiredPath("NEFFOS_PROGRAM");
const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const MODULES = fileURLToPath(new URL("../node_modules", import.meta.url));
const PATIENCE = 60_000;

const run = promisify(execFile);

/** The declarations that the documents assume around their code. */
const AROUND = `
  import neffos from "neffos.js";
  import { dial } from "${join(ROOT, "clients/js/neffos.js")}";
  import Socket from "ws";
  globalThis.WebSocket = Socket;
  const show = () => {}, banner = () => {}, showWaitingList = () => {}, handlers = { default: {} }, token = "t";
  const freshToken = async () => token;
`;

describe("the JavaScript of the documents", { timeout: 300_000 }, () => {
  let folder = "";
  /** @type {import("../servers.js").Running} */
  let server;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "neffos-documents-"));
    await symlink(MODULES, join(folder, "node_modules"));
    server = await startServer(PROGRAM, (address) => ["serve", "--addr", address]);
  });
  after(async () => {
    await server?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  /** Runs code in Node, with its addresses replaced by those of this server. */
  async function runHere(code) {
    const here = code
      .replace(/"wss?:\/\/[^/"]+\/ws"/g, `"ws://${server.address}/ws"`)
      .replace('"/ws"', `"ws://${server.address}/ws"`);
    const isModule = /^import /m.test(here);
    const around = isModule ? AROUND.replace('import Socket from "ws";', "").replace("Socket;", "WebSocket;") : AROUND;
    const file = join(folder, "block.mjs");
    await writeFile(file, `${around}\n${here}\nawait conn.close();\nprocess.exit(0);\n`);
    await run(process.execPath, [file], { cwd: folder, timeout: PATIENCE }).catch((error) =>
      assert.fail(`${here}\n${error.stderr}`),
    );
  }

  test("of the page about migration from neffos.js", { timeout: PATIENCE }, async () => {
    const page = await readFile(join(ROOT, "docs/migrate-js.md"), "utf8");
    const codes = blocks(page, "js");
    assert.equal(codes.length, 4);
    for (const code of codes) await runHere(code);
    const [html] = blocks(page, "html");
    const client = await fetch(`http://${server.address}${/from "(\/[^"]+)"/.exec(html)?.[1]}`);
    assert.match(client.headers.get("content-type") ?? "", /^text\/javascript/);
    assert.match(await client.text(), /\bdial\b/);
  });

  test("of the client's own page", { timeout: PATIENCE }, async () => {
    const page = await readFile(join(ROOT, "clients/js/README.md"), "utf8");
    const [html] = blocks(page, "html");
    await runHere(script(html));
    const codes = blocks(page, "js");
    assert.equal(codes.length, 2);
    for (const code of codes) await runHere(code.replace(/;$/m, ";\nconst ns = await conn.connect('default');"));
  });

  test("of the book's page about JavaScript", { timeout: PATIENCE }, async () => {
    const page = await readFile(join(ROOT, "docs/clients/javascript.md"), "utf8");
    const [html] = blocks(page, "html");
    await runHere(script(html));
  });

  test("of its page about types", { timeout: PATIENCE }, async () => {
    const page = await readFile(join(ROOT, "clients/js/README.md"), "utf8");
    const [code] = blocks(page, "ts");
    await writeFile(join(folder, "block.ts"), `import { dial } from "${join(ROOT, "clients/js/neffos.js")}";\n${code}`);
    const options = [
      "--strict",
      "--noEmit",
      "--target",
      "es2022",
      "--module",
      "esnext",
      "--moduleResolution",
      "bundler",
    ];
    await run(process.execPath, [join(MODULES, "typescript/bin/tsc"), ...options, join(folder, "block.ts")]).catch(
      (error) => assert.fail(error.stdout),
    );
  });
});

/**
 * Returns the code inside a page, without its import.
 *
 * @param {string} html
 */
function script(html) {
  return html.replace(/<\/?script[^>]*>/g, "").replace(/^\s*import .*$/m, "");
}

/**
 * @param {string} page
 * @param {string} language
 */
function blocks(page, language) {
  return [...page.matchAll(new RegExp(`^\`\`\`${language}\n([^]*?)^\`\`\``, "gm"))].map((found) => found[1]);
}
