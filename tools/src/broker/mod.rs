//! A broker that runs for a measurement, and connections to it.
//!
//! - `language.rs`: its commands and replies

mod language;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use xtask::Result;
use xtask::background::Background;
use xtask::machine;

pub(crate) use language::Language;

#[derive(Debug)]
pub(crate) struct Broker {
    process: Background,
    address: SocketAddr,
    language: Language,
    /// Stays open, so that later counts of the broker's connections begin at one.
    _first: TcpStream,
}

impl Broker {
    /// Starts a broker on a free port, without persistence.
    ///
    /// # Errors
    /// If it does not start.
    pub(crate) fn start(language: Language) -> Result<Self> {
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let mut command = Command::new(machine::find(program(language)).ok_or("the broker is not installed")?);
        let port = address.port().to_string();
        match language {
            Language::Redis => {
                command.args(["--bind", "127.0.0.1", "--port", &port, "--save", "", "--appendonly", "no"])
            }
            Language::Nats => command.args(["-a", "127.0.0.1", "-p", &port]),
        };
        let process = Background::start(command.stderr(Stdio::null()))?;
        let first = converse(first_connection(address, language)?, language.greeting())?;
        Ok(Self { process, address, language, _first: first })
    }

    /// Returns the broker's URL, for servers.
    pub(crate) fn url(&self) -> String {
        match self.language {
            Language::Redis => format!("redis://{}", self.address),
            Language::Nats => format!("nats://{}", self.address),
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Returns the number of its open files and sockets.
    pub(crate) fn files(id: u32) -> u64 {
        fs::read_dir(format!("/proc/{id}/fd")).map_or(0, |files| files.count() as u64)
    }

    /// Returns its processor time so far.
    ///
    /// # Errors
    /// If it has ended.
    pub(crate) fn processor(&self) -> Result<Duration> {
        let mut sum = Duration::ZERO;
        for thread in fs::read_dir(format!("/proc/{}/task", self.id()))? {
            let text = fs::read_to_string(thread?.path().join("schedstat"))?;
            let nanos = text.split_whitespace().next().unwrap_or_default().parse()?;
            sum += Duration::from_nanos(nanos);
        }
        Ok(sum)
    }

    /// Opens a connection, sends a command, and reads until the expected end of the reply.
    fn open(&self, exchange: (&str, &str)) -> Result<TcpStream> {
        converse(TcpStream::connect(self.address)?, exchange)
    }

    /// Opens a connection that subscribes.
    pub(crate) fn subscribe(&self) -> Result<TcpStream> {
        self.open(self.language.subscription())
    }

    /// Publishes `batches` batches of `of` messages, each after the reply to the one before.
    pub(crate) fn publish(&self, batches: usize, of: usize) -> Result {
        let mut stream = BufReader::new(self.open(self.language.greeting())?);
        let batch = self.language.batch(of);
        let (mut line, answers) = (String::new(), self.language.answers(of));
        for _ in 0..batches {
            stream.get_mut().write_all(&batch)?;
            let mut left = answers;
            while left > 0 {
                line.clear();
                stream.read_line(&mut line)?;
                left -= usize::from(line.starts_with([':', 'P']) && line != "PING\r\n");
            }
        }
        Ok(())
    }
}

/// Connects once the broker listens.
fn first_connection(address: SocketAddr, language: Language) -> Result<TcpStream> {
    let deadline = Instant::now() + START;
    loop {
        match TcpStream::connect(address) {
            Ok(stream) => return Ok(stream),
            Err(fault) if Instant::now() > deadline => return Err(format!("{}: {fault}", program(language)).into()),
            Err(_) => thread::park_timeout(PAUSE),
        }
    }
}

/// Sends a command, and reads until the expected end of the reply.
fn converse(mut stream: TcpStream, (words, answer): (&str, &str)) -> Result<TcpStream> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(START))?;
    stream.write_all(words.as_bytes())?;
    let (mut heard, mut byte) = (Vec::new(), [0]);
    while !heard.ends_with(answer.as_bytes()) {
        stream.read_exact(&mut byte)?;
        heard.push(byte[0]);
    }
    Ok(stream)
}

fn program(language: Language) -> &'static str {
    match language {
        Language::Redis => "redis-server",
        Language::Nats => "nats-server",
    }
}

const START: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(20);
