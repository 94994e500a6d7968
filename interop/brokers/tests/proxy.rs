//! The proxy does exactly what a test sets, so that each test of a fault tests the fault that it names.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

use std::sync::Arc;
use std::time::Duration;

use brokers::{Flow, Proxy, Toward};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout};

/// A server that sends back what it receives, and reports the number of bytes of each connection when it ends.
struct Echo {
    proxy: Proxy,
    ended: mpsc::Receiver<usize>,
    /// The number of bytes that it received over all connections.
    got: watch::Receiver<usize>,
}

impl Echo {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Proxy::to(listener.local_addr().unwrap().port()).await;
        let (tell, ended) = mpsc::channel(16);
        let (count, got) = watch::channel(0);
        let count = Arc::new(count);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(send_back(stream, count.clone(), tell.clone()));
            }
        });
        Self { proxy, ended, got }
    }

    async fn connect(&self) -> TcpStream {
        let mut stream = TcpStream::connect(("127.0.0.1", self.proxy.port())).await.unwrap();
        assert_eq!(exchange(&mut stream, b"hello").await, b"hello");
        stream
    }
}

async fn send_back(mut stream: TcpStream, got: Arc<watch::Sender<usize>>, tell: mpsc::Sender<usize>) {
    let (mut buffer, mut all) = ([0; 1024], 0);
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        all += count;
        got.send_modify(|all| *all += count);
        // The sender may have closed the connection.
        stream.write_all(&buffer[..count]).await.ok();
    }
    // The test may have ended.
    tell.send(all).await.ok();
}

async fn exchange(stream: &mut TcpStream, bytes: &[u8]) -> Vec<u8> {
    stream.write_all(bytes).await.unwrap();
    let mut answer = vec![0; bytes.len()];
    within(stream.read_exact(&mut answer)).await.unwrap();
    answer
}

async fn within<T>(wait: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(10), wait).await.expect("it took too long")
}

/// Whether nothing arrives while this task and the proxy's tasks run for a while.
async fn silence(stream: &mut TcpStream) -> bool {
    timeout(Duration::from_millis(50), stream.read_u8()).await.is_err()
}

#[tokio::test]
async fn a_cut_resets_all_connections_and_the_proxy_accepts_new_ones() {
    let echo = Echo::start().await;
    let (mut one, mut other) = (echo.connect().await, echo.connect().await);
    echo.proxy.cut();
    for stream in [&mut one, &mut other] {
        assert!(within(stream.read_u8()).await.is_err());
    }
    echo.connect().await;
}

#[tokio::test]
async fn connections_that_are_closed_end_without_a_reset() {
    let mut echo = Echo::start().await;
    let mut stream = echo.connect().await;
    echo.proxy.close();
    assert_eq!(within(stream.read(&mut [0; 8])).await.unwrap(), 0);
    assert_eq!(within(echo.ended.recv()).await, Some(b"hello".len()));
    echo.connect().await;
}

#[tokio::test]
async fn a_stall_in_one_direction_does_not_affect_the_other() {
    let mut echo = Echo::start().await;
    let mut stream = echo.connect().await;
    echo.proxy.flow_toward(Toward::Client, Flow::Stall);
    stream.write_all(b"there").await.unwrap();
    within(echo.got.wait_for(|got| *got == b"hellothere".len())).await.unwrap();
    assert!(silence(&mut stream).await);
    echo.proxy.flow_toward(Toward::Client, Flow::Pass);
    within(stream.read_exact(&mut [0; 5])).await.unwrap();
}

#[tokio::test]
async fn delayed_bytes_arrive_no_earlier_and_in_order() {
    let echo = Echo::start().await;
    let mut stream = echo.connect().await;
    let pause = Duration::from_millis(60);
    echo.proxy.flow_toward(Toward::Broker, Flow::Delay(pause));
    let sent = Instant::now();
    for bytes in [b"one ", b"two "] {
        stream.write_all(bytes).await.unwrap();
    }
    let mut answer = [0; 8];
    within(stream.read_exact(&mut answer)).await.unwrap();
    assert_eq!(&answer, b"one two ");
    assert!(sent.elapsed() >= pause, "{:?}", sent.elapsed());
}

#[tokio::test]
async fn stalled_bytes_arrive_later_and_complete() {
    let echo = Echo::start().await;
    let mut stream = echo.connect().await;
    echo.proxy.flow(Flow::Stall);
    stream.write_all(b"later").await.unwrap();
    assert!(silence(&mut stream).await);
    echo.proxy.flow(Flow::Pass);
    let mut answer = [0; 5];
    within(stream.read_exact(&mut answer)).await.unwrap();
    assert_eq!(&answer, b"later");
}

#[tokio::test]
async fn swallowed_bytes_never_arrive() {
    let echo = Echo::start().await;
    let mut stream = echo.connect().await;
    echo.proxy.flow(Flow::Swallow);
    stream.write_all(b"never").await.unwrap();
    assert!(silence(&mut stream).await);
    echo.proxy.flow(Flow::Pass);
    echo.connect().await;
}

#[tokio::test]
async fn half_open_connections_stay_dead_while_new_ones_work() {
    let echo = Echo::start().await;
    let mut dead = echo.connect().await;
    echo.proxy.half_open();
    dead.write_all(b"anybody?").await.unwrap();
    echo.connect().await;
    assert!(silence(&mut dead).await);
}

#[tokio::test]
async fn a_cut_after_some_bytes_happens_in_the_middle_of_a_message() {
    let mut echo = Echo::start().await;
    let mut stream = echo.connect().await;
    echo.proxy.cut_after(Toward::Broker, 3);
    stream.write_all(b"message").await.unwrap();
    assert_eq!(within(echo.ended.recv()).await, Some(b"hello".len() + 3));
    let mut stream = echo.connect().await;
    echo.proxy.cut_after(Toward::Client, 3);
    stream.write_all(b"message").await.unwrap();
    assert!(within(stream.read_exact(&mut [0; 7])).await.is_err());
    echo.connect().await;
}

#[tokio::test]
async fn trickling_bytes_arrive_slowly_and_complete() {
    let echo = Echo::start().await;
    let mut stream = echo.connect().await;
    echo.proxy.flow(Flow::Trickle(2, Duration::from_millis(1)));
    assert_eq!(exchange(&mut stream, b"bit by bit").await, b"bit by bit");
}

#[tokio::test]
async fn a_proxy_that_refused_connections_accepts_them_again() {
    let echo = Echo::start().await;
    let mut stream = echo.connect().await;
    echo.proxy.refuse();
    assert!(within(stream.read_u8()).await.is_err());
    within(async { while TcpStream::connect(("127.0.0.1", echo.proxy.port())).await.is_ok() {} }).await;
    // No other program gets its port meanwhile.
    assert!(TcpListener::bind(("127.0.0.1", echo.proxy.port())).await.is_err());
    echo.proxy.accept().await;
    echo.connect().await;
}
