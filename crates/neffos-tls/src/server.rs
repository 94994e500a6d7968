//! Who a server is.

use tokio_rustls::rustls::ServerConfig;

use crate::error::Error;
use crate::pem::Pem;

/// What a server with this certificate needs for TLS, with those between it and a root behind it; `key` is that of the first.
/// Clients are not asked for certificates. This reads files.
///
/// # Errors
///
/// When something cannot be read, there is none of what is wanted in it, or the two do not belong together.
pub fn server_config(certificates: &Pem, key: &Pem) -> Result<ServerConfig, Error> {
    let config = ServerConfig::builder().with_no_client_auth();
    let config = config.with_single_cert(certificates.certificates()?, key.key()?);
    config.map_err(|err| certificates.refused(key, &err))
}
