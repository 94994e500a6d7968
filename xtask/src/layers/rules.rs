//! Which module may use which. A change here changes the architecture, so ARCHITECTURE.md changes with it.

use std::path::Path;

use super::scan::Mention;

/// Each module, and the paths that it may use. A path allows everything below it.
const LAYERS: &[(&str, &[&str])] = &[
    ("websocket", &[]),
    ("net", &[]),
    ("time_limit", &[]),
    ("budget", &[]),
    ("sampled", &[]),
    ("random", &[]),
    ("error", &["websocket::CloseCode", "websocket::CloseFrame"]),
    ("message", &["error", "websocket"]),
    ("session", &["budget::Pressure", "error", "message", "rate", "time_limit", "websocket"]),
    ("fanout", &["budget", "lock", "message", "websocket"]),
    ("exchange", &["budget", "lock", "error", "random", "sampled", "message", "websocket", "fanout"]),
    ("rate", &[]),
    ("lock", &[]),
    ("admission", &["random", "rate", "sampled", "time_limit"]),
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
            "random",
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
    // For tests of applications and of exchanges, above all other modules.
    (
        "testing",
        &[
            "admission",
            "error",
            "random",
            "message",
            "session",
            "websocket",
            "fanout",
            "exchange",
            "connection",
            "handles",
            "handlers",
            "client",
            "server",
            "http",
        ],
    ),
    // For benches only: no module may use it.
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
    // For fuzzers only: the path to each `fuzzing.rs`.
    ("fuzzing", &["message", "session", "websocket", "exchange", "client", "http"]),
];

/// Folders whose files may use each other in a circle: each file has a part of one type or one measurement. All files
/// of an allowed circle must be in the same folder.
const CIRCLES: &[&str] = &[
    // `Settings`.
    "crates/neffos-cli/src/config",
    // The figures that the program measures.
    "crates/neffos-cli/src/bench",
];

/// Packages with programs, and the packages that may depend on them.
const PROGRAMS: &[(&str, &[&str])] = &[("neffos-cli", &[]), ("fixture", &[]), ("tools", &[]), ("xtask", &["tools"])];

/// Whether files that use each other in a circle may do so.
pub(crate) fn may_be_a_circle(source: &Path, files: &[&str]) -> bool {
    CIRCLES.iter().any(|folder| files.iter().all(|file| source.join(file).starts_with(folder)))
}

/// Returns a text if a package depends on a program and is not listed there.
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

    /// Returns how many modules below the root of the crate this file is: `server/mod.rs` and `error.rs` are one below
    /// it.
    pub(crate) fn depth(&self) -> usize {
        let names_its_folder = self.file.ends_with("mod.rs") || self.file.ends_with("lib.rs");
        self.file.components().count() - usize::from(names_its_folder)
    }

    /// Returns the line and text of the fault, if this file must not use the mentioned path.
    pub(crate) fn fault(&self, mention: &Mention) -> Option<(usize, String)> {
        self.wrong_edge(mention).map(|fault| (mention.line, fault))
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

    /// Returns the module below the root of the crate that this file belongs to.
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
        mentions(source, place.depth()).iter().filter_map(|mention| place.fault(mention)).collect()
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
        let found = faults("error.rs", "use crate::websocket::{CloseCode, Opcode};");
        assert_eq!(found, fault(1, "error must not use websocket::Opcode"));
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
    fn a_circle_may_lie_in_some_folders_and_never_leads_out_of_one() {
        let allowed = |files| may_be_a_circle(Path::new("crates/neffos-cli/src"), files);
        assert!(allowed(&["config/mod.rs", "config/settings.rs"]));
        assert!(!allowed(&["config/mod.rs", "serve.rs"]));
        assert!(!allowed(&["api/mod.rs", "api/say.rs", "api/ask.rs"]));
        assert!(!may_be_a_circle(Path::new("tools/src"), &["config/mod.rs", "config/settings.rs"]));
    }

    #[test]
    fn nothing_depends_on_a_program_unless_it_is_listed() {
        assert!(wrong_dependency(("neffos", "fixture")).is_some());
        assert!(wrong_dependency(("neffos", "xtask")).is_some());
        assert!(wrong_dependency(("tools", "xtask")).is_none());
        assert!(wrong_dependency(("fixture", "neffos")).is_none());
    }
}
