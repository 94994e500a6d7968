//! A server's page of metrics, as Prometheus reads it: over plain HTTP/1.1, a connection for each look.

use std::time::Duration;

use http::header::HOST;
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::time::timeout;

use super::Usage;

pub(in crate::bench) struct Page {
    url: Uri,
    /// For the few looks: the load itself needs none.
    runtime: Runtime,
}

impl Page {
    pub(super) fn new(url: &str) -> Result<Self, String> {
        let uri: Uri = url.parse().map_err(|err| format!("{url}: {err}"))?;
        if uri.scheme_str() != Some("http") {
            return Err(format!("{url}: write it as http://HOST:PORT/PATH"));
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Ok(Self { url: uri, runtime: runtime.map_err(|err| err.to_string())? })
    }

    pub(super) fn usage(&self) -> Result<Usage, String> {
        let text = self.runtime.block_on(async { timeout(PATIENCE, fetch(&self.url)).await });
        let text = text.map_err(|_| format!("{}: no answer in time", self.url))?;
        parse(&text.map_err(|err| format!("{}: {err}", self.url))?)
            .ok_or_else(|| format!("{}: it has no {PROCESSOR} and {MEMORY}", self.url))
    }
}

async fn fetch(url: &Uri) -> Result<String, Box<dyn std::error::Error>> {
    let authority = url.authority().ok_or("there is no host")?;
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let stream = TcpStream::connect((host, authority.port_u16().unwrap_or(80))).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // What goes wrong with it, the request is told.
    tokio::spawn(connection);
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::get(path).header(HOST, authority.as_str()).body(Empty::<Bytes>::new())?;
    let response = sender.send_request(request).await?;
    if response.status() != StatusCode::OK {
        return Err(format!("the answer is {}", response.status()).into());
    }
    let body = response.into_body().collect().await?.to_bytes();
    Ok(String::from_utf8_lossy(&body).into_owned())
}

/// None when one of the two is missing.
fn parse(text: &str) -> Option<Usage> {
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix([' ', '{']))?;
        let value = line.rsplit_once('}').map_or(line, |(_, value)| value);
        value.split_whitespace().next()?.parse::<f64>().ok().filter(|value| *value >= 0.0)
    };
    let processor = Duration::try_from_secs_f64(value(PROCESSOR)?).ok()?;
    Some(Usage { processor, kernel: None, memory: whole(value(MEMORY)?), peak: None, sockets: None })
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bytes, and not negative")]
fn whole(bytes: f64) -> u64 {
    bytes as u64
}

/// Prometheus' names for what every process has.
const PROCESSOR: &str = "process_cpu_seconds_total";
const MEMORY: &str = "process_resident_memory_bytes";
const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_numbers_are_found_among_others() {
        let text = "# HELP process_cpu_seconds_total Time.\nprocess_cpu_seconds_total 1.5 1790000000\n\
                    process_resident_memory_bytes_max 7\nprocess_resident_memory_bytes{job=\"a b\"} 2.5e+06\n";
        let usage = parse(text).unwrap();
        assert_eq!((usage.processor, usage.memory), (Duration::from_millis(1500), 2_500_000));
        assert_eq!(parse("process_cpu_seconds_total 1\n"), None);
        assert_eq!(parse("process_cpu_seconds_total NaN\nprocess_resident_memory_bytes 1\n"), None);
    }
}
