/** The package as published, used like any other package. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { constants, gzipSync } from "node:zlib";

import { build, transform } from "esbuild";

import { launchChromium, openPage } from "../chromium.js";
import { requiredPath, startServer } from "../servers.js";

const CLIENT = fileURLToPath(new URL("../../../clients/js", import.meta.url));
const MODULES = fileURLToPath(new URL("../node_modules", import.meta.url));
const MOST_BYTES = 7 * 1024;
const PATIENCE = 60_000;

const run = promisify(execFile);

const VISIT = `
  import { dial } from "@neffos/client";

  export async function visit(url, options) {
    const conn = await dial(url, { default: {} }, options);
    const ns = await conn.connect("default");
    const answer = await ns.ask("echo", "packed");
    await conn.close();
    return answer.text();
  }
`;

const TYPED = `
  import { dial, NeffosError, type Message } from "@neffos/client";

  interface Events { default: { sum: (numbers: number[]) => number } }
  const conn = await dial<Events>("/ws", { default: { sum: () => 0 } });
  const ns = await conn.connect("default");
  const answer: Message<number> = await ns.ask("sum", [1]);
  const sum: number = answer.json();
  // @ts-expect-error a request of another type
  await ns.ask("sum", "1").catch((error: NeffosError) => console.log(error.kind, sum));
`;

describe("the package", { timeout: 300_000 }, () => {
  /** The folder of a project that has installed the package. */
  let project = "";
  let packed = [];
  /** @type {import("../servers.js").Running} */
  let server;
  /** @type {import("playwright-core").Browser} */
  let browser;

  before(async () => {
    project = await mkdtemp(join(tmpdir(), "neffos-package-"));
    const { stdout } = await run("npm", ["pack", "--json", "--pack-destination", project], { cwd: CLIENT });
    const [{ filename, files }] = JSON.parse(stdout);
    packed = files.map(({ path }) => path).sort();
    await writeFile(join(project, "package.json"), JSON.stringify({ type: "module", private: true }));
    await run("npm", ["install", "--offline", "--no-audit", "--no-fund", join(project, filename)], { cwd: project });
    await mkdir(join(project, "src"));
    await symlink(join(MODULES, "ws"), join(project, "node_modules/ws"));
    await writeFile(join(project, "src/visit.js"), VISIT);
    server = await startServer(requiredPath("NEFFOS_SCENARIO"), (address) => ["--addr", address]);
    browser = await launchChromium();
  });
  after(async () => {
    await browser?.close();
    await server?.stop();
    await rm(project, { recursive: true, force: true });
  });

  const installed = (file) => join(project, "node_modules/@neffos/client", file);

  /** Returns the result of a page that runs the script. */
  async function resultInChromium(script, files) {
    const page = await openPage(browser, `http://${server.address}`, script, new Map(files));
    await page.waitForFunction(() => "result" in globalThis);
    return page.evaluate(() => globalThis.result);
  }

  test("it contains the client, its types and its documents only", () => {
    assert.deepEqual(packed, ["LICENSE", "README.md", "neffos.d.ts", "neffos.js", "package.json"]);
  });

  test("it weighs no more than 7 KB, minified and compressed", async (t) => {
    const source = await readFile(installed("neffos.js"), "utf8");
    const { code } = await transform(source, { minify: true, format: "esm" });
    const bytes = gzipSync(code, { level: constants.Z_BEST_COMPRESSION }).length;
    t.diagnostic(`neffos.js: ${code.length} bytes minified, ${bytes} of ${MOST_BYTES} compressed`);
    assert.ok(bytes <= MOST_BYTES, `${bytes} bytes are more than ${MOST_BYTES}`);
  });

  test("Node uses it with the constructor of ws", { timeout: PATIENCE }, async () => {
    const script = `
      import WebSocket from "ws";
      import { visit } from "./visit.js";
      console.log(await visit("ws://${server.address}/a", { WebSocket }));
    `;
    await writeFile(join(project, "src/node.js"), script);
    const { stdout } = await run(process.execPath, ["src/node.js"], { cwd: project, timeout: PATIENCE });
    assert.equal(stdout, "packed\n");
  });

  test("a bundler bundles it for a page", { timeout: PATIENCE }, async () => {
    const contents = `
      import { visit } from "./visit.js";
      globalThis.result = await visit("/a");
    `;
    const { outputFiles, warnings } = await build({
      stdin: { contents, resolveDir: join(project, "src") },
      absWorkingDir: project,
      bundle: true,
      minify: true,
      format: "esm",
      write: false,
    });
    assert.deepEqual(warnings, []);
    assert.equal(await resultInChromium(outputFiles[0].text, []), "packed");
  });

  test("a bundler leaves out an unused client", async () => {
    const contents = `import { dial } from "@neffos/client"; console.log("alone");`;
    const stdin = { contents, resolveDir: join(project, "src") };
    const { outputFiles } = await build({ stdin, bundle: true, minify: true, format: "esm", write: false });
    assert.equal(outputFiles[0].text, 'console.log("alone");\n');
  });

  test("a page imports it without a build step", { timeout: PATIENCE }, async () => {
    const script = `${VISIT.replace("@neffos/client", "./neffos.js")}; globalThis.result = await visit("/a");`;
    assert.equal(await resultInChromium(script, [["neffos.js", installed("neffos.js")]]), "packed");
  });

  for (const [module, moduleResolution] of [
    ["nodenext", "nodenext"],
    ["esnext", "bundler"],
  ]) {
    test(`its types are found, resolution ${moduleResolution}`, { timeout: PATIENCE }, async () => {
      await writeFile(join(project, "src/typed.ts"), TYPED);
      const compilerOptions = { strict: true, noEmit: true, target: "es2022", types: [], module, moduleResolution };
      const config = join(project, `tsconfig.${module}.json`);
      await writeFile(config, JSON.stringify({ compilerOptions, files: ["src/typed.ts"] }));
      await run(process.execPath, [join(MODULES, "typescript/bin/tsc"), "-p", config], { cwd: project }).catch(
        (error) => assert.fail(error.stdout),
      );
    });
  }
});
