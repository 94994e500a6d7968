//! Complete servers of other projects: their configuration, and the wait until they listen.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use xtask::Result;

use super::contestants::{API_KEY, Foreign};

/// Writes the configuration into `folder` and adds it to the arguments of `program`. Returns the address at which it
/// will listen.
///
/// # Errors
/// If no port is free, or the file cannot be written.
pub(super) fn configure(kind: Foreign, program: &mut Command, folder: &Path) -> Result<String> {
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let (name, config) = match kind {
        Foreign::Centrifugo => ("centrifugo.json", centrifugo(address)),
        Foreign::Sockudo => ("sockudo.json", sockudo(address)),
    };
    let file = folder.join(name);
    fs::write(&file, format!("{config:#}\n"))?;
    program.arg("--config").arg(file);
    if kind == Foreign::Sockudo {
        program.env("RUST_LOG", "off");
    }
    Ok(address.to_string())
}

/// Waits until a server accepts connections at `address`.
///
/// # Errors
/// If none does in time.
pub(super) fn wait_for(address: &str, patience: Duration) -> Result {
    let (address, deadline) = (address.parse()?, Instant::now() + patience);
    while let Err(fault) = TcpStream::connect_timeout(&address, patience) {
        if Instant::now() > deadline {
            return Err(format!("nothing listens at {address}: {fault}").into());
        }
        thread::park_timeout(AGAIN);
    }
    Ok(())
}

/// Every client may connect and subscribe. No history is kept, and nothing is logged.
fn centrifugo(address: SocketAddr) -> Value {
    json!({
        "http_server": { "address": address.ip().to_string(), "port": address.port() },
        "http_api": { "key": API_KEY },
        "client": { "insecure": true, "connection_limit": 0 },
        "engine": { "type": "memory" },
        "log": { "level": "none" },
    })
}

/// Like its example for production, without a metrics page, and with one application whose clients may send without
/// limit.
fn sockudo(address: SocketAddr) -> Value {
    let policy = json!({
        "limits": { "max_connections": 100_000, "max_client_events_per_second": 0 },
        "features": { "enable_client_messages": true },
    });
    let app = json!({ "id": "app-id", "key": "app-key", "secret": "app-secret", "enabled": true, "policy": policy });
    json!({
        "debug": false,
        "host": address.ip().to_string(),
        "port": address.port(),
        "mode": "production",
        "adapter": { "driver": "local" },
        "app_manager": { "driver": "memory", "array": { "apps": [app] } },
        "cache": { "driver": "memory" },
        "queue": { "driver": "memory" },
        "rate_limiter": { "enabled": false },
        "metrics": { "enabled": false },
    })
}

/// The time between two attempts.
const AGAIN: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_gets_a_free_port_and_is_awaited() {
        let folder = std::env::temp_dir();
        for kind in [Foreign::Centrifugo, Foreign::Sockudo] {
            let mut program = Command::new("true");
            let address = configure(kind, &mut program, &folder).unwrap();
            let file = program.get_args().nth(1).unwrap();
            let config = fs::read_to_string(file).unwrap();
            assert!(config.contains(address.rsplit_once(':').unwrap().1), "{config}");
            assert!(wait_for(&address, Duration::ZERO.max(Duration::from_millis(1))).is_err());
            let listener = TcpListener::bind(&address).unwrap();
            assert!(wait_for(&address, Duration::from_secs(10)).is_ok());
            drop(listener);
        }
    }
}
