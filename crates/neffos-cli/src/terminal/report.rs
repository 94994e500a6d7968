//! Reports events as lines of JSON. Pure.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use neffos::{CloseFrame, Message, Sender};
use serde::Serialize;

use super::happening::{Answer, Because, Fault, Happening, Id, Missing, Place, State, Status, What};

/// Returns the line, or `None` for events that only people see.
pub(super) fn report(happening: &Happening) -> Option<String> {
    let report = Report { time: format!("{:.3}", happening.at), ..Report::of(&happening.what)? };
    serde_json::to_string(&report).ok()
}

/// All fields of a line. Fields without a value are omitted.
#[derive(Debug, Default, Serialize)]
struct Report<'a> {
    time: String,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a Id>,
    /// The id of this client.
    #[serde(skip_serializing_if = "Option::is_none")]
    conn: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespaces: Option<Vec<Rooms<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    room: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body_base64: Option<String>,
    #[serde(skip_serializing_if = "is_not")]
    binary: bool,
    #[serde(skip_serializing_if = "is_not")]
    native: bool,
    #[serde(skip_serializing_if = "is_not")]
    ask: bool,
    /// The id of the connection that sent the message, if the server states it.
    #[serde(skip_serializing_if = "Option::is_none")]
    sender: Option<&'a str>,
    /// Whether the message came through the HTTP API.
    #[serde(skip_serializing_if = "is_not")]
    program: bool,
    #[serde(skip_serializing_if = "is_not")]
    forced: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tries: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delay_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<Vec<Lacking<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    close_code: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
}

fn sender(message: &Message) -> Option<&str> {
    match message.sender()? {
        Sender::Connection(id) => Some(id),
        _ => None,
    }
}

/// A namespace with its rooms.
#[derive(Debug, Serialize)]
struct Rooms<'a> {
    namespace: &'a str,
    rooms: &'a [String],
}

#[derive(Debug, Serialize)]
struct Lacking<'a> {
    namespace: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    room: Option<&'a str>,
    error: &'a str,
}

impl<'a> Report<'a> {
    fn of(what: &'a What) -> Option<Self> {
        Some(match what {
            What::Welcome { id, url } => Self { url: Some(url), conn: Some(id), ..Self::new("welcome") },
            What::Entered(place) => Self::at(place, ["connected", "joined"]),
            What::Left { place, because } => {
                Self { forced: *because == Because::Forced, ..Self::at(place, ["disconnected", "left"]) }
            }
            What::Event(message) => Self::message("event", message, message),
            What::Answer(answer) => {
                let Answer { id, asked, reply, took } = &**answer;
                Self { id: id.as_ref(), ms: Some(milliseconds(*took)), ..Self::message("answer", asked, reply) }
            }
            What::Done(id) => Self { id: Some(id), ..Self::new("done") },
            What::Fault(fault) => Self::fault("error", fault),
            What::Status { id, status } => Self { id: id.as_ref(), ..Self::status(status) },
            What::Lost(close) => Self::new("lost").closed(close.as_ref()),
            What::Trying { tries, delay } => {
                Self { tries: Some(*tries), delay_ms: Some(milliseconds(*delay)), ..Self::new("trying") }
            }
            What::Back { id, tries, missing } => {
                let missing = missing.iter().map(Lacking::of).collect();
                Self { conn: Some(id), tries: Some(*tries), missing: Some(missing), ..Self::new("back") }
            }
            What::Ended { close, error: Some(fault) } => Self::fault("ended", fault).closed(close.as_ref()),
            What::Ended { close, error: None } => Self::new("ended").closed(close.as_ref()),
            What::Sent(_) | What::Note(_) => return None,
        })
    }

    fn new(kind: &'static str) -> Self {
        Self { kind, ..Self::default() }
    }

    /// Reports a change of a place, with the first kind for a namespace and the second for a room.
    fn at(place: &'a Place, [namespace, room]: [&'static str; 2]) -> Self {
        let kind = if place.room.is_some() { room } else { namespace };
        Self { namespace: Some(&place.namespace), room: place.room.as_deref(), ..Self::new(kind) }
    }

    /// Reports the body of `body`, with the event of `envelope`.
    fn message(kind: &'static str, envelope: &'a Message, body: &'a Message) -> Self {
        let report = Self {
            binary: body.is_binary(),
            native: envelope.is_native(),
            ask: kind == "event" && envelope.is_ask(),
            sender: sender(envelope),
            program: envelope.sender() == Some(Sender::Program),
            body: body.text().ok(),
            body_base64: body.text().is_err().then(|| BASE64_STANDARD.encode(body.body())),
            ..Self::new(kind)
        };
        match envelope.is_native() {
            true => report,
            false => Self {
                namespace: Some(envelope.namespace()),
                room: envelope.room(),
                event: Some(envelope.event()),
                ..report
            },
        }
    }

    fn fault(kind: &'static str, fault: &'a Fault) -> Self {
        let about = fault.about.as_deref();
        Self {
            id: fault.id.as_ref(),
            namespace: about.map(|about| &*about.place.namespace),
            room: about.and_then(|about| about.place.room.as_deref()),
            event: about.and_then(|about| about.event.as_deref()),
            error: Some(&fault.text),
            code: Some(fault.code),
            ..Self::new(kind)
        }
    }

    fn status(status: &'a Status) -> Self {
        let state = match status.state {
            State::Connected => "connected",
            State::Lost => "lost",
            State::Closed => "closed",
        };
        let namespaces = status.namespaces.iter().map(|(namespace, rooms)| Rooms { namespace, rooms });
        Self {
            conn: Some(&status.id),
            url: Some(&status.url),
            state: Some(state),
            namespaces: Some(namespaces.collect()),
            ..Self::new("status")
        }
    }

    fn closed(self, close: Option<&'a CloseFrame>) -> Self {
        let reason = close.map(CloseFrame::reason).filter(|reason| !reason.is_empty());
        Self { close_code: close.map(|close| close.code().as_u16()), reason, ..self }
    }
}

impl<'a> Lacking<'a> {
    fn of(missing: &'a Missing) -> Self {
        let Missing { place, error } = missing;
        Self { namespace: &place.namespace, room: place.room.as_deref(), error }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_not(flag: &bool) -> bool {
    !flag
}

/// Returns milliseconds, rounded to a thousandth.
fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1_000_000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use neffos::CloseCode;

    use super::super::happening::Subject;
    use super::*;

    fn json(what: What) -> String {
        let at = "2026-01-02T03:04:05.678901Z".parse().unwrap();
        let line = report(&Happening { at, what }).unwrap();
        let rest = line.strip_prefix(r#"{"time":"2026-01-02T03:04:05.678Z","kind":"#);
        rest.unwrap_or_else(|| panic!("{line}")).to_owned()
    }

    fn id(json: &str) -> Id {
        serde_json::value::RawValue::from_string(json.to_owned()).unwrap()
    }

    #[test]
    fn an_event_has_its_place_and_its_body() {
        let message = Message::new("chat", "a \"b\"\n\x1b").in_namespace("default").to_room("lobby");
        assert_eq!(
            json(What::Event(message)),
            r#""event","namespace":"default","room":"lobby","event":"chat","body":"a \"b\"\n\u001b"}"#
        );
        let message = Message::new("e", "").in_namespace("n");
        assert_eq!(
            json(What::Event(message.clone().sent_by("ada"))),
            r#""event","namespace":"n","event":"e","body":"","sender":"ada"}"#
        );
        assert_eq!(
            json(What::Event(message.sent_by_program())),
            r#""event","namespace":"n","event":"e","body":"","program":true}"#
        );
        let message = Message::new("e", vec![0, 255]).in_namespace("").binary();
        assert_eq!(
            json(What::Event(message)),
            r#""event","namespace":"","event":"e","body_base64":"AP8=","binary":true}"#
        );
        assert_eq!(json(What::Event(Message::native("x"))), r#""event","body":"x","native":true}"#);
    }

    #[test]
    fn an_answer_repeats_the_id_which_may_be_any_json() {
        let took = Duration::from_nanos(1_234_567);
        let (asked, reply) = (Message::new("time", ""), Message::new("", "noon"));
        let answer = |id| What::Answer(Box::new(Answer { id, asked, reply, took }));
        assert_eq!(
            json(answer(Some(id(r#"{"n": 1.10}"#)))),
            r#""answer","id":{"n": 1.10},"namespace":"","event":"time","body":"noon","ms":1.235}"#
        );
        assert_eq!(json(What::Done(id("7"))), r#""done","id":7}"#);
        let message = Message::new("chat", "").in_namespace("default");
        let fault = Fault::usage("no").with_id(Some(id("\"x\""))).about(Subject::of(&message));
        assert_eq!(
            json(What::Fault(fault)),
            r#""error","id":"x","namespace":"default","event":"chat","error":"no","code":"usage"}"#
        );
    }

    #[test]
    fn the_end_has_the_code_of_the_close_frame() {
        let close = || Some(CloseFrame::new(CloseCode::POLICY, "kicked"));
        assert_eq!(json(What::Lost(close())), r#""lost","close_code":1008,"reason":"kicked"}"#);
        assert_eq!(json(What::Ended { close: None, error: None }), r#""ended"}"#);
        let error = Some(Fault::new("banned", "refused"));
        assert_eq!(json(What::Ended { close: None, error }), r#""ended","error":"banned","code":"refused"}"#);
    }

    #[test]
    fn a_status_lists_the_places() {
        let namespaces = vec![("default".to_owned(), vec!["a".to_owned()])];
        let status = Status { id: "7".into(), url: "ws://h".to_owned(), state: State::Connected, namespaces };
        assert_eq!(
            json(What::Status { id: None, status }),
            r#""status","conn":"7","url":"ws://h","state":"connected","namespaces":[{"namespace":"default","rooms":["a"]}]}"#
        );
    }

    #[test]
    fn sent_messages_are_not_reported_to_programs() {
        let at = "2026-01-02T03:04:05Z".parse().unwrap();
        assert_eq!(report(&Happening { at, what: What::Sent(Message::new("e", "")) }), None);
    }
}
