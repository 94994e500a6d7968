//! The files that settings name: small ones, which are read completely. Users may pass a secret itself instead of its
//! file. So an error shows such a path only if the file or its folder exists.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use neffos_tls::{check_file, read_file};

use super::is_secret_flag;
use super::settings::Settings;
use crate::failure::Failure;

impl Settings {
    /// Fails if a named file cannot be read, is not a regular file, or is too large. `--config` has been read before.
    pub(crate) fn check_files(&self) -> Result<(), Failure> {
        let files: [(&str, Option<&PathBuf>); 8] = [
            ("tls_cert", self.tls_cert.as_ref().filter(|_| self.tls_key.is_some())),
            ("tls_key", self.tls_key.as_ref().filter(|_| self.tls_cert.is_some())),
            ("api_keys_file", self.api_keys_file.as_ref()),
            ("nats_credentials", self.nats_credentials.as_ref()),
            ("cluster_ca", self.cluster_ca.as_ref()),
            ("cluster_cert", self.cluster_cert.as_ref()),
            ("cluster_cert_key", self.cluster_cert_key.as_ref()),
            ("cluster_key_file", self.cluster_key_file.as_ref()),
        ];
        let named = files.into_iter().filter_map(|(key, path)| path.map(|path| (key, path)));
        named.into_iter().try_for_each(|(key, path)| {
            check_file(path).map_err(|err| Failure::config(format!("{key}: {}: {err}", shown(key, path))))
        })
    }
}

/// Reads the file of `--config`, of at most 1 MiB. It may be a pipe, such as `<(…)` in a shell.
pub(crate) fn read_config(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(LARGEST + 1).read_to_string(&mut text)?;
    match text.len() as u64 > LARGEST {
        true => Err(io::Error::other(format!("larger than {LARGEST} bytes"))),
        false => Ok(text),
    }
}

/// Reads a regular file of at most 1 MiB.
pub(crate) fn read(path: &Path) -> io::Result<String> {
    String::from_utf8(read_file(path)?).map_err(|err| io::Error::other(err.utf8_error()))
}

/// Returns the name of a file for an error.
pub(crate) fn shown(key: &str, path: &Path) -> String {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    match !is_secret_flag(key) || path.exists() || folder.is_some_and(Path::is_dir) {
        true => path.display().to_string(),
        false => "…".to_owned(),
    }
}

const LARGEST: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_config_need_not_be_a_regular_file_but_it_must_end() {
        assert_eq!(read_config(Path::new("/dev/null")).unwrap(), "");
        assert_eq!(read_config(Path::new("/dev/zero")).unwrap_err().to_string(), "larger than 1048576 bytes");
    }

    #[test]
    fn a_secret_in_the_place_of_a_file_is_not_shown_and_a_path_is() {
        for key in ["api_keys_file", "cluster_key_file", "nats_credentials", "tls_key", "cluster_cert_key"] {
            for secret in ["s3cr3t-of-sixteen", "s3cr/3t+of/sixteen==", "-----BEGIN PRIVATE KEY-----\ns3cr3t"] {
                assert_eq!(shown(key, Path::new(secret)), "…", "{key}");
            }
            assert_eq!(shown(key, Path::new("/gone")), "/gone");
            assert_eq!(shown(key, Path::new("Cargo.toml")), "Cargo.toml");
        }
        assert_eq!(shown("tls_cert", Path::new("gone.pem")), "gone.pem");
    }
}
