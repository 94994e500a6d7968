//! Tests every option of the command line, also future ones, at zero, at its minimum, at its default and at its
//! maximum, from each source. Either the server works, or the start fails and names the option.

use std::io;
use std::time::Duration;

use clap::{Args, Command, Parser};
use neffos::{Client, Events, Reply, Server};
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::{ServeArgs, Settings, load};
use crate::failure::Failure;

/// An option of the command line, such as `max-message`.
struct Known {
    flag: String,
    /// Whether the value is a number or a time. The name of the value tells.
    is_number: bool,
}

impl Known {
    fn all() -> Vec<Self> {
        let command = ServeArgs::augment_args(Command::new("serve"));
        let known = command.get_arguments().filter_map(|argument| {
            let value = argument.get_value_names().and_then(|names| names.first()).map_or("", |name| name.as_str());
            let is_number = ["TIME", "COUNT", "BYTES", "RATE", "SHARE", "PERCENT"].contains(&value);
            argument.get_long().map(|flag| Self { flag: flag.to_owned(), is_number })
        });
        known.filter(|known| known.flag != "config").collect()
    }

    fn key(&self) -> String {
        self.flag.replace('-', "_")
    }

    /// Returns the flag without which this option has no effect.
    fn companion(&self) -> Option<&'static str> {
        match self.key().as_str() {
            key if key.starts_with("cluster") => Some("--redis=redis://127.0.0.1:1"),
            // Clients on this machine count only behind a proxy.
            "trusted_hops" | "handshake_rate" | "failed_handshake_rate" => Some("--address-header=x-forwarded-for"),
            _ => None,
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Source {
    Flag,
    Variable,
    /// A TOML number.
    File,
    FileInQuotes,
}

#[derive(Parser)]
#[command(no_binary_name = true)]
struct Flags {
    #[command(flatten)]
    args: ServeArgs,
}

fn settings(known: &Known, value: &str, source: Source) -> Result<Settings, String> {
    let given = format!("--{}={value}", known.flag);
    let mut flags = vec!["--config=file".to_owned()];
    flags.extend(known.companion().map(str::to_owned));
    let (mut variables, mut file) = (Vec::new(), String::new());
    match source {
        Source::Flag => flags.push(given),
        Source::Variable => variables.push((format!("NEFFOS_{}", known.key().to_uppercase()).into(), value.into())),
        Source::File => file = format!("{} = {value}", known.key()),
        Source::FileInQuotes => file = format!("{} = \"{value}\"", known.key()),
    }
    let flags = Flags::try_parse_from(flags).map_err(|err| err.to_string())?.args;
    load(flags, variables, |_| Ok::<_, io::Error>(file)).map_err(text)
}

fn text(failure: Failure) -> String {
    match failure {
        Failure::Config(text) => text,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn every_option_works_or_is_named_whatever_extreme_it_is_set_to_and_wherever_that_is_said() {
    let sources = [Source::Flag, Source::Variable, Source::File, Source::FileInQuotes];
    for (known, value) in Known::all().iter().flat_map(|known| VALUES.map(|value| (known, value))) {
        for source in sources {
            check(known, value, source).await;
        }
    }
}

const VALUES: [&str; 7] =
    ["0", "1", "18446744073709551615", "9223372036854775807", "0s", "1ns", "18446744073709551615s"];

async fn check(known: &Known, value: &str, source: Source) {
    let what = format!("{} = {value} ({source:?})", known.key());
    let names = [known.flag.clone(), known.key(), known.key().to_uppercase()];
    match settings(known, value, source).and_then(|settings| crate::server::build(&settings).map_err(text)) {
        Err(text) => assert!(names.iter().any(|name| text.contains(name)), "{what}: {text}"),
        Ok(server) if known.is_number && matches!(source, Source::Flag) => live(&what, value, server).await,
        Ok(_) => {}
    }
}

/// With a high limit or none, a client is served. With the lowest limit, it may be refused, but nothing hangs.
async fn live(what: &str, value: &str, server: Server) {
    let served = timeout(Duration::from_secs(10), serve_one(server)).await;
    match value {
        "1" | "1ns" => assert!(served.is_ok(), "{what}: it hangs"),
        _ => assert!(matches!(served, Ok(Ok(()))), "{what}: {served:?}"),
    }
}

async fn serve_one(server: Server) -> Result<(), neffos::Error> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let serving = tokio::spawn(neffos::serve(listener, server.clone()));
    let talked = async {
        let events = Events::new().on("question", async || Reply::text("answer"));
        let client = Client::builder(&url).namespace("default", events).dial().await?;
        let ns = client.connect("default").await?;
        ns.join("lobby").await?.emit("chat", "hello")?;
        let asked = server.ask(neffos::Message::new("question", "?").in_namespace("default")).await?;
        assert_eq!(asked.body(), "answer");
        client.close().await;
        Ok(())
    }
    .await;
    server.shutdown().await;
    serving.await.unwrap().unwrap();
    talked
}
