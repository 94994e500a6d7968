//! Opens a socket to a host that may have several addresses.

use std::future::{Future, pending};
use std::io;
use std::net::SocketAddr;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, sleep_until};

use super::race::{Race, RaceStep};

/// Opens a TCP connection to `host`, a name or an address (IPv6 without brackets), with `TCP_NODELAY` set.
///
/// The addresses of a name are tried in the resolver's order, IPv6 and IPv4 alternately, as in RFC 8305. If an address
/// does not answer within 250 ms, the next one is tried as well. The first that answers is taken. The caller sets the
/// deadline.
///
/// # Errors
///
/// When the name is not found, or no address can be reached. The text states the reason.
///
/// # Cancel safety
///
/// Dropping the future closes every socket that it has opened.
///
/// # Examples
///
/// ```no_run
/// # async fn run() -> std::io::Result<()> {
/// use std::time::Duration;
///
/// let dialling = neffos::net::connect("broker.example", 4222);
/// let stream = tokio::time::timeout(Duration::from_secs(4), dialling).await??;
/// # Ok(())
/// # }
/// ```
pub async fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    let addresses = lookup_host((host, port)).await?;
    let stream = first_of(addresses, TcpStream::connect).await?;
    // If this fails, small messages are only slower.
    stream.set_nodelay(true).ok();
    Ok(stream)
}

/// Returns the result of the first attempt that succeeds, and drops the others.
async fn first_of<T, F>(
    addresses: impl IntoIterator<Item = SocketAddr>,
    dial: impl Fn(SocketAddr) -> F,
) -> io::Result<T>
where
    F: Future<Output = io::Result<T>>,
{
    let mut race = Race::new(addresses, Instant::now());
    let mut attempts = FuturesUnordered::new();
    loop {
        let until = match race.step(Instant::now()) {
            RaceStep::Try(address) => {
                let attempt = dial(address);
                attempts.push(async move { (address, attempt.await) });
                continue;
            }
            RaceStep::Wait(until) => until,
            RaceStep::Lost => return Err(race.into_error()),
        };
        tokio::select! {
            Some((address, outcome)) = attempts.next() => match outcome {
                Ok(reached) => return Ok(reached),
                Err(err) => race.fail(address, err, Instant::now()),
            },
            () = passed(until) => {}
        }
    }
}

async fn passed(until: Option<Instant>) {
    match until {
        Some(until) => sleep_until(until).await,
        None => pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use tokio::net::TcpListener;
    use tokio::time::sleep;

    use super::*;

    const DEAD: &str = "[::1]:1";

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_dead_address_costs_a_quarter_of_a_second() {
        let start = Instant::now();
        let dial = async |address: SocketAddr| match address.is_ipv6() {
            true => pending().await,
            false => Ok(address),
        };
        let reached = first_of(addresses(&[DEAD, "127.0.0.1:1"]), dial).await.unwrap();
        assert_eq!((reached.to_string().as_str(), start.elapsed()), ("127.0.0.1:1", Duration::from_millis(250)));
    }

    async fn slow(address: SocketAddr) -> io::Result<SocketAddr> {
        let taken = if address.is_ipv6() { 400 } else { 300 };
        sleep(Duration::from_millis(taken)).await;
        Ok(address)
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_is_slow_may_still_win() {
        let start = Instant::now();
        assert!(first_of(addresses(&[DEAD, "127.0.0.1:1"]), slow).await.unwrap().is_ipv6());
        assert_eq!(start.elapsed(), Duration::from_millis(400));
    }

    /// An attempt that only port 9 answers. It holds `open` until it ends or is dropped.
    async fn attempt(address: SocketAddr, open: Arc<()>) -> io::Result<Arc<()>> {
        if address.port() == 9 { Ok(open) } else { pending().await }
    }

    #[tokio::test(start_paused = true)]
    async fn the_attempts_that_lose_are_dropped() {
        let open = Arc::new(());
        let many = (1..=9).map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let reached = first_of(many, |address| attempt(address, open.clone())).await.unwrap();
        assert_eq!(Arc::strong_count(&reached), 2);
    }

    #[tokio::test]
    async fn a_live_address_behind_one_that_refuses_is_reached() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let live = listener.local_addr().unwrap();
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let stream = first_of([free, live], TcpStream::connect).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), live);
        assert!(connect("127.0.0.1", live.port()).await.unwrap().nodelay().unwrap());
        assert!(connect("127.0.0.1", free.port()).await.is_err());
    }
}
