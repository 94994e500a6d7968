//! The names that have been used, and the completion of lines with them.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::escape::is_safe;
use super::happening::{Place, What};
use super::line::COMMANDS;
use super::render::name;

/// The names that have been used.
#[derive(Debug, Default)]
pub(super) struct Vocabulary(Mutex<Names>);

#[derive(Debug, Default)]
struct Names {
    namespaces: BTreeSet<String>,
    rooms: BTreeSet<(String, String)>,
    events: BTreeSet<String>,
}

/// The completions of a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Completion {
    /// The position from which the line is replaced.
    pub(super) start: usize,
    pub(super) words: Vec<String>,
}

impl Vocabulary {
    pub(super) fn learn(&self, what: &What) {
        match what {
            What::Entered(place) | What::Left { place, .. } => self.names().learn_place(place),
            What::Event(message) | What::Sent(message) if !message.is_native() => {
                self.names().learn_place(&Place::of(message));
                self.names().learn_event(message.event());
            }
            _ => {}
        }
    }

    /// Returns the completions of `line`, which ends at the cursor.
    pub(super) fn complete(&self, line: &str) -> Completion {
        let start = line.rfind(char::is_whitespace).map_or(0, |at| at + 1);
        let typed = &line[start..];
        let words = match line.split_whitespace().next() {
            Some(command) if start > 0 && command.starts_with('/') => self.arguments(command, &line[..start]),
            _ if start == 0 && line.starts_with('/') => commands(),
            _ => Vec::new(),
        };
        Completion { start, words: words.into_iter().filter(|word| word.starts_with(typed)).collect() }
    }

    /// Returns the words that may follow `before`, which begins with `command`.
    fn arguments(&self, command: &str, before: &str) -> Vec<String> {
        if before.split_whitespace().count() > 1 {
            return Vec::new();
        }
        let names = self.names();
        let whole = |names: &BTreeSet<String>| names.iter().map(|word| name(word)).collect::<Vec<_>>();
        match command {
            "/connect" | "/disconnect" => whole(&names.namespaces),
            "/join" | "/leave" => {
                let rooms: BTreeSet<_> = names.rooms.iter().map(|(_, room)| room.clone()).collect();
                whole(&rooms)
            }
            "/use" => {
                let rooms = names.rooms.iter().map(|(namespace, room)| name(&format!("{namespace}/{room}")));
                rooms.chain(whole(&names.namespaces)).collect()
            }
            "/event" => whole(&names.events),
            "/emit" | "/ask" | "/binary" => whole(&names.events).into_iter().map(|event| event + " ").collect(),
            _ => Vec::new(),
        }
    }

    fn names(&self) -> MutexGuard<'_, Names> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Names with control characters cannot be typed, and are not learnt.
impl Names {
    fn learn_place(&mut self, Place { namespace, room }: &Place) {
        if !is_safe(namespace) {
            return;
        }
        add(&mut self.namespaces, namespace.clone());
        if let Some(room) = room.as_ref().filter(|room| is_safe(room)) {
            add(&mut self.rooms, (namespace.clone(), room.clone()));
        }
    }

    fn learn_event(&mut self, event: &str) {
        if is_safe(event) {
            add(&mut self.events, event.to_owned());
        }
    }
}

fn commands() -> Vec<String> {
    let blank = |takes: &str| if takes.is_empty() { "" } else { " " };
    COMMANDS.iter().map(|command| format!("{}{}", command.name, blank(command.takes))).collect()
}

/// Adds a name, if there is room. The number is bounded, because most names come from the network.
fn add<T: Ord>(names: &mut BTreeSet<T>, name: T) {
    if names.len() < MOST_NAMES {
        names.insert(name);
    }
}

const MOST_NAMES: usize = 200;

#[cfg(test)]
mod tests {
    use neffos::Message;

    use super::*;

    fn vocabulary() -> Vocabulary {
        let vocabulary = Vocabulary::default();
        vocabulary.learn(&What::Entered(Place { namespace: "default".to_owned(), room: Some("lobby".to_owned()) }));
        for event in ["chat", "news", "\x1b[2J"] {
            vocabulary.learn(&What::Event(Message::new(event, "").in_namespace("game").to_room("the attic")));
        }
        vocabulary
    }

    fn complete(line: &str) -> Vec<String> {
        vocabulary().complete(line).words
    }

    #[test]
    fn a_command_is_completed_with_a_blank_after_it() {
        assert_eq!(vocabulary().complete("/jo"), Completion { start: 0, words: vec!["/join ".to_owned()] });
        assert_eq!(complete("/q"), ["/quit"]);
        assert_eq!(complete("/e"), ["/event ", "/emit "]);
        assert_eq!(complete("/").len(), COMMANDS.len());
    }

    #[test]
    fn used_names_are_completed_as_arguments_of_commands() {
        assert_eq!(vocabulary().complete("/join l"), Completion { start: 6, words: vec!["lobby".to_owned()] });
        assert_eq!(complete("/leave "), ["lobby", "\"the attic\""]);
        assert_eq!(complete("/connect "), ["default", "game"]);
        assert_eq!(complete("/use de"), ["default/lobby", "default"]);
        assert_eq!(complete("/event n"), ["news"]);
        assert_eq!(complete("/ask c"), ["chat "]);
    }

    #[test]
    fn messages_and_bodies_are_not_completed() {
        for line in ["", "l", "say l", "/emit chat l", " /jo", "/status "] {
            assert!(complete(line).is_empty(), "{line}");
        }
    }

    #[test]
    fn names_with_control_characters_are_not_offered() {
        assert_eq!(complete("/event "), ["chat", "news"]);
    }

    #[test]
    fn names_do_not_pile_up_without_end() {
        let vocabulary = Vocabulary::default();
        for n in 0..1000 {
            vocabulary.learn(&What::Event(Message::new(format!("e{n}"), "").in_namespace("default")));
        }
        assert_eq!(vocabulary.complete("/event ").words.len(), MOST_NAMES);
    }
}
