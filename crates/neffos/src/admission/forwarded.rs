//! The information of the proxy in front about a request: the client's address and scheme. Pure.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroUsize;

use http::uri::Scheme;
use http::{HeaderMap, HeaderName, header};

/// The headers of a trusted proxy.
#[derive(Debug, Clone, Default)]
pub(crate) struct Forwarded {
    pub(crate) address_header: Option<HeaderName>,
    pub(crate) scheme_header: Option<HeaderName>,
    /// `None` means one.
    pub(crate) trusted_hops: Option<NonZeroUsize>,
}

/// The reason why the proxy's header contains no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unnamed {
    Missing,
    /// It has fewer entries than there are trusted proxies.
    TooFew,
    NoAddress,
}

impl Unnamed {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "the request has no such header",
            Self::TooFew => "it has fewer entries than trusted_hops",
            Self::NoAddress => "its entry is not an IP address",
        }
    }
}

impl Forwarded {
    /// Returns the client's address, if the settings name a header for it.
    pub(crate) fn address(&self, headers: &HeaderMap) -> Option<Result<IpAddr, Unnamed>> {
        self.address_header.as_ref().map(|name| self.address_in(headers, name))
    }

    fn address_in(&self, headers: &HeaderMap, name: &HeaderName) -> Result<IpAddr, Unnamed> {
        if !headers.contains_key(name) {
            return Err(Unnamed::Missing);
        }
        let entry = entries_from_last(headers, name).nth(self.hops().get() - 1).ok_or(Unnamed::TooFew)?;
        let node = if *name == header::FORWARDED { parameter(entry, "for") } else { Some(entry) };
        node.and_then(address).ok_or(Unnamed::NoAddress)
    }

    /// Returns the client's scheme, if the settings name a header for it and the header contains a known scheme.
    ///
    /// Many proxies replace the header instead of adding to it. So if there are fewer entries than proxies, the first
    /// counts.
    pub(crate) fn scheme(&self, headers: &HeaderMap) -> Option<Scheme> {
        let name = self.scheme_header.as_ref()?;
        let entry = entries_from_last(headers, name).take(self.hops().get()).last()?;
        let scheme = if *name == header::FORWARDED { parameter(entry, "proto")? } else { entry };
        match unquoted(scheme).to_ascii_lowercase().as_str() {
            "https" | "wss" => Some(Scheme::HTTPS),
            "http" | "ws" => Some(Scheme::HTTP),
            _ => None,
        }
    }

    fn hops(&self) -> NonZeroUsize {
        self.trusted_hops.unwrap_or(NonZeroUsize::MIN)
    }
}

/// Returns the entries of a list, from the last to the first.
fn entries_from_last<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> + use<'a> {
    let values = headers.get_all(name).into_iter().rev();
    let separator = Separator { sign: ',', is_quotable: *name == header::FORWARDED };
    // A value that is not text counts as one entry without an address.
    values.flat_map(move |value| separator.parts_from_last(value.to_str().unwrap_or("?"))).map(str::trim)
}

/// Returns the value of `name` in one element of `Forwarded`: `for=192.0.2.1;proto=https`.
fn parameter<'a>(element: &'a str, name: &str) -> Option<&'a str> {
    let pairs = Separator { sign: ';', is_quotable: true }.parts_from_last(element);
    let mut pairs = pairs.filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| key.trim().eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// The separator between the parts of a header's value.
#[derive(Debug, Clone, Copy)]
struct Separator {
    sign: char,
    /// Whether quotes protect the separator: a proxy may quote a value from the client, such as its `Host`.
    is_quotable: bool,
}

impl Separator {
    /// Returns the parts of `text`, from the last to the first. It reads from the end, where the trusted proxy wrote,
    /// so that a quote that the client opened cannot change the proxy's part.
    fn parts_from_last(self, text: &str) -> impl Iterator<Item = &str> {
        let mut rest = Some(text);
        std::iter::from_fn(move || {
            let text = rest?;
            let Some(at) = self.last_in(text) else { return rest.take() };
            rest = Some(&text[..at]);
            Some(&text[at + self.sign.len_utf8()..])
        })
    }

    /// Returns the position of the last separator that is not between quotes.
    fn last_in(self, text: &str) -> Option<usize> {
        let mut is_quoted = false;
        text.char_indices().rev().find_map(|(at, sign)| {
            if self.is_quotable && sign == '"' && !(is_quoted && is_escaped(text, at)) {
                is_quoted = !is_quoted;
            }
            (sign == self.sign && !is_quoted).then_some(at)
        })
    }
}

/// Returns whether an odd number of backslashes precedes this position.
fn is_escaped(text: &str, at: usize) -> bool {
    let before = &text[..at];
    (before.len() - before.trim_end_matches('\\').len()) % 2 == 1
}

/// Parses an address, with or without a port, brackets, quotes and a zone.
fn address(text: &str) -> Option<IpAddr> {
    let text = unquoted(text);
    let host = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            (port.is_empty() || port.starts_with(':')).then_some(host)?
        }
        None => match text.split_once(':') {
            Some((host, port)) if !port.contains(':') => host,
            _ => text,
        },
    };
    match host.split_once('%') {
        Some((host, _zone)) => host.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => host.parse().ok(),
    }
}

fn unquoted(text: &str) -> &str {
    let inner = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    inner.unwrap_or(text).trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    fn named(name: &'static str, hops: usize, values: &[&str]) -> Result<IpAddr, Unnamed> {
        let (address_header, trusted_hops) = (Some(HeaderName::from_static(name)), NonZeroUsize::new(hops));
        let forwarded = Forwarded { address_header, trusted_hops, ..Forwarded::default() };
        forwarded.address(&headers(name, values)).unwrap()
    }

    fn ip(text: &str) -> Result<IpAddr, Unnamed> {
        Ok(text.parse().unwrap())
    }

    #[test]
    fn every_form_of_an_address_is_read() {
        for form in
            ["192.0.2.7", "192.0.2.7:4711", "\"192.0.2.7\"", "\"192.0.2.7:4711\"", " 192.0.2.7 ", "192.0.2.7:_x"]
        {
            assert_eq!(named("x-forwarded-for", 1, &[form]), ip("192.0.2.7"), "{form}");
            assert_eq!(named("x-real-ip", 1, &[form]), ip("192.0.2.7"), "{form}");
        }
        for form in [
            "2001:db8::7",
            "[2001:db8::7]",
            "[2001:db8::7]:80",
            "\"[2001:db8::7]:80\"",
            "2001:DB8:0::7",
            "[2001:db8::7%eth0]",
        ] {
            assert_eq!(named("x-forwarded-for", 1, &[form]), ip("2001:db8::7"), "{form}");
        }
    }

    #[test]
    fn forwarded_is_read_as_its_own_syntax() {
        for form in [
            "for=192.0.2.7",
            "For=\"192.0.2.7:4711\"",
            "proto=https;for=192.0.2.7;by=203.0.113.43",
            "for=198.51.100.1, for = 192.0.2.7",
        ] {
            assert_eq!(named("forwarded", 1, &[form]), ip("192.0.2.7"), "{form}");
        }
        assert_eq!(named("forwarded", 1, &["for=\"[2001:db8::7]:4711\""]), ip("2001:db8::7"));
        for form in ["for=unknown", "for=_hidden", "proto=https", "192.0.2.7", ""] {
            assert_eq!(named("forwarded", 1, &[form]), Err(Unnamed::NoAddress), "{form}");
        }
    }

    #[test]
    fn the_last_trusted_proxys_entry_names_the_client_whatever_the_client_has_written_before() {
        let line = "198.51.100.1, 192.0.2.7, 10.0.0.1";
        assert_eq!(named("x-forwarded-for", 1, &[line]), ip("10.0.0.1"));
        assert_eq!(named("x-forwarded-for", 2, &[line]), ip("192.0.2.7"));
        assert_eq!(named("x-forwarded-for", 2, &["198.51.100.1, 192.0.2.7", "10.0.0.1"]), ip("192.0.2.7"));
        assert_eq!(named("x-forwarded-for", 1, &["\"open, 192.0.2.7"]), ip("192.0.2.7"));
        assert_eq!(named("forwarded", 1, &["for=\"open, for=192.0.2.7"]), ip("192.0.2.7"));
    }

    #[test]
    fn text_that_a_proxy_quotes_names_no_address() {
        for element in [
            r#"for=192.0.2.7;host="a,for=6.6.6.6;b=\"""#,
            r#"for=192.0.2.7;host="a, for=6.6.6.6""#,
            r#"host="a;for=6.6.6.6";for=192.0.2.7"#,
            r#"for=192.0.2.7;host="a;for=6.6.6.6""#,
            r#"for=192.0.2.7;host="a\\""#,
            r#"for=192.0.2.7;host="\",for=6.6.6.6;\"""#,
        ] {
            assert_eq!(named("forwarded", 1, &[element]), ip("192.0.2.7"), "{element}");
            for before in ["for=\"open", r#"for=6.6.6.6;host="a\"#, "\"", "\\"] {
                let line = format!("{before}, {element}");
                assert_eq!(named("forwarded", 1, &[&line]), ip("192.0.2.7"), "{line}");
            }
        }
    }

    #[test]
    fn a_header_without_an_address_has_a_reason() {
        assert_eq!(named("x-forwarded-for", 1, &[]), Err(Unnamed::Missing));
        assert_eq!(named("x-forwarded-for", 2, &["192.0.2.7"]), Err(Unnamed::TooFew));
        for bad in ["unknown", "", "192.0.2", "192.0.2.7x", "[2001:db8::7", "[2001:db8::7]x", "192.0.2.7%eth0", "é"] {
            assert_eq!(named("x-forwarded-for", 1, &[bad]), Err(Unnamed::NoAddress), "{bad}");
        }
    }

    #[test]
    fn the_scheme_is_that_of_the_first_trusted_proxy() {
        let scheme = |name: &'static str, hops: usize, values: &[&str]| {
            let (scheme_header, trusted_hops) = (Some(HeaderName::from_static(name)), NonZeroUsize::new(hops));
            let forwarded = Forwarded { scheme_header, trusted_hops, ..Forwarded::default() };
            forwarded.scheme(&headers(name, values))
        };
        assert_eq!(scheme("x-forwarded-proto", 1, &["http, https"]), Some(Scheme::HTTPS));
        assert_eq!(scheme("x-forwarded-proto", 2, &["https, http"]), Some(Scheme::HTTPS));
        assert_eq!(scheme("x-forwarded-proto", 2, &["WSS"]), Some(Scheme::HTTPS));
        assert_eq!(scheme("forwarded", 1, &["for=192.0.2.7;proto=\"https\""]), Some(Scheme::HTTPS));
        assert_eq!(scheme("x-forwarded-proto", 1, &["gopher"]), None);
        assert_eq!(scheme("x-forwarded-proto", 1, &[]), None);
    }
}
