/**
 * Builds the client for browsers and Node. The modules become one file, which is published. This file becomes a
 * minified one, which servers include. `cargo xtask client` runs this, and `test/build.test.js` compares the results.
 */
import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";
import { format } from "prettier";
import { rollup } from "rollup";

/** The folder of the modules. */
export const MODULES = new URL("../../clients/js/src/", import.meta.url);
const STYLE = path(".prettierrc.json");
/** The published file of the package `@neffos/client`. */
export const SHIPPED = path("../../clients/js/neffos.js");
/** The minified file that the library includes. */
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

/** Bundles the modules, with their comments. Every warning of Rollup is an error, such as an import cycle. */
export async function bundled() {
  const bundle = await rollup({ input: fileURLToPath(new URL("main.js", MODULES)), treeshake: false, onLog: fail });
  const { output } = await bundle.generate({ format: "es", banner: BANNER });
  await bundle.close();
  // Type imports between the modules mean nothing in one file.
  const code = output[0].code.replace(/^\/\*\* @import .*\*\/\n/gm, "");
  return format(code, { ...JSON.parse(await readFile(STYLE, "utf8")), parser: "babel" });
}

/** Returns the bundled client with as few bytes as possible. */
export async function minified(client) {
  // esbuild inlines constants only if it bundles.
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
