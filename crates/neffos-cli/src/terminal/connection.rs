//! Builds the client from the flags, and turns its errors into failures of the program.

use std::path::Path;

use http::HeaderName;
use neffos::{Client, ClientBuilder, ClientSide, CloseFrame, Conn, Limits, NsConn, Reconnect};

use super::args::{ConnectionArgs, StayArgs};
use super::escape::safe;
use super::happening::Fault;
use super::render::name;
use crate::failure::Failure;

impl ConnectionArgs {
    /// Returns the builder of the client, without namespaces.
    pub(super) fn builder(&self) -> Result<ClientBuilder, Failure> {
        let mut builder = Client::builder(&self.url).limits(
            Limits::default()
                .ask_timeout(self.ask_timeout.duration())
                .max_message(MAX_MESSAGE)
                .outbox(OUTBOX_MESSAGES, OUTBOX_BYTES),
        );
        for header in &self.header {
            // With a wrong form, the name may contain a secret, too.
            let parts = header.parts().filter(|(name, _)| name.parse::<HeaderName>().is_ok());
            let (name, value) = parts.ok_or_else(|| Failure::config("--header: write it as 'name: value'"))?;
            builder = builder.header(name, value);
        }
        if self.no_proxy {
            builder = builder.no_proxy();
        }
        if let Some(file) = &self.cacert {
            builder = builder.root_certificates(read("--cacert", file)?);
        }
        if let (Some(certificate), Some(key)) = (&self.cert, &self.key) {
            builder = builder.client_certificate(read("--cert", certificate)?, read("--key", key)?);
        }
        Ok(builder)
    }
}

impl StayArgs {
    pub(super) fn reconnect(&self) -> Reconnect {
        match self.no_reconnect {
            true => Reconnect::new().retry_if(|_| false),
            false => Reconnect::new(),
        }
    }

    /// Connects the namespaces, and joins the rooms of the first.
    pub(super) async fn enter(&self, conn: &Conn<ClientSide>) -> Result<(), Failure> {
        let mut first = None;
        for namespace in &self.namespace {
            let connected = connect(conn, namespace).await?;
            first.get_or_insert(connected);
        }
        for room in &self.room {
            if let Some(namespace) = &first {
                join(namespace, &room.0).await?;
            }
        }
        Ok(())
    }
}

pub(super) async fn connect(conn: &Conn<ClientSide>, namespace: &str) -> Result<NsConn<ClientSide>, Failure> {
    let connected = conn.connect(namespace).await;
    connected.map_err(|err| failed(&Fault::of(&err), &format!("namespace {}: ", name(namespace))))
}

pub(super) async fn join(namespace: &NsConn<ClientSide>, room: &str) -> Result<(), Failure> {
    let joined = namespace.join(room).await;
    joined.map(drop).map_err(|err| failed(&Fault::of(&err), &format!("room {}: ", name(room))))
}

/// Returns the failure for a fault. The server's text is escaped.
pub(super) fn failed(fault: &Fault, about: &str) -> Failure {
    let text = format!("{about}{}", safe(&fault.text));
    match fault.code {
        "usage" => Failure::Config(text),
        "unreachable" | "timeout" | "lost" | "closed" | "full" => Failure::Unreachable(text),
        _ => Failure::Refused(text),
    }
}

/// Returns the outcome when the server ended the connection. A normal close is not a failure.
pub(super) fn ended(close: Option<&CloseFrame>, fault: Option<&Fault>) -> Result<(), Failure> {
    if let Some(fault) = fault {
        return Err(failed(fault, ""));
    }
    let Some(close) = close else { return Err(Failure::Unreachable("the connection was lost".to_owned())) };
    let text = format!("the server closed the connection: [{}] {}", close.code().as_u16(), safe(close.reason()));
    let text = text.trim_end().to_owned();
    match close.code().as_u16() {
        1000 => Ok(()),
        // A new connection would end in the same way.
        1002 | 1003 | 1007..=1010 => Err(Failure::Refused(text)),
        _ => Err(Failure::Unreachable(text)),
    }
}

fn read(flag: &str, file: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(file).map_err(|err| Failure::config(format!("{flag} {}: {err}", file.display())))
}

/// The largest message that is received. It is large, because the user wants to see what the server sends.
const MAX_MESSAGE: usize = 64 * 1024 * 1024;
const OUTBOX_MESSAGES: usize = 16 * 1024;
const OUTBOX_BYTES: usize = 64 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use neffos::CloseCode;

    use super::*;

    fn end(code: CloseCode) -> Result<(), Failure> {
        ended(Some(&CloseFrame::new(code, "so\x1b")), None)
    }

    #[test]
    fn an_end_is_a_refusal_unless_a_retry_could_succeed() {
        assert_eq!(end(CloseCode::NORMAL), Ok(()));
        let text = |code: u16| format!("the server closed the connection: [{code}] so\\x1b");
        assert_eq!(end(CloseCode::POLICY), Err(Failure::Refused(text(1008))));
        assert_eq!(end(CloseCode::TOO_BIG), Err(Failure::Refused(text(1009))));
        assert_eq!(end(CloseCode::SERVICE_RESTART), Err(Failure::Unreachable(text(1012))));
        assert_eq!(ended(None, None), Err(Failure::Unreachable("the connection was lost".to_owned())));
        let banned = Fault::new("banned", "refused");
        assert_eq!(ended(None, Some(&banned)), Err(Failure::Refused("banned".to_owned())));
    }
}
