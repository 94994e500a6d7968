//! The TLS settings of a client: its trusted roots and its certificate.

use std::sync::Arc;

use tokio::task::spawn_blocking;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::error::Error;
use crate::pem::Pem;

/// The TLS settings of a client. By default it trusts the system's certificates, and has no certificate.
///
/// Files are read at each use, so they may be replaced.
#[derive(Debug, Clone, Default)]
pub struct ClientTls {
    roots: Option<Pem>,
    identity: Option<Identity>,
}

#[derive(Debug, Clone)]
struct Identity {
    certificates: Pem,
    key: Pem,
}

impl ClientTls {
    /// Trusts these certificates instead of the system's.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos_tls::{ClientTls, Pem};
    /// let tls = ClientTls::default().trust(Pem::file("ca_file", "/etc/chat/ca.pem"));
    /// ```
    #[must_use]
    pub fn trust(mut self, roots: Pem) -> Self {
        self.roots = Some(roots);
        self
    }

    /// Authenticates with this certificate chain, the client's certificate first, and its `key`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos_tls::{ClientTls, Pem};
    /// let (certificate, key) = (Pem::file("certificate", "/etc/chat/me.pem"), Pem::file("key", "/etc/chat/me.key"));
    /// let tls = ClientTls::default().identify(certificate, key);
    /// ```
    #[must_use]
    pub fn identify(mut self, certificates: Pem, key: Pem) -> Self {
        self.identity = Some(Identity { certificates, key });
        self
    }

    /// Returns whether nothing is set.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos_tls::{ClientTls, Pem};
    /// assert!(ClientTls::default().is_default());
    /// assert!(!ClientTls::default().trust(Pem::file("ca_file", "/etc/chat/ca.pem")).is_default());
    /// ```
    pub fn is_default(&self) -> bool {
        self.roots.is_none() && self.identity.is_none()
    }

    /// Reads the settings, to find faults early. The system's certificates are not read.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos_tls::{ClientTls, Pem};
    /// let tls = ClientTls::default().trust(Pem::memory("ca_file", *b"not a certificate"));
    /// let fault = tls.check().unwrap_err();
    /// assert!(fault.to_string().contains("ca_file"), "the text names the setting");
    /// ```
    ///
    /// # Errors
    ///
    /// As [`config`](Self::config).
    pub fn check(&self) -> Result<(), Error> {
        let roots = self.roots.as_ref().map_or_else(|| Ok(RootCertStore::empty()), roots_in)?;
        self.config_with(roots).map(drop)
    }

    /// Reads everything. This blocks, because the system's certificates may be many files.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use neffos_tls::{ClientTls, Pem};
    /// let config = ClientTls::default().trust(Pem::file("ca_file", "/etc/chat/ca.pem")).config()?;
    /// # Ok::<(), neffos_tls::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When something cannot be read, lacks the expected contents, or a certificate and a key do not match, or when the
    /// system has no trusted certificates.
    pub fn config(&self) -> Result<ClientConfig, Error> {
        self.config_with(self.roots.as_ref().map_or_else(roots_of_the_system, roots_in)?)
    }

    /// Reads everything on a blocking thread, and returns a connector.
    ///
    /// # Errors
    ///
    /// As [`config`](Self::config).
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub async fn connector(&self) -> Result<TlsConnector, Error> {
        let tls = self.clone();
        let read = spawn_blocking(move || tls.config()).await;
        let config = read.map_err(|_| Error::new("the runtime ends while certificates are read"))??;
        Ok(TlsConnector::from(Arc::new(config)))
    }

    fn config_with(&self, roots: RootCertStore) -> Result<ClientConfig, Error> {
        let builder = ClientConfig::builder().with_root_certificates(roots);
        let Some(Identity { certificates, key }) = &self.identity else { return Ok(builder.with_no_client_auth()) };
        let config = builder.with_client_auth_cert(certificates.certificates()?, key.key()?);
        config.map_err(|err| certificates.refused(key, &err))
    }
}

fn roots_in(pem: &Pem) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    for certificate in pem.certificates()? {
        roots.add(certificate).map_err(|err| pem.fault(err))?;
    }
    Ok(roots)
}

/// Returns the system's certificates. Those that cannot be read are skipped, if any other can.
fn roots_of_the_system() -> Result<RootCertStore, Error> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    match found.errors.first() {
        Some(err) if roots.is_empty() => Err(Error::new(format!("the system's certificates: {err}"))),
        None if roots.is_empty() => Err(Error::new("the system trusts no certificates: name those to trust")),
        _ => Ok(roots),
    }
}
