//! Errors about wrong arguments: the text of clap, without the secrets in the arguments.

use std::env;
use std::io::Write;
use std::process::exit;

use clap::Error;
use neffos::net::redact;

use crate::config::is_secret_flag;

/// Prints the error and ends the program. Also prints help and version.
pub(crate) fn end(err: &Error) -> ! {
    let told = err.to_string();
    let arguments = env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned());
    let shown = without_secrets(&told, arguments);
    if shown == told {
        err.exit();
    }
    // If stderr is closed, there is no reader to report an error to.
    write!(std::io::stderr(), "{shown}").ok();
    exit(err.exit_code())
}

/// Removes the values of secret flags from `text`, and redacts every argument that looks like a URL.
fn without_secrets(text: &str, arguments: impl Iterator<Item = String>) -> String {
    let mut is_secret = false;
    arguments.fold(text.to_owned(), |text, argument| {
        let (flag, value) = argument.split_once('=').unwrap_or((&argument, ""));
        let begins_secret = flag.strip_prefix("--").is_some_and(is_secret_flag);
        // The next argument is the value of such a flag. Those after it may be the rest of a value that lacks its quotes.
        let text = match (begins_secret, is_secret) {
            (true, _) => hidden(text, value),
            (false, true) => hidden(text, &argument),
            (false, false) => text,
        };
        is_secret = begins_secret || is_secret && !argument.starts_with('-');
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

/// Removes `value` from `text`, where it is quoted.
fn hidden(text: String, value: &str) -> String {
    match value {
        "" => text,
        value => text.replace(&format!("'{value}'"), "'…'"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_of_a_secret_flag_is_not_shown_with_or_without_quotes_and_other_values_are() {
        let shown = |text: &str, arguments: &[&str]| {
            without_secrets(text, arguments.iter().map(|&argument| argument.to_owned()))
        };
        let text = "invalid value 'my key' for '--api-key <KEY>'";
        for arguments in
            [&["--api-key", "my key"][..], &["--api-key=my key"], &["--addr", "x:1", "--api-key", "my key"]]
        {
            assert_eq!(shown(text, arguments), "invalid value '…' for '--api-key <KEY>'", "{arguments:?}");
        }
        let arguments = ["--redis", "my", "secret", "--shards", "many", "rest"];
        assert_eq!(shown("unexpected argument 'secret' found", &arguments), "unexpected argument '…' found");
        assert_eq!(shown("invalid value 'many' for", &arguments), "invalid value 'many' for");
        assert_eq!(shown("unexpected argument 'rest' found", &arguments), "unexpected argument 'rest' found");
    }

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
