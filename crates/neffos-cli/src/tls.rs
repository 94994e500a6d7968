//! The server's certificate and key for TLS. They are read again when their files change.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::SystemTime;

use neffos_tls::Pem;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;

use crate::config::Settings;
use crate::failure::Failure;

/// The certificate of the server, from the last reading of its files.
#[derive(Debug)]
pub(crate) struct Certificate {
    certificate: PathBuf,
    key: PathBuf,
    shown: RwLock<Arc<dyn ResolvesServerCert>>,
    /// The state of the files when they were last read.
    read: Mutex<Stamp>,
}

/// The modification time and length of both files: a difference means that a file changed. None for a missing file.
type Stamp = [Option<(SystemTime, u64)>; 2];

impl Certificate {
    /// Reads the files that the settings name. Returns `None` if they name none.
    pub(crate) fn load(settings: &Settings) -> Result<Option<Arc<Self>>, Failure> {
        let (certificate, key) = match (&settings.tls_cert, &settings.tls_key) {
            (Some(certificate), Some(key)) => (certificate.clone(), key.clone()),
            (None, None) => return Ok(None),
            (Some(_), None) => return Err(Failure::config("tls_key: tls_cert needs it")),
            (None, Some(_)) => return Err(Failure::config("tls_cert: tls_key needs it")),
        };
        let read = Mutex::new(stamp(&certificate, &key));
        let shown = RwLock::new(config(&certificate, &key)?.cert_resolver);
        Ok(Some(Arc::new(Self { certificate, key, shown, read })))
    }

    /// Returns the configuration for listeners. Every handshake uses the certificate that was read last.
    pub(crate) fn server_config(self: &Arc<Self>) -> Result<Arc<ServerConfig>, Failure> {
        let mut config = config(&self.certificate, &self.key)?;
        config.cert_resolver = self.clone();
        Ok(Arc::new(config))
    }

    /// Reads the files again, if they changed. This blocks.
    pub(crate) fn follow(&self) {
        let now = stamp(&self.certificate, &self.key);
        if std::mem::replace(&mut *self.read.lock().unwrap_or_else(PoisonError::into_inner), now) != now {
            self.reload();
        }
    }

    /// Reads the files again. If they cannot be used, logs why and keeps the old certificate. This blocks.
    pub(crate) fn reload(&self) {
        match config(&self.certificate, &self.key) {
            Ok(config) => {
                *self.shown.write().unwrap_or_else(PoisonError::into_inner) = config.cert_resolver;
                tracing::info!(tls_cert = %self.certificate.display(), "certificate reloaded");
            }
            Err(failure) => tracing::error!(reason = failure.text(), "certificate not reloaded; the old one stays"),
        }
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let shown = self.shown.read().unwrap_or_else(PoisonError::into_inner).clone();
        shown.resolve(hello)
    }
}

fn config(certificate: &PathBuf, key: &PathBuf) -> Result<ServerConfig, Failure> {
    let (certificate, key) = (Pem::file("tls_cert", certificate), Pem::file("tls_key", key));
    neffos_tls::server_config(&certificate, &key).map_err(Failure::config)
}

fn stamp(certificate: &PathBuf, key: &PathBuf) -> Stamp {
    [certificate, key].map(|file| {
        let about = std::fs::metadata(file).ok()?;
        Some((about.modified().ok()?, about.len()))
    })
}
