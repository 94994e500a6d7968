//! The listeners of the program.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, lookup_host};

use crate::config::Settings;
use crate::failure::Failure;

/// Whether other processes may listen at the same address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sharing {
    Alone,
    Shared,
}

impl Sharing {
    pub(crate) fn of(settings: &Settings) -> Self {
        match settings.reuse_port {
            Some(true) => Self::Shared,
            _ => Self::Alone,
        }
    }
}

/// Listens at `address`, and returns the address with its port.
pub(crate) async fn bind(address: &str, sharing: Sharing) -> Result<(TcpListener, SocketAddr), Failure> {
    let cannot = |err: io::Error| Failure::run(format!("cannot listen on {address}: {err}"));
    let listener = match sharing {
        Sharing::Alone => TcpListener::bind(address).await,
        Sharing::Shared => bind_shared(address).await,
    };
    let listener = listener.map_err(cannot)?;
    let bound = listener.local_addr().map_err(cannot)?;
    Ok((listener, bound))
}

/// Like [`TcpListener::bind`], at an address that other processes may share.
async fn bind_shared(address: &str) -> io::Result<TcpListener> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in lookup_host(address).await? {
        match listen_shared(address) {
            Ok(listener) => return Ok(listener),
            Err(err) => last = err,
        }
    }
    Err(last)
}

#[cfg(target_os = "linux")]
fn listen_shared(address: SocketAddr) -> io::Result<TcpListener> {
    use tokio::net::TcpSocket;

    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

#[cfg(not(target_os = "linux"))]
fn listen_shared(_address: SocketAddr) -> io::Result<TcpListener> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "reuse_port: only Linux divides connections among processes"))
}

/// The length of the listener's queue. The system lowers it to its own limit.
#[cfg(target_os = "linux")]
const BACKLOG: u32 = 65_535;
