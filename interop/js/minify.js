/** Writes the browser client as servers carry it: minified. `cargo xtask client` runs this; a test compares. */
import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

import { transform } from "esbuild";

const SOURCE = fileURLToPath(new URL("../../clients/js/neffos.js", import.meta.url));
/** Where the library includes it from. */
export const CARRIED = fileURLToPath(new URL("../../crates/neffos/src/http/neffos.min.js", import.meta.url));

/** The client in as few bytes as possible. */
export async function minified() {
  const { code } = await transform(await readFile(SOURCE, "utf8"), { minify: true, format: "esm", target: "es2022" });
  return code;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await writeFile(CARRIED, await minified());
