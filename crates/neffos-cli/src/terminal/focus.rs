//! The place and the event of the lines that people type. Pure.

use neffos::Message;

use super::command::{Act, Target};
use super::happening::Place;
use super::line::{Bytes, Line};
use super::render::{name, place_text};

/// The place and the event in use.
#[derive(Debug, Clone)]
pub(super) struct Focus {
    /// `None` if no namespace is in use.
    place: Option<Place>,
    event: String,
}

/// The action that a line requests.
#[derive(Debug)]
pub(super) enum Wish {
    Nothing,
    Do(Act),
    /// Sends the bytes of a file as an event.
    SendFile {
        event: String,
        file: String,
    },
    Use(String),
    Event(String),
    Rooms,
    Help,
}

impl Focus {
    pub(super) fn new(place: Place, event: &str) -> Self {
        Self { place: Some(place), event: event.to_owned() }
    }

    pub(super) fn prompt(&self) -> String {
        let place = self.place.as_ref().map_or_else(|| "(nowhere)".to_owned(), place_text);
        format!("{place} {}> ", name(&self.event))
    }

    /// Returns the action that `line` requests in the place in use.
    ///
    /// # Errors
    ///
    /// Fails if the line needs a place, and none is in use.
    pub(super) fn wish(&self, line: Line) -> Result<Wish, String> {
        Ok(match line {
            Line::Nothing => Wish::Nothing,
            Line::Say(body) => Wish::Do(Act::Send(self.message(&self.event, body.into())?.into())),
            Line::Emit { event, body } => Wish::Do(Act::Send(self.message(&event, body.into())?.into())),
            Line::Ask { event, body } => Wish::Do(Act::Ask(self.message(&event, body.into())?.into())),
            Line::Binary { event, body: Bytes::Given(bytes) } => Wish::Do(self.send_bytes(&event, bytes)?),
            Line::Binary { event, body: Bytes::File(file) } => Wish::SendFile { event, file },
            Line::Native(text) => Wish::Do(Act::Send(Message::native(text).into())),
            Line::Connect(namespace) => Wish::Do(Act::Connect(namespace)),
            Line::Disconnect(Some(namespace)) => Wish::Do(Act::Disconnect(namespace)),
            Line::Disconnect(None) => Wish::Do(Act::Disconnect(self.namespace()?.to_owned())),
            Line::Join(room) => Wish::Do(Act::Join(Target { namespace: self.namespace()?.to_owned(), room })),
            Line::Leave(room) => Wish::Do(Act::Leave(self.target(room)?)),
            Line::Use(text) => Wish::Use(text),
            Line::Event(event) => Wish::Event(event),
            Line::Rooms => Wish::Rooms,
            Line::Status => Wish::Do(Act::Status),
            Line::Help => Wish::Help,
            Line::Quit => Wish::Do(Act::Quit),
        })
    }

    /// Returns the command that sends bytes to the place in use.
    ///
    /// # Errors
    ///
    /// Fails if no place is in use.
    pub(super) fn send_bytes(&self, event: &str, bytes: Vec<u8>) -> Result<Act, String> {
        Ok(Act::Send(self.message(event, bytes)?.binary().into()))
    }

    /// Returns the place in use after `act`. `others` are the other connected namespaces.
    pub(super) fn after(&self, act: &Act, others: impl IntoIterator<Item = String>) -> Self {
        let place = match act {
            Act::Connect(namespace) => Some(Place::namespace(namespace)),
            Act::Join(Target { namespace, room }) => {
                Some(Place { namespace: namespace.clone(), room: Some(room.clone()) })
            }
            Act::Leave(Target { namespace, room }) if self.is_in(namespace, Some(room)) => {
                Some(Place::namespace(namespace))
            }
            Act::Disconnect(namespace) if self.is_in(namespace, None) => {
                others.into_iter().find(|other| other != namespace).map(|other| Place::namespace(&other))
            }
            _ => self.place.clone(),
        };
        Self { place, event: self.event.clone() }
    }

    /// Uses the place that `text` names: a namespace, or a namespace and a room, separated by a slash. Names may
    /// contain slashes, so `text` is compared with the existing places.
    ///
    /// # Errors
    ///
    /// Fails if there is no such place.
    pub(super) fn turn_to(&mut self, text: &str, there: &[(String, Vec<String>)]) -> Result<(), String> {
        let places = there.iter().flat_map(|(namespace, rooms)| {
            let room = move |room: &String| (format!("{namespace}/{room}"), Some(room.clone()));
            let whole = (namespace.clone(), None);
            std::iter::once(whole).chain(rooms.iter().map(room)).map(|(name, room)| (name, namespace.clone(), room))
        });
        let found = places.into_iter().find(|(name, ..)| name == text);
        let (_, namespace, room) = found.ok_or_else(|| format!("{} is neither connected nor joined", name(text)))?;
        self.place = Some(Place { namespace, room });
        Ok(())
    }

    pub(super) fn set_event(&mut self, event: String) {
        self.event = event;
    }

    /// Returns the namespace in use.
    ///
    /// # Errors
    ///
    /// Fails if there is none.
    pub(super) fn namespace(&self) -> Result<&str, String> {
        self.place
            .as_ref()
            .map(|place| &*place.namespace)
            .ok_or_else(|| "no namespace is in use; /connect one".to_owned())
    }

    fn message(&self, event: &str, body: Vec<u8>) -> Result<Message, String> {
        let message = Message::new(event, body).in_namespace(self.namespace()?);
        Ok(match self.place.as_ref().and_then(|place| place.room.as_ref()) {
            Some(room) => message.to_room(room),
            None => message,
        })
    }

    fn target(&self, room: Option<String>) -> Result<Target, String> {
        let namespace = self.namespace()?.to_owned();
        let room = room.or_else(|| self.place.as_ref()?.room.clone());
        room.map(|room| Target { namespace, room }).ok_or_else(|| "no room is in use; name one".to_owned())
    }

    fn is_in(&self, namespace: &str, room: Option<&str>) -> bool {
        let place = self.place.as_ref().filter(|place| place.namespace == namespace);
        place.is_some_and(|place| room.is_none() || place.room.as_deref() == room)
    }
}

#[cfg(test)]
mod tests {
    use super::super::line::parse;
    use super::*;

    fn focus() -> Focus {
        let place = Place { namespace: "default".to_owned(), room: Some("lobby".to_owned()) };
        Focus::new(place, "chat")
    }

    fn wish(focus: &Focus, line: &str) -> Act {
        match focus.wish(parse(line).unwrap()).unwrap() {
            Wish::Do(act) => act,
            other => panic!("{other:?}"),
        }
    }

    fn do_it(focus: &Focus, line: &str) -> Focus {
        focus.after(&wish(focus, line), ["other".to_owned()])
    }

    #[test]
    fn lines_go_to_the_place_in_the_prompt() {
        let focus = focus();
        assert_eq!(focus.prompt(), "default/lobby chat> ");
        let Act::Send(message) = wish(&focus, "hello") else { panic!("not sent") };
        assert_eq!((message.namespace(), message.room(), message.event()), ("default", Some("lobby"), "chat"));
        let Act::Send(message) = wish(&focus, "/binary pic AP8=") else { panic!("not sent") };
        assert!(message.is_binary() && message.room() == Some("lobby") && message.body()[..] == [0, 255]);
    }

    #[test]
    fn a_joined_room_is_in_use_until_it_is_left() {
        let focus = do_it(&focus(), "/join attic");
        assert_eq!(focus.prompt(), "default/attic chat> ");
        assert_eq!(do_it(&focus, "/leave lobby").prompt(), "default/attic chat> ");
        let focus = do_it(&focus, "/leave");
        assert_eq!(focus.prompt(), "default chat> ");
        assert!(focus.wish(Line::Leave(None)).unwrap_err().starts_with("no room is in use"));
        assert_eq!(do_it(&focus, "/connect game").prompt(), "game chat> ");
    }

    #[test]
    fn when_the_namespace_in_use_is_disconnected_another_one_is_used() {
        assert_eq!(do_it(&focus(), "/disconnect").prompt(), "other chat> ");
        assert_eq!(do_it(&focus(), "/disconnect game").prompt(), "default/lobby chat> ");
        let nowhere = focus().after(&wish(&focus(), "/disconnect"), []);
        assert_eq!(nowhere.prompt(), "(nowhere) chat> ");
        assert!(nowhere.wish(Line::Say("hi".to_owned())).unwrap_err().starts_with("no namespace is in use"));
    }

    #[test]
    fn a_place_is_found_even_if_its_name_has_slashes() {
        let mut focus = focus();
        let there = [("a/b".to_owned(), vec!["c/d".to_owned()]), (String::new(), vec![])];
        focus.turn_to("a/b/c/d", &there).unwrap();
        assert_eq!(focus.prompt(), "a/b/c/d chat> ");
        focus.turn_to("a/b", &there).unwrap();
        focus.turn_to("", &there).unwrap();
        assert_eq!(focus.prompt(), "\"\" chat> ");
        assert_eq!(focus.turn_to("default/x", &there).unwrap_err(), "default/x is neither connected nor joined");
    }
}
