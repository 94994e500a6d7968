//! A server's metrics page in the format of Prometheus, read over plain HTTP/1.1 with a new connection each time.

use std::time::Duration;

use http::header::HOST;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use neffos::net::{connect, redact};
use tokio::runtime::Runtime;
use tokio::time::timeout;
use url::{Position, Url};

use super::Usage;

pub(in crate::bench) struct Page {
    url: Url,
    /// Runs the few requests for the page. The load itself needs no runtime.
    runtime: Runtime,
}

impl Page {
    pub(super) fn new(url: &str) -> Result<Self, String> {
        let shown = redact(url);
        let url = Url::parse(url).map_err(|err| format!("{shown}: {err}"))?;
        if url.scheme() != "http" || !url.username().is_empty() || url.password().is_some() {
            return Err(format!("{shown}: write it as http://HOST:PORT/PATH"));
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Ok(Self { url, runtime: runtime.map_err(|err| err.to_string())? })
    }

    pub(super) fn usage(&self) -> Result<Usage, String> {
        let text = self.runtime.block_on(async { timeout(PATIENCE, fetch(&self.url)).await });
        let shown = redact(self.url.as_str());
        let text = text.map_err(|_| format!("{shown}: no answer in time"))?;
        let text = text.map_err(|err| format!("{shown}: {err}"))?;
        parse(&text).ok_or_else(|| format!("{shown}: it has no {PROCESSOR} and {MEMORY}"))
    }
}

async fn fetch(url: &Url) -> Result<String, Box<dyn std::error::Error>> {
    let host = url.host_str().ok_or("there is no host")?.trim_start_matches('[').trim_end_matches(']');
    let stream = connect(host, url.port_or_known_default().ok_or("there is no port")?).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // The request gets the errors of the connection.
    tokio::spawn(connection);
    let path = &url[Position::BeforePath..Position::AfterQuery];
    let authority = &url[Position::BeforeHost..Position::AfterPort];
    let request = Request::get(path).header(HOST, authority).body(Empty::<Bytes>::new())?;
    let response = sender.send_request(request).await?;
    if response.status() != StatusCode::OK {
        return Err(format!("the answer is {}", response.status()).into());
    }
    let body = response.into_body().collect().await?.to_bytes();
    Ok(String::from_utf8_lossy(&body).into_owned())
}

/// Returns `None` if one of the two metrics is missing.
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

/// The Prometheus names of metrics that every process has.
const PROCESSOR: &str = "process_cpu_seconds_total";
const MEMORY: &str = "process_resident_memory_bytes";
const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_and_memory_are_found_among_other_metrics() {
        let text = "# HELP process_cpu_seconds_total Time.\nprocess_cpu_seconds_total 1.5 1790000000\n\
                    process_resident_memory_bytes_max 7\nprocess_resident_memory_bytes{job=\"a b\"} 2.5e+06\n";
        let usage = parse(text).unwrap();
        assert_eq!((usage.processor, usage.memory), (Duration::from_millis(1500), 2_500_000));
        assert_eq!(parse("process_cpu_seconds_total 1\n"), None);
        assert_eq!(parse("process_cpu_seconds_total NaN\nprocess_resident_memory_bytes 1\n"), None);
    }
}
