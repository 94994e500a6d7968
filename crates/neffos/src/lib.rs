//! Websocket servers with namespaces, rooms, events, ask/reply and a broadcast that never blocks.

mod websocket;
