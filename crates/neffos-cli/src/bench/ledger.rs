//! The account of all deliveries. Pure.

/// One receiver's account of the messages, which are numbered from 0.
#[derive(Debug, Default)]
pub(super) struct Account {
    messages: u32,
    /// All messages with lower numbers have arrived.
    next: u32,
    /// A bit for each message. Empty until a message is missing, which is rare.
    seen: Vec<u64>,
    highest: Option<u32>,
}

/// The kind of one arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    /// A new message, after all messages with lower numbers that have arrived.
    InOrder,
    /// A new message that arrived after later ones.
    Late,
    /// A message that had already arrived.
    Double,
    /// A message that the sender did not send.
    Unknown,
}

/// Sums over all receivers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub(super) struct Sums {
    pub(super) expected: u64,
    pub(super) received: u64,
    pub(super) lost: u64,
    pub(super) doubled: u64,
    pub(super) out_of_order: u64,
    pub(super) unknown: u64,
}

impl Account {
    /// Creates the account of a receiver that expects `messages` messages.
    pub(super) fn new(messages: u32) -> Self {
        Self { messages, ..Self::default() }
    }

    pub(super) fn note(&mut self, number: u32) -> Arrival {
        if number >= self.messages {
            return Arrival::Unknown;
        }
        if number == self.next && self.seen.is_empty() {
            self.next += 1;
            return Arrival::InOrder;
        }
        self.note_apart(number)
    }

    fn note_apart(&mut self, number: u32) -> Arrival {
        if self.seen.is_empty() {
            self.seen = vec![0; self.messages.div_ceil(u64::BITS) as usize];
            for number in 0..self.next {
                self.set(number);
            }
            self.highest = self.next.checked_sub(1);
        }
        if self.set(number) {
            return Arrival::Double;
        }
        if self.highest.is_some_and(|highest| highest > number) {
            return Arrival::Late;
        }
        self.highest = Some(number);
        Arrival::InOrder
    }

    /// Sets the bit of a message. Returns whether it was set before.
    fn set(&mut self, number: u32) -> bool {
        let (word, bit) = (&mut self.seen[(number / u64::BITS) as usize], 1 << (number % u64::BITS));
        let was_set = *word & bit > 0;
        *word |= bit;
        was_set
    }
}

impl Sums {
    pub(super) fn note(&mut self, arrival: Arrival) {
        match arrival {
            Arrival::InOrder => self.received += 1,
            Arrival::Late => {
                self.received += 1;
                self.out_of_order += 1;
            }
            Arrival::Double => self.doubled += 1,
            Arrival::Unknown => self.unknown += 1,
        }
    }

    /// Ends the account: messages that have not arrived are lost.
    pub(super) fn close(&mut self, expected: u64) {
        (self.expected, self.lost) = (expected, expected.saturating_sub(self.received));
    }

    /// Whether every message arrived once and in order.
    pub(super) fn is_clean(&self) -> bool {
        self.lost == 0 && self.doubled == 0 && self.out_of_order == 0 && self.unknown == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_arrival_is_classified() {
        let mut account = Account::new(70);
        let arrivals: Vec<_> = [0, 2, 1, 2, 69, 69, 200].map(|number| account.note(number)).into();
        use Arrival::{Double, InOrder, Late, Unknown};
        assert_eq!(arrivals, [InOrder, InOrder, Late, Double, InOrder, Double, Unknown]);
    }

    #[test]
    fn messages_that_arrived_in_order_are_known_when_one_is_doubled() {
        let mut account = Account::new(100);
        assert!((0..80).all(|number| account.note(number) == Arrival::InOrder));
        assert_eq!(
            [79, 0, 80].map(|number| account.note(number)),
            [Arrival::Double, Arrival::Double, Arrival::InOrder]
        );
    }

    #[test]
    fn a_message_that_did_not_arrive_is_lost() {
        let mut sums = Sums::default();
        sums.note(Arrival::InOrder);
        sums.note(Arrival::Late);
        sums.close(3);
        assert_eq!((sums.received, sums.lost, sums.out_of_order), (2, 1, 1));
        assert!(!sums.is_clean());
    }
}
