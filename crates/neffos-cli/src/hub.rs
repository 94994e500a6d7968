//! The relay rules: the receivers of each event that clients send in a namespace.

use std::collections::BTreeMap;

use neffos::{Events, Message, NsConn, Reply, Server};
use serde::Deserialize;
use serde_json::value::{RawValue, to_raw_value};

/// The rules of one namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Rules {
    events: BTreeMap<String, Rule>,
}

/// The receivers of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Rule {
    /// All other connections in the message's room, or in the namespace if the message names no room.
    Others,
    /// The same connections as `Others`, and the sender.
    Everyone,
    /// The connections with the id that the body names.
    Recipient,
    /// The sender, as a reply.
    Sender,
    Refused,
}

impl Rules {
    /// Returns handlers that apply these rules.
    pub(crate) fn handlers(&self) -> Events {
        let named = self.events.iter().filter(|(event, _)| *event != REST);
        let events = named.fold(Events::new(), |events, (event, rule)| {
            let rule = *rule;
            events.on(event, move |ns: NsConn, server: Server, message: Message| async move {
                handle(rule, &ns, &server, &message)
            })
        });
        let rest = self.events.get(REST).copied().unwrap_or(Rule::Refused);
        events.on_any(move |ns: NsConn, server: Server, message: Message| async move {
            match SYSTEM_EVENTS.contains(&message.event()) {
                true => Reply::none(),
                false => handle(rest, &ns, &server, &message),
            }
        })
    }
}

fn handle(rule: Rule, ns: &NsConn, server: &Server, message: &Message) -> Reply {
    // A client reports an error about an event with the same event. If errors were relayed, two clients could exchange
    // them for ever.
    if message.error().is_some() {
        return Reply::none();
    }
    match rule {
        Rule::Others => ns.broadcast_others(copy(ns, message)),
        Rule::Everyone => ns.broadcast(copy(ns, message)),
        Rule::Recipient => match send_to_recipient(ns, server, message) {
            Ok(()) => {}
            Err(reason) => return Reply::error(reason),
        },
        Rule::Sender => return Reply::new(message.body().clone()),
        Rule::Refused => return Reply::error("not allowed"),
    }
    handed_over(message)
}

/// Answers an ask with an empty reply. Any other message gets none, because the client would receive it as an event.
fn handed_over(message: &Message) -> Reply {
    match message.is_ask() {
        true => Reply::text(""),
        false => Reply::none(),
    }
}

fn send_to_recipient(ns: &NsConn, server: &Server, message: &Message) -> Result<(), String> {
    let Private { to, body } = Private::read(message.body(), ns.conn().id())?;
    let is_here = |there: &NsConn| message.room().is_none_or(|room| there.room(room).is_some());
    let recipients = server.connections_with_id(&to);
    let is_known = recipients.iter().any(|conn| conn.namespace(ns.name()).is_some_and(|there| is_here(&there)));
    // Only the other servers know their connections.
    if !is_known && server.cluster().is_none() {
        return Err("nobody has this id".to_owned());
    }
    ns.broadcast(with_body(ns, message, body).to(to));
    Ok(())
}

/// Returns the relayed form of `message`: without token and flags, which concern the sender alone, and with the
/// sender's id.
fn copy(ns: &NsConn, message: &Message) -> Message {
    with_body(ns, message, message.body().clone())
}

fn with_body(ns: &NsConn, message: &Message, body: impl Into<Vec<u8>>) -> Message {
    let copy = Message::new(message.event(), body.into()).in_namespace(message.namespace()).sent_by(ns.conn().id());
    let copy = match message.room() {
        Some(room) => copy.to_room(room),
        None => copy,
    };
    match message.is_binary() {
        true => copy.binary(),
        false => copy,
    }
}

/// A private message: the id of its recipient, and its body.
#[derive(Debug, PartialEq, Eq)]
struct Private {
    to: String,
    body: Vec<u8>,
}

impl Private {
    /// Removes `to` from the object in `body`, and sets `from` to the sender's id, even if the body has another `from`.
    /// The other fields stay unchanged.
    fn read(body: &[u8], from: &str) -> Result<Self, String> {
        let mut fields: BTreeMap<String, Box<RawValue>> =
            serde_json::from_slice(body).map_err(|err| format!("body: a JSON object is wanted: {err}"))?;
        let to = fields.remove("to").ok_or("to: missing; it names the recipient's id")?;
        let to: String = serde_json::from_str(to.get()).map_err(|_| "to: a string is wanted")?;
        let from = to_raw_value(from).map_err(|err| err.to_string())?;
        fields.insert("from".to_owned(), from);
        let body = serde_json::to_vec(&fields).map_err(|err| err.to_string())?;
        Ok(Self { to, body })
    }
}

/// The name of the rule for all events without a rule.
const REST: &str = "*";

/// The system events, which need no rule: every client may connect namespaces, join rooms and leave them.
const SYSTEM_EVENTS: &[&str] = &[
    "_OnNamespaceConnect",
    "_OnNamespaceConnected",
    "_OnNamespaceDisconnect",
    "_OnRoomJoin",
    "_OnRoomJoined",
    "_OnRoomLeave",
    "_OnRoomLeft",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<Private, String> {
        Private::read(body.as_bytes(), "ada")
    }

    #[test]
    fn the_server_says_who_a_private_message_is_from() {
        let private = read(r#"{"to":"bob","text":"hi","from":"eve"}"#).unwrap();
        assert_eq!(private.to, "bob");
        assert_eq!(String::from_utf8(private.body).unwrap(), r#"{"from":"ada","text":"hi"}"#);
    }

    #[test]
    fn the_other_fields_of_a_private_message_stay_as_they_were_written() {
        let private = read(r#"{"to":"b","amount":1.10,"big":123456789012345678901234567890}"#).unwrap();
        let body = String::from_utf8(private.body).unwrap();
        assert_eq!(body, r#"{"amount":1.10,"big":123456789012345678901234567890,"from":"ada"}"#);
    }

    #[test]
    fn an_error_about_a_private_message_names_the_wrong_field() {
        assert!(read("hello").unwrap_err().starts_with("body: "));
        assert!(read("[1]").unwrap_err().starts_with("body: "));
        assert!(read(r#"{"text":"hi"}"#).unwrap_err().starts_with("to: missing"));
        assert!(read(r#"{"to":7}"#).unwrap_err().starts_with("to: a string"));
    }
}
