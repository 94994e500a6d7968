//! A client's compression offers, and the server's answer.

use std::fmt;

use super::Window;

/// The server's answer to the accepted offer: no context takeover on either side, and the requested windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AcceptedOffer {
    server: Option<Window>,
    client: Option<Bits>,
}

/// The size of a window as the standard writes it: 8 to 15.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bits(u8);

impl AcceptedOffer {
    /// Returns the window for messages of the server.
    pub(crate) fn window(&self) -> Window {
        self.server.unwrap_or(Window::LARGEST)
    }
}

/// The form in `Sec-WebSocket-Extensions`.
impl fmt::Display for AcceptedOffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{NAME}; {SERVER_CONTEXT}; {CLIENT_CONTEXT}")?;
        if let Some(window) = self.server {
            write!(f, "; {SERVER_WINDOW}={}", window.bits())?;
        }
        if let Some(bits) = self.client {
            write!(f, "; {CLIENT_WINDOW}={}", bits.0)?;
        }
        Ok(())
    }
}

/// Accepts the first offer that the server can keep unchanged. Other offers and other extensions are ignored.
pub(super) fn choose<'a>(headers: impl Iterator<Item = &'a str>) -> Option<AcceptedOffer> {
    headers.flat_map(|header| split(header, ',')).find_map(take)
}

fn take(offer: &str) -> Option<AcceptedOffer> {
    let mut parts = split(offer, ';').map(str::trim);
    if parts.next() != Some(NAME) {
        return None;
    }
    let mut answer = AcceptedOffer { server: None, client: None };
    let mut seen = Vec::new();
    for part in parts {
        let (name, value) = parameter(part);
        if seen.contains(&name) {
            return None;
        }
        seen.push(name);
        match (name, value) {
            (SERVER_CONTEXT | CLIENT_CONTEXT | CLIENT_WINDOW, None) => {}
            (CLIENT_WINDOW, Some(value)) => answer.client = Some(bits(value)?),
            (SERVER_WINDOW, Some(value)) => answer.server = Some(Window::new(bits(value)?.0)?),
            _ => return None,
        }
    }
    Some(answer)
}

fn parameter(part: &str) -> (&str, Option<&str>) {
    let Some((name, value)) = part.split_once('=') else { return (part, None) };
    let value = value.trim();
    let unquoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    (name.trim(), Some(unquoted.unwrap_or(value)))
}

fn bits(value: &str) -> Option<Bits> {
    match value {
        "8" => Some(Bits(8)),
        "9" => Some(Bits(9)),
        _ => value
            .strip_prefix('1')?
            .parse()
            .ok()
            .filter(|rest| value.len() == 2 && *rest <= 5)
            .map(|rest: u8| Bits(10 + rest)),
    }
}

/// Splits at `separator`, but not between quotes.
fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    text.split(move |c| {
        quoted ^= c == '"';
        c == separator && !quoted
    })
}

const NAME: &str = "permessage-deflate";
const SERVER_CONTEXT: &str = "server_no_context_takeover";
const CLIENT_CONTEXT: &str = "client_no_context_takeover";
const SERVER_WINDOW: &str = "server_max_window_bits";
const CLIENT_WINDOW: &str = "client_max_window_bits";

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(offers: &[&str]) -> Option<String> {
        choose(offers.iter().copied()).map(|answer| answer.to_string())
    }

    /// Returns the part of the answer after the name and the two parameters against context takeover.
    fn extra(offer: &str) -> Option<String> {
        let plain = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
        answer(&[offer]).map(|answer| answer.strip_prefix(plain).unwrap().to_owned())
    }

    #[test]
    fn no_offer_leads_to_context_takeover() {
        for offer in [
            "permessage-deflate",
            "permessage-deflate; client_max_window_bits",
            " permessage-deflate ;server_no_context_takeover; client_no_context_takeover",
        ] {
            assert_eq!(extra(offer).as_deref(), Some(""), "{offer}");
        }
    }

    #[test]
    fn windows_are_as_they_were_asked_for() {
        let asked = "permessage-deflate; server_max_window_bits=9; client_max_window_bits=\"10\"";
        assert_eq!(extra(asked).unwrap(), "; server_max_window_bits=9; client_max_window_bits=10");
        assert_eq!(choose([asked].into_iter()).unwrap().window(), Window::new(9).unwrap());
        assert_eq!(choose(["permessage-deflate"].into_iter()).unwrap().window(), Window::LARGEST);
        assert_eq!(extra("permessage-deflate; client_max_window_bits=8").unwrap(), "; client_max_window_bits=8");
    }

    #[test]
    fn an_offer_that_cannot_be_kept_is_declined() {
        for parameters in [
            "server_max_window_bits",
            "server_max_window_bits=8",
            "server_max_window_bits=16",
            "server_max_window_bits=010",
            "server_max_window_bits=+9",
            "server_max_window_bits=1",
            "server_max_window_bits=155",
            "server_max_window_bits=1\u{e9}",
            "server_max_window_bits=9; server_max_window_bits=9",
            "client_max_window_bits=7",
            "client_max_window_bits=",
            "client_max_window_bits; client_max_window_bits=9",
            "server_no_context_takeover=1",
            "client_no_context_takeover; client_no_context_takeover",
            "mystery",
            "mystery=\"a, permessage-deflate; b\"",
            "",
        ] {
            assert_eq!(answer(&[&format!("permessage-deflate; {parameters}")]), None, "{parameters}");
        }
        assert_eq!(answer(&["", "x-webkit-deflate-frame", "permessage-bzip2, permessage-deflated"]), None);
        assert_eq!(answer(&[]), None);
    }

    #[test]
    fn the_first_offer_that_can_be_kept_is_taken() {
        let offers = "x; y=\",\", permessage-deflate; mystery, permessage-deflate; server_max_window_bits=10, permessage-deflate";
        assert_eq!(extra(offers).unwrap(), "; server_max_window_bits=10");
        let second = answer(&["permessage-deflate; server_max_window_bits=8", "permessage-deflate"]);
        assert!(!second.unwrap().contains("window"));
    }
}
