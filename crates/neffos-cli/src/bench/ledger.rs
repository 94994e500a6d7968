//! What became of every delivery. Pure.

/// One receiver's account of messages with the numbers from 0 on.
#[derive(Debug, Default)]
pub(super) struct Account {
    seen: Vec<u64>,
    highest: Option<u32>,
}

/// What one message was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    /// New, and behind all that came before.
    InOrder,
    /// New, but later ones came before it.
    Late,
    /// It had come already.
    Double,
    /// Nobody sent it.
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
    /// Room for `messages`.
    pub(super) fn new(messages: u32) -> Self {
        Self { seen: vec![0; messages.div_ceil(u64::BITS) as usize], highest: None }
    }

    pub(super) fn note(&mut self, number: u32) -> Arrival {
        let bit = 1 << (number % u64::BITS);
        let Some(word) = self.seen.get_mut((number / u64::BITS) as usize) else { return Arrival::Unknown };
        if *word & bit > 0 {
            return Arrival::Double;
        }
        *word |= bit;
        if self.highest.is_some_and(|highest| highest > number) {
            return Arrival::Late;
        }
        self.highest = Some(number);
        Arrival::InOrder
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

    /// Nothing more will come.
    pub(super) fn close(&mut self, expected: u64) {
        (self.expected, self.lost) = (expected, expected.saturating_sub(self.received));
    }

    /// Whether everything came, once, and in order.
    pub(super) fn is_clean(&self) -> bool {
        self.lost == 0 && self.doubled == 0 && self.out_of_order == 0 && self.unknown == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_is_told_from_every_other() {
        let mut account = Account::new(70);
        let arrivals: Vec<_> = [0, 2, 1, 2, 69, 69, 200].map(|number| account.note(number)).into();
        use Arrival::{Double, InOrder, Late, Unknown};
        assert_eq!(arrivals, [InOrder, InOrder, Late, Double, InOrder, Double, Unknown]);
    }

    #[test]
    fn what_did_not_come_is_lost() {
        let mut sums = Sums::default();
        sums.note(Arrival::InOrder);
        sums.note(Arrival::Late);
        sums.close(3);
        assert_eq!((sums.received, sums.lost, sums.out_of_order), (2, 1, 1));
        assert!(!sums.is_clean());
    }
}
