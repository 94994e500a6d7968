//! Certificate authorities, and certificates in files.

use std::fmt;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use crate::Folder;

/// A certificate authority. Dropping it removes its files.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: Folder,
    file: PathBuf,
}

impl Authority {
    /// Creates an authority with this name.
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, new_key()).expect("an authority vouches for itself");
        let folder = Folder::new("authority");
        let file = folder.write("authority.pem", &issuer.pem());
        Self { issuer, folder, file }
    }

    /// Returns the file of the authority's own certificate.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Creates a certificate for `name`. Returns its file, and the file of its key.
    pub fn vouch_for(&self, name: &str) -> (PathBuf, PathBuf) {
        let key = new_key();
        let params = CertificateParams::new([name.to_owned()]).expect("a name that certificates can have");
        let certificate = params.signed_by(&key, &self.issuer).expect("an authority vouches for others");
        let certificate = self.folder.write(&format!("{name}.pem"), &certificate.pem());
        (certificate, self.folder.write(&format!("{name}.key"), &key.serialize_pem()))
    }
}

fn new_key() -> KeyPair {
    KeyPair::generate().expect("the system has random bytes")
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").field("file", &self.file).finish_non_exhaustive()
    }
}
