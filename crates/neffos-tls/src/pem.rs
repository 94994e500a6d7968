//! [`Pem`]: a source of certificates or a key.

use std::fmt::{self, Display};
use std::path::PathBuf;
use std::sync::Arc;

use tokio_rustls::rustls;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::error::Error;
use crate::file::read_file;

/// Certificates or a key as PEM, in a file or in memory, with the name of the setting for errors.
///
/// `Debug` shows the place, but not the contents.
#[derive(Clone)]
pub struct Pem {
    name: &'static str,
    place: Place,
}

#[derive(Clone)]
enum Place {
    File(PathBuf),
    Memory(Arc<[u8]>),
}

impl Pem {
    /// Refers to a regular file of at most 1 MiB. It is read at each use, so it may be replaced.
    ///
    /// # Examples
    ///
    /// ```
    /// use neffos_tls::Pem;
    ///
    /// let key = Pem::file("tls_key", "/etc/chat/server.key");
    /// ```
    pub fn file(name: &'static str, path: impl Into<PathBuf>) -> Self {
        Self { name, place: Place::File(path.into()) }
    }

    /// Uses PEM in memory.
    ///
    /// # Examples
    ///
    /// ```
    /// use neffos_tls::Pem;
    ///
    /// let key = Pem::memory("tls_key", *b"-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n");
    /// assert!(!format!("{key:?}").contains("BEGIN"), "contents do not reach logs");
    /// ```
    pub fn memory(name: &'static str, pem: impl Into<Arc<[u8]>>) -> Self {
        Self { name, place: Place::Memory(pem.into()) }
    }

    /// Returns all certificates, at least one.
    pub(crate) fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, Error> {
        let found = CertificateDer::pem_slice_iter(&self.bytes()?).collect::<Result<Vec<_>, _>>();
        match found.map_err(|err| self.fault(err))? {
            none if none.is_empty() => {
                Err(self.fault("there is no certificate in it; one begins with -----BEGIN CERTIFICATE-----"))
            }
            found => Ok(found),
        }
    }

    /// Returns the first key.
    pub(crate) fn key(&self) -> Result<PrivateKeyDer<'static>, Error> {
        PrivateKeyDer::from_pem_slice(&self.bytes()?).map_err(|err| match err {
            pem::Error::NoItemsFound => self.fault(
                "there is no key in it that can be used; one begins with -----BEGIN PRIVATE KEY-----, and is not encrypted",
            ),
            err => self.fault(err),
        })
    }

    fn bytes(&self) -> Result<Arc<[u8]>, Error> {
        match &self.place {
            Place::File(path) => read_file(path).map(Arc::from).map_err(|err| self.fault(err)),
            Place::Memory(pem) => Ok(pem.clone()),
        }
    }

    /// Returns the error for certificates that rustls refuses, alone or with `key`.
    pub(crate) fn refused(&self, key: &Self, err: &rustls::Error) -> Error {
        match err {
            rustls::Error::InconsistentKeys(_) => self.fault(format!("the first in it is not that of the {key}")),
            rustls::Error::General(text) => key.fault(text),
            err => self.fault(err),
        }
    }

    pub(crate) fn fault(&self, text: impl Display) -> Error {
        Error::new(format!("{self}: {text}"))
    }
}

impl Display for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::File(path) => write!(f, "{} {}", self.name, path.display()),
            Place::Memory(_) => f.write_str(self.name),
        }
    }
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pem({self})")
    }
}
