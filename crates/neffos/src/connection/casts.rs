//! Conversion of messages to broadcasts.

use std::sync::Arc;

use crate::budget::Budget;
use crate::fanout::{Audience, Cast, Chunk, Except};
use crate::message::{Message, wire};
use crate::websocket::Role;

/// Returns the broadcasts for `messages`. Adjacent messages with one audience become one broadcast, so that no other
/// message comes between them.
pub(super) fn casts(messages: Vec<Message>, except: &Except, budget: &Arc<Budget>) -> Vec<Arc<Cast>> {
    let mut casts: Vec<Cast> = Vec::with_capacity(1);
    for message in messages {
        let audience = Audience {
            namespace: message.namespace.clone(),
            room: (!message.room.is_empty()).then(|| message.room.clone()),
            id: message.recipient.clone(),
            except: except.clone(),
        };
        // Only the connection that asked receives its token; all others receive the message without it.
        let chunk = Chunk::charged(wire::encode_with_token(&message, "", Role::Server), budget);
        let private = message
            .asker()
            .filter(|_| message.is_ask())
            .map(|asker| (asker, Chunk::charged(wire::encode(&message, Role::Server), budget)));
        match casts.last_mut().filter(|last| last.audience == audience && last.private.is_none() && private.is_none()) {
            Some(last) => last.chunk = Chunk::joined([&last.chunk, &chunk].into_iter()),
            None => casts.push(Cast::new(audience, chunk, private)),
        }
    }
    casts.into_iter().map(Arc::new).collect()
}
