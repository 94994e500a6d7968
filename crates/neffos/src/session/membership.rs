//! The namespaces and rooms of a connection. Pure.
//!
//! A connection has few memberships, so plain vectors take the least memory.

use std::sync::Arc;

/// Namespaces, each with its rooms.
pub(crate) type Memberships = Vec<(Arc<str>, Vec<Arc<str>>)>;

#[derive(Debug, Default)]
pub(crate) struct Membership {
    places: Memberships,
}

impl Membership {
    /// Adds a namespace. Returns false if it was there already.
    pub(crate) fn connect(&mut self, namespace: &Arc<str>) -> bool {
        if self.is_connected(namespace) {
            return false;
        }
        self.places.reserve_exact(1);
        self.places.push((namespace.clone(), Vec::new()));
        true
    }

    /// Removes a namespace, and returns the rooms that were left with it.
    pub(crate) fn disconnect(&mut self, namespace: &str) -> Option<Vec<Arc<str>>> {
        let at = self.places.iter().position(|(name, _)| **name == *namespace)?;
        Some(self.places.remove(at).1)
    }

    /// Adds a room. Returns false if it was there already, or if its namespace is not connected.
    pub(crate) fn join(&mut self, namespace: &str, room: &Arc<str>) -> bool {
        let Some((_, rooms)) = self.places.iter_mut().find(|(name, _)| **name == *namespace) else { return false };
        if rooms.contains(room) {
            return false;
        }
        rooms.reserve_exact(1);
        rooms.push(room.clone());
        true
    }

    /// Removes a room. Returns false if it was not there.
    pub(crate) fn leave(&mut self, namespace: &str, room: &str) -> bool {
        let Some((_, rooms)) = self.places.iter_mut().find(|(name, _)| **name == *namespace) else { return false };
        let before = rooms.len();
        rooms.retain(|name| **name != *room);
        rooms.len() < before
    }

    /// Removes and returns everything.
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

    /// Returns whether the connection is in a room, or in a namespace if no room is given.
    pub(crate) fn is_in(&self, namespace: &str, room: Option<&str>) -> bool {
        room.map_or_else(|| self.is_connected(namespace), |room| self.is_joined(namespace, room))
    }

    /// Returns the shared name of a namespace, if it is connected.
    pub(crate) fn namespace(&self, namespace: &str) -> Option<Arc<str>> {
        self.places.iter().find(|(name, _)| **name == *namespace).map(|(name, _)| name.clone())
    }

    /// Returns the shared name of a room, if it is joined.
    pub(crate) fn room(&self, namespace: &str, room: &str) -> Option<Arc<str>> {
        self.rooms_of(namespace)?.iter().find(|name| ***name == *room).cloned()
    }

    pub(crate) fn rooms_of(&self, namespace: &str) -> Option<&[Arc<str>]> {
        self.places.iter().find(|(name, _)| **name == *namespace).map(|(_, rooms)| &rooms[..])
    }

    /// Returns the approximate memory of the memberships, in this list and in the index of the fan-out. Names of
    /// namespaces do not count, because all connections share them.
    pub(crate) fn bytes(&self) -> usize {
        let names: usize = self.places.iter().flat_map(|(_, rooms)| rooms).map(|room| room.len()).sum();
        names + (self.namespaces() + self.rooms()) * PLACE_BYTES
    }

    /// Returns the number of namespaces.
    pub(crate) fn namespaces(&self) -> usize {
        self.places.len()
    }

    /// Returns the number of rooms in all namespaces.
    pub(crate) fn rooms(&self) -> usize {
        self.places.iter().map(|(_, rooms)| rooms.len()).sum()
    }
}

/// The approximate memory of a namespace or room without its name: in this list, and the connection's entry in the
/// index of the fan-out.
const PLACE_BYTES: usize = 96;
