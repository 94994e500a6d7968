//! A client that builds its frames itself: compressed ones, and ones that no valid client sends.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::net::SocketAddr;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::within;

pub(crate) struct RawClient {
    pub(crate) stream: TcpStream,
    /// The server's answer to the offers.
    pub(crate) agreed: Option<String>,
}

/// A frame as received: its first byte and its payload.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RawFrame {
    pub(crate) first: u8,
    pub(crate) payload: Vec<u8>,
}

impl RawClient {
    /// Opens a websocket with these `Sec-WebSocket-Extensions`.
    pub(crate) async fn upgrade(address: SocketAddr, offers: &[&str]) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let offers: String = offers.iter().map(|offer| format!("Sec-WebSocket-Extensions: {offer}\r\n")).collect();
        let request = format!(
            "GET / HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{offers}\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(within(stream.read_u8()).await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        let mut headers = head.lines().filter_map(|line| line.split_once(": "));
        let agreed = headers.find(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-extensions"));
        Self { stream, agreed: agreed.map(|(_, value)| value.to_owned()) }
    }

    /// Returns a client that is connected to the namespace `default`.
    pub(crate) async fn enter(address: SocketAddr, offers: &[&str]) -> Self {
        let mut client = Self::upgrade(address, offers).await;
        client.send(0x81, b"M").await;
        assert!(client.text().await.starts_with('A'));
        client.ask("_OnNamespaceConnect", "", "").await;
        client
    }

    pub(crate) async fn join(&mut self, room: &str) {
        self.ask("_OnRoomJoin", room, "").await;
    }

    /// Asks in the namespace `default`, in a plain frame. Returns the reply as received.
    pub(crate) async fn ask(&mut self, event: &str, room: &str, body: &str) -> RawFrame {
        self.send(0x81, format!("$1;default;{room};{event};0;0;{body}").as_bytes()).await;
        self.frame().await
    }

    /// Sends a frame with this first byte. The mask is zero.
    pub(crate) async fn send(&mut self, first: u8, payload: &[u8]) {
        let length = u16::try_from(payload.len()).unwrap();
        let mut bytes = vec![first];
        match length {
            ..126 => bytes.push(0x80 | u8::try_from(length).unwrap()),
            _ => bytes.extend([&[0x80 | 126][..], &length.to_be_bytes()].concat()),
        }
        bytes.extend([0; 4]);
        bytes.extend_from_slice(payload);
        within(self.stream.write_all(&bytes)).await.unwrap();
    }

    pub(crate) async fn frame(&mut self) -> RawFrame {
        let mut head = [0; 2];
        within(self.stream.read_exact(&mut head)).await.unwrap();
        let length = match head[1] {
            127 => usize::try_from(self.stream.read_u64().await.unwrap()).unwrap(),
            126 => self.stream.read_u16().await.unwrap().into(),
            length => length.into(),
        };
        let mut payload = vec![0; length];
        within(self.stream.read_exact(&mut payload)).await.unwrap();
        RawFrame { first: head[0], payload }
    }

    /// Returns the text of the next frame, compressed or not.
    pub(crate) async fn text(&mut self) -> String {
        self.frame().await.text()
    }

    /// Returns the code of the close frame, which must come next.
    pub(crate) async fn close_code(&mut self) -> u16 {
        let frame = self.frame().await;
        assert_eq!(frame.first, 0x88);
        u16::from_be_bytes([frame.payload[0], frame.payload[1]])
    }
}

impl RawFrame {
    pub(crate) fn is_compressed(&self) -> bool {
        self.first & 0x40 > 0
    }

    /// Returns the text of the frame, compressed or not.
    pub(crate) fn text(&self) -> String {
        assert_eq!(self.first & 0xBF, 0x81, "no text: {self:?}");
        let payload = if self.is_compressed() { inflated(&self.payload) } else { self.payload.clone() };
        String::from_utf8(payload).unwrap()
    }

    /// Returns the last of the seven fields.
    pub(crate) fn body(&self) -> String {
        self.text().splitn(7, ';').nth(6).unwrap().to_owned()
    }
}

/// Returns `data` as the payload of a compressed message.
pub(crate) fn deflated(data: &[u8]) -> Vec<u8> {
    let mut stream = Compress::new(Compression::best(), false);
    let mut payload = Vec::with_capacity(data.len() + 64);
    stream.compress_vec(data, &mut payload, FlushCompress::Sync).unwrap();
    payload.strip_suffix(&[0, 0, 0xFF, 0xFF]).unwrap().to_vec()
}

fn inflated(payload: &[u8]) -> Vec<u8> {
    let payload = [payload, &[0, 0, 0xFF, 0xFF]].concat();
    let mut data = Vec::with_capacity(1 << 20);
    Decompress::new(false).decompress_vec(&payload, &mut data, FlushDecompress::Sync).unwrap();
    data
}
