//! TLS of a client: its trusted roots and its certificate.

use std::mem;
use std::sync::Arc;

use neffos_tls::{ClientTls, Pem, explain};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use super::target::Target;
use crate::connection::{Metered, Secured};
use crate::error::Error;

/// Makes TLS streams.
#[derive(Clone)]
pub(super) struct Tls(TlsConnector);

/// The TLS settings of the builder.
#[derive(Debug, Default)]
pub(super) struct TlsSettings {
    certificates: ClientTls,
    /// Replaces all other TLS settings.
    pub(super) config: Option<Arc<ClientConfig>>,
}

impl TlsSettings {
    pub(super) fn trust(&mut self, roots: Vec<u8>) {
        let roots = Pem::memory("root_certificates", roots);
        self.certificates = mem::take(&mut self.certificates).trust(roots);
    }

    pub(super) fn identify(&mut self, certificates: Vec<u8>, key: Vec<u8>) {
        let certificates = Pem::memory("client_certificate", certificates);
        let key = Pem::memory("key of client_certificate", key);
        self.certificates = mem::take(&mut self.certificates).identify(certificates, key);
    }
}

impl Tls {
    /// # Errors
    ///
    /// When the settings are invalid, or the system's certificates are needed and there are none.
    pub(super) fn new(settings: TlsSettings) -> Result<Self, Error> {
        let config = match settings.config {
            Some(config) => config,
            None => Arc::new(settings.certificates.config().map_err(|err| Error::config(err.to_string()))?),
        };
        Ok(Self(config.into()))
    }

    pub(super) async fn connect(&self, stream: TcpStream, target: &Target) -> Result<Secured, Error> {
        let name = ServerName::try_from(target.host.clone()).map_err(|err| Error::config(format!("url: {err}")))?;
        let secret = self.0.connect(name, Metered::dialled(stream)).await;
        secret
            .map(Secured::new)
            .map_err(|err| Error::unreachable(format!("no TLS with {}: {}", target.shown(), explain(&err))))
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls")
    }
}
