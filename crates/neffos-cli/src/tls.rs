//! The certificate and key to serve over TLS with.

use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;

use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

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
    let certificates: Vec<_> = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .map_err(|err| unusable("tls_cert", certificate, err))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|err| unusable("tls_key", key, err))?;
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(certificates, private);
    config.map(|config| Some(Arc::new(config))).map_err(|err| unusable("tls_key", key, err))
}

fn unusable(option: &str, path: &Path, err: impl Display) -> Failure {
    Failure::config(format!("{option} {}: {err}", path.display()))
}
