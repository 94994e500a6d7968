//! Whether clients should come: what a load balancer reads at `/readyz`.

use http::StatusCode;
use neffos::{ClusterStatus, LinkState, Server};

/// What readiness is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// This server, and its way to the others.
    All,
    /// This server: for those who would rather have clients on servers that do not reach each other than nowhere.
    Alone,
}

/// How much the answer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    /// The status alone: for the public address.
    Hidden,
    /// The error of the broker, too: for operators.
    Told,
}

/// Whether clients should come, and why not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Readiness {
    Ready,
    Draining,
    /// The other servers are out of reach, for this reason.
    Apart(String),
}

impl Readiness {
    /// As it is now.
    pub(crate) fn of(server: &Server, extent: Extent) -> Self {
        let status = server.cluster().filter(|_| extent == Extent::All).map(|cluster| cluster.status());
        match status {
            _ if server.is_closed() => Self::Draining,
            Some(status) if status.state != LinkState::Up => Self::Apart(reason(&status)),
            _ => Self::Ready,
        }
    }

    /// As HTTP says it.
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
