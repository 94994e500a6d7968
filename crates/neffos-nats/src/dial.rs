//! The start of a link: a socket, the server's greeting, TLS, and the login.

use std::io;

use bytes::BytesMut;
use neffos::LinkError;
use neffos::net::connect;
use neffos_tls::{ClientTls, explain};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_rustls::rustls::pki_types::ServerName;

use crate::address::{Address, Safety};
use crate::hello::{Connect, Info, Proof};
use crate::login::Login;
use crate::tls::{Order, Tls};
use crate::wire::{self, Said};

/// A connection to a server that has accepted the login.
pub(crate) struct Dialled {
    pub(crate) stream: Box<dyn Stream>,
    /// Bytes that arrived and are not read yet.
    pub(crate) arrived: BytesMut,
    pub(crate) info: Info,
}

pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// The settings for every server.
#[derive(Debug, Clone)]
pub(crate) struct Introduction {
    /// The name in the server's monitoring.
    pub(crate) name: String,
    /// Used unless the URL has a login.
    pub(crate) login: Option<Login>,
    pub(crate) tls: Tls,
}

pub(crate) async fn dial(address: &Address, introduction: &Introduction) -> Result<Dialled, LinkError> {
    let stream = connect(&address.host, address.port).await?;
    let mut dialled = Dialled { stream: Box::new(stream), arrived: BytesMut::new(), info: Info::default() };
    let is_first = introduction.tls.order == Order::TlsFirst;
    if is_first {
        dialled = dialled.keep_secret(&address.host, &introduction.tls.client).await?;
    }
    match dialled.hear().await? {
        Said::Info(info) => dialled.info = *info,
        Said::Error(text) => return Err(refusal(&text)),
        _ => return Err("it does not greet as a server of NATS does".into()),
    }
    let is_secret = is_first || must_be_secret(address, introduction, &dialled.info)?;
    if is_secret && !is_first {
        dialled = dialled.keep_secret(&address.host, &introduction.tls.client).await?;
    }
    dialled.introduce(address, introduction, is_secret).await?;
    Ok(dialled)
}

fn must_be_secret(address: &Address, introduction: &Introduction, info: &Info) -> Result<bool, LinkError> {
    let is_wanted = address.safety == Safety::Tls || introduction.tls.is_wanted();
    if is_wanted && !info.tls_required && !info.tls_available {
        return Err("the server has no TLS, which was asked for".into());
    }
    Ok(is_wanted || info.tls_required)
}

impl Dialled {
    /// Reads the next message of the server.
    async fn hear(&mut self) -> Result<Said, LinkError> {
        loop {
            if let Some(said) = wire::read(&mut self.arrived).map_err(|broken| broken.to_string())? {
                return Ok(said);
            }
            if self.stream.read_buf(&mut self.arrived).await? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
        }
    }

    async fn keep_secret(self, host: &str, tls: &ClientTls) -> Result<Self, LinkError> {
        if !self.arrived.is_empty() {
            return Err("the server sent more before TLS: another host may have changed the connection".into());
        }
        let name = ServerName::try_from(host.to_owned())?;
        let connector = tls.connector().await?;
        let stream = connector.connect(name, self.stream).await.map_err(|err| format!("no TLS: {}", explain(&err)))?;
        Ok(Self { stream: Box::new(stream), ..self })
    }

    /// Sends the login, and waits until the server has accepted it.
    async fn introduce(&mut self, address: &Address, to: &Introduction, is_secret: bool) -> Result<(), LinkError> {
        let proof = match address.login.as_ref().or(to.login.as_ref()) {
            Some(login) => login.proof(&self.info.nonce).await?,
            None => Proof::default(),
        };
        let connect = Connect {
            verbose: false,
            pedantic: false,
            // A node receives its own probes. Only so can it know that its publications arrive.
            echo: true,
            headers: false,
            protocol: 1,
            tls_required: is_secret,
            name: &to.name,
            lang: "rust",
            version: env!("CARGO_PKG_VERSION"),
            proof: &proof,
        };
        let mut out = BytesMut::new();
        wire::write_connect(&connect, &mut out);
        out.extend_from_slice(wire::PING);
        self.stream.write_all(&out).await?;
        self.stream.flush().await?;
        loop {
            match self.hear().await? {
                Said::Pong => return Ok(()),
                Said::Error(text) => return Err(refusal(&text)),
                Said::Info(info) => self.info = *info,
                Said::Ok | Said::Ping => {}
                Said::Message { .. } => return Err("it sends messages without a subscription".into()),
            }
        }
    }
}

/// Returns the server's reason as an error.
pub(crate) fn refusal(text: &str) -> LinkError {
    format!("the server says: {text}").into()
}
