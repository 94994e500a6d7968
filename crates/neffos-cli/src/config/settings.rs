//! [`Settings`]: every option, as a flag and as a key of the file.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;
use http::HeaderName;
use serde::Deserialize;

use super::brokers::{AtStart, BrokerUrl, ClusterKey, ClusterPrefix, Compat, broker_urls};
use super::keys::ApiKey;
use super::values::{Address, LogFilter, LogFormat, Origin, OverflowPolicy, Period, RateSetting, header_name};
use crate::hub::Rules;

/// The settings of one source. Absent values come from the next source.
#[derive(Debug, Clone, Default, Args, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    /// The address to listen on; port 0 takes a free port [default: 127.0.0.1:8080]
    #[arg(long, value_name = "HOST:PORT", help_heading = NETWORK)]
    pub(crate) addr: Option<Address>,

    /// Let other processes listen at the same address, so that the next process listens before this one ends. This one
    /// closes its listener when its drain begins. All processes must set this option. On Linux only [default: false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", help_heading = NETWORK)]
    pub(crate) reuse_port: Option<bool>,

    /// Serve over TLS with the certificates in this PEM file, the server's own first [default: none]
    #[arg(long, value_name = "FILE", help_heading = NETWORK)]
    pub(crate) tls_cert: Option<PathBuf>,

    /// The PEM file with the private key of --tls-cert [default: none]
    #[arg(long, value_name = "FILE", help_heading = NETWORK)]
    pub(crate) tls_key: Option<PathBuf>,

    /// The key for /api, sent as `Authorization: Bearer KEY`, of 16 characters or more. Every user of the machine can
    /// read a flag: set NEFFOS_API_KEY instead [default: a new one at each start, printed]
    #[arg(long, value_name = "KEY", help_heading = HTTP)]
    pub(crate) api_key: Option<ApiKey>,

    /// A file with more keys for /api: a name and a key on each line. The log names the key of each call. Read again at SIGHUP
    /// [default: none]
    #[arg(long, value_name = "FILE", help_heading = HTTP)]
    pub(crate) api_keys_file: Option<PathBuf>,

    /// The address for /api, /metrics and the reason in /readyz, instead of --addr. Only operators should reach it.
    /// Without TLS [default: none]
    #[arg(long, value_name = "HOST:PORT", help_heading = NETWORK)]
    pub(crate) internal_addr: Option<Address>,

    /// Serve neither the page nor /api/live and /api/stalled; in the file: `page = false` [default: they are served]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", help_heading = HTTP)]
    #[serde(skip)]
    pub(crate) no_page: Option<bool>,

    #[arg(skip)]
    pub(crate) page: Option<bool>,

    /// Whether the API key was given as a flag.
    #[arg(skip)]
    #[serde(skip)]
    pub(crate) is_key_exposed: bool,

    /// An origin whose pages may connect (`https://app.example`), besides the server's own. `https://*.app.example`: one label
    /// below it; `*`: all. Behind a proxy that ends TLS, name the site itself, or set --scheme-header. May be repeated, or
    /// separated by commas [default: none]
    #[arg(long, value_name = "ORIGIN", value_delimiter = ',', help_heading = NETWORK)]
    pub(crate) allow_origin: Option<Vec<Origin>>,

    /// Take a connection's id from this request header. Without the header, or when it is empty, the id is random. Ids name the
    /// sender and the recipient of a private message. So a proxy in front must set the header, and remove a client's own. The
    /// value is UTF-8; one that is longer than 255 bytes or has control characters is refused with 400, and so is a
    /// header that comes twice. No URL parameter sets it [default: a random UUID for each connection]
    #[arg(long, value_name = "NAME", help_heading = NETWORK)]
    #[serde(deserialize_with = "header_name")]
    pub(crate) id_header: Option<HeaderName>,

    /// The maximum number of connections, 0: no limit; further clients get 503 [default: 100000]
    #[arg(long, value_name = "COUNT", help_heading = LIMITS)]
    pub(crate) max_connections: Option<usize>,

    /// The maximum number of connections of one address, 0: no limit. Without --address-header, loopback addresses are
    /// not counted [default: 1000]
    #[arg(long, value_name = "COUNT", help_heading = LIMITS)]
    pub(crate) max_connections_per_address: Option<usize>,

    /// The header in which the proxy in front sends the client's address, such as x-forwarded-for or forwarded. The
    /// last entry counts, or an earlier one with --trusted-hops. A client without the header counts under its socket's
    /// address [default: none]
    #[arg(long, value_name = "NAME", help_heading = NETWORK)]
    #[serde(deserialize_with = "header_name")]
    pub(crate) address_header: Option<HeaderName>,

    /// The header in which the proxy in front sends the scheme that the client used, such as x-forwarded-proto. It
    /// decides which pages are the server's own [default: none: the connection's scheme]
    #[arg(long, value_name = "NAME", help_heading = NETWORK)]
    #[serde(deserialize_with = "header_name")]
    pub(crate) scheme_header: Option<HeaderName>,

    /// How many proxies in front add to --address-header and --scheme-header, 1 or more [default: 1]
    #[arg(long, value_name = "COUNT", help_heading = NETWORK)]
    pub(crate) trusted_hops: Option<NonZeroUsize>,

    /// A host name of the server (`app.example`, `app.example:8080`, `*.app.example`); a request with
    /// another Host gets 421. Beside the websocket, IP addresses are allowed, and /healthz and /readyz answer by any name.
    /// Defends servers on private addresses against DNS rebinding. May be repeated, or separated by commas
    /// [default: none: any name]
    #[arg(long, value_name = "HOST", value_delimiter = ',', help_heading = NETWORK)]
    pub(crate) allow_host: Option<Vec<String>>,

    /// A subprotocol that the server chooses if a client offers it, the preferred one first. May be repeated, or
    /// separated by commas [default: none]
    #[arg(long, value_name = "NAME", value_delimiter = ',', help_heading = NETWORK)]
    pub(crate) subprotocol: Option<Vec<String>>,

    /// The largest message of a client, in bytes, 0: no limit; a larger one closes the connection with 1009 [default:
    /// 65536]
    #[arg(long, value_name = "BYTES", help_heading = LIMITS)]
    pub(crate) max_message: Option<usize>,

    /// Messages that a client may send in a second, and in a burst, 0: no limit. The server reads more slowly from a
    /// client that sends faster. No message is lost [default: 200:400]
    #[arg(long, value_name = "RATE[:BURST]", help_heading = LIMITS)]
    pub(crate) message_rate: Option<RateSetting>,

    /// Bytes that a client may send in a second, and in a burst, 0: no limit. The burst is 16384 or more. The server
    /// reads more slowly from a client that sends faster. If a single read has more than four bursts, the client is
    /// closed with 1008 [default: 1048576:4194304]
    #[arg(long, value_name = "RATE[:BURST]", help_heading = LIMITS)]
    pub(crate) byte_rate: Option<RateSetting>,

    /// Namespaces that a client may connect and rooms that it may join in a second, and in a burst, 0: no limit. A
    /// faster client is treated as with --message-rate [default: 50:200]
    #[arg(long, value_name = "RATE[:BURST]", help_heading = LIMITS)]
    pub(crate) join_rate: Option<RateSetting>,

    /// Websocket handshakes that an address, or an IPv6 network (/64), may send in a second, and in a burst, 0: no
    /// limit. Further handshakes get 429. All clients behind one NAT or proxy share the rate, unless --address-header
    /// tells them apart. Without --address-header, loopback addresses are not counted [default: 100:2000]
    #[arg(long, value_name = "RATE[:BURST]", help_heading = LIMITS)]
    pub(crate) handshake_rate: Option<RateSetting>,

    /// Handshakes of an address that may fail in a second, and in a burst, 0: no limit. Then all its handshakes get 429
    /// [default: 10:500]
    #[arg(long, value_name = "RATE[:BURST]", help_heading = LIMITS)]
    pub(crate) failed_handshake_rate: Option<RateSetting>,

    /// Wrong API keys that an address may send in a second, and in a burst, 0: no limit. Then all its calls get 429,
    /// also those with the right key [default: 5:100]
    #[arg(long, value_name = "RATE[:BURST]", help_heading = LIMITS)]
    pub(crate) failed_key_rate: Option<RateSetting>,

    /// How many messages may be queued for a client, 1 or more [default: 1024]
    #[arg(long, value_name = "COUNT", help_heading = LIMITS)]
    pub(crate) outbox_messages: Option<NonZeroUsize>,

    /// How many bytes may be queued for a client, 1 or more [default: 1048576]
    #[arg(long, value_name = "BYTES", help_heading = LIMITS)]
    pub(crate) outbox_bytes: Option<NonZeroUsize>,

    /// The policy for a broadcast to a client whose queue is full [default: drop-newest]
    #[arg(long, value_name = "POLICY", help_heading = LIMITS)]
    pub(crate) overflow: Option<OverflowPolicy>,

    /// Bytes that all queues may take, of all connections together, at least 65536, 0: no limit. Above it, connections
    /// whose sockets are full get no more broadcasts, and the connections that hold most are closed with 1013 [default:
    /// half of the memory that the process may take: the least limit of its control groups, or the machine's memory]
    #[arg(long, value_name = "BYTES", help_heading = LIMITS)]
    pub(crate) memory_budget: Option<usize>,

    /// The kernel's send buffer of each TCP socket, in bytes, 0: the system chooses. Linux doubles it [default: 0]
    #[arg(long, value_name = "BYTES", help_heading = LIMITS)]
    pub(crate) send_buffer_bytes: Option<usize>,

    /// How long a client may go without taking a queued byte, 0s: for ever; then it is cut [default: 10s]
    #[arg(long, value_name = "TIME", help_heading = LIMITS)]
    pub(crate) slow_consumer_timeout: Option<Period>,

    /// How long a client may take to send a message, or each 64 KiB of it, 0s: for ever; then it is cut [default: 60s]
    #[arg(long, value_name = "TIME", help_heading = LIMITS)]
    pub(crate) message_timeout: Option<Period>,

    /// After how much silence a client is pinged, 0s: never [default: 25s]
    #[arg(long, value_name = "TIME", help_heading = LIMITS)]
    pub(crate) ping_interval: Option<Period>,

    /// How long a client may take to answer a ping, 0s: for ever; then it is cut [default: 10s]
    #[arg(long, value_name = "TIME", help_heading = LIMITS)]
    pub(crate) pong_timeout: Option<Period>,

    /// How long a client may take from its connection to the end of its request, 0s: for ever [default: 10s]
    #[arg(long, value_name = "TIME", help_heading = LIMITS)]
    pub(crate) handshake_timeout: Option<Period>,

    /// How long a request for anything but a websocket may take, from the end of its head to the last byte of its
    /// answer, 0s: for ever [default: 120s]
    #[arg(long, value_name = "TIME", help_heading = LIMITS)]
    pub(crate) response_timeout: Option<Period>,

    /// How long a connection may be idle between an answer and the next request, 0s: for ever. It is closed earlier if
    /// a new client needs its place [default: 75s]
    #[arg(long, value_name = "TIME", help_heading = LIMITS)]
    pub(crate) keep_alive_timeout: Option<Period>,

    /// How long /readyz returns 503 after the signal, while clients are still served, before the shutdown begins. Set
    /// it to the time that a balancer takes to notice. 0s: not at all [default: 0s]
    #[arg(long, value_name = "TIME", help_heading = LIMITS)]
    pub(crate) drain_delay: Option<Period>,

    /// The time over which a shutdown spreads the closing of connections, 0s: all together; not longer than
    /// --shutdown-timeout [default: 2s]
    #[arg(long, value_name = "TIME", help_heading = LIMITS)]
    pub(crate) drain_window: Option<Period>,

    /// How long a shutdown takes at most, 0s: until all clients are gone [default: 15s]
    #[arg(long, value_name = "TIME", help_heading = LIMITS)]
    pub(crate) shutdown_timeout: Option<Period>,

    /// All clients of one server, but not of a cluster, see all broadcasts in one order [default: false: in order for
    /// each sender]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", help_heading = NETWORK)]
    pub(crate) ordered: Option<bool>,

    /// How many parts the connections are divided into, which are written to in parallel, from 1 to 1024 [default: one
    /// for each processor]
    #[arg(long, value_name = "COUNT", help_heading = NETWORK)]
    pub(crate) shards: Option<NonZeroUsize>,

    /// Form a cluster with other servers over this Redis: `redis://host:6379`, `redis+cluster://host,host`, or
    /// `redis+sentinel://host,host/service`; over TLS `rediss…`. If the URL has a password, set NEFFOS_REDIS or use the
    /// file, to hide it [default: none]
    #[arg(long, value_name = "URL", help_heading = CLUSTER)]
    pub(crate) redis: Option<BrokerUrl>,

    /// Use all shards of a Redis cluster, for more load than one shard can carry. Messages to different rooms,
    /// namespaces and ids may then overtake each other. All servers must set the same value [default: false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", help_heading = CLUSTER)]
    pub(crate) redis_spread: Option<bool>,

    /// Form a cluster with other servers over this NATS (`nats://host:4222`; over TLS `tls://`), or over several,
    /// separated by commas. For a password, see --redis [default: none]
    #[arg(long, value_name = "URL", value_delimiter = ',', help_heading = CLUSTER)]
    #[serde(deserialize_with = "broker_urls")]
    pub(crate) nats: Option<Vec<BrokerUrl>>,

    /// The file with the credentials for --nats, as `nsc` writes it [default: none]
    #[arg(long, value_name = "FILE", help_heading = CLUSTER)]
    pub(crate) nats_credentials: Option<PathBuf>,

    /// The PEM file with the authorities that may have signed the broker's certificate [default: those of the system]
    #[arg(long, value_name = "FILE", help_heading = CLUSTER)]
    pub(crate) cluster_ca: Option<PathBuf>,

    /// The PEM file with the client certificate for the broker [default: none]
    #[arg(long, value_name = "FILE", help_heading = CLUSTER)]
    pub(crate) cluster_cert: Option<PathBuf>,

    /// The PEM file with the private key of --cluster-cert [default: none]
    #[arg(long, value_name = "FILE", help_heading = CLUSTER)]
    pub(crate) cluster_cert_key: Option<PathBuf>,

    /// The prefix of all names on the broker: servers with the same prefix form one cluster [default: neffos]
    #[arg(long, value_name = "NAME", help_heading = CLUSTER)]
    pub(crate) cluster_prefix: Option<ClusterPrefix>,

    /// The wire format on the broker [default: native]
    #[arg(long, value_name = "WHOSE", help_heading = CLUSTER)]
    pub(crate) cluster_compat: Option<Compat>,

    /// The file with the key that signs messages between servers, 16 bytes or more. Messages that are not signed with
    /// it are dropped. Or set NEFFOS_CLUSTER_KEY, or `cluster_key` in the file [default: none]
    #[arg(long, value_name = "FILE", help_heading = CLUSTER)]
    pub(crate) cluster_key_file: Option<PathBuf>,

    /// Only for the environment and the file: every user who can list processes can read command lines.
    #[arg(long, hide = true)]
    pub(crate) cluster_key: Option<ClusterKey>,

    /// How to start if the broker cannot be reached [default: wait]
    #[arg(long, value_name = "POLICY", help_heading = CLUSTER)]
    pub(crate) cluster_at_start: Option<AtStart>,

    /// How many messages for other servers may be queued while the broker is slow or away [default: 16384]
    #[arg(long, value_name = "COUNT", help_heading = CLUSTER)]
    pub(crate) cluster_queue_messages: Option<NonZeroUsize>,

    /// How many bytes these messages may take [default: 16777216]
    #[arg(long, value_name = "BYTES", help_heading = CLUSTER)]
    pub(crate) cluster_queue_bytes: Option<NonZeroUsize>,

    /// How long these messages may be queued [default: 30s]
    #[arg(long, value_name = "TIME", help_heading = CLUSTER)]
    pub(crate) cluster_queue_age: Option<Period>,

    /// The log level for stderr: off, error, warn, info, debug or trace; or `target=level` for single targets,
    /// separated by commas, as in `warn,neffos=debug` [default: info]
    #[arg(long, value_name = "FILTER", help_heading = LOGS)]
    pub(crate) log: Option<LogFilter>,

    /// The format of log lines [default: text]
    #[arg(long, value_name = "FORMAT", help_heading = LOGS)]
    pub(crate) log_format: Option<LogFormat>,

    /// The namespaces and their rules. Only the file can set them.
    #[arg(skip)]
    pub(crate) namespaces: Option<BTreeMap<String, Rules>>,
}

impl Settings {
    /// Returns `self`, with absent values from `next`.
    #[expect(clippy::too_many_lines, reason = "it has a line for each setting")]
    pub(crate) fn or(self, next: Self) -> Self {
        Self {
            page: self.has_page().or(next.has_page()),
            addr: self.addr.or(next.addr),
            reuse_port: self.reuse_port.or(next.reuse_port),
            tls_cert: self.tls_cert.or(next.tls_cert),
            tls_key: self.tls_key.or(next.tls_key),
            api_key: self.api_key.or(next.api_key),
            api_keys_file: self.api_keys_file.or(next.api_keys_file),
            internal_addr: self.internal_addr.or(next.internal_addr),
            is_key_exposed: false,
            no_page: None,
            allow_origin: self.allow_origin.or(next.allow_origin),
            id_header: self.id_header.or(next.id_header),
            max_connections: self.max_connections.or(next.max_connections),
            max_connections_per_address: self.max_connections_per_address.or(next.max_connections_per_address),
            address_header: self.address_header.or(next.address_header),
            scheme_header: self.scheme_header.or(next.scheme_header),
            trusted_hops: self.trusted_hops.or(next.trusted_hops),
            allow_host: self.allow_host.or(next.allow_host),
            subprotocol: self.subprotocol.or(next.subprotocol),
            max_message: self.max_message.or(next.max_message),
            message_rate: self.message_rate.or(next.message_rate),
            byte_rate: self.byte_rate.or(next.byte_rate),
            join_rate: self.join_rate.or(next.join_rate),
            handshake_rate: self.handshake_rate.or(next.handshake_rate),
            failed_handshake_rate: self.failed_handshake_rate.or(next.failed_handshake_rate),
            failed_key_rate: self.failed_key_rate.or(next.failed_key_rate),
            outbox_messages: self.outbox_messages.or(next.outbox_messages),
            outbox_bytes: self.outbox_bytes.or(next.outbox_bytes),
            overflow: self.overflow.or(next.overflow),
            memory_budget: self.memory_budget.or(next.memory_budget),
            send_buffer_bytes: self.send_buffer_bytes.or(next.send_buffer_bytes),
            slow_consumer_timeout: self.slow_consumer_timeout.or(next.slow_consumer_timeout),
            message_timeout: self.message_timeout.or(next.message_timeout),
            ping_interval: self.ping_interval.or(next.ping_interval),
            pong_timeout: self.pong_timeout.or(next.pong_timeout),
            handshake_timeout: self.handshake_timeout.or(next.handshake_timeout),
            response_timeout: self.response_timeout.or(next.response_timeout),
            keep_alive_timeout: self.keep_alive_timeout.or(next.keep_alive_timeout),
            drain_delay: self.drain_delay.or(next.drain_delay),
            drain_window: self.drain_window.or(next.drain_window),
            shutdown_timeout: self.shutdown_timeout.or(next.shutdown_timeout),
            ordered: self.ordered.or(next.ordered),
            shards: self.shards.or(next.shards),
            redis: self.redis.or(next.redis),
            redis_spread: self.redis_spread.or(next.redis_spread),
            nats: self.nats.or(next.nats),
            nats_credentials: self.nats_credentials.or(next.nats_credentials),
            cluster_ca: self.cluster_ca.or(next.cluster_ca),
            cluster_cert: self.cluster_cert.or(next.cluster_cert),
            cluster_cert_key: self.cluster_cert_key.or(next.cluster_cert_key),
            cluster_prefix: self.cluster_prefix.or(next.cluster_prefix),
            cluster_compat: self.cluster_compat.or(next.cluster_compat),
            cluster_key_file: self.cluster_key_file.or(next.cluster_key_file),
            cluster_key: self.cluster_key.or(next.cluster_key),
            cluster_at_start: self.cluster_at_start.or(next.cluster_at_start),
            cluster_queue_messages: self.cluster_queue_messages.or(next.cluster_queue_messages),
            cluster_queue_bytes: self.cluster_queue_bytes.or(next.cluster_queue_bytes),
            cluster_queue_age: self.cluster_queue_age.or(next.cluster_queue_age),
            log: self.log.or(next.log),
            log_format: self.log_format.or(next.log_format),
            namespaces: self.namespaces.or(next.namespaces),
        }
    }

    /// Returns whether the page is served. The flag turns it off; the key of the file has the opposite meaning.
    fn has_page(&self) -> Option<bool> {
        self.no_page.map(|no_page| !no_page).or(self.page)
    }
}

const NETWORK: &str = "Network";
const HTTP: &str = "HTTP";
const LIMITS: &str = "Limits";
const CLUSTER: &str = "Other servers";
const LOGS: &str = "Logs";
