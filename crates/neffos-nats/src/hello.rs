//! The JSON with which a NATS server and a client introduce themselves.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The properties of a server, sent as a greeting and after changes.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Info {
    pub(crate) max_payload: usize,
    pub(crate) tls_required: bool,
    pub(crate) tls_available: bool,
    /// The text that a client signs to prove that it has a key.
    pub(crate) nonce: String,
    /// The name of the server's cluster, if it belongs to one.
    pub(crate) cluster: Option<String>,
    /// Whether the server will close all connections, one after the other (lame duck mode).
    #[serde(rename = "ldm")]
    pub(crate) is_leaving: bool,
}

impl Default for Info {
    fn default() -> Self {
        Self {
            max_payload: USUAL_MAX_PAYLOAD,
            tls_required: false,
            tls_available: false,
            nonce: String::new(),
            cluster: None,
            is_leaving: false,
        }
    }
}

/// The properties of this client.
#[derive(Debug, Serialize)]
pub(crate) struct Connect<'a> {
    pub(crate) verbose: bool,
    pub(crate) pedantic: bool,
    pub(crate) echo: bool,
    pub(crate) headers: bool,
    /// 1 means that the server may send changes of its properties.
    pub(crate) protocol: u8,
    pub(crate) tls_required: bool,
    pub(crate) name: &'a str,
    pub(crate) lang: &'static str,
    pub(crate) version: &'static str,
    #[serde(flatten)]
    pub(crate) proof: &'a Proof,
}

/// The login of this client.
#[derive(Default, Serialize)]
pub(crate) struct Proof {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pass: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) auth_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) jwt: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) nkey: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sig: Option<String>,
}

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Proof")
    }
}

/// The default of a server.
const USUAL_MAX_PAYLOAD: usize = 1024 * 1024;
