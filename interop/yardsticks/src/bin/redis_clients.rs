//! The processor time of one thread in clients of Redis for a message of 128 bytes, published in batches of 64, or
//! received.
//!
//! `cargo run --release --features redis-clients --bin redis_clients -- redis://127.0.0.1:6390`, with a redis-server there.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use fred::prelude::{Builder, ClientLike, Config, EventInterface, PubsubInterface};
use fred::types::RespVersion;
use redis::{AsyncConnectionConfig, PushInfo, PushKind, Value};
use rustix::time::{ClockId, clock_gettime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

type Fallible<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Fallible<()> {
    let url = std::env::args().nth(1).ok_or("say where: redis://127.0.0.1:6390")?;
    println!("nanoseconds of processor time for each message, in three rounds");
    for _ in 0..3 {
        println!("redis-rs published {:>5}   received {:>5}", publish_redis(&url).await?, receive_redis(&url).await?);
        println!("fred     published {:>5}   received {:>5}", publish_fred(&url).await?, receive_fred(&url).await?);
        println!("raw      published {:>5}", publish_by_hand(&url).await?);
    }
    Ok(())
}

async fn publish_redis(url: &str) -> Fallible<u64> {
    let mut redis = redis::Client::open(resp3(url))?.get_multiplexed_async_connection().await?;
    let before = spent();
    for _ in 0..MESSAGES / BATCH {
        let mut commands = redis::Pipeline::with_capacity(BATCH);
        for _ in 0..BATCH {
            commands.cmd("PUBLISH").arg(CHANNEL).arg(&PAYLOAD[..]);
        }
        let _replies: Vec<i64> = commands.query_async(&mut redis).await?;
    }
    Ok(each(spent() - before))
}

async fn publish_fred(url: &str) -> Fallible<u64> {
    let redis = Builder::from_config(config(url)?).build()?;
    redis.init().await?;
    let before = spent();
    for _ in 0..MESSAGES / BATCH {
        let commands = redis.pipeline();
        for _ in 0..BATCH {
            let () = commands.publish(CHANNEL, Bytes::from_static(PAYLOAD)).await?;
        }
        let _replies: Vec<i64> = commands.all().await?;
    }
    let spent = each(spent() - before);
    redis.quit().await?;
    Ok(spent)
}

/// Measures the cost of the kernel, and almost nothing else.
async fn publish_by_hand(url: &str) -> Fallible<u64> {
    let before = spent();
    flood(url).await?;
    Ok(each(spent() - before))
}

async fn receive_redis(url: &str) -> Fallible<u64> {
    let (tell, arrived) = mpsc::channel(MESSAGES);
    let config = AsyncConnectionConfig::new().set_push_sender(move |push: PushInfo| {
        if let (PushKind::Message, Some(Value::BulkString(payload))) = (push.kind, push.data.into_iter().nth(1)) {
            tell.try_send(Bytes::from(payload)).map_err(drop)?;
        }
        Ok::<_, ()>(())
    });
    let mut redis = redis::Client::open(resp3(url))?.get_multiplexed_async_connection_with_config(&config).await?;
    redis.subscribe(CHANNEL).await?;
    receive(url, arrived).await
}

async fn receive_fred(url: &str) -> Fallible<u64> {
    let builder = Builder::from_config(config(url)?)
        .with_performance_config(|config| {
            // With the default of 32, messages are lost when the reader lags behind.
            config.broadcast_channel_capacity = MESSAGES;
        })
        .build_subscriber_client();
    let redis = builder?;
    redis.init().await?;
    let (tell, arrived) = mpsc::channel(MESSAGES);
    let mut messages = redis.message_rx();
    tokio::spawn(async move {
        while let Ok(message) = messages.recv().await
            && tell.try_send(message.value.into_bytes().unwrap_or_default()).is_ok()
        {}
    });
    redis.subscribe(CHANNEL).await?;
    let spent = receive(url, arrived).await?;
    redis.quit().await?;
    Ok(spent)
}

/// Lets another thread publish, whose time does not count.
async fn receive(url: &str, mut arrived: mpsc::Receiver<Bytes>) -> Fallible<u64> {
    let url = url.to_owned();
    let before = spent();
    let flood = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(flood(&url))
    });
    for _ in 0..MESSAGES {
        arrived.recv().await.ok_or("a message is lost")?;
    }
    let spent = spent() - before;
    flood.join().map_err(|_| "the flood has ended badly")??;
    Ok(each(spent))
}

async fn flood(url: &str) -> Fallible<()> {
    let mut stream = TcpStream::connect(url.trim_start_matches("redis://")).await?;
    stream.set_nodelay(true)?;
    let head = format!("*3\r\n$7\r\nPUBLISH\r\n${}\r\n{CHANNEL}\r\n${}\r\n", CHANNEL.len(), PAYLOAD.len());
    let batch = [head.as_bytes(), PAYLOAD, b"\r\n"].concat().repeat(BATCH);
    let mut replies = BytesMut::new();
    for _ in 0..MESSAGES / BATCH {
        stream.write_all(&batch).await?;
        let mut count = 0;
        while count < BATCH {
            stream.read_buf(&mut replies).await?;
            count += replies.split().iter().filter(|byte| **byte == b'\n').count();
        }
    }
    Ok(())
}

fn resp3(url: &str) -> String {
    format!("{url}/?protocol=resp3")
}

fn config(url: &str) -> Fallible<Config> {
    Ok(Config { version: RespVersion::RESP3, ..Config::from_url(url)? })
}

/// Returns the processor time that this thread has used.
fn spent() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

fn each(spent: Duration) -> u64 {
    u64::try_from(spent.as_nanos()).unwrap_or(u64::MAX) / MESSAGES as u64
}

const CHANNEL: &str = "neffos.r.default.lobby";
const PAYLOAD: &[u8] = &[b'x'; 128];
const MESSAGES: usize = 100 * 1024;
const BATCH: usize = 64;
