//! What a client has heard of each sender. Pure.

use tokio::time::Instant;

/// One page for each sender; all number what they say from zero.
#[derive(Debug, Clone, Default)]
pub struct Ledger(Vec<Account>);

/// What was heard of one sender.
#[derive(Debug, Clone, Default)]
pub struct Account {
    /// When each number came first.
    heard: Vec<Option<Instant>>,
    doubled: usize,
    reordered: usize,
}

impl Ledger {
    /// Notes that `number` of `sender` came now.
    pub fn note(&mut self, sender: usize, number: usize, now: Instant) {
        if self.0.len() <= sender {
            self.0.resize_with(sender + 1, Account::default);
        }
        self.0[sender].note(number, now);
    }

    /// The messages of one sender.
    pub fn of(&self, sender: usize) -> Account {
        self.0.get(sender).cloned().unwrap_or_default()
    }

    /// How many numbers of a sender are behind: the last that came, and all before it.
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

    /// The highest number that came, and all before it.
    pub fn passed(&self) -> usize {
        self.heard.len()
    }

    /// Which of the first `sent` did not come.
    pub fn lost(&self, sent: usize) -> Vec<usize> {
        (0..sent).filter(|number| self.at(*number).is_none()).collect()
    }

    /// When a number came.
    pub fn at(&self, number: usize) -> Option<Instant> {
        self.heard.get(number).copied().flatten()
    }

    /// How many came again.
    pub fn doubled(&self) -> usize {
        self.doubled
    }

    /// How many came behind later ones.
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
    fn what_comes_once_and_in_order_is_no_fault() {
        assert_eq!(faults(&[0, 1, 2, 3]), (0, 0, vec![]));
    }

    #[test]
    fn each_fault_is_told_from_the_others() {
        assert_eq!(faults(&[0, 3]), (0, 0, vec![1, 2]));
        assert_eq!(faults(&[0, 1, 1, 2, 3, 0]), (2, 0, vec![]));
        assert_eq!(faults(&[1, 0, 2, 3]), (0, 1, vec![]));
        assert_eq!(faults(&[3, 1, 1]), (1, 1, vec![0, 2]));
        assert_eq!(faults(&[]), (0, 0, vec![0, 1, 2, 3]));
    }

    #[test]
    fn senders_have_accounts_of_their_own() {
        let (mut ledger, now) = (Ledger::default(), Instant::now());
        ledger.note(2, 5, now);
        assert_eq!([0, 1, 2, 3].map(|sender| ledger.passed(sender)), [0, 0, 6, 0]);
        assert_eq!(ledger.of(2).at(5), Some(now));
    }
}
