/** Compares the committed files of the client with its modules, and checks their import order. Needs no server. */
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { describe, test } from "node:test";

import { bundled, CARRIED, minified, MODULES, SHIPPED } from "../build-client.js";

const REMEDY = "run `cargo xtask client`, and commit what it wrote";

/** Returns the imports of each module from the others, types included. */
async function imports() {
  const names = await readdir(MODULES);
  const found = names.map(async (name) => {
    const code = await readFile(new URL(name, MODULES), "utf8");
    return [name, Array.from(code.matchAll(/ from "\.\/(.+?)"/g), ([, imported]) => imported)];
  });
  return new Map(await Promise.all(found));
}

describe("the client", { timeout: 60_000 }, () => {
  test("is shipped as its modules say", async () => {
    assert.ok((await readFile(SHIPPED, "utf8")) === (await bundled()), REMEDY);
  });

  test("is carried by servers minified, and otherwise as shipped", async () => {
    const shipped = await readFile(SHIPPED, "utf8");
    assert.ok((await readFile(CARRIED, "utf8")) === (await minified(shipped)), REMEDY);
  });

  test("has modules that import one way, types included", async () => {
    const left = await imports();
    assert.ok(left.size > 1);
    for (let before = -1; left.size !== before;) {
      before = left.size;
      for (const [name, imported] of left) {
        if (!imported.some((other) => left.has(other))) left.delete(name);
      }
    }
    assert.deepEqual([...left.keys()], [], "among these is a cycle");
  });
});
