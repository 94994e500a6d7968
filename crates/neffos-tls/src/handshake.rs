//! The reason for a failed TLS handshake, as a sentence.

use std::io;

use tokio_rustls::rustls::{CertificateError, Error, InvalidMessage};

/// Returns why a client's TLS handshake failed. For two common mistakes of operators, the text says what to do.
///
/// # Examples
///
/// ```
/// let err = std::io::Error::other("connection reset");
/// assert_eq!(neffos_tls::explain(&err), "connection reset");
/// ```
pub fn explain(err: &io::Error) -> String {
    match err.get_ref().and_then(|fault| fault.downcast_ref::<Error>()) {
        Some(Error::InvalidMessage(InvalidMessage::InvalidContentType)) => NOT_TLS.to_owned(),
        // The type inside belongs to another crate. Only its text identifies it.
        Some(Error::InvalidCertificate(CertificateError::Other(other))) if other.to_string() == CA_AS_SERVER => {
            AUTHORITY.to_owned()
        }
        _ => err.to_string(),
    }
}

const CA_AS_SERVER: &str = "CaUsedAsEndEntity";
const NOT_TLS: &str = "the server does not speak TLS at this port; use its port for TLS, or a URL without TLS, such as ws:// instead of wss://";
const AUTHORITY: &str = "the server's certificate is that of an authority (CA:TRUE), which is what `openssl req -x509` makes; \
                         make one for a server: add `-addext basicConstraints=critical,CA:FALSE`";
