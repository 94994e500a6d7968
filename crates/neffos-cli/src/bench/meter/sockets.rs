//! The kernel's memory for TCP connections.

/// Returns the bytes in the buffers of all TCP sockets of this machine, with both ends of a connection within it. The
/// sockets themselves take about 2 to 4 KiB each in addition, which this number does not include.
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

/// Returns the number of memory pages that TCP uses.
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
