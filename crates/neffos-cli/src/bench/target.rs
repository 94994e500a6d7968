//! The target of a measurement: the URL, the source addresses, TLS, and the dialect.

use std::net::SocketAddr;
use std::sync::Arc;

use neffos::net::redact;
use neffos_tls::{ClientTls, Pem};
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::pki_types::ServerName;
use url::{Position, Url};

use super::options::{Common, Dialect, Mode};
use super::room::{Sources, make_room};
use super::stream::Tls;
use super::talk::{Centrifugo, Neffos, Plain, Pusher, Script, Socketio, Tongue};

/// The address to dial, the source addresses, and the protocol.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) address: SocketAddr,
    pub(super) sources: Sources,
    pub(super) tls: Option<Tls>,
    pub(super) script: Script,
}

/// Returns the target. Fails if the dialect does not support the mode, or this machine has too few addresses or
/// descriptors.
pub(super) fn target(mode: &Mode) -> Result<Target, String> {
    target_at(&mode.common().url, mode)
}

/// Returns the target of the sending connection, if it differs.
pub(super) fn senders_target(mode: &Mode) -> Result<Option<Target>, String> {
    match mode {
        Mode::Broadcast(args) => args.from.as_ref().map(|url| target_at(url, mode)).transpose(),
        Mode::Ask(_) | Mode::Connect(_) | Mode::Idle(_) => Ok(None),
    }
}

fn target_at(url: &str, mode: &Mode) -> Result<Target, String> {
    let common = mode.common();
    let fault = |text: &str| format!("{}: {text}", redact(url));
    let url = Url::parse(url).map_err(|err| fault(&err.to_string()))?;
    if !["ws", "wss"].contains(&url.scheme()) || !url.username().is_empty() || url.password().is_some() {
        return Err(fault("write it as ws://HOST:PORT/PATH or wss://HOST:PORT/PATH"));
    }
    let path = path(&url, common.dialect);
    let tongue = tongue(mode, &path)?;
    let addresses = url.socket_addrs(|| None).map_err(|err| fault(&err.to_string()))?;
    let address = addresses.into_iter().next().ok_or_else(|| fault("the host has no address"))?;
    make_room(mode.connections())?;
    let authority = url[Position::BeforeHost..Position::AfterPort].to_owned();
    let sources = Sources::new(address, mode.connections(), common.clients_per_address)?;
    let tls = (url.scheme() == "wss").then(|| tls(&url, common)).transpose()?;
    Ok(Target { address, sources, tls, script: Script { authority, path, tongue } })
}

fn tls(url: &Url, common: &Common) -> Result<Tls, String> {
    let trusted = common.cacert.iter().fold(ClientTls::default(), |tls, file| tls.trust(Pem::file("--cacert", file)));
    let mut config = trusted.config().map_err(|err| err.to_string())?;
    config.resumption = Resumption::disabled();
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let server = ServerName::try_from(host.to_owned()).map_err(|err| format!("{host}: {err}"))?;
    Ok(Tls { config: Arc::new(config), server })
}

/// Returns the path of the URL, or the usual path of the dialect if the URL has none.
fn path(url: &Url, dialect: Dialect) -> String {
    let usual = match dialect {
        Dialect::Neffos | Dialect::Plain => "/",
        Dialect::Socketio => "/socket.io/",
        Dialect::Centrifugo => "/connection/websocket",
        Dialect::Pusher => "/app/app-key",
    };
    let path = if url.path() == "/" { usual } else { url.path() };
    match (url.query(), dialect) {
        (Some(query), _) => format!("{path}?{query}"),
        (None, Dialect::Socketio) => format!("{path}?EIO=4&transport=websocket"),
        (None, Dialect::Pusher) => format!("{path}?protocol=7"),
        (None, _) => path.to_owned(),
    }
}

fn tongue(mode: &Mode, path: &str) -> Result<Arc<dyn Tongue>, String> {
    let dialect = mode.common().dialect;
    refuse(mode)?;
    Ok(match dialect {
        Dialect::Neffos => {
            let namespace = mode.common().namespace.as_deref().unwrap_or("default");
            Arc::new(Neffos::new(namespace, mode.room().unwrap_or_default(), mode.event()))
        }
        Dialect::Plain => match (path.ends_with("/echo"), mode) {
            (false, Mode::Ask(_)) => {
                return Err("--dialect plain: only a path that ends in /echo can be asked".to_owned());
            }
            (true, Mode::Broadcast(_)) => {
                return Err("--dialect plain: a path that ends in /echo broadcasts nothing".to_owned());
            }
            (true, _) => Arc::new(Plain::Echo),
            (false, _) => Arc::new(Plain::Relay),
        },
        Dialect::Socketio => Arc::new(Socketio { room: mode.room().map(str::to_owned) }),
        Dialect::Centrifugo => Arc::new(Centrifugo::new(mode.room())),
        Dialect::Pusher => Arc::new(Pusher::new(mode.room(), app_key(path)?, &mode.common().app_secret)),
    })
}

/// Returns the key of the application, which is part of the path in Pusher's protocol.
fn app_key(path: &str) -> Result<&str, String> {
    let path = path.split('?').next().unwrap_or_default();
    let key = path.split_once("/app/").map(|(_, key)| key).filter(|key| !key.is_empty() && !key.contains('/'));
    key.ok_or_else(|| "--dialect pusher: the path must end in /app/KEY".to_owned())
}

/// Refuses options that the dialect does not support.
fn refuse(mode: &Mode) -> Result<(), String> {
    let (dialect, common) = (mode.common().dialect, mode.common());
    let cannot = |what: &str| Err(format!("--dialect {}: it has no {what}", dialect.name()));
    match dialect {
        Dialect::Neffos => Ok(()),
        _ if common.namespace.is_some() => cannot("namespaces that --namespace could name"),
        _ if mode.names_event() => cannot("events that --event could name"),
        Dialect::Plain if mode.room().is_some() => cannot("rooms"),
        Dialect::Centrifugo | Dialect::Pusher if matches!(mode, Mode::Ask(_)) => cannot("asks"),
        _ if mode.churning() > 0 => cannot("way to join and leave for --churning"),
        Dialect::Centrifugo => Ok(()),
        _ if mode.has_api() => cannot("HTTP API that --api could use"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::options::BenchArgs;
    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        bench: BenchArgs,
    }

    fn mode_of(line: &str) -> Result<Mode, String> {
        let words = std::iter::once("bench").chain(line.split(' '));
        Ok(Line::try_parse_from(words).map_err(|err| err.to_string())?.bench.mode)
    }

    fn target_of(line: &str) -> Result<Target, String> {
        target(&mode_of(line)?)
    }

    fn path_of(line: &str) -> String {
        target_of(line).unwrap().script.path
    }

    #[test]
    fn a_url_without_a_path_gets_the_default_path_of_the_dialect() {
        assert_eq!(path_of("idle ws://127.0.0.1"), "/");
        assert_eq!(path_of("idle ws://127.0.0.1 --dialect socketio"), "/socket.io/?EIO=4&transport=websocket");
        assert_eq!(path_of("idle ws://127.0.0.1 --dialect centrifugo"), "/connection/websocket");
        assert_eq!(path_of("idle ws://127.0.0.1/a?b=c --dialect socketio"), "/a?b=c");
        assert_eq!(target_of("idle ws://127.0.0.1").unwrap().address.port(), 80);
    }

    #[test]
    fn an_option_that_a_dialect_does_not_support_is_refused() {
        let refused = |line: &str| target_of(line).unwrap_err();
        assert!(refused("ask ws://127.0.0.1 --dialect centrifugo").ends_with("it has no asks"));
        assert!(refused("ask ws://127.0.0.1/ws --dialect plain").contains("/echo"));
        assert!(refused("broadcast ws://127.0.0.1/echo --dialect plain").contains("/echo"));
        assert!(refused("broadcast ws://127.0.0.1 --dialect plain --room r").ends_with("it has no rooms"));
        assert!(refused("broadcast ws://127.0.0.1 --dialect socketio --event e").contains("--event"));
        assert!(refused("idle ws://127.0.0.1 --dialect socketio --namespace n").contains("--namespace"));
        assert!(refused("broadcast ws://127.0.0.1 --bystanders 3").contains("--room"));
    }

    #[test]
    fn the_sender_dials_the_receivers_server_unless_another_is_named() {
        let port = |line: &str| senders_target(&mode_of(line).unwrap()).unwrap().map(|target| target.address.port());
        assert_eq!(port("broadcast ws://127.0.0.1:1 --from ws://127.0.0.1:2"), Some(2));
        assert_eq!(port("broadcast ws://127.0.0.1:1"), None);
        assert!(senders_target(&mode_of("broadcast ws://127.0.0.1:1 --from http://x").unwrap()).is_err());
    }

    #[test]
    fn an_option_that_a_dialect_supports_is_accepted() {
        for line in [
            "ask ws://127.0.0.1/echo --dialect plain",
            "ask ws://127.0.0.1 --dialect socketio",
            "broadcast ws://127.0.0.1 --dialect centrifugo --room r --bystanders 3",
            "broadcast ws://127.0.0.1 --dialect socketio --room r",
            "idle ws://127.0.0.1 --dialect plain",
            "connect ws://127.0.0.1 --dialect centrifugo",
        ] {
            assert!(target_of(line).is_ok(), "{line}");
        }
    }
}
