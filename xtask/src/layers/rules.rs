//! Which module may use which. A change here changes the architecture: ARCHITECTURE.md changes with it.

use std::path::Path;

use super::scan::Mention;

/// Each module, and the paths that it may use. A path allows everything below it.
const LAYERS: &[(&str, &[&str])] = &[
    ("websocket", &[]),
    ("net", &[]),
    ("time_limit", &[]),
    ("budget", &[]),
    ("sampled", &[]),
    ("error", &["websocket::CloseCode"]),
    ("message", &["error", "websocket"]),
    ("session", &["budget::Pressure", "error", "message", "rate", "time_limit", "websocket"]),
    ("fanout", &["budget", "lock", "message", "websocket"]),
    ("exchange", &["budget", "lock", "error", "sampled", "message", "websocket", "fanout"]),
    ("rate", &[]),
    ("lock", &[]),
    ("admission", &["rate", "sampled", "time_limit"]),
    (
        "connection",
        &[
            "admission",
            "lock",
            "budget",
            "error",
            "time_limit",
            "rate",
            "sampled",
            "message",
            "session",
            "websocket",
            "fanout",
            "exchange",
        ],
    ),
    ("handles", &["error", "time_limit", "message", "session", "websocket", "fanout", "connection"]),
    ("handlers", &["error", "message", "session", "connection", "handles"]),
    (
        "client",
        &[
            "error",
            "net",
            "time_limit",
            "message",
            "session",
            "websocket",
            "fanout",
            "connection",
            "handles",
            "handlers",
        ],
    ),
    (
        "server",
        &[
            "admission",
            "budget",
            "error",
            "time_limit",
            "rate",
            "message",
            "session",
            "websocket",
            "fanout",
            "exchange",
            "connection",
            "handles",
            "handlers",
        ],
    ),
    // For who writes an exchange, above all the rest.
    (
        "testing",
        &["error", "message", "websocket", "exchange", "connection", "handles", "handlers", "client", "server", "http"],
    ),
    // For benches only: nobody may use it.
    ("internals", &["budget", "message", "session", "websocket", "fanout"]),
    (
        "http",
        &[
            "admission",
            "lock",
            "budget",
            "error",
            "time_limit",
            "rate",
            "message",
            "session",
            "websocket",
            "fanout",
            "connection",
            "handlers",
            "server",
        ],
    ),
    // For fuzzers only: what they hold a whole server and a client up against, and the way to what stands beside the rest.
    (
        "fuzzing",
        &["error", "message", "websocket", "exchange", "connection", "handles", "handlers", "client", "server", "http"],
    ),
];

/// Modules and files without a socket, a task or a clock: tests hand them their bytes and instants.
const PURE: &[&str] = &[
    "message",
    "session",
    "websocket",
    "fanout/outbox.rs",
    "fanout/chunk.rs",
    "fanout/index.rs",
    "exchange/dialect.rs",
    "exchange/envelope.rs",
    "exchange/gate.rs",
    "exchange/go.rs",
    "exchange/interest.rs",
    "exchange/kept.rs",
    "exchange/draft.rs",
    "exchange/node/state",
    "exchange/node_id.rs",
    "exchange/others.rs",
    "exchange/parcel.rs",
    "exchange/progress.rs",
    "exchange/seal.rs",
    "exchange/queue.rs",
    "exchange/resends.rs",
    "client/target.rs",
    "net/race.rs",
    "net/redact.rs",
    "client/greeting.rs",
    "client/reconnect.rs",
    "admission/buckets.rs",
    "admission/forwarded.rs",
    "admission/origins.rs",
    "admission/subprotocols.rs",
    "http/handshake.rs",
    "http/url_headers.rs",
];

/// What no pure code names, wherever in a path it stands.
const WORLD: &[&[&str]] = &[
    &["tokio", "net"],
    &["tokio", "spawn"],
    &["task", "spawn"],
    &["net", "TcpListener"],
    &["net", "TcpStream"],
    &["net", "UdpSocket"],
    &["net", "UnixListener"],
    &["net", "UnixStream"],
    &["Instant", "now"],
    &["SystemTime"],
];

/// Folders whose files may use each other in a circle: each has a part of one type that all of them extend, or of one measurement.
/// Of a circle that is allowed, all files lie in one of them.
const CIRCLES: &[&str] = &[
    // `Settings`, in the program.
    "config", // The figures that the program measures.
    "bench",
];

/// Packages that run things, and those that may depend on them.
const PROGRAMS: &[(&str, &[&str])] = &[("neffos-cli", &[]), ("fixture", &[]), ("tools", &[]), ("xtask", &["tools"])];

/// Whether files that use each other in a circle may do so.
pub(crate) fn may_be_a_circle(files: &[&str]) -> bool {
    CIRCLES.iter().any(|folder| files.iter().all(|file| Path::new(file).starts_with(folder)))
}

/// Says so when a package depends on one that is none of its business.
pub(crate) fn wrong_dependency((package, needed): (&str, &str)) -> Option<String> {
    let (_, allowed) = PROGRAMS.iter().find(|(program, _)| *program == needed)?;
    (!allowed.contains(&package)).then(|| format!("package {package} must not depend on {needed}"))
}

/// A file of the library.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    /// Below `src`.
    file: &'a Path,
}

impl<'a> Place<'a> {
    pub(crate) fn new(file: &'a Path) -> Self {
        Self { file }
    }

    /// How many modules below the root of the crate this file is: `server/mod.rs` and `error.rs` are one below it.
    pub(crate) fn depth(&self) -> usize {
        let names_its_folder = self.file.ends_with("mod.rs") || self.file.ends_with("lib.rs");
        self.file.components().count() - usize::from(names_its_folder)
    }

    /// Lines and texts of what is wrong with `mention` here.
    pub(crate) fn faults(&self, mention: &Mention) -> Vec<(usize, String)> {
        let faults = [self.wrong_edge(mention), self.impure(mention)];
        faults.into_iter().flatten().map(|fault| (mention.line, fault)).collect()
    }

    fn wrong_edge(&self, mention: &Mention) -> Option<String> {
        let module = self.module();
        let [root, path @ ..] = mention.segments.as_slice() else { return None };
        if root != "crate" || path.is_empty() || module == "lib" || path[0] == module {
            return None;
        }
        let path = path.join("::");
        let Some((_, allowed)) = LAYERS.iter().find(|(layer, _)| *layer == module) else {
            return Some(format!("{module} is no module that `cargo xtask layers` knows; it uses {path}"));
        };
        let fits = allowed.iter().any(|allowed| is_below(&path, allowed));
        (!fits).then(|| format!("{module} must not use {path}"))
    }

    /// Tests of pure code may ask for the time, to have something to hand over.
    fn impure(&self, mention: &Mention) -> Option<String> {
        if mention.in_test
            || self.file.ends_with("tests.rs")
            || !PURE.iter().any(|pure| self.file.starts_with(pure) || self.module() == *pure)
        {
            return None;
        }
        let names = |world: &&[&str]| mention.segments.windows(world.len()).any(|part| part == *world);
        WORLD.iter().any(names).then(|| format!("pure code must not use {}", mention.segments.join("::")))
    }

    /// The module below the root of the crate that this file belongs to.
    fn module(&self) -> String {
        let first = self.file.components().next().map(|first| first.as_os_str().to_string_lossy().into_owned());
        first.unwrap_or_default().trim_end_matches(".rs").to_owned()
    }
}

fn is_below(path: &str, trunk: &str) -> bool {
    path.strip_prefix(trunk).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

#[cfg(test)]
mod tests {
    use super::super::scan::mentions;
    use super::*;

    fn faults(file: &str, source: &str) -> Vec<(usize, String)> {
        let place = Place::new(Path::new(file));
        mentions(source, place.depth()).iter().flat_map(|mention| place.faults(mention)).collect()
    }

    fn fault(line: usize, text: &str) -> Vec<(usize, String)> {
        vec![(line, text.to_owned())]
    }

    #[test]
    fn an_edge_that_the_table_allows_is_no_fault() {
        assert_eq!(faults("session/asks.rs", "use crate::message::{Message, wire::decode};"), []);
        assert_eq!(faults("http/mod.rs", "use crate::server::Server; use crate::http::door::Door;"), []);
        assert_eq!(faults("lib.rs", "pub use crate::server::Server;"), []);
    }

    #[test]
    fn an_edge_against_the_table_is_named() {
        let found = faults("fanout/mod.rs", "use crate::{\n    message::Message,\n    connection::Conn,\n};");
        assert_eq!(found, fault(3, "fanout must not use connection::Conn"));
        let found = faults("fanout/index.rs", "use super::super::session;");
        assert_eq!(found, fault(1, "fanout must not use session"));
    }

    #[test]
    fn an_edge_to_one_item_allows_no_other() {
        assert_eq!(faults("error.rs", "use crate::websocket::CloseCode;"), []);
        let found = faults("error.rs", "use crate::websocket::{CloseCode, CloseFrame};");
        assert_eq!(found, fault(1, "error must not use websocket::CloseFrame"));
        assert_eq!(faults("error.rs", "use crate::websocket;"), fault(1, "error must not use websocket"));
        assert_eq!(faults("server/mod.rs", "use crate::http::*;"), fault(1, "server must not use http::*"));
    }

    #[test]
    fn a_re_export_at_the_root_hides_no_edge() {
        assert_eq!(faults("fanout/mod.rs", "use crate::Server;"), fault(1, "fanout must not use Server"));
    }

    #[test]
    fn a_module_that_the_table_lacks_is_a_fault() {
        let text = "utils is no module that `cargo xtask layers` knows; it uses error";
        assert_eq!(faults("utils.rs", "use crate::error;"), fault(1, text));
    }

    #[test]
    fn pure_code_names_neither_sockets_nor_tasks_nor_clocks() {
        let clock = "use std::time::Instant;\nfn f() { let now = Instant::now(); }";
        assert_eq!(faults("session/mod.rs", clock), fault(2, "pure code must not use Instant::now"));
        let socket = "use tokio::{net::TcpStream, time::Instant};";
        assert_eq!(faults("fanout/outbox.rs", socket), fault(1, "pure code must not use tokio::net::TcpStream"));
        let spawn = "fn f() { tokio::spawn(g()); }";
        assert_eq!(faults("session/deadlines.rs", spawn), fault(1, "pure code must not use tokio::spawn"));
        assert_eq!(faults("websocket/mod.rs", "use std::net::IpAddr;"), []);
    }

    #[test]
    fn only_pure_code_is_pure() {
        assert_eq!(faults("fanout/shard.rs", "fn f() { tokio::spawn(Instant::now()); }"), []);
        assert_eq!(faults("message/mod.rs", "#[cfg(test)] mod tests { fn f() { Instant::now(); } }"), []);
        assert_eq!(faults("exchange/node/state/tests.rs", "fn f() { Instant::now(); }"), []);
    }

    #[test]
    fn a_circle_may_lie_in_some_folders_and_never_leads_out_of_one() {
        assert!(may_be_a_circle(&["bench/mod.rs", "bench/figures.rs"]));
        assert!(!may_be_a_circle(&["bench/mod.rs", "relay.rs"]));
        assert!(!may_be_a_circle(&["connection/hub.rs", "connection/peer.rs", "connection/ask.rs"]));
    }

    #[test]
    fn nothing_depends_on_a_program_unless_it_is_listed() {
        assert!(wrong_dependency(("neffos", "fixture")).is_some());
        assert!(wrong_dependency(("neffos", "xtask")).is_some());
        assert!(wrong_dependency(("tools", "xtask")).is_none());
        assert!(wrong_dependency(("fixture", "neffos")).is_none());
    }
}
