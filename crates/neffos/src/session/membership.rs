//! Which namespaces a connection is connected to, and which rooms it has joined there. Pure.
//!
//! A connection is in a handful of places: plain vectors are the leanest.

use std::sync::Arc;

/// Namespaces, each with its rooms.
pub(crate) type Memberships = Vec<(Arc<str>, Vec<Arc<str>>)>;

#[derive(Debug, Default)]
pub(crate) struct Membership {
    places: Memberships,
}

impl Membership {
    /// Adds a namespace; false when it was there.
    pub(crate) fn connect(&mut self, namespace: &Arc<str>) -> bool {
        if self.is_connected(namespace) {
            return false;
        }
        self.places.reserve_exact(1);
        self.places.push((namespace.clone(), Vec::new()));
        true
    }

    /// Takes a namespace out, and returns the rooms that went with it.
    pub(crate) fn disconnect(&mut self, namespace: &str) -> Option<Vec<Arc<str>>> {
        let at = self.places.iter().position(|(name, _)| **name == *namespace)?;
        Some(self.places.remove(at).1)
    }

    /// Adds a room; false when it was there, or its namespace is not.
    pub(crate) fn join(&mut self, namespace: &str, room: &Arc<str>) -> bool {
        let Some((_, rooms)) = self.places.iter_mut().find(|(name, _)| **name == *namespace) else { return false };
        if rooms.contains(room) {
            return false;
        }
        rooms.reserve_exact(1);
        rooms.push(room.clone());
        true
    }

    /// Takes a room out; false when it was not there.
    pub(crate) fn leave(&mut self, namespace: &str, room: &str) -> bool {
        let Some((_, rooms)) = self.places.iter_mut().find(|(name, _)| **name == *namespace) else { return false };
        let before = rooms.len();
        rooms.retain(|name| **name != *room);
        rooms.len() < before
    }

    /// Takes everything out.
    pub(crate) fn take(&mut self) -> Memberships {
        std::mem::take(&mut self.places)
    }

    pub(crate) fn all(&self) -> &Memberships {
        &self.places
    }

    pub(crate) fn is_connected(&self, namespace: &str) -> bool {
        self.rooms_of(namespace).is_some()
    }

    pub(crate) fn is_joined(&self, namespace: &str, room: &str) -> bool {
        self.room(namespace, room).is_some()
    }

    /// Whether it is in a room, or in a namespace when none is named.
    pub(crate) fn is_in(&self, namespace: &str, room: Option<&str>) -> bool {
        room.map_or_else(|| self.is_connected(namespace), |room| self.is_joined(namespace, room))
    }

    /// The shared name of a namespace, when it is connected.
    pub(crate) fn namespace(&self, namespace: &str) -> Option<Arc<str>> {
        self.places.iter().find(|(name, _)| **name == *namespace).map(|(name, _)| name.clone())
    }

    /// The shared name of a room, when it is joined.
    pub(crate) fn room(&self, namespace: &str, room: &str) -> Option<Arc<str>> {
        self.rooms_of(namespace)?.iter().find(|name| ***name == *room).cloned()
    }

    pub(crate) fn rooms_of(&self, namespace: &str) -> Option<&[Arc<str>]> {
        self.places.iter().find(|(name, _)| **name == *namespace).map(|(_, rooms)| &rooms[..])
    }

    /// About how many bytes the places take, here and in the index of the fan-out. Names of namespaces are shared by all
    /// connections.
    pub(crate) fn bytes(&self) -> usize {
        let names: usize = self.places.iter().flat_map(|(_, rooms)| rooms).map(|room| room.len()).sum();
        names + (self.namespaces() + self.rooms()) * PLACE_BYTES
    }

    /// How many namespaces.
    pub(crate) fn namespaces(&self) -> usize {
        self.places.len()
    }

    /// How many rooms, in all namespaces.
    pub(crate) fn rooms(&self) -> usize {
        self.places.iter().map(|(_, rooms)| rooms.len()).sum()
    }
}

/// About how much a place takes without its name: in the list here, and the connection's entry in the index of the fan-out.
const PLACE_BYTES: usize = 96;
