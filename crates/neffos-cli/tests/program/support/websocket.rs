//! A minimal websocket client: short messages, text or binary, masked with zeros.

use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::soon;

/// A client after its greeting.
pub(crate) struct Client {
    pub(crate) id: String,
    stream: BufReader<Box<dyn Duplex>>,
}

/// A stream in both directions.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

/// A frame of the server.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    Text(String),
    Binary(Vec<u8>),
    Close(u16),
}

impl Client {
    /// Connects and greets.
    pub(crate) async fn connect(address: SocketAddr, path: &str) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        Self::over(stream, path, &[("host", "test")]).await.expect("a websocket")
    }

    /// Connects with these headers, and greets. Returns the first line of the response if that fails.
    pub(crate) async fn try_connect(address: SocketAddr, headers: &[(&str, &str)]) -> Result<Self, String> {
        Self::over(TcpStream::connect(address).await.unwrap(), "/ws", headers).await
    }

    /// Connects over a given stream. Returns the first line of the response, or the close code, if that fails.
    pub(crate) async fn over(
        stream: impl Duplex + 'static,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<Self, String> {
        let mut client = Self::upgraded(stream, path, headers).await?;
        client.send("M").await;
        match client.frame().await {
            Frame::Text(ack) => ack.strip_prefix('A').expect("not let in").clone_into(&mut client.id),
            Frame::Binary(bytes) => panic!("not an ack: {bytes:?}"),
            Frame::Close(code) => return Err(format!("closed with {code}")),
        }
        Ok(client)
    }

    /// Connects, and does not greet.
    pub(crate) async fn raw(address: SocketAddr, path: &str) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        Self::upgraded(stream, path, &[("host", "test")]).await.expect("a websocket")
    }

    async fn upgraded(stream: impl Duplex + 'static, path: &str, headers: &[(&str, &str)]) -> Result<Self, String> {
        let mut client = Self { id: String::new(), stream: BufReader::new(Box::new(stream)) };
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let request = format!(
            "GET {path} HTTP/1.1\r\n{headers}upgrade: websocket\r\nconnection: upgrade\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        client.stream.write_all(request.as_bytes()).await.unwrap();
        let status = client.line().await;
        if !status.starts_with("HTTP/1.1 101") {
            return Err(status);
        }
        while !client.line().await.is_empty() {}
        Ok(client)
    }

    /// Returns the stream, for arbitrary bytes.
    pub(crate) fn into_stream(self) -> impl Duplex {
        self.stream.into_inner()
    }

    /// Connects to the namespace `default`.
    pub(crate) async fn join_namespace(mut self) -> Self {
        assert_eq!(self.ask("default;;_OnNamespaceConnect;0;0;").await, "$1;;;;;;");
        self
    }

    /// Joins a room of the namespace `default`.
    pub(crate) async fn join_room(mut self, room: &str) -> Self {
        assert_eq!(self.ask(&format!("default;{room};_OnRoomJoin;0;0;")).await, "$1;;;;;;");
        self
    }

    /// Sends an event to `default`.
    pub(crate) async fn emit(&mut self, event: &str, body: &str) {
        self.send(&format!(";default;;{event};0;0;{body}")).await;
    }

    /// Sends an ask with these fields after the token, and returns the next message.
    pub(crate) async fn ask(&mut self, fields: &str) -> String {
        self.send(&format!("$1;{fields}")).await;
        self.text().await
    }

    pub(crate) async fn send(&mut self, text: &str) {
        self.send_frame(0x81, text.as_bytes()).await;
    }

    pub(crate) async fn send_binary(&mut self, bytes: &[u8]) {
        self.send_frame(0x82, bytes).await;
    }

    /// Sends a close frame.
    pub(crate) async fn close(&mut self, code: u16, reason: &str) {
        self.send_frame(0x88, &[&code.to_be_bytes()[..], reason.as_bytes()].concat()).await;
    }

    /// Returns the next message, which must be text.
    pub(crate) async fn text(&mut self) -> String {
        match self.frame().await {
            Frame::Text(text) => text,
            other => panic!("not text: {other:?}"),
        }
    }

    /// Returns the next message, without the mark of its sender.
    pub(crate) async fn heard(&mut self) -> String {
        let text = self.text().await;
        let mut fields: Vec<_> = text.splitn(7, ';').collect();
        if let Some(mark) = fields.get_mut(5) {
            *mark = "0";
        }
        fields.join(";")
    }

    pub(crate) async fn frame(&mut self) -> Frame {
        soon(async {
            let (first, length) = (self.stream.read_u8().await.unwrap(), self.stream.read_u8().await.unwrap());
            let length = match length {
                126 => usize::from(self.stream.read_u16().await.unwrap()),
                short => usize::from(short),
            };
            let mut payload = vec![0; length];
            self.stream.read_exact(&mut payload).await.unwrap();
            match first {
                0x81 => Frame::Text(String::from_utf8(payload).unwrap()),
                0x82 => Frame::Binary(payload),
                0x88 => Frame::Close(u16::from_be_bytes([payload[0], payload[1]])),
                other => panic!("frame of kind {other:#x}"),
            }
        })
        .await
    }

    async fn send_frame(&mut self, first: u8, payload: &[u8]) {
        let length = match u8::try_from(payload.len()) {
            Ok(length) if length < 126 => vec![0x80 | length],
            _ => [&[0x80 | 126][..], &u16::try_from(payload.len()).expect("a short message").to_be_bytes()].concat(),
        };
        let frame = [&[first][..], &length, &[0; 4], payload].concat();
        self.stream.write_all(&frame).await.unwrap();
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        soon(self.stream.read_line(&mut line)).await.unwrap();
        line.trim_end().to_owned()
    }
}
