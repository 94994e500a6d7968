//! The environment as a source: `NEFFOS_<FLAG>`, each with the value that its flag takes.

use std::error::Error as _;
use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue};
use clap::{CommandFactory, Parser};

use super::ServeArgs;
use crate::failure::Failure;

/// What the variables say. Those that do not begin with `NEFFOS_` are of no concern.
pub(super) fn read(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Result<ServeArgs, Failure> {
    let mut flags = Vec::new();
    for (name, value) in variables {
        let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else { continue };
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

/// The flag that says the same as the variable.
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

fn known_names() -> Vec<String> {
    let command = Variables::command();
    let flags = command.get_arguments().filter_map(|argument| argument.get_long());
    flags.map(|flag| format!("{PREFIX}{}", flag.to_ascii_uppercase().replace('-', "_"))).collect()
}

/// What was wrong with a value, without the flag that the user did not write.
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
