//! Tests every setting at zero, at the least value, at its default and at the largest. It does what its docs say, or it
//! fails at the start and the error names it. Zero and the largest value mean no limit.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use neffos::{
    Client, ClientBuilder, CloseCode, Error, Events, Limits, MemoryExchange, Message, NsConn, Rate, Reconnect, Reply,
    Server, ServerBuilder,
};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::time::timeout;

/// The value of a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Value {
    Zero,
    /// One nanosecond, or a count of one.
    Least,
    Default,
    Most,
}

impl Value {
    const ALL: [Self; 4] = [Self::Zero, Self::Least, Self::Default, Self::Most];

    fn time(self, default: Duration) -> Duration {
        match self {
            Self::Zero => Duration::ZERO,
            Self::Least => Duration::from_nanos(1),
            Self::Default => default,
            Self::Most => Duration::MAX,
        }
    }

    /// The burst is large enough for one run of [`live`].
    fn rate(self) -> Rate {
        let count = u32::try_from(self.count(200)).unwrap_or(u32::MAX);
        Rate::per_second(count).with_burst(count.max(1 << 20))
    }

    fn count(self, default: usize) -> usize {
        match self {
            Self::Zero => 0,
            Self::Least => 1,
            Self::Default => default,
            Self::Most => usize::MAX,
        }
    }
}

/// Values with which a setting fails at the start, as its docs say. With all other values the server must work, except
/// for the least: a limit of one nanosecond or of one message may keep clients out.
type Refused = &'static [Value];

struct Row<B> {
    setting: &'static str,
    refused: Refused,
    set: fn(B, Value) -> B,
}

/// Makes a row for a setting with one time, in milliseconds, or one count.
macro_rules! row {
    ($builder:ty, $setting:ident, time $default:expr, $refused:expr) => {
        Row::<$builder> {
            setting: stringify!($setting),
            refused: $refused,
            set: |builder, value| builder.$setting(value.time(Duration::from_millis($default))),
        }
    };
    ($builder:ty, $setting:ident, count $default:expr, $refused:expr) => {
        Row::<$builder> {
            setting: stringify!($setting),
            refused: $refused,
            set: |builder, value| builder.$setting(value.count($default)),
        }
    };
}

macro_rules! rows {
    ($builder:ty: $($setting:ident: $kind:ident $default:expr, $refused:expr;)*) => {
        vec![$(row!($builder, $setting, $kind $default, $refused)),*]
    };
}

const NONE: Refused = &[];
const ZERO: Refused = &[Value::Zero];

/// Rows of [`Limits`], which both sides have.
fn limit_rows() -> Vec<Row<Limits>> {
    let mut rows = rows! { Limits:
        max_message: count 65_536, NONE;
        max_fragments: count 1024, NONE;
        message_timeout: time 60_000, NONE;
        slow_consumer_timeout: time 10_000, NONE;
        ping_interval: time 25_000, NONE;
        pong_timeout: time 10_000, NONE;
        ask_timeout: time 10_000, NONE;
        max_asks: count 64, NONE;
        max_inbox_events: count 64, NONE;
        max_inbox_bytes: count 262_144, NONE;
        max_rooms: count 128, NONE;
        close_timeout: time 5000, NONE;
        handler_grace: time 10_000, NONE;
    };
    rows.extend([
        Row {
            setting: "outbox",
            refused: ZERO,
            set: |limits: Limits, value| limits.outbox(value.count(1024), 1 << 20),
        },
        Row {
            setting: "outbox",
            refused: ZERO,
            set: |limits: Limits, value| limits.outbox(1024, value.count(1 << 20)),
        },
    ]);
    rows
}

fn server_rows() -> Vec<Row<ServerBuilder>> {
    let mut rows = rows! { ServerBuilder:
        max_connections: count 100_000, NONE;
        max_connections_per_address: count 1000, NONE;
        trusted_hops: count 1, ZERO;
        handshake_timeout: time 10_000, NONE;
        response_timeout: time 120_000, NONE;
        keep_alive_timeout: time 75_000, NONE;
        ack_timeout: time 10_000, NONE;
        send_buffer_bytes: count 1 << 16, NONE;
        // With a budget of one byte, no client could connect.
        memory_budget: count 1 << 30, &[Value::Least];
        max_pending_pongs: count 16, NONE;
        max_namespaces: count 32, NONE;
        max_name_length: count 255, NONE;
        // Zero closes all connections at once.
        drain_window: time 2000, &[Value::Most];
        shutdown_timeout: time 15_000, &[Value::Least];
        shards: count 2, &[Value::Zero, Value::Most];
    };
    let named = |setting, set| Row { setting, refused: ZERO, set };
    rows.extend([
        named("exchange_queue", |builder: ServerBuilder, value| queue(builder, value.count(16_384), 1 << 24, 30)),
        named("exchange_queue", |builder, value| queue(builder, 16_384, value.count(1 << 24), 30)),
        named("exchange_queue", |builder, value| {
            let age = value.time(Duration::from_secs(30));
            builder.exchange(MemoryExchange::new()).exchange_queue(16_384, 1 << 24, age)
        }),
    ]);
    let rate = |setting, set| Row { setting, refused: NONE, set };
    rows.extend([
        rate("message_rate", |builder: ServerBuilder, value| builder.message_rate(value.rate())),
        rate("byte_rate", |builder, value| builder.byte_rate(value.rate())),
        rate("join_rate", |builder, value| builder.join_rate(value.rate())),
        rate("handshake_rate", |builder, value| builder.address_header("x-unset").handshake_rate(value.rate())),
        rate("failed_handshake_rate", |builder, value| {
            builder.address_header("x-unset").failed_handshake_rate(value.rate())
        }),
    ]);
    #[cfg(feature = "deflate")]
    rows.push(Row {
        setting: "threshold",
        refused: NONE,
        set: |builder, value| builder.compression(neffos::Compression::default().threshold(value.count(512))),
    });
    // This setting is valid only with an `address_header`.
    let hops = rows.iter_mut().find(|row| row.setting == "trusted_hops").unwrap();
    hops.set = |builder, value| builder.address_header("x-forwarded-for").trusted_hops(value.count(1));
    rows
}

fn queue(builder: ServerBuilder, messages: usize, bytes: usize, seconds: u64) -> ServerBuilder {
    builder.exchange(MemoryExchange::new()).exchange_queue(messages, bytes, Duration::from_secs(seconds))
}

fn client_rows() -> Vec<Row<ClientBuilder>> {
    let mut rows = rows! { ClientBuilder:
        dial_timeout: time 10_000, NONE;
    };
    let named = |setting, refused, set| Row { setting, refused, set };
    rows.extend([
        // A base delay longer than `max_delay` is refused.
        named("base_delay", &[Value::Zero, Value::Most], |builder: ClientBuilder, value| {
            builder.reconnect(Reconnect::new().base_delay(value.time(Duration::from_millis(500))))
        }),
        named("max_delay", &[Value::Zero, Value::Least], |builder, value| {
            builder.reconnect(soon().max_delay(value.time(Duration::from_secs(30))))
        }),
        named("restart_spread", NONE, |builder, value| {
            builder.reconnect(soon().restart_spread(value.time(Duration::from_secs(5))))
        }),
        named("max_tries", ZERO, |builder, value| {
            builder.reconnect(soon().max_tries(u32::try_from(value.count(10)).unwrap_or(u32::MAX)))
        }),
        named("keep_messages", NONE, |builder, value| builder.reconnect(soon().keep_messages(value.count(100)))),
    ]);
    rows
}

fn soon() -> Reconnect {
    Reconnect::new().base_delay(Duration::from_millis(1))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_setting_of_a_server_does_what_its_docs_say_or_fails_at_the_start_and_is_named() {
    let panics = count_panics();
    for Row { setting, refused, set } in server_rows() {
        for value in Value::ALL {
            try_server(setting, (refused, value), |builder| set(builder, value)).await;
            assert_eq!(panics.load(Ordering::SeqCst), 0, "{setting} at {value:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_limit_does_on_both_sides_what_its_docs_say_or_fails_at_the_start_and_is_named() {
    let panics = count_panics();
    for Row { setting, refused, set } in limit_rows() {
        for value in Value::ALL {
            let limits = || set(Limits::default(), value);
            try_server(setting, (refused, value), |builder| builder.limits(limits())).await;
            try_client(setting, (refused, value), |builder| builder.limits(limits())).await;
            assert_eq!(panics.load(Ordering::SeqCst), 0, "{setting} at {value:?}");
        }
    }
}

async fn try_server(setting: &str, (refused, value): (Refused, Value), set: impl Fn(ServerBuilder) -> ServerBuilder) {
    let built = set(events_of_a_server(&Arc::default(), &Arc::default())).build();
    check_refusal(setting, value, refused, built.err());
    if !refused.contains(&value) {
        let what = format!("{setting} at {value:?}");
        check_life(&what, value, live(set, |client| client)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_setting_of_a_client_does_what_its_docs_say_or_fails_at_the_start_and_is_named() {
    let panics = count_panics();
    for Row { setting, refused, set } in client_rows() {
        for value in Value::ALL {
            try_client(setting, (refused, value), |builder| set(builder, value)).await;
            assert_eq!(panics.load(Ordering::SeqCst), 0, "{setting} at {value:?}");
        }
    }
}

async fn try_client(setting: &str, (refused, value): (Refused, Value), set: impl Fn(ClientBuilder) -> ClientBuilder) {
    if refused.contains(&value) {
        let client = set(Client::builder("ws://127.0.0.1:1").namespace("default", Events::new()));
        return check_refusal(setting, value, refused, client.dial().await.err());
    }
    let what = format!("{setting} at {value:?}");
    check_life(&what, value, live(|server| server, set)).await;
}

/// A setting with a number must be in a table, otherwise it was never tried at zero.
#[cfg(feature = "deflate")]
#[test]
fn no_setting_with_a_number_is_left_out() {
    let known = |rows: Vec<&'static str>| rows.into_iter().map(str::to_owned).collect::<BTreeSet<_>>();
    let servers = known(server_rows().iter().map(|row| row.setting).collect());
    let clients = known(client_rows().iter().map(|row| row.setting).collect());
    let limits = known(limit_rows().iter().map(|row| row.setting).collect());
    let found = settings_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    assert_eq!(of(&found, &["Limits"]), limits);
    assert_eq!(of(&found, &["ServerBuilder", "Compression"]), servers);
    assert_eq!(of(&found, &["ClientBuilder", "Reconnect"]), clients);
    let other: Vec<_> = found.iter().filter(|(owner, _)| !KNOWN.contains(&owner.as_str())).collect();
    assert!(other.is_empty(), "settings of a type that has no table: {other:?}");
    for exchange in ["neffos-redis", "neffos-nats"] {
        let found = settings_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(exchange).join("src"));
        assert!(found.is_empty(), "{exchange}: {found:?}");
    }
}

/// The types whose settings are in a table.
#[cfg(feature = "deflate")]
const KNOWN: [&str; 5] = ["Limits", "ServerBuilder", "ClientBuilder", "Reconnect", "Compression"];

fn of(found: &BTreeSet<(String, String)>, owners: &[&str]) -> BTreeSet<String> {
    found.iter().filter(|(owner, _)| owners.contains(&owner.as_str())).map(|(_, name)| name.clone()).collect()
}

/// Returns the builder methods that take a number or a time, as pairs of type and method name.
fn settings_in(folder: &Path) -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    for file in files_in(folder) {
        let text = std::fs::read_to_string(&file).unwrap();
        text.split("\nimpl").skip(1).for_each(|block| found.extend(settings_of(block)));
    }
    found
}

/// Returns the builder methods of one `impl` block.
fn settings_of(block: &str) -> Vec<(String, String)> {
    let head = block.lines().next().unwrap();
    let owner = head.rsplit(' ').find(|word| word.starts_with(char::is_uppercase)).unwrap_or_default();
    let owner = owner.split('<').next().unwrap();
    let signatures = block.split("pub fn ").skip(1).filter_map(|method| method.split_once('{')).map(|(head, _)| head);
    let settings = signatures.filter(|signature| signature.contains("(mut self") && takes_a_number(signature));
    settings.map(|signature| (owner.to_owned(), signature.split('(').next().unwrap().to_owned())).collect()
}

fn takes_a_number(signature: &str) -> bool {
    let parameters = signature.split("->").next().unwrap();
    let kinds = ["Duration", "usize", "u64", "u32", "u16", "f64", "NonZero", "Rate"];
    kinds.iter().any(|kind| parameters.contains(&format!(": {kind}")))
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_in(&path) } else { vec![path] }).collect()
}

fn check_refusal(setting: &str, value: Value, refused: Refused, err: Option<Error>) {
    match err {
        Some(err) => {
            assert!(refused.contains(&value), "{setting} at {value:?}: {err}");
            assert!(err.is_config() && err.to_string().contains(setting), "{setting} at {value:?}: {err}");
        }
        None => assert!(!refused.contains(&value), "{setting} at {value:?} is not refused"),
    }
}

async fn check_life(what: &str, value: Value, life: impl Future<Output = Result<(), Error>>) {
    let ended = timeout(Duration::from_secs(10), life).await;
    match value {
        Value::Least => assert!(ended.is_ok(), "{what}: it hangs"),
        _ => assert!(matches!(ended, Ok(Ok(()))), "{what}: {ended:?}"),
    }
}

/// Runs everything that has a limit, in a few milliseconds: a handshake, a namespace, a room, events, asks in both
/// directions, a slow handler that outlives its connection, and a shutdown that waits for another one.
async fn live(
    server: impl FnOnce(ServerBuilder) -> ServerBuilder,
    client: impl FnOnce(ClientBuilder) -> ClientBuilder,
) -> Result<(), Error> {
    let (go_on, done) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let server = server(events_of_a_server(&go_on, &done)).build()?;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let serving = tokio::spawn(neffos::serve(listener, server.clone()));
    let lived = async {
        let events = Events::new().on("question", async || Reply::text("answer"));
        let client = client(Client::builder(&url).namespace("default", events)).dial().await?;
        talk(&client, &server).await?;
        part(client, &go_on, &done).await
    }
    .await;
    // Ends the remaining handlers if a limit has cut the run short.
    let shutdown = tokio::spawn({
        let server = server.clone();
        async move { server.shutdown().await }
    });
    go_on.notify_waiters();
    shutdown.await.unwrap();
    serving.await.unwrap().unwrap();
    lived
}

fn events_of_a_server(go_on: &Arc<Notify>, done: &Arc<Notify>) -> ServerBuilder {
    let (go_on, done) = (go_on.clone(), done.clone());
    let events = Events::new()
        .on("echo", async |body: String| Reply::text(body))
        .on("ask", async |ns: NsConn| ns.ask("question", "?").await.map(|answer| Reply::new(answer.body().clone())))
        .on("outlive", move || {
            let (go_on, done) = (go_on.clone(), done.clone());
            async move {
                done.notify_one();
                go_on.notified().await;
                done.notify_one();
            }
        });
    Server::builder().namespace("default", events)
}

async fn talk(client: &Client, server: &Server) -> Result<(), Error> {
    let ns = client.connect("default").await?;
    let room = ns.join("lobby").await?;
    assert_eq!(ns.ask("echo", "hello").await?.body(), "hello");
    assert_eq!(ns.ask("ask", "").await?.body(), "answer");
    server.broadcast(Message::new("news", "x").in_namespace("default"));
    assert_eq!(server.ask(Message::new("question", "?").in_namespace("default")).await?.body(), "answer");
    room.leave().await
}

/// Closes the client while a handler of its connection runs. The handler still runs to its end.
async fn part(client: Client, go_on: &Notify, done: &Notify) -> Result<(), Error> {
    let ns = client.connect("default").await?;
    ns.emit("outlive", "")?;
    done.notified().await;
    client.close().await;
    go_on.notify_one();
    timeout(Duration::from_secs(2), done.notified()).await.map_err(|_| Error::new("the handler was stopped"))
}

/// Counts the panics of this process from now on. Their messages are still printed.
fn count_panics() -> Arc<AtomicUsize> {
    static PANICS: std::sync::OnceLock<Arc<AtomicUsize>> = std::sync::OnceLock::new();
    let counted = || {
        let panics = Arc::new(AtomicUsize::new(0));
        let (count, print) = (panics.clone(), std::panic::take_hook());
        std::panic::set_hook(Box::new(move |panic| {
            count.fetch_add(1, Ordering::SeqCst);
            print(panic);
        }));
        panics
    };
    PANICS.get_or_init(counted).clone()
}

#[tokio::test(start_paused = true)]
async fn a_close_timeout_of_zero_lets_a_slow_reader_take_its_time() {
    let server = Server::builder()
        .namespace("default", Events::new())
        .limits(Limits::default().close_timeout(Duration::ZERO))
        .build()
        .unwrap();
    let (stream, to_server) = tokio::io::duplex(1 << 16);
    let driving = tokio::spawn(server.attach(to_server, http::Request::new(()).into_parts().0));
    tokio::task::yield_now().await;
    server.connections()[0].close(CloseCode::NORMAL, "");
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert!(!driving.is_finished(), "the socket was cut");
    drop(stream);
    driving.await.unwrap().unwrap();
}
