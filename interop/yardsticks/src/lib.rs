//! Shared by these servers: how they start, and that they end.

use std::error::Error;
use std::future::Future;
use std::io::Write;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::time::timeout;

/// The result of a server.
pub type Ended = Result<(), Box<dyn Error>>;

/// Listens at the address of `--addr`, prints it on standard output, and serves until its lifetime has passed.
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
    // A server that runs longer than this was forgotten.
    timeout(LIFETIME, serve(listener)).await.unwrap_or(Ok(()))
}

const LIFETIME: Duration = Duration::from_secs(100 * 60);
