//! Token buckets of client addresses, in a table of bounded size. Pure: times come in, a verdict comes out.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use indexmap::IndexMap;

use crate::rate::Rate;

/// The clients that have used their rate recently. A client that is not in the table has a full bucket.
#[derive(Debug, Default)]
pub(crate) struct Buckets {
    /// The time at which the bucket of each client is full again, on the caller's clock.
    full_at: IndexMap<IpAddr, Duration>,
    /// The position of the next check for full buckets.
    hand: usize,
}

impl Buckets {
    /// Takes a token from the bucket of a client.
    ///
    /// # Errors
    ///
    /// The time until there is a token, if there is none. No token is taken then.
    pub(crate) fn take(&mut self, client: IpAddr, rate: Rate, now: Duration) -> Result<(), Duration> {
        let client = network(client);
        match self.wait(client, rate, now) {
            Duration::ZERO if !rate.is_limit() => Ok(()),
            Duration::ZERO => {
                let full_at = self.entry(client, now);
                *full_at = (*full_at).max(now).saturating_add(rate.time_of(1));
                Ok(())
            }
            wait => Err(wait),
        }
    }

    /// Returns the time until the bucket of a client has a token; zero if it has one.
    pub(crate) fn wait(&self, client: IpAddr, rate: Rate, now: Duration) -> Duration {
        if !rate.is_limit() {
            return Duration::ZERO;
        }
        let full_at = self.full_at.get(&network(client)).copied().unwrap_or_default();
        let missing = full_at.saturating_sub(now).saturating_add(rate.time_of(1));
        missing.saturating_sub(rate.time_of_burst())
    }

    /// Returns the number of clients in the table.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.full_at.len()
    }

    fn entry(&mut self, client: IpAddr, now: Duration) -> &mut Duration {
        if !self.full_at.contains_key(&client) {
            self.make_room(now);
        }
        self.full_at.entry(client).or_default()
    }

    /// Checks the next few clients, and removes those with a full bucket. If the table is full and none was removed,
    /// forgets the one that has used its rate least. So new addresses, however many, cannot free the client that has
    /// used the most.
    fn make_room(&mut self, now: Duration) {
        let mut least: Option<(Duration, usize)> = None;
        for _ in 0..LOOKS.min(self.full_at.len()) {
            self.hand = if self.hand < self.full_at.len() { self.hand } else { 0 };
            match self.full_at.get_index(self.hand) {
                Some((_, &full_at)) if full_at > now => {
                    let this = (full_at, self.hand);
                    least = Some(least.map_or(this, |least| least.min(this)));
                    self.hand += 1;
                }
                _ => drop(self.full_at.swap_remove_index(self.hand)),
            }
        }
        if let Some((_, index)) = least.filter(|_| self.full_at.len() >= MOST) {
            self.full_at.swap_remove_index(index);
        }
        if self.full_at.capacity() > SMALL && self.full_at.len() < self.full_at.capacity() / 4 {
            self.full_at.shrink_to(self.full_at.len() * 2);
        }
    }
}

/// Returns the address under which a client counts. An IPv6 client counts as its whole network (/64). An IPv4 address
/// in IPv6 form (mapped, or translated by a NAT64 with its usual prefix) counts as IPv4.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => match address.segments() {
            [0x64, 0xff9b, 0, 0, 0, 0, _, _] => IpAddr::V4(lower_32_bits(address)),
            _ => IpAddr::V6((address.to_bits() & !u128::from(u64::MAX)).into()),
        },
        v4 => v4,
    }
}

fn lower_32_bits(address: Ipv6Addr) -> Ipv4Addr {
    let [.., a, b, c, d] = address.octets();
    Ipv4Addr::new(a, b, c, d)
}

/// The most clients in the table, in less than 5 MiB.
const MOST: usize = 65_536;
/// How many clients are checked when a new one is added.
const LOOKS: usize = 8;
/// A table with less capacity than this is not shrunk.
const SMALL: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate::per_second(10).with_burst(3);

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    /// Returns the address in network `nth` of an attacker with very many networks.
    fn nth(nth: u32) -> IpAddr {
        IpAddr::V6(((0x2001_0db8_u128 << 96) | (u128::from(nth) << 64)).into())
    }

    #[test]
    fn a_burst_is_allowed_and_then_the_average() {
        let (mut buckets, ada, now) = (Buckets::default(), ip("192.0.2.1"), ms(5_000));
        assert!((0..3).all(|_| buckets.take(ada, RATE, now).is_ok()));
        assert_eq!(buckets.take(ada, RATE, now), Err(ms(100)));
        assert_eq!(buckets.take(ada, RATE, now + ms(40)), Err(ms(60)));
        assert_eq!(buckets.take(ada, RATE, now + ms(100)), Ok(()));
        assert_eq!(buckets.wait(ada, RATE, now + ms(100)), ms(100));
        assert_eq!(buckets.wait(ip("192.0.2.2"), RATE, now), ms(0));
    }

    #[test]
    fn a_client_that_is_refused_over_and_over_is_not_refused_for_longer() {
        let (mut buckets, eve) = (Buckets::default(), ip("192.0.2.1"));
        let allowed = (0..10_000).filter(|&nth| buckets.take(eve, RATE, ms(nth)).is_ok()).count();
        assert!((102..=103).contains(&allowed), "{allowed}");
    }

    #[test]
    fn an_ipv6_network_shares_a_bucket_and_an_ipv4_address_has_one_in_any_form() {
        let mut buckets = Buckets::default();
        for address in ["2001:db8::1", "2001:db8::2", "2001:db8:0:0:ffff::3"] {
            assert!(buckets.take(ip(address), RATE, ms(1)).is_ok());
        }
        assert!(buckets.take(ip("2001:db8::4"), RATE, ms(1)).is_err());
        assert!(buckets.take(ip("2001:db8:0:1::1"), RATE, ms(1)).is_ok());
        assert_eq!(network(ip("::ffff:192.0.2.1")), ip("192.0.2.1"));
        assert_eq!(network(ip("64:ff9b::192.0.2.1")), ip("192.0.2.1"));
        assert_ne!(network(ip("64:ff9b:1::192.0.2.1")), ip("192.0.2.1"));
    }

    #[test]
    fn a_rate_of_zero_is_no_limit_and_remembers_no_client() {
        let mut buckets = Buckets::default();
        for count in [0, u32::MAX] {
            let rate = Rate::per_second(count);
            assert!((0..10).all(|_| buckets.take(ip("192.0.2.1"), rate, ms(1)).is_ok()), "{count}");
            assert!(count > 0 || buckets.len() == 0);
        }
        let longest = Rate::per_second(1).with_burst(u32::MAX);
        assert!(buckets.take(ip("192.0.2.1"), longest, Duration::MAX).is_ok());
    }

    #[test]
    fn an_attacker_with_any_number_of_networks_fills_a_table_of_bounded_size_and_does_not_free_the_worst() {
        let (mut buckets, worst, now) = (Buckets::default(), ip("192.0.2.1"), ms(1));
        while buckets.take(worst, RATE, now).is_ok() {}
        for number in 0..300_000 {
            assert!(buckets.take(nth(number), RATE, now).is_ok());
        }
        assert!(buckets.len() <= MOST);
        assert!(buckets.full_at.capacity() <= 2 * MOST, "{}", buckets.full_at.capacity());
        assert!(buckets.take(worst, RATE, now).is_err());
    }

    #[test]
    fn clients_with_full_buckets_are_forgotten_as_new_ones_come() {
        let mut buckets = Buckets::default();
        for number in 0..MOST as u32 {
            buckets.take(nth(number), RATE, ms(1)).unwrap();
        }
        for number in 0..MOST as u32 / 4 {
            buckets.take(nth(1 << 20 | number), RATE, ms(10_000) + ms(1_000) * number).unwrap();
        }
        assert!(buckets.len() < 16, "{}", buckets.len());
        assert!(buckets.full_at.capacity() <= SMALL, "{}", buckets.full_at.capacity());
    }
}
