//! The commands of a session, and their JSON form for programs: one object per line. Pure.

use neffos::Message;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::happening::{Fault, Id, Place, Subject};
use crate::body::{Body, any_value};

/// One command.
#[derive(Debug, Clone)]
pub(super) struct Command {
    /// The id that the program gave to the command.
    pub(super) id: Option<Id>,
    pub(super) act: Act,
}

#[derive(Debug, Clone)]
pub(super) enum Act {
    Send(Box<Message>),
    Ask(Box<Message>),
    Connect(String),
    Disconnect(String),
    Join(Target),
    Leave(Target),
    Status,
    Quit,
}

/// A room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) namespace: String,
    pub(super) room: String,
}

impl Act {
    pub(super) fn subject(&self) -> Option<Subject> {
        let about = |place| Some(Subject { place, event: None });
        match self {
            Self::Send(message) if message.is_native() => None,
            Self::Send(message) | Self::Ask(message) => Some(Subject::of(message)),
            Self::Connect(namespace) | Self::Disconnect(namespace) => about(Place::namespace(namespace)),
            Self::Join(Target { namespace, room }) | Self::Leave(Target { namespace, room }) => {
                about(Place { namespace: namespace.clone(), room: Some(room.clone()) })
            }
            Self::Status | Self::Quit => None,
        }
    }
}

impl Command {
    /// Reads a line of JSON. Without a namespace in it, the command is about `namespace`.
    ///
    /// # Errors
    ///
    /// Returns the fault, with the command's id if that can be read.
    pub(super) fn read(line: &str, namespace: &str) -> Result<Self, Fault> {
        let fault = |text: String| Fault::usage(text).with_id(id_of(line));
        // serde would also read the fields from an array, by position.
        if line.trim_start().starts_with('[') {
            return Err(fault("a JSON object is wanted, not an array".to_owned()));
        }
        let fields: Fields = serde_json::from_str(line).map_err(|err| fault(err.to_string()))?;
        fields.command(namespace).map_err(fault)
    }
}

/// The JSON of a command.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    #[serde(rename = "do")]
    verb: Verb,
    #[serde(default, deserialize_with = "any_value")]
    id: Option<Id>,
    namespace: Option<String>,
    room: Option<String>,
    event: Option<String>,
    #[serde(default, deserialize_with = "any_value")]
    body: Option<Box<RawValue>>,
    body_base64: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Verb {
    Emit,
    Ask,
    Native,
    Connect,
    Disconnect,
    Join,
    Leave,
    Status,
    Quit,
}

impl Fields {
    fn command(mut self, namespace: &str) -> Result<Command, String> {
        let act = match self.verb {
            Verb::Emit => Act::Send(self.message(namespace)?.into()),
            Verb::Ask => Act::Ask(self.message(namespace)?.into()),
            Verb::Native => Act::Send(Box::new(match self.body()? {
                Body::Text(text) => Message::native(text),
                Body::Binary(bytes) => Message::native(bytes).binary(),
            })),
            Verb::Connect => Act::Connect(self.namespace.take().ok_or("namespace: missing")?),
            Verb::Disconnect => Act::Disconnect(self.namespace(namespace)),
            Verb::Join => Act::Join(self.target(namespace)?),
            Verb::Leave => Act::Leave(self.target(namespace)?),
            Verb::Status => Act::Status,
            Verb::Quit => Act::Quit,
        };
        match self.unused() {
            Some(field) => Err(format!("{field}: means nothing here")),
            None => Ok(Command { id: self.id, act }),
        }
    }

    fn message(&mut self, namespace: &str) -> Result<Message, String> {
        let event = self.event.take().ok_or("event: missing")?;
        if event.is_empty() || event.starts_with("_On") {
            return Err("event: a name that neither is empty nor begins with `_On` is wanted".to_owned());
        }
        let message = self.body()?.message(event).in_namespace(self.namespace(namespace));
        Ok(match self.room()? {
            Some(room) => message.to_room(room),
            None => message,
        })
    }

    fn target(&mut self, namespace: &str) -> Result<Target, String> {
        let room = self.room()?.ok_or("room: missing")?;
        Ok(Target { namespace: self.namespace(namespace), room })
    }

    fn namespace(&mut self, namespace: &str) -> String {
        self.namespace.take().unwrap_or_else(|| namespace.to_owned())
    }

    /// Takes the room. Refuses an empty name, which is a mistake.
    fn room(&mut self) -> Result<Option<String>, String> {
        match self.room.take() {
            Some(room) if room.is_empty() => Err("room: empty; leave it out".to_owned()),
            room => Ok(room),
        }
    }

    fn body(&mut self) -> Result<Body, String> {
        Body::of(self.body.take(), self.body_base64.take())
    }

    /// Returns a given field that the command does not use.
    fn unused(&self) -> Option<&'static str> {
        let fields = [
            (self.namespace.is_some(), "namespace"),
            (self.room.is_some(), "room"),
            (self.event.is_some(), "event"),
            (self.body.is_some(), "body"),
            (self.body_base64.is_some(), "body_base64"),
        ];
        fields.into_iter().find(|(is_given, _)| *is_given).map(|(_, name)| name)
    }
}

/// Returns the id of a command that cannot be read.
fn id_of(line: &str) -> Option<Id> {
    #[derive(Deserialize)]
    struct Named {
        #[serde(default, deserialize_with = "any_value")]
        id: Option<Id>,
    }
    serde_json::from_str::<Named>(line).ok()?.id
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Command {
        Command::read(line, "default").unwrap()
    }

    fn fault(line: &str) -> String {
        Command::read(line, "default").unwrap_err().text
    }

    #[test]
    fn an_emit_has_the_same_fields_as_an_event() {
        let line = r#"{"do":"emit","namespace":"a","room":"r","event":"e","body":"x","id":1.10}"#;
        let Command { id, act: Act::Send(message) } = read(line) else { panic!("{line}") };
        assert_eq!((message.namespace(), message.room(), message.event()), ("a", Some("r"), "e"));
        assert_eq!((message.text().unwrap(), id.unwrap().get()), ("x", "1.10"));
    }

    #[test]
    fn a_body_may_be_any_json_or_bytes() {
        let body = |body: &str| match read(&format!(r#"{{"do":"ask","event":"e",{body}}}"#)).act {
            Act::Ask(message) => (message.body().to_vec(), message.is_binary()),
            other => panic!("{other:?}"),
        };
        assert_eq!(body(r#""body":{"price": 1.10}"#), (br#"{"price": 1.10}"#.to_vec(), false));
        assert_eq!(body(r#""body":null"#), (b"null".to_vec(), false));
        assert_eq!(body(r#""body_base64":"AP8=""#), (vec![0, 255], true));
    }

    #[test]
    fn a_command_without_a_namespace_uses_the_first() {
        let Act::Join(target) = read(r#"{"do":"join","room":"r"}"#).act else { panic!("no join") };
        assert_eq!(target, Target { namespace: "default".to_owned(), room: "r".to_owned() });
        let Act::Disconnect(namespace) = read(r#"{"do":"disconnect"}"#).act else { panic!("no disconnect") };
        assert_eq!(namespace, "default");
        assert!(matches!(read(r#"{"do":"status"}"#).act, Act::Status));
        assert!(matches!(read(r#"{"do":"quit"}"#).act, Act::Quit));
        let Act::Send(native) = read(r#"{"do":"native","body":"plain"}"#).act else { panic!("no native") };
        assert!(native.is_native());
    }

    #[test]
    fn a_fault_names_the_field_and_keeps_the_id() {
        for (line, text) in [
            (r#"{"do":"emit"}"#, "event: missing"),
            (r#"{"do":"emit","event":"_OnRoomJoin"}"#, "event: "),
            (r#"{"do":"emit","event":"e","room":""}"#, "room: empty"),
            (r#"{"do":"emit","event":"e","body":1,"body_base64":""}"#, "body_base64: there is"),
            (r#"{"do":"emit","event":"e","to":"x"}"#, "unknown field `to`"),
            (r#"{"do":"dance"}"#, "unknown variant `dance`"),
            (r#"{"do":"connect"}"#, "namespace: missing"),
            (r#"{"do":"join"}"#, "room: missing"),
            (r#"{"do":"status","room":"r"}"#, "room: means nothing here"),
            ("{}", "missing field `do`"),
            ("hello", "expected value"),
        ] {
            assert!(fault(line).starts_with(text), "{line}: {}", fault(line));
        }
        let fault = Command::read(r#"{"do":"dance","id":"x"}"#, "default").unwrap_err();
        assert_eq!(fault.id.unwrap().get(), "\"x\"");
    }
}
