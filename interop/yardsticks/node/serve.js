// Shared by these servers: how they start, and that they end.

import { parseArgs } from "node:util";

const LIFETIME_MS = 100 * 60 * 1000;

/**
 * Listens at the address of `--addr`, prints it on standard output, and ends after its lifetime.
 *
 * @param {import("node:http").Server} server
 */
export function serve(server) {
  const { values } = parseArgs({ options: { addr: { type: "string", default: "127.0.0.1:9301" } } });
  const [host, port] = values.addr.split(":");
  // The default is 511. A crowd that connects at once waits in the listener's queue.
  server.listen({ host, port: Number(port), backlog: 4096 }, () => {
    const { address, port: given } = server.address();
    console.log(`listening on ${address}:${given}`);
  });
  setTimeout(() => process.exit(3), LIFETIME_MS).unref();
}
