//! Open requests of this side. Pure.
//!
//! A server's token is unguessable. Any token counts only on the connection that was asked, and once. The effect of a
//! successful reply is stored beside the waiter, so that it happens together with the reply, before any later frame is
//! handled.

use std::collections::HashMap;
use std::sync::Arc;

use smol_str::SmolStr;

use crate::error::Error;
use crate::message::Message;
use crate::websocket::Role;

#[derive(Debug)]
pub(crate) struct Asks<W> {
    /// `None` if there are none, since most connections never ask.
    open: Option<Box<Open<W>>>,
    tokens: Tokens,
}

type Open<W> = HashMap<SmolStr, OpenAsk<W>>;

/// The form of the tokens of this side.
#[derive(Debug, Clone, Copy)]
enum Tokens {
    Server,
    /// A server may forward asks of other clients, tokens included. The number distinguishes those from this client's
    /// tokens.
    Client(u32),
}

/// One open request.
#[derive(Debug)]
pub(crate) struct OpenAsk<W> {
    pub(crate) namespace: SmolStr,
    pub(crate) effect: Effect,
    pub(crate) waiter: W,
}

/// The effect of a successful reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect {
    Nothing,
    Connect(Arc<str>),
    Disconnect(Arc<str>),
    Join(Arc<str>, Arc<str>),
    Leave(Arc<str>, Arc<str>),
}

/// The relation of an incoming message to the requests of this side.
#[derive(Debug)]
pub(crate) enum Match<W> {
    /// It is the reply to this request.
    Reply(OpenAsk<W>),
    /// It replies to a request of this side that is not open (any more), so it is not an event either.
    Stale,
    /// It is not a reply.
    Other,
}

impl<W> Asks<W> {
    pub(crate) fn new(role: Role) -> Self {
        let tokens = match role {
            Role::Server => Tokens::Server,
            Role::Client => Tokens::Client(rand::random()),
        };
        Self { open: None, tokens }
    }

    /// Returns a token that no open request has.
    pub(crate) fn new_token(&self) -> SmolStr {
        match self.tokens {
            Tokens::Server => new_token(),
            Tokens::Client(number) => format!("{CLIENT_TOKEN}{number:08x}{:014x}", rand::random::<u64>() >> 8).into(),
        }
    }

    /// Adds a request, unless `max` are open; zero means no limit.
    pub(crate) fn open(&mut self, token: SmolStr, pending: OpenAsk<W>, max: usize) -> Result<(), Error> {
        if max > 0 && self.open.as_ref().map_or(0, |open| open.len()) >= max {
            return Err(Error::too_many_asks());
        }
        self.open.get_or_insert_default().insert(token, pending);
        Ok(())
    }

    /// Removes and returns the request that `message` replies to. A reply counts only in the namespace of the request,
    /// or if it is the empty reply.
    pub(crate) fn answer(&mut self, message: &Message) -> Match<W> {
        if !self.is_own(message.token()) {
            return Match::Other;
        }
        let fits = |pending: &OpenAsk<W>| message.is_empty_reply() || pending.namespace == message.namespace;
        let known = self.open.as_ref().and_then(|open| open.get(message.token())).is_some_and(fits);
        match known.then(|| self.close(message.token())).flatten() {
            Some(pending) => Match::Reply(pending),
            None => Match::Stale,
        }
    }

    /// Removes and returns a request: it is answered, or its caller stopped waiting.
    pub(crate) fn close(&mut self, token: &str) -> Option<OpenAsk<W>> {
        let open = self.open.as_mut()?;
        let pending = open.remove(token);
        if open.is_empty() {
            self.open = None;
        }
        pending
    }

    /// Removes and returns all requests, because the connection has ended.
    pub(crate) fn close_all(&mut self) -> Vec<OpenAsk<W>> {
        self.open.take().map(|open| open.into_values().collect()).unwrap_or_default()
    }

    /// Returns the approximate memory of the open requests; zero while they are few.
    pub(crate) fn bytes(&self) -> usize {
        let room = self.open.as_ref().map_or(0, |open| open.capacity());
        if room <= FEW { 0 } else { room * ASK_BYTES }
    }

    /// Returns whether a token has the form of this side's tokens.
    fn is_own(&self, token: &str) -> bool {
        match self.tokens {
            Tokens::Server => is_made_by(Role::Server, token),
            Tokens::Client(number) => {
                is_made_by(Role::Client, token) && u32::from_str_radix(&token[1..9], 16) == Ok(number)
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.open.is_none()
    }
}

/// Returns whether a token has the form of the tokens of `role`.
pub(crate) fn is_made_by(role: Role, token: &str) -> bool {
    let (start, digits) = match role {
        Role::Server => (SERVER_TOKEN, 32),
        // 23 bytes in total, the longest text that its message stores inline.
        Role::Client => (CLIENT_TOKEN, 22),
    };
    let number = token.strip_prefix(start).filter(|number| number.len() == digits);
    number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Returns a new token of a server: 128 random bits after a letter that no client token begins with.
pub(crate) fn new_token() -> SmolStr {
    format!("{SERVER_TOKEN}{:032x}", rand::random::<u128>()).into()
}

/// The first character of all client tokens.
pub(crate) const CLIENT_TOKEN: char = '$';
const SERVER_TOKEN: char = 'n';
/// The initial capacity of the table of open requests.
const FEW: usize = 3;
/// The approximate memory of an open request: its entry, its token, and the slot for its reply.
const ASK_BYTES: usize = 384;

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(token: &SmolStr, namespace: &str) -> Message {
        Message::new("question", "so").in_namespace(namespace).with_token(token.clone())
    }

    fn asked(namespace: &str) -> (Asks<()>, SmolStr) {
        let (mut asks, token) = (Asks::new(Role::Server), new_token());
        let pending = OpenAsk { namespace: namespace.into(), effect: Effect::Nothing, waiter: () };
        asks.open(token.clone(), pending, 2).unwrap();
        (asks, token)
    }

    #[test]
    fn a_reply_counts_once() {
        let (mut asks, token) = asked("ns");
        assert!(matches!(asks.answer(&reply(&token, "ns")), Match::Reply(_)));
        assert!(matches!(asks.answer(&reply(&token, "ns")), Match::Stale));
        assert!(asks.is_empty());
    }

    #[test]
    fn a_reply_over_another_namespace_does_not_count_but_the_empty_reply_does() {
        let (mut asks, token) = asked("ns");
        assert!(matches!(asks.answer(&reply(&token, "other")), Match::Stale));
        assert!(matches!(asks.answer(&Message::empty_reply(&token)), Match::Reply(_)));
    }

    #[test]
    fn tokens_of_clients_are_no_replies() {
        let (mut asks, _) = asked("ns");
        for token in ["$1", "1700000000000000000", "", "nothing"] {
            assert!(matches!(asks.answer(&reply(&token.to_owned().into(), "ns")), Match::Other));
        }
    }

    #[test]
    fn a_client_distinguishes_its_tokens_from_those_of_other_clients() {
        let (mut asks, other) = (Asks::new(Role::Client), Asks::<()>::new(Role::Client));
        let token = asks.new_token();
        let pending = OpenAsk { namespace: "ns".into(), effect: Effect::Nothing, waiter: () };
        asks.open(token.clone(), pending, 2).unwrap();
        assert!(token.starts_with('$'));
        assert!(matches!(asks.answer(&reply(&other.new_token(), "ns")), Match::Other));
        assert!(matches!(asks.answer(&reply(&token, "ns")), Match::Reply(_)));
        assert!(matches!(asks.answer(&reply(&token, "ns")), Match::Stale));
        assert!(matches!(asks.answer(&reply(&new_token(), "ns")), Match::Other));
    }

    #[test]
    fn only_so_many_may_be_open() {
        let (mut asks, _) = asked("ns");
        let more = || OpenAsk { namespace: "ns".into(), effect: Effect::Nothing, waiter: () };
        asks.open(new_token(), more(), 2).unwrap();
        asks.open(new_token(), more(), 2).unwrap_err();
    }
}
