//! Small servers of other protocols. Each relays messages of a connection to the others in the same room.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

/// The protocol of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stranger {
    Plain,
    Socketio,
    Centrifugo,
    Pusher,
}

/// Starts a server, and returns its URL without a path. It ends with the test.
pub(crate) async fn stranger(kind: Stranger) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let (posts, _) = broadcast::channel(1024);
    tokio::spawn(async move {
        for id in 0.. {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(serve(kind, id, stream, posts.clone()));
        }
    });
    url
}

/// A message of one connection, to all in a room.
#[derive(Debug, Clone)]
struct Post {
    from: u64,
    room: String,
    body: String,
}

async fn serve(kind: Stranger, id: u64, stream: TcpStream, posts: broadcast::Sender<Post>) {
    // Subscribes before the client is connected.
    let mut news = posts.subscribe();
    let mut path = String::new();
    #[expect(clippy::result_large_err, reason = "the library wants this signature")]
    let note = |request: &Request, response: Response| {
        path = request.uri().to_string();
        Ok(response)
    };
    let mut socket = accept_hdr_async(stream, note).await.unwrap();
    let mut member = Member { kind, id, path, rooms: Vec::new() };
    member.open(&mut socket).await;
    loop {
        tokio::select! {
            frame = socket.next() => {
                let Some(Ok(Message::Text(text))) = frame else { return };
                let (replies, post) = member.hear(&text);
                for reply in replies {
                    socket.send(Message::text(reply)).await.unwrap();
                }
                if let Some((room, body)) = post {
                    // There may be no receiver.
                    posts.send(Post { from: id, room, body }).ok();
                }
            }
            post = news.recv() => {
                if let Some(text) = member.told(&post.unwrap()) {
                    socket.send(Message::text(text)).await.unwrap();
                }
            }
        }
    }
}

struct Member {
    kind: Stranger,
    id: u64,
    path: String,
    rooms: Vec<String>,
}

impl Member {
    async fn open(&mut self, socket: &mut WebSocketStream<TcpStream>) {
        match self.kind {
            Stranger::Plain => self.rooms.push(String::new()),
            Stranger::Socketio => {
                assert_eq!(self.path, "/socket.io/?EIO=4&transport=websocket");
                socket.send(Message::text(r#"0{"sid":"a","upgrades":[],"pingInterval":25000}"#)).await.unwrap();
            }
            Stranger::Centrifugo => assert_eq!(self.path, "/connection/websocket"),
            Stranger::Pusher => {
                assert_eq!(self.path, "/app/app-key?protocol=7");
                let data = json!({ "socket_id": format!("{}.1", self.id), "activity_timeout": 120 }).to_string();
                let greeting = json!({ "event": "pusher:connection_established", "data": data });
                socket.send(Message::text(greeting.to_string())).await.unwrap();
            }
        }
    }

    /// Handles a message. Returns the replies, and a message to relay with its room.
    fn hear(&mut self, text: &str) -> (Vec<String>, Option<(String, String)>) {
        match self.kind {
            Stranger::Plain if self.path.ends_with("/echo") => (vec![text.to_owned()], None),
            Stranger::Plain => (vec![], Some((String::new(), text.to_owned()))),
            Stranger::Socketio => self.hear_socketio(text),
            Stranger::Centrifugo => self.hear_centrifugo(text),
            Stranger::Pusher => self.hear_pusher(text),
        }
    }

    /// Handles a message of Socket.IO. A heartbeat follows the connect.
    fn hear_socketio(&mut self, text: &str) -> (Vec<String>, Option<(String, String)>) {
        let (id, event) = match text {
            "3" => return (vec![], None),
            "40" => {
                self.rooms.push(String::new());
                return (vec![r#"40{"sid":"b"}"#.to_owned(), "2".to_owned()], None);
            }
            _ => text.strip_prefix("42").unwrap().split_once('[').unwrap(),
        };
        let event: Vec<String> = serde_json::from_str(&format!("[{event}")).unwrap();
        match &event.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["chat", body] => (vec![], Some((String::new(), (*body).to_owned()))),
            ["room", room, body] => (vec![], Some(((*room).to_owned(), (*body).to_owned()))),
            ["join", room] => {
                self.rooms.push((*room).to_owned());
                (vec![format!("43{id}[]")], None)
            }
            ["echo", body] => (vec![format!("43{id}{}", json!([body]))], None),
            other => panic!("{other:?}"),
        }
    }

    fn hear_centrifugo(&mut self, text: &str) -> (Vec<String>, Option<(String, String)>) {
        let command: Value = serde_json::from_str(text).unwrap();
        if command == json!({}) {
            return (vec![], None);
        }
        let reply = |name: &str| format!(r#"{{"id":{},"{name}":{{}}}}"#, command["id"]);
        let channel = |name: &str| command[name]["channel"].as_str().unwrap().to_owned();
        if command.get("connect").is_some() {
            return (vec![reply("connect") + "\n{}"], None);
        }
        if command.get("subscribe").is_some() {
            self.rooms.push(channel("subscribe"));
            return (vec![reply("subscribe")], None);
        }
        let body = command["publish"]["data"].as_str().unwrap().to_owned();
        (vec![reply("publish")], Some((channel("publish"), body)))
    }

    /// Handles a message of Pusher's protocol. A ping follows each subscription.
    fn hear_pusher(&mut self, text: &str) -> (Vec<String>, Option<(String, String)>) {
        let command: Value = serde_json::from_str(text).unwrap();
        let text_of = |value: &Value| value.as_str().unwrap().to_owned();
        match command["event"].as_str().unwrap() {
            "pusher:subscribe" => {
                assert!(text_of(&command["data"]["auth"]).starts_with("app-key:"));
                let channel = text_of(&command["data"]["channel"]);
                let done =
                    json!({ "event": "pusher_internal:subscription_succeeded", "channel": channel, "data": "{}" });
                self.rooms.push(channel);
                (vec![done.to_string(), r#"{"event":"pusher:ping","data":"{}"}"#.to_owned()], None)
            }
            "client-chat" => (vec![], Some((text_of(&command["channel"]), text_of(&command["data"])))),
            "pusher:pong" => (vec![], None),
            other => panic!("{other}"),
        }
    }

    /// Returns the frame for a relayed message, if this connection is a receiver.
    fn told(&self, post: &Post) -> Option<String> {
        // Centrifugo also sends it back to the sender.
        let is_own = post.from == self.id && self.kind != Stranger::Centrifugo;
        if is_own || !self.rooms.contains(&post.room) {
            return None;
        }
        let Post { room, body, .. } = post;
        Some(match self.kind {
            Stranger::Plain => body.clone(),
            Stranger::Socketio => format!(r#"42["chat","{body}"]"#),
            Stranger::Centrifugo => format!(r#"{{"push":{{"channel":"{room}","pub":{{"data":"{body}"}}}}}}"#),
            Stranger::Pusher => format!(r#"{{"channel":"{room}","data":"{body}","event":"client-chat"}}"#),
        })
    }
}
