//! Renders events as lines for people. Pure.

use std::time::Duration;

use jiff::tz::TimeZone;
use neffos::{CloseCode, CloseFrame, Message};

use super::escape::{bytes, safe};
use super::happening::{Answer, Because, Fault, Happening, Place, State, Status, What};

/// Renders lines for people.
#[derive(Debug, Clone)]
pub(super) struct Renderer {
    pub(super) colors: Colors,
    /// The time zone of the times.
    pub(super) zone: TimeZone,
}

/// Whether lines have colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Colors {
    On,
    Off,
}

/// The kinds of lines, each with a mark and a colour.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Incoming,
    Own,
    Answer,
    System,
    Error,
}

impl Renderer {
    /// Renders an event as lines, without a final line feed. Returns `None` if the event is not shown.
    pub(super) fn render(&self, happening: &Happening) -> Option<String> {
        let (kind, text) = match &happening.what {
            What::Note(text) => return Some(text.clone()),
            What::Event(message) => (Kind::Incoming, self.message(message)),
            What::Sent(message) => (Kind::Own, self.message(message)),
            What::Answer(answer) => (Kind::Answer, self.answer(answer)),
            What::Fault(fault) => (Kind::Error, fault_text(fault)),
            what => (Kind::System, system(what)?),
        };
        let (mark, color) = kind.look();
        let time = happening.at.to_zoned_datetime(self.zone.clone()).strftime("%H:%M:%S").to_string();
        let text = if matches!(kind, Kind::System | Kind::Error) { self.paint(color, &text) } else { text };
        Some(format!("{} {} {text}", self.faint(&time), self.paint(color, mark)))
    }

    fn message(&self, message: &Message) -> String {
        let mark = match (message.is_native(), message.is_binary()) {
            (false, true) => self.faint(" (binary)"),
            _ => String::new(),
        };
        format!("{}{mark} {}", self.subject(message), self.body(message))
    }

    fn answer(&self, Answer { asked, reply, took, .. }: &Answer) -> String {
        let took = self.faint(&format!("({})", span(*took)));
        format!("{} {} {took}", self.subject(asked), self.body(reply))
    }

    /// Renders the place and the event of a message.
    fn subject(&self, message: &Message) -> String {
        if message.is_native() {
            return self.faint("native");
        }
        let ask = if message.is_ask() { "?" } else { "" };
        format!("{} {}{ask}", self.faint(&place_text(&Place::of(message))), self.bold(&name(message.event())))
    }

    /// Renders the body. Marks every line but the first, so that a body cannot look like a line of the program.
    fn body(&self, message: &Message) -> String {
        let Ok(text) = message.text() else { return bytes(message.body()) };
        let mut lines = text.split('\n').map(|line| safe(line.strip_suffix('\r').unwrap_or(line)));
        let first = lines.next().unwrap_or_default().into_owned();
        lines.fold(first, |body, line| format!("{body}\n         {} {line}", self.faint("|")))
    }

    fn faint(&self, text: &str) -> String {
        self.paint("2", text)
    }

    fn bold(&self, text: &str) -> String {
        self.paint("1", text)
    }

    fn paint(&self, color: &str, text: &str) -> String {
        match self.colors {
            Colors::On => format!("\x1b[{color}m{text}\x1b[0m"),
            Colors::Off => text.to_owned(),
        }
    }
}

impl Kind {
    /// Returns the mark and the colour.
    fn look(self) -> (&'static str, &'static str) {
        match self {
            Self::Incoming => ("<", "36"),
            Self::Own => (">", "32"),
            Self::Answer => ("=", "35"),
            Self::System => ("*", "33"),
            Self::Error => ("!", "31"),
        }
    }
}

/// Returns the text of a place, also for the prompt.
pub(super) fn place_text(place: &Place) -> String {
    match &place.room {
        Some(room) => format!("{}/{}", name(&place.namespace), name(room)),
        None => name(&place.namespace),
    }
}

/// Returns a name in the form in which it is typed: in quotes if necessary.
pub(super) fn name(name: &str) -> String {
    match name.is_empty() || name.contains([' ', '"']) {
        true => format!("\"{}\"", safe(name).replace('"', "\\\"")),
        false => safe(name).into_owned(),
    }
}

/// Returns the text for a change of the connection or of its places, or `None` if it is not shown.
fn system(what: &What) -> Option<String> {
    Some(match what {
        What::Welcome { id, url } => format!("welcome, you are {} at {}", named(id), safe(url)),
        What::Entered(place) if place.room.is_none() => format!("connected to {}", place_text(place)),
        What::Entered(place) => format!("joined {}", place_text(place)),
        // The event that forced this has its own line.
        What::Left { because: Because::Forced, .. } => return None,
        What::Left { place, .. } if place.room.is_none() => format!("disconnected from {}", place_text(place)),
        What::Left { place, .. } => format!("left {}", place_text(place)),
        What::Status { status, .. } => status_text(status),
        What::Lost(close) => format!("lost the connection{}", close.as_ref().map(reason).unwrap_or_default()),
        // Any other end is the failure that the program reports at its end.
        What::Ended { close: Some(close), error: None } if close.code() == CloseCode::NORMAL => match close.reason() {
            "" => "closed".to_owned(),
            words => format!("closed: {}", safe(words)),
        },
        What::Trying { tries, delay } => format!("trying to come back ({tries}) in {}", span(*delay)),
        What::Back { id, missing, .. } => {
            let missing = missing
                .iter()
                .map(|missing| format!("; without {}: {}", place_text(&missing.place), safe(&missing.error)));
            format!("back, you are {}{}", named(id), missing.collect::<String>())
        }
        _ => return None,
    })
}

/// Returns the id for display. Native servers give no ids.
fn named(id: &str) -> String {
    if id.is_empty() { "nameless".to_owned() } else { safe(id).into_owned() }
}

fn status_text(status: &Status) -> String {
    let state = match status.state {
        State::Connected => "connected",
        State::Lost => "lost, and trying to come back",
        State::Closed => "closed",
    };
    let places = status.namespaces.iter().map(|(namespace, rooms)| {
        let rooms: Vec<_> = rooms.iter().map(|room| name(room)).collect();
        let rooms = if rooms.is_empty() { "no rooms".to_owned() } else { rooms.join(", ") };
        format!("\n           {}: {rooms}", name(namespace))
    });
    format!("{} at {}: {state}{}", named(&status.id), safe(&status.url), places.collect::<String>())
}

fn fault_text(fault: &Fault) -> String {
    let Some(about) = &fault.about else { return safe(&fault.text).into_owned() };
    let event = about.event.as_ref().map(|event| name(event) + " ").unwrap_or_default();
    format!("{} {event}{}", place_text(&about.place), safe(&fault.text))
}

/// Returns the code and the reason of a close frame, as a suffix.
fn reason(close: &CloseFrame) -> String {
    format!(": [{}] {}", close.code().as_u16(), safe(close.reason())).trim_end().to_owned()
}

/// Returns a duration, rounded to one decimal.
fn span(time: Duration) -> String {
    match time.as_secs_f64() {
        seconds if seconds >= 1.0 => format!("{seconds:.1} s"),
        seconds => format!("{:.1} ms", seconds * 1000.0),
    }
}

#[cfg(test)]
mod tests {
    use super::super::happening::{Missing, Subject};
    use super::*;

    fn render(what: What) -> String {
        let renderer = Renderer { colors: Colors::Off, zone: TimeZone::UTC };
        let at = "2026-01-02T03:04:05.678Z".parse().unwrap();
        renderer.render(&Happening { at, what }).unwrap()
    }

    fn chat(body: impl Into<Vec<u8>>) -> Message {
        Message::new("chat", body.into()).in_namespace("default").to_room("lobby")
    }

    #[test]
    fn a_line_has_the_time_the_kind_and_the_place() {
        assert_eq!(render(What::Event(chat("hello"))), "03:04:05 < default/lobby chat hello");
        assert_eq!(render(What::Sent(chat("hello"))), "03:04:05 > default/lobby chat hello");
        let place = Place { namespace: String::new(), room: Some("the attic".to_owned()) };
        assert_eq!(render(What::Entered(place)), "03:04:05 * joined \"\"/\"the attic\"");
        let took = Duration::from_micros(12_340);
        let answer = What::Answer(Box::new(Answer { id: None, asked: chat(""), reply: chat("noon"), took }));
        assert_eq!(render(answer), "03:04:05 = default/lobby chat noon (12.3 ms)");
        assert_eq!(render(What::Event(Message::native("plain"))), "03:04:05 < native plain");
    }

    #[test]
    fn each_kind_has_a_colour_that_ends_with_its_text() {
        let renderer = Renderer { colors: Colors::On, zone: TimeZone::UTC };
        let at = "2026-01-02T03:04:05Z".parse().unwrap();
        let line = renderer.render(&Happening { at, what: What::Event(chat("hi")) }).unwrap();
        assert_eq!(line, "\x1b[2m03:04:05\x1b[0m \x1b[36m<\x1b[0m \x1b[2mdefault/lobby\x1b[0m \x1b[1mchat\x1b[0m hi");
        let line = renderer.render(&Happening { at, what: What::Fault(Fault::usage("no")) }).unwrap();
        assert_eq!(line, "\x1b[2m03:04:05\x1b[0m \x1b[31m!\x1b[0m \x1b[31mno\x1b[0m");
    }

    #[test]
    fn nothing_of_the_network_reaches_the_terminal_as_a_control_sequence() {
        let evil = "\x1b]0;owned\x07\x1b[2J\u{9b}5n\r";
        let message = Message::new(evil, evil).in_namespace(evil).to_room(evil);
        let close = CloseFrame::new(CloseCode::POLICY, evil);
        let place = Place::of(&message);
        let fault = Fault::new(evil, "remote").about(Subject::of(&message));
        let missing = vec![Missing { place: place.clone(), error: evil.to_owned() }];
        let answer = Answer { id: None, asked: message.clone(), reply: message.clone(), took: Duration::ZERO };
        let status = Status {
            id: evil.into(),
            url: evil.to_owned(),
            state: State::Lost,
            namespaces: vec![(evil.to_owned(), vec![evil.to_owned()])],
        };
        for what in [
            What::Event(message.clone()),
            What::Sent(message.clone()),
            What::Answer(Box::new(answer)),
            What::Entered(place.clone()),
            What::Left { place: place.clone(), because: Because::Wanted },
            What::Welcome { id: evil.into(), url: evil.to_owned() },
            What::Fault(fault),
            What::Lost(Some(close)),
            What::Ended { close: Some(CloseFrame::new(CloseCode::NORMAL, evil)), error: None },
            What::Back { id: evil.into(), tries: 1, missing },
            What::Status { id: None, status },
        ] {
            let line = render(what);
            assert!(!line.replace('\n', "").chars().any(char::is_control), "{line:?}");
        }
    }

    #[test]
    fn a_body_of_several_lines_cannot_pretend_to_be_something_else() {
        let line = render(What::Event(chat("one\r\n03:04:05 * kicked\n")));
        assert_eq!(line, "03:04:05 < default/lobby chat one\n         | 03:04:05 * kicked\n         | ");
    }

    #[test]
    fn wide_characters_stay_and_a_body_that_is_not_text_is_shown_as_bytes() {
        assert_eq!(render(What::Event(chat("日本 👩\u{200d}🚀"))), "03:04:05 < default/lobby chat 日本 👩\u{200d}🚀");
        assert_eq!(
            render(What::Event(chat([0xff, 0x1b, b'c']).binary())),
            "03:04:05 < default/lobby chat (binary) <3 bytes> ff 1b 63 |..c|"
        );
        assert_eq!(render(What::Event(chat("hi").binary())), "03:04:05 < default/lobby chat (binary) hi");
    }

    #[test]
    fn a_forced_change_is_only_shown_through_its_cause() {
        let renderer = Renderer { colors: Colors::Off, zone: TimeZone::UTC };
        let left = What::Left { place: Place::namespace("default"), because: Because::Forced };
        let at = "2026-01-02T03:04:05Z".parse().unwrap();
        assert_eq!(renderer.render(&Happening { at, what: left }), None);
        let close = CloseFrame::new(CloseCode::SERVICE_RESTART, "server shutting down");
        assert_eq!(render(What::Lost(Some(close))), "03:04:05 * lost the connection: [1012] server shutting down");
        assert_eq!(render(What::Lost(None)), "03:04:05 * lost the connection");
    }
}
