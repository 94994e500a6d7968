//! Whom a link trusts, and what it shows of itself.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use neffos::{Error, LinkError};
use tokio::task::spawn_blocking;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// Files, read for each link: they may be replaced.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tls {
    /// Whom to trust instead of those whom the system trusts.
    roots: Option<PathBuf>,
    /// A certificate of our own, and its key.
    identity: Option<(PathBuf, PathBuf)>,
    order: Order,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Order {
    /// The server greets, and then TLS begins.
    #[default]
    GreetingFirst,
    TlsFirst,
}

impl Tls {
    /// Whether something was said about TLS: then nothing goes without it.
    pub(crate) fn is_wanted(&self) -> bool {
        self.roots.is_some() || self.identity.is_some()
    }

    /// Whether TLS begins before the server greets.
    pub(crate) fn is_first(&self) -> bool {
        self.order == Order::TlsFirst
    }

    pub(crate) fn begin_first(&mut self) {
        self.order = Order::TlsFirst;
    }

    pub(crate) fn trust(&mut self, path: PathBuf) -> Result<(), Error> {
        roots_of(&path).map_err(|fault| Error::config(format!("nats {fault}")))?;
        self.roots = Some(path);
        Ok(())
    }

    pub(crate) fn show(&mut self, certificate: PathBuf, key: PathBuf) -> Result<(), Error> {
        self.identity = Some((certificate, key));
        let config = self.configure(RootCertStore::empty());
        config.map(drop).map_err(|fault| Error::config(format!("nats {fault}")))
    }

    pub(crate) async fn connector(&self) -> Result<TlsConnector, LinkError> {
        let tls = self.clone();
        // The system's certificates are many files.
        let config = spawn_blocking(move || tls.configure(tls.roots()?)).await??;
        Ok(TlsConnector::from(Arc::new(config)))
    }

    fn roots(&self) -> Result<RootCertStore, String> {
        match &self.roots {
            Some(path) => roots_of(path),
            None => roots_of_the_system(),
        }
    }

    fn configure(&self, roots: RootCertStore) -> Result<ClientConfig, String> {
        let builder = ClientConfig::builder().with_root_certificates(roots);
        let Some((certificate, key)) = &self.identity else { return Ok(builder.with_no_client_auth()) };
        let fault = |err: &dyn std::fmt::Display| format!("client certificate {}: {err}", certificate.display());
        let chain = certificates_of(certificate)?;
        let key = PrivateKeyDer::from_pem_file(key).map_err(|err| format!("client key {}: {err}", key.display()))?;
        builder.with_client_auth_cert(chain, key).map_err(|err| fault(&err))
    }
}

fn roots_of(path: &Path) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates_of(path)? {
        roots.add(certificate).map_err(|err| format!("certificates {}: {err}", path.display()))?;
    }
    Ok(roots)
}

fn certificates_of(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let fault = |err: &dyn std::fmt::Display| format!("certificates {}: {err}", path.display());
    let found = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let found = found.map_err(|err| fault(&err))?;
    if found.is_empty() {
        return Err(fault(&"there are none in it"));
    }
    Ok(found)
}

/// Those of the system that cannot be read are passed over, as long as others can.
fn roots_of_the_system() -> Result<RootCertStore, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    match found.errors.first() {
        Some(err) if roots.is_empty() => Err(format!("the system's certificates: {err}")),
        _ if roots.is_empty() => Err("the system trusts no certificates: name a file".to_owned()),
        _ => Ok(roots),
    }
}
