//! The start of a connection: a socket, TLS, the login, and the state of the other side.

use std::time::Duration;

use neffos::LinkError;
use neffos::net::connect;
use neffos_tls::{ClientTls, explain};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, Pipeline, ProtocolVersion, RedisConnectionInfo, RedisError, Value};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_util::task::AbortOnDropHandle;

use crate::address::{Host, Login, Safety};
use crate::ears::Ears;
use crate::end::End;

/// The settings for connections to any Redis of an exchange.
#[derive(Debug, Clone)]
pub(crate) struct Dialler {
    pub(crate) safety: Safety,
    pub(crate) tls: ClientTls,
}

/// One connection, which is closed when this is dropped.
#[derive(Debug)]
pub(crate) struct Connection {
    redis: MultiplexedConnection,
    _driver: AbortOnDropHandle<()>,
}

/// The purpose of a connection, which is its name in `CLIENT LIST`.
#[derive(Debug, Clone)]
pub(crate) enum Purpose {
    Questions,
    Publishing,
    Subscriptions(Ears),
}

/// The mode and role of the other side.
#[derive(Debug)]
pub(crate) struct Greeting {
    pub(crate) mode: String,
    pub(crate) role: String,
}

impl Dialler {
    /// Opens a connection. `end` is notified when it is lost.
    pub(crate) async fn dial(
        &self,
        host: &Host,
        login: &Login,
        purpose: Purpose,
        end: &End,
    ) -> Result<Connection, LinkError> {
        let opened = timeout(PATIENCE, self.open(host, login, purpose, end)).await;
        match opened {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(fault)) => Err(format!("{host}: {fault}").into()),
            Err(_) => Err(format!("{host}: no answer").into()),
        }
    }

    async fn open(&self, host: &Host, login: &Login, purpose: Purpose, end: &End) -> Result<Connection, LinkError> {
        let stream = connect(&host.name, host.port).await?;
        match self.safety {
            Safety::Plain => Connection::over(stream, host, login, purpose, end).await,
            Safety::Tls => {
                let connector = self.tls.connector().await?;
                let name = ServerName::try_from(host.name.clone())?;
                let secret = timeout(TLS_PATIENCE, connector.connect(name, stream)).await;
                let stream = secret
                    .map_err(|_| "no TLS: no answer, as from a port that is not for TLS")?
                    .map_err(|err| format!("no TLS: {}", explain(&err)))?;
                Connection::over(stream, host, login, purpose, end).await
            }
        }
    }
}

impl Connection {
    async fn over<S>(stream: S, host: &Host, login: &Login, purpose: Purpose, end: &End) -> Result<Self, LinkError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let name = purpose.name();
        // The callers set the time limits.
        let mut config = AsyncConnectionConfig::new().set_response_timeout(None);
        if let Purpose::Subscriptions(ears) = purpose {
            config = config.set_push_sender(move |push| ears.hear(push));
        }
        let opened = MultiplexedConnection::new_with_config(&login.info(), stream, config).await;
        let (redis, driver) = opened.map_err(|err| readable(&err))?;
        let (told, lost) = (end.clone(), format!("{host}: Redis has closed the connection {name}"));
        let driver = tokio::spawn(async move {
            driver.await;
            told.because(lost);
        });
        let connection = Self { redis, _driver: AbortOnDropHandle::new(driver) };
        // If the user may not set a name, the connection has none.
        connection.ask(redis::cmd("CLIENT").arg("SETNAME").arg(name)).await.ok();
        Ok(connection)
    }

    /// Sends one command, and returns its reply.
    pub(crate) async fn ask(&self, command: &Cmd) -> Result<Value, LinkError> {
        let reply = self.redis.clone().send_packed_command(command).await;
        reply.and_then(Value::extract_error).map_err(|err| readable(&err).into())
    }

    /// Sends several commands together. Fails if one of them fails.
    pub(crate) async fn run(&self, commands: &Pipeline) -> Result<(), LinkError> {
        if commands.is_empty() {
            return Ok(());
        }
        let replies = self.redis.clone().send_packed_commands(commands, 0, commands.len()).await;
        let replies = replies.map_err(|err| readable(&err))?;
        replies.into_iter().try_for_each(|reply| reply.extract_error().map(drop)).map_err(|err| readable(&err).into())
    }

    /// Returns the current mode and role of the other side.
    pub(crate) async fn greeting(&self) -> Result<Greeting, LinkError> {
        let reply = self.ask(&redis::cmd("HELLO")).await?;
        let Value::Map(fields) = reply else { return Err("it does not greet as Redis does".into()) };
        let text_of = |wanted: &[u8]| {
            let field = fields.iter().find(|(name, _)| bytes_of(name) == Some(wanted));
            field.and_then(|(_, value)| bytes_of(value)).map(|text| String::from_utf8_lossy(text).into_owned())
        };
        Ok(Greeting { mode: text_of(b"mode").unwrap_or_default(), role: text_of(b"role").unwrap_or_default() })
    }
}

impl Purpose {
    fn name(&self) -> &'static str {
        match self {
            Self::Questions => "neffos-questions",
            Self::Publishing => "neffos-publishing",
            Self::Subscriptions(_) => "neffos-subscriptions",
        }
    }
}

impl Login {
    fn info(&self) -> RedisConnectionInfo {
        let mut info = RedisConnectionInfo::default().set_protocol(ProtocolVersion::RESP3).set_skip_set_lib_name();
        if let Some(user) = &self.user {
            info = info.set_username(user);
        }
        if let Some(password) = &self.password {
            info = info.set_password(password);
        }
        info
    }
}

fn bytes_of(value: &Value) -> Option<&[u8]> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        Value::SimpleString(text) => Some(text.as_bytes()),
        _ => None,
    }
}

/// Returns the error text of Redis, or else that of the client library.
fn readable(err: &RedisError) -> String {
    match (err.code(), err.detail()) {
        (Some(code), Some(detail)) => format!("Redis says: {code} {detail}"),
        (Some(code), None) => format!("Redis says: {code}"),
        (None, _) => err.to_string(),
    }
}

/// The time limit for opening a connection.
const PATIENCE: Duration = Duration::from_secs(4);
const TLS_PATIENCE: Duration = Duration::from_secs(2);
