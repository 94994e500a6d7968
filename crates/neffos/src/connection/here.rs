//! The connections of a server, behind the trait that the exchange calls.

use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};

use super::ask::first_answer;
use super::hub::Hub;
use crate::exchange::{Here, Selection};
use crate::fanout::{Audience, Except};
use crate::message::Message;
use crate::websocket::CloseFrame;

impl Here for Hub {
    fn deliver(&self, messages: Vec<Message>, except: &Except) {
        self.cast(messages, except);
    }

    fn ask(&self, message: Message, patience: Option<Duration>) -> BoxFuture<'static, Option<Message>> {
        let peers = self.audience_of(&message);
        if peers.is_empty() {
            return ready(None).boxed();
        }
        let patience = patience.unwrap_or(self.limits.ask_timeout);
        let mut ask = message.clone();
        // Of many, a connection on another server may have a handler.
        let asks_many = message.recipient().is_none();
        async move {
            match first_answer(peers, message, patience).await {
                Ok(answer) => Some(answer),
                Err(err) if err.is_timeout() || err.is_closed() || asks_many && err.is_unknown_event() => None,
                Err(err) => {
                    ask.turn_into_error_reply(err.to_string());
                    Some(ask)
                }
            }
        }
        .boxed()
    }

    fn close(&self, id: &str, frame: &CloseFrame) {
        self.fanout.with_id(id).iter().for_each(|peer| peer.close(Some(frame)));
    }

    fn connections(&self) -> usize {
        self.fanout.len()
    }

    fn count(&self, Selection { namespace, room, id }: Selection<'_>) -> usize {
        let Some(id) = id else { return self.fanout.count(namespace, room) };
        let (namespace, room, id) = (namespace.into(), room.map(Into::into), Some(id.into()));
        self.fanout.members(&Audience { namespace, room, id, except: Except::Nobody }).len()
    }
}
