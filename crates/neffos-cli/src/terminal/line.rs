//! The lines that people type. Pure.
//!
//! A line that begins with `/` is a command, any other line is a message. Names are words, or text in double quotes.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

/// The meaning of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Line {
    Nothing,
    /// A message, with the event in use.
    Say(String),
    Emit {
        event: String,
        body: String,
    },
    Ask {
        event: String,
        body: String,
    },
    Binary {
        event: String,
        body: Bytes,
    },
    Native(String),
    Connect(String),
    /// The named namespace, or the one in use.
    Disconnect(Option<String>),
    Join(String),
    /// The named room, or the one in use.
    Leave(Option<String>),
    /// `NS` or `NS/ROOM`.
    Use(String),
    Event(String),
    Rooms,
    Status,
    Help,
    Quit,
}

/// The source of bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Bytes {
    Given(Vec<u8>),
    File(String),
}

/// A command in the help.
#[derive(Debug)]
pub(super) struct Usage {
    /// The name, with the slash.
    pub(super) name: &'static str,
    pub(super) takes: &'static str,
    pub(super) about: &'static str,
}

pub(super) const COMMANDS: &[Usage] = &[
    usage("/connect", "NS", "connect to a namespace, and use it"),
    usage("/disconnect", "[NS]", "disconnect from a namespace"),
    usage("/join", "ROOM", "join a room of the namespace in use, and use it"),
    usage("/leave", "[ROOM]", "leave a room"),
    usage("/rooms", "", "list the rooms that are joined"),
    usage("/use", "NS[/ROOM]", "send lines to that namespace or room from now on"),
    usage("/event", "NAME", "send lines as that event from now on"),
    usage("/emit", "EVENT [BODY]", "send an event"),
    usage("/ask", "EVENT [BODY]", "send an event, and show its answer and how long it took"),
    usage("/binary", "EVENT BASE64|@FILE", "send an event with bytes"),
    usage("/native", "TEXT", "send a message without an event, when \"\" is connected"),
    usage("/status", "", "show id, address, state, namespaces and rooms; also /who"),
    usage("/help", "", "show this"),
    usage("/quit", "", "close the connection; so do Ctrl-C and Ctrl-D"),
];

const fn usage(name: &'static str, takes: &'static str, about: &'static str) -> Usage {
    Usage { name, takes, about }
}

/// Returns the help: the commands, and the meaning of other lines.
pub(super) fn help() -> String {
    let lines = COMMANDS.iter().map(|command| {
        let call = format!("{} {}", command.name, command.takes);
        format!("  {call:<29} {}\n", command.about)
    });
    lines.collect::<String>()
        + "Any other line is sent as a message; //text sends /text. Names with spaces stand in double quotes."
}

/// Reads a line.
///
/// # Errors
///
/// Returns the error text for people.
pub(super) fn parse(text: &str) -> Result<Line, String> {
    let text = text.strip_suffix('\r').unwrap_or(text);
    let Some(command) = text.strip_prefix('/') else {
        return Ok(if text.is_empty() { Line::Nothing } else { Line::Say(text.to_owned()) });
    };
    if command.starts_with('/') {
        return Ok(Line::Say(command.to_owned()));
    }
    let (name, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let name = if name == "/who" { "/status" } else { name };
    let Some(usage) = COMMANDS.iter().find(|usage| usage.name == name) else {
        return Err(format!("there is no {name}; /help lists what there is"));
    };
    let call = format!("{name} {}", usage.takes);
    read(name, rest).map_err(|fault| fault.unwrap_or_else(|| format!("write it as {}", call.trim_end())))
}

/// The error text, or `None` if the command does not match its usage.
type Wrong = Option<String>;

fn read(command: &str, rest: &str) -> Result<Line, Wrong> {
    Ok(match command {
        "/connect" => Line::Connect(only(rest)?.ok_or(None)?),
        "/disconnect" => Line::Disconnect(only(rest)?),
        "/join" => Line::Join(filled(only(rest)?)?),
        "/leave" => Line::Leave(only(rest)?),
        "/use" => Line::Use(only(rest)?.ok_or(None)?),
        "/event" => Line::Event(event(only(rest)?)?),
        "/emit" => {
            let (event, body) = event_and_body(rest)?;
            Line::Emit { event, body }
        }
        "/ask" => {
            let (event, body) = event_and_body(rest)?;
            Line::Ask { event, body }
        }
        "/binary" => {
            let (event, body) = event_and_body(rest)?;
            Line::Binary { event, body: bytes(body.trim())? }
        }
        "/native" if !rest.is_empty() => Line::Native(rest.to_owned()),
        "/rooms" => none(rest, Line::Rooms)?,
        "/status" => none(rest, Line::Status)?,
        "/help" => none(rest, Line::Help)?,
        "/quit" => none(rest, Line::Quit)?,
        _ => return Err(None),
    })
}

/// Reads a name. Returns it with the rest of the text, which is unchanged except for the blank after the name.
fn name(text: &str) -> Result<Option<(String, &str)>, Wrong> {
    let text = text.trim_start();
    if text.is_empty() {
        return Ok(None);
    }
    let Some(quoted) = text.strip_prefix('"') else {
        let (name, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        return Ok(Some((name.to_owned(), rest)));
    };
    let mut name = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Ok(Some((name, quoted[at + 1..].strip_prefix(' ').unwrap_or(&quoted[at + 1..])))),
            '\\' => name.extend(characters.next().map(|(_, character)| character)),
            character => name.push(character),
        }
    }
    Err(Some("a quote is missing".to_owned()))
}

/// Reads at most one name, and nothing else.
fn only(text: &str) -> Result<Option<String>, Wrong> {
    match name(text)? {
        Some((name, rest)) if rest.trim().is_empty() => Ok(Some(name)),
        Some(_) => Err(None),
        None => Ok(None),
    }
}

fn none(text: &str, line: Line) -> Result<Line, Wrong> {
    if text.trim().is_empty() { Ok(line) } else { Err(None) }
}

fn filled(name: Option<String>) -> Result<String, Wrong> {
    name.filter(|name| !name.is_empty()).ok_or(None)
}

fn event(name: Option<String>) -> Result<String, Wrong> {
    let name = filled(name)?;
    match name.starts_with("_On") {
        true => Err(Some(format!("{name}: events whose names begin with _On belong to the protocol"))),
        false => Ok(name),
    }
}

fn event_and_body(text: &str) -> Result<(String, String), Wrong> {
    let (name, body) = name(text)?.ok_or(None)?;
    Ok((event(Some(name))?, body.to_owned()))
}

fn bytes(text: &str) -> Result<Bytes, Wrong> {
    match text.strip_prefix('@') {
        Some("") => Err(None),
        Some(file) => Ok(Bytes::File(file.to_owned())),
        None if text.is_empty() => Err(None),
        None => BASE64_STANDARD.decode(text).map(Bytes::Given).map_err(|err| Some(format!("base64: {err}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name_of(text: &str) -> String {
        text.to_owned()
    }

    #[test]
    fn a_line_is_a_message_unless_it_begins_with_a_slash() {
        assert_eq!(parse("hello there "), Ok(Line::Say(name_of("hello there "))));
        assert_eq!(parse(" /join x"), Ok(Line::Say(name_of(" /join x"))));
        assert_eq!(parse("//shrug"), Ok(Line::Say(name_of("/shrug"))));
        assert_eq!(parse("hi\r"), Ok(Line::Say(name_of("hi"))));
        assert_eq!(parse(""), Ok(Line::Nothing));
    }

    #[test]
    fn commands_take_the_arguments_of_their_usage() {
        assert_eq!(parse("/connect chat"), Ok(Line::Connect(name_of("chat"))));
        assert_eq!(parse("/connect \"\""), Ok(Line::Connect(String::new())));
        assert_eq!(parse("/disconnect"), Ok(Line::Disconnect(None)));
        assert_eq!(parse("/disconnect  chat "), Ok(Line::Disconnect(Some(name_of("chat")))));
        assert_eq!(parse("/join lobby"), Ok(Line::Join(name_of("lobby"))));
        assert_eq!(parse("/leave"), Ok(Line::Leave(None)));
        assert_eq!(parse("/use default/lobby"), Ok(Line::Use(name_of("default/lobby"))));
        assert_eq!(parse("/event news"), Ok(Line::Event(name_of("news"))));
        assert_eq!(parse("/native  plain text"), Ok(Line::Native(name_of(" plain text"))));
        assert_eq!(
            (parse("/rooms"), parse("/help"), parse("/quit ")),
            (Ok(Line::Rooms), Ok(Line::Help), Ok(Line::Quit))
        );
        assert_eq!((parse("/who"), parse("/status")), (Ok(Line::Status), Ok(Line::Status)));
    }

    #[test]
    fn a_body_is_the_unchanged_rest_of_the_line() {
        let emit = |event: &str, body: &str| Ok(Line::Emit { event: name_of(event), body: name_of(body) });
        assert_eq!(parse("/emit news  two  blanks "), emit("news", " two  blanks "));
        assert_eq!(parse("/emit news"), emit("news", ""));
        assert_eq!(parse("/emit \"big news\" {\"a\": \"b\"}"), emit("big news", "{\"a\": \"b\"}"));
        assert_eq!(parse("/ask time now"), Ok(Line::Ask { event: name_of("time"), body: name_of("now") }));
    }

    #[test]
    fn quotes_hold_any_name() {
        assert_eq!(parse(r#"/join "the \"attic\" \\ 日本""#), Ok(Line::Join(name_of(r#"the "attic" \ 日本"#))));
        assert_eq!(parse("/join \"attic"), Err(name_of("a quote is missing")));
    }

    #[test]
    fn bytes_are_given_or_read_from_a_file() {
        let binary = |body| Ok(Line::Binary { event: name_of("e"), body });
        assert_eq!(parse("/binary e AP8="), binary(Bytes::Given(vec![0, 255])));
        assert_eq!(parse("/binary e @my file.bin"), binary(Bytes::File(name_of("my file.bin"))));
        assert!(parse("/binary e ?").unwrap_err().starts_with("base64: "));
        assert_eq!(parse("/binary e"), Err(name_of("write it as /binary EVENT BASE64|@FILE")));
    }

    #[test]
    fn an_error_about_a_command_shows_its_usage() {
        assert_eq!(parse("/dance"), Err(name_of("there is no /dance; /help lists what there is")));
        assert_eq!(parse("/"), Err(name_of("there is no /; /help lists what there is")));
        assert_eq!(parse("/join"), Err(name_of("write it as /join ROOM")));
        assert_eq!(parse("/join a b"), Err(name_of("write it as /join ROOM")));
        assert_eq!(parse("/join \"\""), Err(name_of("write it as /join ROOM")));
        assert_eq!(parse("/quit now"), Err(name_of("write it as /quit")));
        assert!(parse("/emit _OnRoomJoin").unwrap_err().contains("belong to the protocol"));
    }

    #[test]
    fn the_help_names_every_command() {
        for command in COMMANDS {
            assert!(help().contains(command.name) && help().contains(command.about), "{}", command.name);
        }
    }
}
