/** Runs proxies with the settings that docs/deploy.md shows, without TLS. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { environment, within } from "./servers.js";

const MANUAL = new URL("../../docs/deploy.md", import.meta.url);
const START_DEADLINE = 20_000;

/** @type {Record<string, { settings: (shown: string, port: number, folder: string) => string, args: (file: string) => string[] }>} */
const BRANDS = {
  nginx: {
    settings: (shown, port, folder) => {
      const server = shown
        .replace("listen 443 ssl", `listen 127.0.0.1:${port}`)
        .replace(/^ *ssl_certificate.*\n/gm, "");
      const main = `daemon off;\nmaster_process off;\npid ${folder}/pid;\nerror_log stderr;\n`;
      return `${main}events { worker_connections 4096; }\nhttp {\naccess_log off;\n${server}\n}\n`;
    },
    args: (file) => ["-e", "stderr", "-c", file],
  },
  haproxy: {
    settings: (shown, port) => shown.replace(/bind :443 .*/, `bind 127.0.0.1:${port}`),
    args: (file) => ["-db", "-f", file],
  },
  caddy: {
    settings: (shown, port) => {
      const site = shown.replace("app.example {", `http://127.0.0.1:${port} {\n    bind 127.0.0.1`);
      return `{\n    admin off\n    auto_https off\n}\n${site}`;
    },
    args: (file) => ["run", "--adapter", "caddyfile", "--config", file],
  },
};

export const brands = Object.keys(BRANDS);

/**
 * Starts a proxy in front of a server.
 *
 * @param {string} brand
 * @param {string} upstream host and port of the server
 */
export async function startProxy(brand, upstream) {
  const { settings, args } = BRANDS[brand];
  const [folder, port] = [await mkdtemp(join(tmpdir(), `neffos-${brand}-`)), await freePort()];
  const shown = block(await readFile(MANUAL, "utf8"), brand).replaceAll("127.0.0.1:8080", upstream);
  const file = join(folder, "settings");
  await writeFile(file, settings(shown, port, folder));
  const env = { ...environment(), HOME: folder };
  const child = spawn(brand, args(file), { env, stdio: ["ignore", "ignore", "pipe"] });
  const killIt = () => child.kill("SIGKILL");
  process.once("exit", killIt);
  let complaints = "";
  child.stderr.on("data", (chunk) => (complaints = (complaints + chunk).slice(-4000)));
  const failed = once(child, "exit").then(() => Promise.reject(new Error(`${brand} has ended: ${complaints}`)));
  await within(Promise.race([listens(port), failed]), START_DEADLINE, `${brand} does not listen`);
  const stop = async () => {
    failed.catch(() => {});
    process.off("exit", killIt);
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
    await rm(folder, { recursive: true, force: true });
  };
  return { address: `127.0.0.1:${port}`, stop };
}

/** Resolves once a program listens on the port. */
export async function listens(port) {
  for (;;) {
    const socket = connect(port, "127.0.0.1");
    const isOpen = await Promise.race([
      once(socket, "connect").then(
        () => true,
        () => false,
      ),
    ]);
    socket.destroy();
    if (isOpen) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Returns a port on which no program listens. */
export async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

/** Returns the block of a document that begins with this mark. */
function block(page, mark) {
  const [, rest] = page.split(`\`\`\`${mark}\n`);
  if (rest === undefined) throw new Error(`no block ${mark}`);
  return rest.split("```")[0];
}
