//! The policy for reconnects. Pure, but for random numbers.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::error::Error;
use crate::handles::Away;
use crate::websocket::{CloseCode, CloseFrame};

/// The policy for reconnects after a lost connection: the delays, the number of attempts, and the losses that are
/// final.
///
/// The delays are jittered exponential backoff, so that the clients of a stopped server do not all reconnect at the
/// same time. Each delay is random, up to a bound that doubles with every attempt. By default the bound is 0.5 s, then
/// 1 s, and so on up to 30 s, without an end.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use neffos::{Client, Events, Reconnect};
///
/// let client = Client::builder("ws://127.0.0.1:8080/ws")
///     .namespace("default", Events::new())
///     .reconnect(Reconnect::new().max_delay(Duration::from_secs(10)).keep_messages(100));
/// ```
#[derive(Clone)]
#[must_use]
pub struct Reconnect {
    base_delay: Duration,
    max_delay: Duration,
    max_tries: Option<u32>,
    restart_spread: Duration,
    away: Away,
    decide: Option<Decide>,
}

type Decide = Arc<dyn Fn(&Loss) -> bool + Send + Sync>;

impl Reconnect {
    /// Returns the default policy.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let policy = Reconnect::new();
    /// let builder = Client::builder("wss://chat.example/ws").namespace("default", Events::new()).reconnect(policy);
    /// ```
    pub fn new() -> Self {
        Self {
            base_delay: Duration::from_millis(500),
            max_delay: Duration::from_secs(30),
            max_tries: None,
            restart_spread: Duration::from_secs(5),
            away: Away::Refuse,
            decide: None,
        }
    }

    /// Sets the longest delay before the first attempt; zero is refused. The default is 0.5 s.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use neffos::Reconnect;
    /// let policy = Reconnect::new().base_delay(Duration::from_millis(100));
    /// ```
    pub fn base_delay(mut self, delay: Duration) -> Self {
        self.base_delay = delay;
        self
    }

    /// Sets the longest delay before any attempt. It must not be shorter than `base_delay`. The default is 30 s.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use neffos::Reconnect;
    /// let policy = Reconnect::new().base_delay(Duration::from_secs(1)).max_delay(Duration::from_secs(60));
    /// ```
    pub fn max_delay(mut self, delay: Duration) -> Self {
        self.max_delay = delay;
        self
    }

    /// Sets how many attempts follow one loss; zero is refused. The default is no limit.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let policy = Reconnect::new().max_tries(10);
    /// ```
    pub fn max_tries(mut self, tries: u32) -> Self {
        self.max_tries = Some(tries);
        self
    }

    /// Sets the longest delay before the first attempt when the server closed with 1012 (restart). Zero means no delay.
    /// The default is 5 s.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use neffos::Reconnect;
    /// // There are few clients, so none of them needs to wait.
    /// let policy = Reconnect::new().restart_spread(Duration::ZERO);
    /// ```
    pub fn restart_spread(mut self, spread: Duration) -> Self {
        self.restart_spread = spread;
        self
    }

    /// Keeps messages that are sent while the connection is lost, and sends them in order when it is back with its
    /// namespaces and rooms. By default such messages are refused (`is_lost`).
    ///
    /// At most `most` messages are kept, and at most as many bytes as the outbox holds.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let policy = Reconnect::new().keep_messages(100);
    /// ```
    pub fn keep_messages(mut self, most: usize) -> Self {
        self.away = Away::Keep(most);
        self
    }

    /// Decides after each loss and each failed attempt whether another attempt follows. The default is
    /// [`Loss::is_passing`]. It must not block. A panic means no.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// // Also after a kick (1008), which is final by default.
    /// let policy = Reconnect::new().retry_if(|loss| loss.error().is_none_or(|err| !err.is_config()));
    /// ```
    pub fn retry_if(mut self, decide: impl Fn(&Loss) -> bool + Send + Sync + 'static) -> Self {
        self.decide = Some(Arc::new(decide));
        self
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        if self.base_delay.is_zero() {
            return Err(Error::config("base_delay: zero would dial without a pause"));
        }
        if self.max_delay < self.base_delay {
            return Err(Error::config("max_delay: shorter than base_delay"));
        }
        match self.max_tries {
            Some(0) => Err(Error::config("max_tries: zero would never dial again; leave `reconnect` out for that")),
            _ => Ok(()),
        }
    }

    pub(super) fn away(&self) -> Away {
        self.away
    }

    /// Returns whether another attempt follows after `tries` attempts.
    pub(super) fn wants(&self, loss: &Loss, tries: u32) -> bool {
        if self.max_tries.is_some_and(|most| tries >= most) {
            return false;
        }
        self.decide.as_ref().map_or_else(|| loss.is_passing(), |decide| decide(loss))
    }

    /// Returns the delay of the next attempt after `tries` others. `dice` is between 0 and 1.
    pub(super) fn delay(&self, loss: &Loss, tries: u32, dice: f64) -> Duration {
        let restarts = tries == 0 && loss.close().is_some_and(|frame| frame.code() == CloseCode::SERVICE_RESTART);
        if restarts {
            return self.restart_spread.mul_f64(dice);
        }
        let bound = self.base_delay.saturating_mul(2_u32.saturating_pow(tries)).min(self.max_delay);
        bound.mul_f64(dice)
    }

    /// Returns whether a connection lasted long enough for its loss to count as a new one. Otherwise the backoff
    /// continues, as for a server that accepts the client and closes immediately.
    pub(super) fn is_stable(&self, lasted: Duration) -> bool {
        lasted >= self.base_delay.saturating_mul(STABLE_AFTER)
    }
}

impl Default for Reconnect {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Reconnect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reconnect")
            .field("base_delay", &self.base_delay)
            .field("max_delay", &self.max_delay)
            .field("max_tries", &self.max_tries)
            .field("restart_spread", &self.restart_spread)
            .field("away", &self.away)
            .finish_non_exhaustive()
    }
}

/// The reason why a connection was lost, or why an attempt to reconnect failed.
#[derive(Debug)]
pub struct Loss(Cause);

#[derive(Debug)]
enum Cause {
    Closed(Option<CloseFrame>),
    Failed(Error),
}

impl Loss {
    pub(super) fn closed(frame: Option<CloseFrame>) -> Self {
        Self(Cause::Closed(frame))
    }

    pub(super) fn failed(err: Error) -> Self {
        Self(Cause::Failed(err))
    }

    pub(super) fn into_error(self) -> Option<Error> {
        match self.0 {
            Cause::Closed(_) => None,
            Cause::Failed(err) => Some(err),
        }
    }

    /// Returns the close frame that ended the connection, or `None` if the socket failed or this is a failed attempt.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let policy = Reconnect::new().retry_if(|loss| match loss.close() {
    ///     Some(frame) => frame.code() != CloseCode::POLICY,
    ///     None => true,
    /// });
    /// ```
    pub fn close(&self) -> Option<&CloseFrame> {
        match &self.0 {
            Cause::Closed(frame) => frame.as_ref(),
            Cause::Failed(_) => None,
        }
    }

    /// Returns the error of a failed attempt, or `None` for the loss itself.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let policy = Reconnect::new().retry_if(|loss| {
    ///     if let Some(err) = loss.error() {
    ///         println!("attempt failed: {err}");
    ///     }
    ///     loss.is_passing()
    /// });
    /// ```
    pub fn error(&self) -> Option<&Error> {
        match &self.0 {
            Cause::Closed(_) => None,
            Cause::Failed(err) => Some(err),
        }
    }

    /// Returns whether another attempt is likely to help. It is not in these cases:
    ///
    /// - The connection was closed with 1000, or because this client broke a rule (1002, 1003, 1007, 1008, 1010).
    /// - The attempt failed because the server refused this client: in the greeting, with the close code 1008, or with
    ///   the HTTP status 401 or 403. Any other status counts as passing: proxies answer 404, 400 or 502 while a server
    ///   is replaced.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// // As by default, except that no attempt follows a full server.
    /// let policy = Reconnect::new().retry_if(|loss| {
    ///     let is_full = loss.close().is_some_and(|frame| frame.code() == CloseCode::TRY_AGAIN_LATER);
    ///     loss.is_passing() && !is_full
    /// });
    /// ```
    pub fn is_passing(&self) -> bool {
        match &self.0 {
            Cause::Closed(Some(frame)) => !FINAL.contains(&frame.code().as_u16()),
            Cause::Closed(None) => true,
            Cause::Failed(err) => !err.is_refused() && !err.is_config(),
        }
    }
}

/// A change of a client's connection.
#[derive(Debug)]
#[non_exhaustive]
pub enum Change {
    /// The connection is lost.
    Lost {
        /// The close frame that ended it, or `None` if the socket failed.
        close: Option<CloseFrame>,
    },
    /// The client dials the server once more, after `delay`.
    Trying {
        /// The number of this attempt, from 1.
        tries: u32,
        /// The delay before the attempt.
        delay: Duration,
    },
    /// The connection is back, with its namespaces and rooms.
    Back {
        /// The id that the server gave the new connection.
        id: Arc<str>,
        /// The number of attempts.
        tries: u32,
        /// The namespaces and rooms that could not be restored.
        missing: Vec<Missing>,
        /// The number of kept messages that could not be sent.
        unsent: usize,
    },
    /// The connection has ended, and no further attempt follows.
    Ended {
        /// The close frame that ended it, or `None` if the socket failed.
        close: Option<CloseFrame>,
        /// The error of the last attempt, if there was one.
        error: Option<Error>,
    },
}

/// A namespace or room that a reconnect could not restore.
#[derive(Debug)]
#[non_exhaustive]
pub struct Missing {
    /// The namespace. If it is missing, its rooms are missing too.
    pub namespace: Arc<str>,
    /// The room, if only the room is missing.
    pub room: Option<Arc<str>>,
    /// The refusal of the server, or of a handler in this client.
    pub error: Error,
}

const FINAL: [u16; 6] = [1000, 1002, 1003, 1007, 1008, 1010];
/// The time after which a connection counts as stable, in base delays.
const STABLE_AFTER: u32 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn closed(code: CloseCode) -> Loss {
        Loss::closed(Some(CloseFrame::new(code, "")))
    }

    #[test]
    fn waits_are_random_below_a_bound_that_doubles_up_to_a_cap() {
        let (policy, loss) = (Reconnect::new(), Loss::closed(None));
        let bounds: Vec<_> = (0..8).map(|tries| policy.delay(&loss, tries, 1.0).as_secs_f64()).collect();
        assert_eq!(bounds, [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]);
        assert_eq!(policy.delay(&loss, 3, 0.25), Duration::from_secs(1));
        assert_eq!(policy.delay(&loss, u32::MAX, 1.0), Duration::from_secs(30));
    }

    #[test]
    fn a_restarting_server_is_given_its_spread_once() {
        let (policy, loss) = (Reconnect::new(), closed(CloseCode::SERVICE_RESTART));
        assert_eq!(policy.delay(&loss, 0, 1.0), Duration::from_secs(5));
        assert_eq!(policy.delay(&loss, 1, 1.0), Duration::from_secs(1));
    }

    #[test]
    fn a_normal_close_and_a_refusal_are_final() {
        let policy = Reconnect::new();
        for code in [CloseCode::NORMAL, CloseCode::POLICY, CloseCode::PROTOCOL_ERROR] {
            assert!(!policy.wants(&closed(code), 0), "{code}");
        }
        for code in [CloseCode::GOING_AWAY, CloseCode::SERVICE_RESTART, CloseCode::TRY_AGAIN_LATER] {
            assert!(policy.wants(&closed(code), 0), "{code}");
        }
        assert!(!policy.wants(&Loss::failed(Error::refused("no")), 0));
        assert!(policy.wants(&Loss::failed(Error::timeout()), 0));
    }

    #[test]
    fn the_application_decides_except_for_the_number_of_tries() {
        let policy = Reconnect::new().max_tries(2).retry_if(|_| true);
        assert!(policy.wants(&closed(CloseCode::POLICY), 1));
        assert!(!policy.wants(&closed(CloseCode::POLICY), 2));
    }

    #[test]
    fn invalid_settings_are_named() {
        for (policy, name) in [
            (Reconnect::new().base_delay(Duration::ZERO), "base_delay"),
            (Reconnect::new().max_delay(Duration::from_millis(1)), "max_delay"),
            (Reconnect::new().max_tries(0), "max_tries"),
        ] {
            assert!(policy.check().unwrap_err().to_string().contains(name));
        }
    }
}
