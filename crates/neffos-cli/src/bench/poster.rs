//! A sender that posts messages to the server's HTTP API instead of a websocket: one request after the other, over one
//! kept connection.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use neffos::net::redact;
use url::{Position, Url};

use super::options::BroadcastArgs;
use super::talk::Tongue;

pub(super) struct Poster {
    stream: TcpStream,
    /// The request up to the length of its body.
    head: String,
    tongue: Arc<dyn Tongue>,
    answer: Vec<u8>,
}

impl Poster {
    /// Connects to the API at the URL `api`.
    pub(super) fn open(
        api: &str,
        args: &BroadcastArgs,
        tongue: Arc<dyn Tongue>,
        patience: Duration,
    ) -> Result<Self, String> {
        let (address, mut head) = request(api)?;
        if let Some(key) = &args.api_key {
            head += &format!("{}\r\n", tongue.key_header(key));
        }
        let fault = |err: std::io::Error| format!("{address}: {err}");
        let stream = TcpStream::connect_timeout(&address, patience).map_err(fault)?;
        stream.set_nodelay(true).map_err(fault)?;
        stream.set_read_timeout(Some(patience)).map_err(fault)?;
        Ok(Self { stream, head, tongue, answer: Vec::new() })
    }

    /// Posts one message, and waits for the response.
    pub(super) fn post(&mut self, body: &str) -> Result<(), String> {
        let json = self.tongue.post(body).ok_or("--api: this dialect's HTTP API is not known")?;
        let request = format!("{}Content-Length: {}\r\n\r\n{json}", self.head, json.len());
        let fault = |err: std::io::Error| format!("the HTTP API: {err}");
        self.stream.write_all(request.as_bytes()).map_err(fault)?;
        self.answer.clear();
        loop {
            if let Some(answer) = Answer::read(&self.answer)? {
                return answer.check();
            }
            let mut buffer = [0; 4096];
            match self.stream.read(&mut buffer).map_err(fault)? {
                0 => return Err("the HTTP API hung up".to_owned()),
                count => self.answer.extend_from_slice(&buffer[..count]),
            }
        }
    }
}

/// Returns the address, and the head of each request.
fn request(api: &str) -> Result<(SocketAddr, String), String> {
    let fault = |text: &str| format!("--api {}: {text}", redact(api));
    let url = Url::parse(api).map_err(|err| fault(&err.to_string()))?;
    if url.scheme() != "http" || !url.username().is_empty() || url.password().is_some() {
        return Err(fault("write it as http://HOST:PORT/PATH"));
    }
    let addresses = url.socket_addrs(|| None).map_err(|err| fault(&err.to_string()))?;
    let address = addresses.into_iter().next().ok_or_else(|| fault("the host has no address"))?;
    let authority = &url[Position::BeforeHost..Position::AfterPort];
    let path = &url[Position::BeforePath..Position::AfterQuery];
    Ok((address, format!("POST {path} HTTP/1.1\r\nHost: {authority}\r\nContent-Type: application/json\r\n")))
}

/// A complete response.
#[derive(Debug, PartialEq, Eq)]
struct Answer<'a> {
    status: &'a str,
    body: &'a str,
}

impl<'a> Answer<'a> {
    /// Returns `None` if the response is not complete yet.
    fn read(bytes: &'a [u8]) -> Result<Option<Self>, String> {
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
        let text = |bytes| std::str::from_utf8(bytes).map_err(|_| "the HTTP API's answer is no text".to_owned());
        let mut lines = text(&bytes[..end])?.lines();
        let status = lines.next().and_then(|line| line.split_once(' ')).map_or("", |(_, status)| status);
        let fields = lines.filter_map(|line| line.split_once(':'));
        let mut length = fields.filter(|(name, _)| name.eq_ignore_ascii_case("content-length")).map(|(_, value)| value);
        let length = length.next_back().and_then(|length| length.trim().parse::<usize>().ok());
        let length = length.ok_or("the HTTP API's answer has no length")?;
        match bytes[end + 4..].get(..length) {
            None => Ok(None),
            Some(body) => Ok(Some(Self { status, body: text(body)? })),
        }
    }

    /// Fails if the message was refused. Centrifugo also answers 200 when it refuses a message.
    fn check(&self) -> Result<(), String> {
        match self.status.starts_with('2') && !self.body.contains(r#""error":"#) {
            true => Ok(()),
            false => Err(format!("the HTTP API answered {}: {}", self.status, self.body)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_is_read_when_it_is_complete() {
        let bytes = b"HTTP/1.1 202 Accepted\r\ncontent-length: 2\r\n\r\n{}";
        for end in 0..bytes.len() {
            assert_eq!(Answer::read(&bytes[..end]), Ok(None));
        }
        let answer = Answer::read(bytes).unwrap().unwrap();
        assert_eq!(answer, Answer { status: "202 Accepted", body: "{}" });
        assert_eq!(answer.check(), Ok(()));
        assert!(Answer::read(b"HTTP/1.1 200 OK\r\n\r\n").unwrap_err().contains("length"));
    }

    #[test]
    fn a_refusal_is_an_error_with_any_status() {
        let refused = |status, body| Answer { status, body }.check().unwrap_err();
        assert!(refused("401 Unauthorized", "no key").ends_with("401 Unauthorized: no key"));
        assert!(refused("200 OK", r#"{"error":{"code":102}}"#).contains("102"));
    }

    #[test]
    fn only_a_plain_address_can_be_posted_to() {
        let (address, head) = request("http://127.0.0.1:8000/api/publish").unwrap();
        assert_eq!(address.port(), 8000);
        assert!(head.starts_with("POST /api/publish HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n"), "{head}");
        assert!(request("https://127.0.0.1/").unwrap_err().contains("http://HOST:PORT/PATH"));
    }
}
