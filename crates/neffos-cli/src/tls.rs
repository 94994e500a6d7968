//! The certificate and key to serve over TLS with.

use std::sync::Arc;

use neffos_tls::Pem;
use tokio_rustls::rustls::ServerConfig;

use crate::config::Settings;
use crate::failure::Failure;

/// Reads what the settings name; none when they name nothing.
pub(crate) fn load(settings: &Settings) -> Result<Option<Arc<ServerConfig>>, Failure> {
    let (certificate, key) = match (&settings.tls_cert, &settings.tls_key) {
        (Some(certificate), Some(key)) => (certificate, key),
        (None, None) => return Ok(None),
        (Some(_), None) => return Err(Failure::config("tls_key: tls_cert needs it")),
        (None, Some(_)) => return Err(Failure::config("tls_cert: tls_key needs it")),
    };
    let (certificate, key) = (Pem::file("tls_cert", certificate), Pem::file("tls_key", key));
    let config = neffos_tls::server_config(&certificate, &key).map_err(Failure::config)?;
    Ok(Some(Arc::new(config)))
}
