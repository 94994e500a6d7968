/**
 * Builds the client for browsers and Node: its modules into one file, which is published, and that file into a minified
 * one, which servers carry. `cargo xtask client` runs this; `test/build.test.js` compares.
 */
import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";
import { format } from "prettier";
import { rollup } from "rollup";

/** Where the modules are. */
export const MODULES = new URL("../../clients/js/src/", import.meta.url);
const STYLE = path(".prettierrc.json");
/** What the package `@neffos/client` ships. */
export const SHIPPED = path("../../clients/js/neffos.js");
/** Where the library includes the minified one from. */
export const CARRIED = path("../../crates/neffos/src/http/neffos.min.js");

const BANNER = `/**
 * A neffos client for browsers and Node: namespaces, rooms, events and asks over one websocket.
 *
 * \`cargo xtask client\` builds this file from the modules in \`clients/js/src\`: change those. It is one file, so that a
 * page can import it without a build step.
 *
 * @module
 */
`;

/** The modules as one, with their comments. Whatever Rollup warns of is an error, such as a cycle among them. */
export async function bundled() {
  const bundle = await rollup({ input: fileURLToPath(new URL("main.js", MODULES)), treeshake: false, onLog: fail });
  const { output } = await bundle.generate({ format: "es", banner: BANNER });
  await bundle.close();
  // What the modules import of each other's types means nothing in one file.
  const code = output[0].code.replace(/^\/\*\* @import .*\*\/\n/gm, "");
  return format(code, { ...JSON.parse(await readFile(STYLE, "utf8")), parser: "babel" });
}

/** The bundled client in as few bytes as possible. */
export async function minified(client) {
  // Constants are written out where they are used only if esbuild bundles.
  const options = { bundle: true, minify: true, format: "esm", target: "es2022", write: false };
  const { outputFiles } = await build({ ...options, stdin: { contents: client } });
  return outputFiles[0].text;
}

function fail(level, log) {
  throw new Error(`${level}: ${log.message}`);
}

function path(file) {
  return fileURLToPath(new URL(file, import.meta.url));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const client = await bundled();
  await writeFile(SHIPPED, client);
  await writeFile(CARRIED, await minified(client));
}
