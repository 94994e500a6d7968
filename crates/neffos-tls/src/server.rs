//! The TLS configuration of a server.

use tokio_rustls::rustls::ServerConfig;

use crate::error::Error;
use crate::pem::Pem;

/// Returns the TLS configuration of a server with this certificate chain, the server's certificate first, and its
/// `key`. Clients are not asked for certificates. This reads files.
///
/// # Examples
///
/// ```no_run
/// use neffos_tls::{Pem, server_config};
///
/// let certificates = Pem::file("tls_cert", "/etc/chat/server.pem");
/// let config = server_config(&certificates, &Pem::file("tls_key", "/etc/chat/server.key"))?;
/// # Ok::<(), neffos_tls::Error>(())
/// ```
///
/// # Errors
///
/// When something cannot be read, lacks the expected contents, or the two do not match.
pub fn server_config(certificates: &Pem, key: &Pem) -> Result<ServerConfig, Error> {
    let config = ServerConfig::builder().with_no_client_auth();
    let config = config.with_single_cert(certificates.certificates()?, key.key()?);
    config.map_err(|err| certificates.refused(key, &err))
}
