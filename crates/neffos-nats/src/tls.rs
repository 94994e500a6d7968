//! The TLS settings of a link.

use neffos_tls::ClientTls;

/// The trusted roots and the certificate of a link, and when its TLS starts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tls {
    pub(crate) client: ClientTls,
    pub(crate) order: Order,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Order {
    /// The server sends its greeting, and then TLS starts.
    #[default]
    GreetingFirst,
    TlsFirst,
}

impl Tls {
    /// Returns whether certificates are set. TLS is then required.
    pub(crate) fn is_wanted(&self) -> bool {
        !self.client.is_default()
    }
}
