//! Readiness: whether this server should get new clients. Load balancers read it at `/readyz`.

use http::StatusCode;
use neffos::{ClusterStatus, LinkState, Server};

/// The parts of the system that readiness covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// This server, and its link to the others.
    All,
    /// This server alone: for balancers that would otherwise send clients nowhere while the servers do not reach each
    /// other.
    Alone,
}

/// The detail of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    /// Only the status, for the public address.
    Hidden,
    /// Also the error of the broker, for operators.
    Told,
}

/// Whether this server should get new clients, and the reason if not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Readiness {
    Ready,
    Draining,
    /// The other servers are out of reach, for this reason.
    Apart(String),
}

impl Readiness {
    /// Returns the current readiness.
    pub(crate) fn of(server: &Server, extent: Extent) -> Self {
        let status = server.cluster().filter(|_| extent == Extent::All).map(|cluster| cluster.status());
        match status {
            _ if server.is_closed() => Self::Draining,
            Some(status) if status.state != LinkState::Up => Self::Apart(reason(&status)),
            _ => Self::Ready,
        }
    }

    /// Returns the HTTP status and the text of the answer.
    pub(crate) fn answer(self, detail: Detail) -> (StatusCode, String) {
        let unready = |reason: &str| (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n"));
        match (self, detail) {
            (Self::Ready, _) => (StatusCode::OK, "ready\n".to_owned()),
            (Self::Draining, _) => unready("draining"),
            (Self::Apart(reason), Detail::Told) => unready(&reason),
            (Self::Apart(_), Detail::Hidden) => unready("no link to the other servers"),
        }
    }
}

fn reason(status: &ClusterStatus) -> String {
    let seconds = status.lasted.as_secs();
    match (status.state, &status.fault) {
        (LinkState::Connecting, _) => "joining the other servers".to_owned(),
        (LinkState::Resuming, _) => "waiting for the other servers to be back".to_owned(),
        (_, Some(fault)) => format!("no link to the other servers for {seconds} s: {fault}"),
        (_, None) => format!("no link to the other servers for {seconds} s"),
    }
}
