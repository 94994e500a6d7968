//! Errors about wrong arguments: the text of clap, without the secrets that the arguments hold.

use std::env;
use std::io::Write;
use std::process::exit;

use clap::Error;
use neffos::net::redact;

/// Tells the user, and ends the program. Help and version come here, too.
pub(crate) fn end(err: &Error) -> ! {
    let told = err.to_string();
    let shown = without_secrets(&told, env::args().skip(1));
    if shown == told {
        err.exit();
    }
    // Whoever closed stderr does not want to know.
    write!(std::io::stderr(), "{shown}").ok();
    exit(err.exit_code())
}

/// `text` with every argument that looks like a URL as it may be shown.
fn without_secrets(text: &str, arguments: impl Iterator<Item = String>) -> String {
    arguments.fold(text.to_owned(), |text, argument| {
        let value = match argument.split_once('=') {
            Some((flag, value)) if flag.starts_with("--") => value,
            _ => &argument,
        };
        match value.contains("://") || value.contains('@') {
            true => text.replace(value, &redact(value)),
            false => text,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_among_wrong_arguments_is_shown_without_its_secrets() {
        let shown = |text: &str, arguments: &[&str]| {
            without_secrets(text, arguments.iter().map(|&argument| argument.to_owned()))
        };
        let url = "ws://me:secret@host/?token=secret";
        assert_eq!(
            shown(&format!("unexpected argument '{url}' found"), &[url]),
            "unexpected argument 'ws://…@host/?…' found"
        );
        assert_eq!(
            shown(&format!("invalid value '{url}'"), &[&format!("--x={url}")]),
            "invalid value 'ws://…@host/?…'"
        );
        assert_eq!(shown("'me:secret@host'", &["me:secret@host"]), "'…@host'");
        assert_eq!(shown("unexpected argument '--x' found", &["--x"]), "unexpected argument '--x' found");
    }
}
