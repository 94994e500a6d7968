//! The HTTP request of a connection, if the server keeps requests.

use std::sync::Arc;

use http::request::Parts;

use super::peer::Peer;
use crate::budget::{MemoryBudget, Reservation};
use crate::lock::lock;

/// A request, charged to the memory budget.
#[derive(Clone)]
struct KeptRequest {
    parts: Arc<Parts>,
    _charge: Arc<Reservation>,
}

impl Peer {
    /// Stores the request with the connection. Without room in the budget, it is not kept.
    pub(crate) fn keep_request(&self, parts: &Arc<Parts>) {
        let budget = MemoryBudget(self.hub().budget.clone());
        let Some(charge) = budget.reserve(size_of(parts)) else { return };
        let request = KeptRequest { parts: parts.clone(), _charge: Arc::new(charge) };
        lock(self.values()).typed.insert(request);
    }

    pub(crate) fn kept_request(&self) -> Option<Arc<Parts>> {
        Some(lock(self.values()).typed.get::<KeptRequest>()?.parts.clone())
    }
}

fn size_of(parts: &Parts) -> usize {
    let headers = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + HEADER);
    let uri = parts.uri.path_and_query().map_or(0, |path| path.as_str().len());
    std::mem::size_of::<Parts>() + uri + headers.sum::<usize>()
}

/// The entry of a header in its map, and the map's index.
const HEADER: usize = 112;
