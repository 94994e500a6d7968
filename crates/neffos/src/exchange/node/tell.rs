//! Messages and closes for the connections of other nodes.

use std::sync::Arc;

use super::super::dialect::Form;
use super::super::draft::{Draft, same_receivers};
use super::super::go;
use super::super::native::{self, Body, Packed};
use super::Node;
use crate::fanout::{Except, Place};
use crate::message::Message;
use crate::websocket::CloseFrame;

impl Node {
    /// Publishes messages for receivers on other nodes. Never waits.
    pub(crate) fn broadcast(&self, messages: &[Message], except: &Except) {
        // A connection of this server exists on no other node.
        let except = if let Except::Id(id) = except { Some(&**id) } else { None };
        match self.dialect.form() {
            Form::Native => self.publish(messages.chunk_by(same_receivers).map(|run| self.in_envelope(run, except))),
            Form::Go(_) => self.publish(messages.iter().filter_map(|message| self.as_in_go(message, except))),
        }
    }

    fn in_envelope(&self, run: &[Message], except: Option<&str>) -> Draft {
        let packed: Vec<_> = run.iter().map(Packed::of).collect();
        let parts = packed.iter().map(Packed::part).collect();
        let body = Body::Broadcast { id: run[0].recipient(), except, parts };
        native::write(&self.channel_of(&run[0]), self.id, &body)
    }

    /// Returns `None` if Go servers would deliver it to other receivers: their channels for an id and for a namespace
    /// can have the same name.
    fn as_in_go(&self, message: &Message, except: Option<&str>) -> Option<Draft> {
        let channel = self.channel_of(message);
        if self.is_mistakable(message, &channel) {
            tracing::warn!(
                namespace = message.namespace(),
                "a message to an id that is called as its namespace stays here"
            );
            self.state().tallies.refused += 1;
            return None;
        }
        Some(go::broadcast(channel, self.id, message, except))
    }

    /// Returns whether Go servers would take a message for one id for a message to the whole namespace.
    pub(super) fn is_mistakable(&self, message: &Message, channel: &Arc<str>) -> bool {
        message.recipient().is_some() && *channel == self.dialect.of_place(&Place::Namespace(message.namespace()))
    }

    /// Closes the connections with this id on other nodes.
    pub(crate) fn close(&self, id: &str, frame: &CloseFrame) {
        let (code, reason) = (frame.code().as_u16(), frame.reason());
        self.publish([native::write(&self.dialect.of_servers(), self.id, &Body::Close { id, code, reason })]);
    }

    /// Returns the channel of a message's receivers.
    pub(super) fn channel_of(&self, message: &Message) -> Arc<str> {
        let place = match (message.recipient(), message.room()) {
            (Some(id), _) => Place::Id(id),
            (None, Some(room)) => Place::Room(message.namespace(), room),
            (None, None) => Place::Namespace(message.namespace()),
        };
        self.dialect.of_place(&place)
    }
}
