//! A certificate for `localhost`, created once for a run.

use std::fs;
use std::path::{Path, PathBuf};

use xtask::Result;

/// The paths of its files.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) certificate: PathBuf,
    key: PathBuf,
}

impl Files {
    /// Returns the flags for `neffos serve`.
    pub(super) fn flags(&self) -> [String; 4] {
        let name = |path: &Path| path.display().to_string();
        ["--tls-cert".to_owned(), name(&self.certificate), "--tls-key".to_owned(), name(&self.key)]
    }
}

/// Returns the files in `folder`, and creates them if they are missing.
///
/// # Errors
/// If they cannot be created or written.
pub(super) fn files(folder: &Path) -> Result<Files> {
    let files = Files { certificate: folder.join("certificate.pem"), key: folder.join("key.pem") };
    if !files.certificate.exists() || !files.key.exists() {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
        fs::write(&files.key, made.signing_key.serialize_pem())?;
        fs::write(&files.certificate, made.cert.pem())?;
    }
    Ok(files)
}
