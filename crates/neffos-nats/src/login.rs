//! The login of a link, and its proof.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use neffos::{Error, LinkError};
use neffos_tls::read_file;
use tokio::task::spawn_blocking;

use crate::hello::Proof;
use crate::key::Key;

/// The login of a link. Its secrets are never shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Login {
    Password {
        user: String,
        password: String,
    },
    Token(String),
    /// The seed of a user's key, which was checked once.
    Key(String),
    /// A file with a user's token and the seed of its key, read for each link, so that it may be replaced.
    File(PathBuf),
}

impl Login {
    pub(crate) fn key(seed: String) -> Result<Self, Error> {
        Key::from_seed(&seed).map_err(|fault| Error::config(format!("nats key: {fault}")))?;
        Ok(Self::Key(seed))
    }

    pub(crate) fn file(path: PathBuf) -> Result<Self, Error> {
        let text = read(&path).map_err(|err| err.to_string());
        match text.and_then(|text| Credentials::read(&text).map(drop).map_err(str::to_owned)) {
            Ok(()) => Ok(Self::File(path)),
            Err(fault) => Err(Error::config(format!("nats credentials {}: {fault}", path.display()))),
        }
    }

    /// Returns the proof for a server whose greeting had this nonce.
    pub(crate) async fn proof(&self, nonce: &str) -> Result<Proof, LinkError> {
        Ok(match self {
            Self::Password { user, password } => {
                Proof { user: Some(user.clone()), pass: Some(password.clone()), ..Proof::default() }
            }
            Self::Token(token) => Proof { auth_token: Some(token.clone()), ..Proof::default() },
            Self::Key(seed) => {
                let key = Key::from_seed(seed)?;
                Proof { nkey: Some(key.public()), sig: Some(signature(&key, nonce)?), ..Proof::default() }
            }
            Self::File(path) => {
                let fault = |err: &dyn fmt::Display| format!("the credentials {}: {err}", path.display());
                let file = path.clone();
                let read = spawn_blocking(move || read(&file)).await.map_err(|err| fault(&err))?;
                let text = read.map_err(|err| fault(&err))?;
                let Credentials { token, key } = Credentials::read(&text).map_err(|err| fault(&err))?;
                Proof { jwt: Some(token.to_owned()), sig: Some(signature(&key, nonce)?), ..Proof::default() }
            }
        })
    }
}

fn read(path: &Path) -> io::Result<String> {
    String::from_utf8(read_file(path)?).map_err(|err| io::Error::other(err.utf8_error()))
}

fn signature(key: &Key, nonce: &str) -> Result<String, LinkError> {
    if nonce.is_empty() {
        return Err("the server takes no keys: its greeting has nothing to sign".into());
    }
    Ok(URL_SAFE_NO_PAD.encode(key.sign(nonce.as_bytes())))
}

/// The contents of a credentials file.
struct Credentials<'a> {
    token: &'a str,
    key: Key,
}

impl<'a> Credentials<'a> {
    fn read(text: &'a str) -> Result<Self, &'static str> {
        let token = section(text, "NATS USER JWT").ok_or("it holds no NATS USER JWT")?;
        let seed = section(text, "USER NKEY SEED").ok_or("it holds no USER NKEY SEED")?;
        Ok(Self { token, key: Key::from_seed(seed)? })
    }
}

/// Returns the line after `-----BEGIN title-----`.
fn section<'a>(text: &'a str, title: &str) -> Option<&'a str> {
    let mut lines = text.lines().map(str::trim);
    lines.find(|line| line.trim_matches('-').strip_prefix("BEGIN ") == Some(title))?;
    lines.find(|line| !line.is_empty()).filter(|line| !line.starts_with('-'))
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password { .. } => "user and password",
            Self::Token(_) => "token",
            Self::Key(_) => "key",
            Self::File(_) => "credentials file",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sections_of_a_file_are_found_in_any_text() {
        let text = "\n-----BEGIN NATS USER JWT-----\r\ney.J0\r\n------END NATS USER JWT------\r\n\n*** warning ***\n\
                    -----BEGIN USER NKEY SEED-----\n\nSUA\n------END USER NKEY SEED------\n";
        assert_eq!(section(text, "NATS USER JWT"), Some("ey.J0"));
        assert_eq!(section(text, "USER NKEY SEED"), Some("SUA"));
        assert_eq!(section(text, "NKEY"), None);
        assert_eq!(section("-----BEGIN X-----\n-----END X-----", "X"), None);
    }

    #[test]
    fn secrets_are_not_shown() {
        let password = Login::Password { user: "ada".into(), password: "secret".into() };
        for login in [password, Login::Token("secret".into()), Login::Key("secret".into())] {
            assert!(!format!("{login:?}").contains("secret"));
        }
    }
}
