//! What these servers have in common: how they begin, and that they end.

use std::error::Error;
use std::future::Future;
use std::io::Write;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::time::timeout;

/// Whatever ends a server.
pub type Ended = Result<(), Box<dyn Error>>;

/// Listens where `--addr` says, says so on standard output, and serves until it has lived for too long.
///
/// # Errors
/// When the address is missing or cannot be listened on, or when serving fails.
pub async fn run<F: Future<Output = Ended>>(serve: impl FnOnce(TcpListener) -> F) -> Ended {
    let mut words = std::env::args().skip(1);
    let (Some("--addr"), Some(address)) = (words.next().as_deref(), words.next()) else {
        return Err("please say --addr HOST:PORT".into());
    };
    let listener = TcpListener::bind(address).await?;
    let mut stdout = std::io::stdout();
    writeln!(stdout, "listening on {}", listener.local_addr()?)?;
    stdout.flush()?;
    // Nobody remembers after this long that it runs.
    timeout(LIFETIME, serve(listener)).await.unwrap_or(Ok(()))
}

const LIFETIME: Duration = Duration::from_secs(100 * 60);
