//! A TCP proxy to a broker that passes, stalls, swallows, delays, trickles or cuts the data, also in the middle of a
//! message.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// What the proxy does with bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Flow {
    /// The bytes pass immediately.
    Pass,
    /// The bytes stay unread, so their sender eventually has to wait.
    Stall,
    /// The bytes are read and dropped, as with a peer that vanished.
    Swallow,
    /// The bytes pass after this delay, and later bytes after that.
    Delay(Duration),
    /// This many bytes pass, and then none for this long.
    Trickle(usize, Duration),
}

/// A direction through the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Toward {
    /// To the broker: publishing.
    Broker,
    /// From the broker: receiving.
    Client,
}

/// A TCP proxy on 127.0.0.1 in front of a broker. Dropping it ends its connections.
#[derive(Debug)]
pub struct Proxy {
    shared: Arc<Shared>,
    address: SocketAddr,
    /// A bound socket that never listens. It reserves the port while connections are refused.
    _place: TcpSocket,
    accepting: Mutex<Option<AbortOnDropHandle<()>>>,
}

#[derive(Debug)]
struct Shared {
    broker: SocketAddr,
    /// The flow of current and new connections: toward the broker, and toward its client.
    flows: [watch::Sender<Flow>; 2],
    /// Cancelled to reset all current connections.
    generation: Mutex<CancellationToken>,
    /// Cancelled to close all current connections.
    open: Mutex<CancellationToken>,
    /// The direction, and the number of bytes after which all connections are cut.
    fuse: Mutex<Option<(Toward, usize)>>,
    /// Cancelled to make all current connections dead, although they stay open.
    half_open: Mutex<CancellationToken>,
}

impl Proxy {
    /// Starts a proxy to the broker on `port` of 127.0.0.1.
    ///
    /// # Panics
    ///
    /// If no port is free.
    pub async fn to(port: u16) -> Self {
        let shared = Arc::new(Shared {
            broker: SocketAddr::from(([127, 0, 0, 1], port)),
            flows: [(); 2].map(|()| watch::Sender::new(Flow::Pass)),
            generation: Mutex::default(),
            open: Mutex::default(),
            fuse: Mutex::default(),
            half_open: Mutex::default(),
        });
        let place = shared_socket(SocketAddr::from(([127, 0, 0, 1], 0)));
        let address = place.local_addr().expect("a bound socket has an address");
        let accepting = Mutex::new(Some(shared.clone().accept(listen(address))));
        Self { shared, address, _place: place, accepting }
    }

    /// Returns the port of the proxy on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Sets the flow of all bytes from now on, in both directions.
    pub fn flow(&self, flow: Flow) {
        self.flow_toward(Toward::Broker, flow);
        self.flow_toward(Toward::Client, flow);
    }

    /// Sets the flow of bytes in one direction from now on.
    pub fn flow_toward(&self, toward: Toward, flow: Flow) {
        self.shared.flow(toward).send_replace(flow);
    }

    /// Resets all connections. The proxy accepts new ones. Bytes sent over the old ones from now on are lost.
    pub fn cut(&self) {
        self.shared.cut();
    }

    /// Closes all connections without a reset. The proxy accepts new ones.
    pub fn close(&self) {
        std::mem::take(&mut *lock(&self.shared.open)).cancel();
    }

    /// Resets all connections once `bytes` more bytes have passed in a direction, even in the middle of a message.
    pub fn cut_after(&self, toward: Toward, bytes: usize) {
        *lock(&self.shared.fuse) = Some((toward, bytes));
    }

    /// Makes current connections dead without closing them: bytes in both directions are lost. The proxy accepts new
    /// ones.
    pub fn half_open(&self) {
        std::mem::take(&mut *lock(&self.shared.half_open)).cancel();
    }

    /// Refuses new connections, and resets the current ones.
    pub fn refuse(&self) {
        lock(&self.accepting).take();
        self.cut();
    }

    /// Accepts connections again.
    ///
    /// # Panics
    ///
    /// If the system allows no more listeners.
    pub async fn accept(&self) {
        *lock(&self.accepting) = Some(self.shared.clone().accept(listen(self.address)));
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.cut();
    }
}

impl Shared {
    fn accept(self: Arc<Self>, listener: TcpListener) -> AbortOnDropHandle<()> {
        AbortOnDropHandle::new(tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let fate = Fate {
                    cut: lock(&self.generation).child_token(),
                    close: lock(&self.open).child_token(),
                    is_dead: lock(&self.half_open).child_token(),
                };
                tokio::spawn(self.clone().serve(client, fate));
            }
        }))
    }

    async fn serve(self: Arc<Self>, mut client: TcpStream, fate: Fate) {
        let Ok(mut broker) = TcpStream::connect(self.broker).await else { return end(&client, End::Reset) };
        for side in [&client, &broker] {
            end(side, End::Reset);
            // Small messages are sent immediately. A socket without this option still works.
            side.set_nodelay(true).ok();
        }
        let ((from_client, to_client), (from_broker, to_broker)) = (client.split(), broker.split());
        let up = Pump { shared: &self, toward: Toward::Broker, fate: &fate };
        let down = Pump { toward: Toward::Client, ..up };
        tokio::select! {
            () = fate.cut.cancelled() => return,
            () = fate.close.cancelled() => {}
            () = up.run(from_client, to_broker) => return,
            () = down.run(from_broker, to_client) => return,
        }
        end(&client, End::Close);
        end(&broker, End::Close);
    }

    fn flow(&self, toward: Toward) -> &watch::Sender<Flow> {
        &self.flows[toward as usize]
    }

    fn cut(&self) {
        std::mem::take(&mut *lock(&self.generation)).cancel();
    }

    /// Returns how many of `bytes` may pass, and removes the fuse once it has blown.
    fn allowed(&self, toward: Toward, bytes: usize) -> usize {
        let mut fuse = lock(&self.fuse);
        let Some((_, left)) = fuse.as_mut().filter(|(burning, _)| *burning == toward) else { return bytes };
        let allowed = bytes.min(*left);
        *left -= allowed;
        if allowed < bytes {
            *fuse = None;
        }
        allowed
    }
}

/// The events that end a connection or make it dead.
struct Fate {
    cut: CancellationToken,
    close: CancellationToken,
    is_dead: CancellationToken,
}

/// How a connection ends.
#[derive(Clone, Copy)]
enum End {
    Reset,
    Close,
}

/// One direction of one connection.
#[derive(Clone, Copy)]
struct Pump<'a> {
    shared: &'a Shared,
    toward: Toward,
    fate: &'a Fate,
}

impl Pump<'_> {
    /// Returns when the connection must end.
    async fn run(self, mut from: ReadHalf<'_>, mut to: WriteHalf<'_>) {
        let mut flow = self.shared.flow(self.toward).subscribe();
        let mut buffer = vec![0; 16 * 1024];
        loop {
            let now = *flow.borrow_and_update();
            if now == Flow::Stall && !self.fate.is_dead.is_cancelled() {
                tokio::select! {
                    changed = flow.changed() => if changed.is_err() { return },
                    () = self.fate.is_dead.cancelled() => {}
                }
                continue;
            }
            let most = if let Flow::Trickle(bytes, _) = now { bytes.min(buffer.len()) } else { buffer.len() };
            tokio::select! {
                read = from.read(&mut buffer[..most]) => match read {
                    Ok(count) if count > 0 => if !self.pass(&buffer[..count], now, &mut to).await { return },
                    _ => return,
                },
                _ = flow.changed() => {}
            }
        }
    }

    /// Returns false when the connection must end.
    async fn pass(self, bytes: &[u8], flow: Flow, to: &mut WriteHalf<'_>) -> bool {
        if self.fate.cut.is_cancelled() {
            return false;
        }
        if flow == Flow::Swallow || self.fate.is_dead.is_cancelled() {
            return true;
        }
        if let Flow::Delay(pause) = flow {
            sleep(pause).await;
        }
        let allowed = self.shared.allowed(self.toward, bytes.len());
        let is_written = to.write_all(&bytes[..allowed]).await.is_ok();
        if allowed < bytes.len() {
            self.shared.cut();
            return false;
        }
        if let Flow::Trickle(_, pause) = flow {
            sleep(pause).await;
        }
        is_written
    }
}

/// Returns a socket at an address that other sockets of this process may share.
fn shared_socket(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().expect("there are sockets");
    socket.set_reuseport(true).expect("a socket may share its port");
    socket.bind(address).expect("the port is ours, or any");
    socket
}

fn listen(address: SocketAddr) -> TcpListener {
    shared_socket(address).listen(64).expect("a bound socket listens")
}

/// Sets how a connection ends when it is dropped.
fn end(stream: &TcpStream, how: End) {
    // A connection that has ended already cannot be set.
    SockRef::from(stream).set_linger(matches!(how, End::Reset).then_some(Duration::ZERO)).ok();
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
