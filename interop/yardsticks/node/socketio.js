// Socket.IO for Node, over websocket only, with its default websocket library.

import { createServer } from "node:http";
import { Server } from "socket.io";
import { serve } from "./serve.js";

const server = createServer();
const io = new Server(server, { transports: ["websocket"], serveClient: false });

io.on("connection", (socket) => {
  socket.on("chat", (body) => socket.broadcast.emit("chat", body));
  socket.on("join", (room, joined) => {
    socket.join(room);
    joined();
  });
  socket.on("room", (room, body) => socket.to(room).emit("chat", body));
  socket.on("echo", (body, answer) => answer(body));
});

serve(server);
