//! Secrecy: whom a client trusts, and who it says it is.

use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::error::Error;

pub(super) type Stream = TlsStream<TcpStream>;

/// How to make a stream secret.
#[derive(Clone)]
pub(super) struct Tls(TlsConnector);

/// What the builder was told.
#[derive(Debug, Default)]
pub(super) struct TlsSettings {
    /// PEM; none means those of the system.
    pub(super) roots: Option<Vec<u8>>,
    /// PEM: certificates and key.
    pub(super) identity: Option<(Vec<u8>, Vec<u8>)>,
    /// Instead of all else.
    pub(super) config: Option<Arc<ClientConfig>>,
}

impl Tls {
    /// # Errors
    ///
    /// When the settings make no sense, or the system's certificates are wanted and there are none.
    pub(super) fn new(settings: TlsSettings) -> Result<Self, Error> {
        if let Some(config) = settings.config {
            return Ok(Self(config.into()));
        }
        let roots = match settings.roots {
            Some(pem) => roots_of(&pem)?,
            None => system_roots()?,
        };
        let builder = ClientConfig::builder().with_root_certificates(roots);
        let config = match settings.identity {
            None => builder.with_no_client_auth(),
            Some((certificates, key)) => {
                let fault = |err: &dyn std::fmt::Display| Error::config(format!("client_certificate: {err}"));
                let certificates = certificates_of(&certificates, "client_certificate")?;
                let key = PrivateKeyDer::from_pem_slice(&key).map_err(|err| fault(&err))?;
                builder.with_client_auth_cert(certificates, key).map_err(|err| fault(&err))?
            }
        };
        Ok(Self(Arc::new(config).into()))
    }

    pub(super) async fn connect(&self, stream: TcpStream, host: &str) -> Result<Stream, Error> {
        let name = ServerName::try_from(host.to_owned()).map_err(|err| Error::config(format!("url: {err}")))?;
        let secret = self.0.connect(name, stream).await;
        secret.map_err(|err| Error::unreachable(format!("no TLS with {host}: {err}")))
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls")
    }
}

fn roots_of(pem: &[u8]) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates_of(pem, "root_certificates")? {
        roots.add(certificate).map_err(|err| Error::config(format!("root_certificates: {err}")))?;
    }
    Ok(roots)
}

fn certificates_of(pem: &[u8], setting: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let certificates = certificates.map_err(|err| Error::config(format!("{setting}: {err}")))?;
    match certificates.is_empty() {
        true => Err(Error::config(format!("{setting}: holds no certificate"))),
        false => Ok(certificates),
    }
}

/// Certificates of the system that cannot be read are passed over, as long as others can.
fn system_roots() -> Result<RootCertStore, Error> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    match found.errors.first() {
        Some(err) if roots.is_empty() => Err(Error::config(format!("root_certificates: the system's: {err}"))),
        _ if roots.is_empty() => Err(Error::config("root_certificates: the system has none; give your own")),
        _ => Ok(roots),
    }
}
