/** Follows the first example of README.md to the letter, beside a clone of the repository. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { launchChromium } from "../chromium.js";
import { startServer } from "../servers.js";

const CLONE = fileURLToPath(new URL("../../..", import.meta.url));
const BUILD_DEADLINE = 900_000;

const run = promisify(execFile);

describe("the first example of the README", { timeout: BUILD_DEADLINE }, () => {
  let home = "";
  /** @type {import("../servers.js").Running} */
  let server;
  /** @type {import("playwright-core").Browser} */
  let browser;

  before(async () => {
    home = await mkdtemp(join(tmpdir(), "neffos-readme-"));
    await symlink(CLONE, join(home, "neffos"));
    server = await startServer(await built(home), (address) => [address]);
    browser = await launchChromium();
  });
  after(async () => {
    await browser?.close();
    await server?.stop();
    await rm(home, { recursive: true, force: true });
  });

  test("two windows talk to its server, which tells them the time", async () => {
    const complaints = [];
    const windows = [];
    while (windows.length < 2) {
      const page = await browser.newPage();
      page.on("pageerror", (error) => complaints.push(String(error)));
      await page.goto(`http://${server.address}/`);
      await page.getByText("SystemTime").waitFor();
      windows.push(page);
    }
    await windows[0].getByText("hello from another window").waitFor();
    assert.deepEqual(complaints, []);
  });
});

/**
 * Builds the project as the README says. Only the address differs, because 8080 may be taken. It is printed once the
 * server listens.
 *
 * @param {string} home
 */
async function built(home) {
  const page = await readFile(join(CLONE, "README.md"), "utf8");
  const commands = block(page, "sh", "cargo new hello");
  const project = join(home, "hello");
  const env = { ...process.env, CARGO_TARGET_DIR: join(CLONE, "target/hello"), CARGO_NET_OFFLINE: "true" };
  const shell = (script, cwd) => run("bash", ["-ec", script], { cwd, env, timeout: BUILD_DEADLINE });
  const [adding, running] = [commands.replace(/^cargo run\n/m, ""), /^cargo run\n/m.exec(commands)];
  assert.ok(running, "the commands end with `cargo run`");
  await shell(adding, home);
  await writeFile(join(project, "src/main.rs"), served(block(page, "rs", "// src/main.rs")));
  await writeFile(join(project, "src/index.html"), block(page, "html", "<!-- src/index.html -->"));
  await shell("cargo build", project);
  return join(CLONE, "target/hello/debug/hello");
}

/** @param {string} source */
function served(source) {
  const bind = `TcpListener::bind("127.0.0.1:8080").await?;`;
  assert.ok(source.includes(bind));
  return source.replace(
    bind,
    `TcpListener::bind(std::env::args().nth(1).unwrap()).await?; println!("listening on {}", listener.local_addr()?);`,
  );
}

/**
 * @param {string} page
 * @param {string} language
 * @param {string} beginning of its first line
 */
function block(page, language, beginning) {
  const fence = `\n\`\`\`${language}\n`;
  const found = page.split(fence).find((rest) => rest.startsWith(beginning));
  assert.ok(found, `README.md has a block that begins with ${beginning}`);
  return found.slice(0, found.indexOf("```"));
}
