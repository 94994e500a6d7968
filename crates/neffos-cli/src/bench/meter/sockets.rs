//! What the kernel keeps for TCP connections.

/// Bytes in the buffers of all TCP sockets of this machine, both ends of a connection within it. The sockets themselves come on
/// top, about 2 to 4 KiB each, of which the kernel keeps no account here.
#[cfg(unix)]
pub(super) fn memory() -> Option<u64> {
    let pages = parse(&std::fs::read_to_string("/proc/net/sockstat").ok()?)?;
    Some(pages * rustix::param::page_size() as u64)
}

/// Unknown.
#[cfg(not(unix))]
pub(super) fn memory() -> Option<u64> {
    None
}

/// The pages that TCP has.
#[cfg(unix)]
fn parse(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("TCP:"))?;
    let mut words = line.split_whitespace();
    words.find(|word| *word == "mem")?;
    words.next()?.parse().ok()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn the_pages_of_tcp_are_found() {
        let text = "sockets: used 19\nTCP: inuse 1 orphan 0 tw 0 alloc 1 mem 443\nUDP: inuse 0 mem 7\n";
        assert_eq!(parse(text), Some(443));
        assert_eq!(parse("UDP: inuse 0 mem 7\n"), None);
    }
}
