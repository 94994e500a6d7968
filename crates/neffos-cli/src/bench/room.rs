//! The limits of this machine for connections: source addresses, and file descriptors.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;

use crate::files;

/// The source addresses of connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sources {
    /// How many connections come from one address before the next address is used.
    each: usize,
}

impl Sources {
    /// Returns the sources for `connections` connections to `server`. One source has one port for each connection to
    /// the same server. For a server on this machine there are more sources: 127.0.0.1 and the addresses after it.
    pub(super) fn new(server: SocketAddr, connections: usize, each: Option<NonZeroUsize>) -> Result<Self, String> {
        let ports = local_ports().unwrap_or(USUAL_PORTS);
        let each = each.map_or(ports, NonZeroUsize::get);
        let needed = connections.div_ceil(each);
        let is_here = matches!(server.ip(), IpAddr::V4(address) if address.is_loopback());
        if needed > 1 && !is_here {
            return Err(format!(
                "{connections} connections are more than the {each} that one address can come from, and only a server at \
                 127.0.0.1 can be reached from several"
            ));
        }
        if needed > MOST_SOURCES {
            return Err(format!("{connections} connections with {each} from each address need {needed} addresses"));
        }
        Ok(Self { each })
    }

    /// Returns the source of a connection. `None` lets the system choose.
    pub(super) fn of(self, nth: usize) -> Option<SocketAddr> {
        let place = u8::try_from(nth / self.each).ok().filter(|place| *place > 0)?;
        Some(SocketAddr::new(Ipv4Addr::new(127, 0, 0, 1 + place).into(), 0))
    }
}

/// Raises the file limit of this process as far as possible. Fails if that is not enough for `connections` connections.
pub(super) fn make_room(connections: usize) -> Result<(), String> {
    let Some(most) = files::allow_all() else { return Ok(()) };
    let needed = (connections + OTHER_FILES) as u64;
    if needed > most {
        return Err(format!(
            "{connections} connections need {needed} file descriptors, and this process may have {most} (ulimit -Hn)"
        ));
    }
    Ok(())
}

/// Returns how many ports the system uses for connections without an explicit port.
fn local_ports() -> Option<usize> {
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
    let mut ends = text.split_whitespace().map(str::parse::<usize>);
    let (first, last) = (ends.next()?.ok()?, ends.next()?.ok()?);
    // The last free ports are hard to find, because the system searches at random.
    Some((last.checked_sub(first)? + 1) * 19 / 20)
}

const USUAL_PORTS: usize = 26_000;
const MOST_SOURCES: usize = 254;
/// File descriptors for standard streams, the event loops, and files that are read meanwhile.
const OTHER_FILES: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(server: &str, connections: usize, each: usize) -> Result<Sources, String> {
        Sources::new(server.parse().unwrap(), connections, NonZeroUsize::new(each))
    }

    #[test]
    fn each_address_has_its_share_of_the_connections() {
        let sources = sources("127.0.0.1:80", 5, 2).unwrap();
        let places: Vec<_> = (0..5).map(|nth| sources.of(nth).map(|source| source.to_string())).collect();
        let [second, third] = ["127.0.0.2:0", "127.0.0.3:0"].map(|place| Some(place.to_owned()));
        assert_eq!(places, [None, None, second.clone(), second, third]);
    }

    #[test]
    fn only_a_server_on_the_ipv4_loopback_is_dialled_from_several_addresses() {
        assert!(sources("192.0.2.1:80", 5, 5).is_ok());
        assert!(sources("192.0.2.1:80", 6, 5).unwrap_err().contains("only a server at 127.0.0.1"));
        assert!(sources("[::1]:80", 6, 5).is_err());
        assert!(sources("127.0.0.1:80", 255, 1).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn more_connections_than_descriptors_are_refused() {
        assert!(make_room(usize::MAX >> 8).unwrap_err().contains("ulimit -Hn"));
        assert_eq!(make_room(1), Ok(()));
    }
}
