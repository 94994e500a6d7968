//! Settings from the environment: `NEFFOS_<FLAG>`, with the value that the flag takes.

use std::error::Error as _;
use std::ffi::{OsStr, OsString};

use clap::error::{ContextKind, ContextValue};
use clap::{CommandFactory, Parser};

use super::ServeArgs;
use crate::failure::Failure;

/// Reads the variables that begin with `NEFFOS_`. Empty ones count as unset, because orchestrators omit variables in
/// that way. Skips the variables that Kubernetes sets for a Service whose name begins with `neffos`.
pub(super) fn read(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Result<ServeArgs, Failure> {
    let mut flags = Vec::new();
    for (name, value) in variables {
        let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else { continue };
        if value.is_empty() || is_of_a_service(name, &value) {
            continue;
        }
        let flag = flag_of(name, &value)?;
        parse([flag.clone()]).map_err(|err| Failure::config(format!("{name}: {}", reason(&err))))?;
        flags.push(flag);
    }
    parse(flags).map_err(Failure::config)
}

/// The flags alone, without help and version.
#[derive(Parser)]
#[command(disable_help_flag = true, no_binary_name = true)]
struct Variables {
    #[command(flatten)]
    args: ServeArgs,
}

fn parse(flags: impl IntoIterator<Item = OsString>) -> Result<ServeArgs, clap::Error> {
    Variables::try_parse_from(flags).map(|variables| variables.args)
}

/// Returns the flag that corresponds to the variable.
fn flag_of(name: &str, value: &OsString) -> Result<OsString, Failure> {
    let known = known_names();
    if !known.iter().any(|known| known == name) {
        let known = known.join(", ");
        return Err(Failure::config(format!("{name}: there is no such variable; there are {known}")));
    }
    let flag = name[PREFIX.len()..].to_ascii_lowercase().replace('_', "-");
    let mut argument = OsString::from(format!("--{flag}="));
    argument.push(value);
    Ok(argument)
}

/// Whether Kubernetes set the variable. For a Service `neffos` it sets `NEFFOS_SERVICE_HOST`, `NEFFOS_SERVICE_PORT`,
/// `NEFFOS_SERVICE_PORT_<NAME>`, `NEFFOS_PORT=tcp://…` and `NEFFOS_PORT_<NUMBER>_<PROTOCOL>`, the last also with the
/// suffixes `_PROTO`, `_PORT` and `_ADDR`. For a Service `neffos-chat`, the names begin with `NEFFOS_CHAT`.
fn is_of_a_service(name: &str, value: &OsStr) -> bool {
    let is_url = value.to_str().is_some_and(|value| {
        value
            .split_once("://")
            .is_some_and(|(scheme, _)| PROTOCOLS.iter().any(|known| known.eq_ignore_ascii_case(scheme)))
    });
    name.ends_with("_SERVICE_HOST")
        || name.ends_with("_SERVICE_PORT")
        || name.contains("_SERVICE_PORT_")
        || (name.ends_with("_PORT") && is_url)
        || name.match_indices("_PORT_").any(|(at, port)| is_numbered_port(&name[at + port.len()..]))
}

/// Whether the text has the form `80_TCP`, `80_TCP_PROTO`, `80_TCP_PORT` or `80_TCP_ADDR`.
fn is_numbered_port(rest: &str) -> bool {
    let mut parts = rest.split('_');
    parts.next().is_some_and(|number| number.parse::<u16>().is_ok())
        && parts.next().is_some_and(|protocol| PROTOCOLS.contains(&protocol))
        && parts.next().is_none_or(|of| ["PROTO", "PORT", "ADDR"].contains(&of))
        && parts.next().is_none()
}

fn known_names() -> Vec<String> {
    let command = Variables::command();
    let flags = command.get_arguments().filter_map(|argument| argument.get_long());
    flags.map(|flag| format!("{PREFIX}{}", flag.to_ascii_uppercase().replace('-', "_"))).collect()
}

/// Returns the reason why a value is invalid, without the flag, which the user did not write.
fn reason(err: &clap::Error) -> String {
    if let Some(source) = err.source() {
        return source.to_string();
    }
    match err.get(ContextKind::ValidValue) {
        Some(ContextValue::Strings(valid)) if !valid.is_empty() => format!("expected one of {}", valid.join(", ")),
        _ => "not a value that this option takes".to_owned(),
    }
}

const PREFIX: &str = "NEFFOS_";
const PROTOCOLS: &[&str] = &["TCP", "UDP", "SCTP"];
