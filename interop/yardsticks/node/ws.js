// The library ws alone: a loop over its set of clients.

import { createServer } from "node:http";
import { WebSocket, WebSocketServer } from "ws";
import { serve } from "./serve.js";

const server = createServer();
const sockets = new WebSocketServer({ server });

sockets.on("connection", (socket, request) => {
  const echoes = request.url.endsWith("/echo");
  // An error of one connection does not affect others.
  socket.on("error", () => socket.terminate());
  socket.on("message", (data, isBinary) => {
    if (echoes) return socket.send(data, { binary: isBinary });
    for (const other of sockets.clients) {
      if (other !== socket && other.readyState === WebSocket.OPEN) other.send(data, { binary: isBinary });
    }
  });
});

serve(server);
