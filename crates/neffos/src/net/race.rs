//! The schedule of attempts to reach the addresses of a host, as in RFC 8305 ("Happy Eyeballs"). Pure.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::Instant;

/// The addresses of one host, and the state of the attempts.
#[derive(Debug)]
pub(super) struct Race {
    waiting: VecDeque<SocketAddr>,
    running: usize,
    /// The time of the next attempt, even if earlier ones are still running.
    next_at: Instant,
    failures: Vec<(SocketAddr, io::Error)>,
}

/// The next step.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum RaceStep {
    /// Try this address as well.
    Try(SocketAddr),
    /// Wait until an attempt ends, and at most until this instant.
    Wait(Option<Instant>),
    /// Every address has failed.
    Lost,
}

impl Race {
    /// Takes `addresses` in the resolver's order of preference. If there are very many, only the first are tried.
    pub(super) fn new(addresses: impl IntoIterator<Item = SocketAddr>, now: Instant) -> Self {
        let mut waiting = interleaved(addresses);
        waiting.truncate(MAX_ADDRESSES);
        Self { waiting, running: 0, next_at: now, failures: Vec::new() }
    }

    pub(super) fn step(&mut self, now: Instant) -> RaceStep {
        let is_due = self.running == 0 || now >= self.next_at;
        if !is_due {
            return RaceStep::Wait((!self.waiting.is_empty()).then_some(self.next_at));
        }
        if let Some(address) = self.waiting.pop_front() {
            self.running += 1;
            self.next_at = now + ATTEMPT_DELAY;
            return RaceStep::Try(address);
        }
        if self.running > 0 { RaceStep::Wait(None) } else { RaceStep::Lost }
    }

    /// Records a failed attempt. The next address is tried at once.
    pub(super) fn fail(&mut self, address: SocketAddr, error: io::Error, now: Instant) {
        self.running -= 1;
        self.next_at = now;
        self.failures.push((address, error));
    }

    /// Returns why no address could be reached, after [`RaceStep::Lost`].
    pub(super) fn into_error(mut self) -> io::Error {
        match self.failures.len() {
            0 => io::Error::new(io::ErrorKind::NotFound, "the host has no address"),
            1 => self.failures.remove(0).1,
            count => {
                let shown = self.failures.iter().take(SHOWN).map(|(address, error)| format!("{address}: {error}"));
                let mut text = shown.collect::<Vec<_>>().join("; ");
                if count > SHOWN {
                    text.push_str(&format!("; and {} more", count - SHOWN));
                }
                io::Error::new(self.failures[0].1.kind(), text)
            }
        }
    }
}

/// Alternates the families, beginning with the family of the first address. Within a family, the order stays.
fn interleaved(addresses: impl IntoIterator<Item = SocketAddr>) -> VecDeque<SocketAddr> {
    let mut addresses = addresses.into_iter().peekable();
    let is_first_v6 = addresses.peek().is_some_and(SocketAddr::is_ipv6);
    let (mut first, mut second): (VecDeque<_>, VecDeque<_>) =
        addresses.partition(|address| address.is_ipv6() == is_first_v6);
    let mut all = VecDeque::with_capacity(first.len() + second.len());
    while !first.is_empty() || !second.is_empty() {
        all.extend(first.pop_front());
        all.extend(second.pop_front());
    }
    all
}

/// The time after which the next address is tried beside those that have not answered, as RFC 8305 recommends.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);
const MAX_ADDRESSES: usize = 32;
const SHOWN: usize = 3;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn refused() -> io::Error {
        io::ErrorKind::ConnectionRefused.into()
    }

    #[test]
    fn the_families_take_turns_beginning_with_the_resolvers_choice() {
        let order = |addresses: &[&str]| {
            let sorted = interleaved(addresses.iter().map(|text| address(text)));
            sorted.iter().map(|address| address.ip().to_string()).collect::<Vec<_>>()
        };
        assert_eq!(order(&["[::1]:1", "[::2]:1", "[::3]:1", "1.0.0.1:1"]), ["::1", "1.0.0.1", "::2", "::3"]);
        assert_eq!(order(&["1.0.0.1:1", "[::1]:1", "1.0.0.2:1"]), ["1.0.0.1", "::1", "1.0.0.2"]);
        assert!(order(&[]).is_empty());
    }

    #[test]
    fn a_silent_address_delays_the_next_by_a_quarter_of_a_second() {
        let start = Instant::now();
        let (six, four) = (address("[::1]:1"), address("1.0.0.1:1"));
        let mut race = Race::new([six, four], start);
        assert_eq!(race.step(start), RaceStep::Try(six));
        assert_eq!(race.step(start), RaceStep::Wait(Some(start + ATTEMPT_DELAY)));
        assert_eq!(race.step(start + ATTEMPT_DELAY), RaceStep::Try(four));
        assert_eq!(race.step(start + ATTEMPT_DELAY), RaceStep::Wait(None));
    }

    #[test]
    fn an_address_that_fails_delays_nothing() {
        let start = Instant::now();
        let (six, four) = (address("[::1]:1"), address("1.0.0.1:1"));
        let mut race = Race::new([six, four], start);
        assert_eq!(race.step(start), RaceStep::Try(six));
        race.fail(six, refused(), start);
        assert_eq!(race.step(start), RaceStep::Try(four));
        race.fail(four, refused(), start);
        assert_eq!(race.step(start), RaceStep::Lost);
        let error = race.into_error();
        assert_eq!(error.to_string(), "[::1]:1: connection refused; 1.0.0.1:1: connection refused");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }

    #[test]
    fn a_host_without_addresses_is_lost_at_once() {
        let mut race = Race::new([], Instant::now());
        assert_eq!(race.step(Instant::now()), RaceStep::Lost);
        assert_eq!(race.into_error().to_string(), "the host has no address");
    }

    #[test]
    fn an_error_names_three_addresses_of_many() {
        let start = Instant::now();
        let mut race = Race::new((1..=100).map(|port| SocketAddr::from(([1, 0, 0, 1], port))), start);
        let mut tried = 0;
        while let RaceStep::Try(address) = race.step(start) {
            tried += 1;
            race.fail(address, refused(), start);
        }
        assert_eq!(tried, MAX_ADDRESSES);
        assert!(race.into_error().to_string().ends_with("1.0.0.1:3: connection refused; and 29 more"));
    }

    proptest! {
        /// Each event is a failed attempt, or time that passes.
        #[test]
        fn every_address_is_tried_once_and_a_silent_one_delays_by_one_step(
            families in prop::collection::vec(any::<bool>(), 0..40),
            fails in prop::collection::vec(any::<bool>(), 200),
        ) {
            let addresses: Vec<_> = families.iter().zip(1..).map(|(is_six, port)| {
                address(&format!("{}:{port}", if *is_six { "[::1]" } else { "1.0.0.1" }))
            }).collect();
            let start = Instant::now();
            let (mut race, mut now) = (Race::new(addresses.iter().copied(), start), start);
            let (mut tried, mut running) = (Vec::new(), VecDeque::new());
            for fails in fails {
                match race.step(now) {
                    RaceStep::Try(address) => {
                        tried.push(address);
                        running.push_back(address);
                    }
                    RaceStep::Lost => break,
                    RaceStep::Wait(until) => match (until, running.pop_front()) {
                        (until, Some(address)) if fails || until.is_none() => race.fail(address, refused(), now),
                        (Some(until), address) => {
                            prop_assert!(until - now <= ATTEMPT_DELAY);
                            running.extend(address);
                            now = until;
                        }
                        (None, _) => prop_assert!(false, "it waits for nothing"),
                    },
                }
            }
            let expected = addresses.len().min(MAX_ADDRESSES);
            prop_assert_eq!(tried.len(), expected);
            tried.sort();
            tried.dedup();
            prop_assert_eq!(tried.len(), expected);
            prop_assert!(now - start <= ATTEMPT_DELAY * 32);
        }
    }
}
