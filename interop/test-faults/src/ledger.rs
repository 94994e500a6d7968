//! The messages that a client received from each sender. Pure.

use tokio::time::Instant;

/// One account for each sender. All senders number their messages from zero.
#[derive(Debug, Clone, Default)]
pub struct Ledger(Vec<Account>);

/// The messages that were received from one sender.
#[derive(Debug, Clone, Default)]
pub struct Account {
    /// When each number first arrived.
    heard: Vec<Option<Instant>>,
    doubled: usize,
    reordered: usize,
}

impl Ledger {
    /// Records that `number` of `sender` arrived at `now`.
    pub fn note(&mut self, sender: usize, number: usize, now: Instant) {
        if self.0.len() <= sender {
            self.0.resize_with(sender + 1, Account::default);
        }
        self.0[sender].note(number, now);
    }

    /// Returns the account of one sender.
    pub fn of(&self, sender: usize) -> Account {
        self.0.get(sender).cloned().unwrap_or_default()
    }

    /// Returns one more than the highest number of a sender that arrived.
    pub fn passed(&self, sender: usize) -> usize {
        self.0.get(sender).map_or(0, Account::passed)
    }
}

impl Account {
    fn note(&mut self, number: usize, now: Instant) {
        let is_late = number < self.passed();
        if !is_late {
            self.heard.resize(number, None);
            self.heard.push(Some(now));
        } else if self.heard[number].is_some() {
            self.doubled += 1;
        } else {
            self.heard[number] = Some(now);
            self.reordered += 1;
        }
    }

    /// Returns one more than the highest number that arrived.
    pub fn passed(&self) -> usize {
        self.heard.len()
    }

    /// Returns the numbers below `sent` that did not arrive.
    pub fn lost(&self, sent: usize) -> Vec<usize> {
        (0..sent).filter(|number| self.at(*number).is_none()).collect()
    }

    /// Returns when a number first arrived.
    pub fn at(&self, number: usize) -> Option<Instant> {
        self.heard.get(number).copied().flatten()
    }

    /// Returns how many messages arrived again.
    pub fn doubled(&self) -> usize {
        self.doubled
    }

    /// Returns how many messages arrived after later ones.
    pub fn reordered(&self) -> usize {
        self.reordered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(numbers: &[usize]) -> Account {
        let (mut ledger, now) = (Ledger::default(), Instant::now());
        numbers.iter().for_each(|number| ledger.note(1, *number, now));
        ledger.of(1)
    }

    fn faults(numbers: &[usize]) -> (usize, usize, Vec<usize>) {
        let account = account(numbers);
        (account.doubled(), account.reordered(), account.lost(4))
    }

    #[test]
    fn messages_that_arrive_once_and_in_order_are_no_fault() {
        assert_eq!(faults(&[0, 1, 2, 3]), (0, 0, vec![]));
    }

    #[test]
    fn each_fault_is_counted_separately() {
        assert_eq!(faults(&[0, 3]), (0, 0, vec![1, 2]));
        assert_eq!(faults(&[0, 1, 1, 2, 3, 0]), (2, 0, vec![]));
        assert_eq!(faults(&[1, 0, 2, 3]), (0, 1, vec![]));
        assert_eq!(faults(&[3, 1, 1]), (1, 1, vec![0, 2]));
        assert_eq!(faults(&[]), (0, 0, vec![0, 1, 2, 3]));
    }

    #[test]
    fn senders_have_separate_accounts() {
        let (mut ledger, now) = (Ledger::default(), Instant::now());
        ledger.note(2, 5, now);
        assert_eq!([0, 1, 2, 3].map(|sender| ledger.passed(sender)), [0, 0, 6, 0]);
        assert_eq!(ledger.of(2).at(5), Some(now));
    }
}
