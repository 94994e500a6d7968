//! How a link is made secret, and when.

use neffos_tls::ClientTls;

/// Whom a link trusts, what it shows of itself, and when it begins with that.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tls {
    pub(crate) client: ClientTls,
    pub(crate) order: Order,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Order {
    /// The server greets, and then TLS begins.
    #[default]
    GreetingFirst,
    TlsFirst,
}

impl Tls {
    /// Whether something was said about certificates: then nothing goes without TLS.
    pub(crate) fn is_wanted(&self) -> bool {
        !self.client.is_default()
    }
}
