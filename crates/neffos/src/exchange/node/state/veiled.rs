//! Ids that the name of their channel does not identify. Pure.

use std::collections::HashMap;
use std::sync::Arc;

/// Ids that the name of their channel does not identify, because Go servers write `_` for several characters.
#[derive(Debug, Default)]
pub(super) struct Veiled(HashMap<Arc<str>, Vec<Arc<str>>>);

impl Veiled {
    pub(super) fn add(&mut self, channel: &Arc<str>, id: &str) {
        self.0.entry(channel.clone()).or_default().push(id.into());
    }

    pub(super) fn remove(&mut self, channel: &str, id: &str) {
        let Some(ids) = self.0.get_mut(channel) else { return };
        if let Some(nth) = ids.iter().position(|veiled| **veiled == *id) {
            ids.swap_remove(nth);
        }
        if ids.is_empty() {
            self.0.remove(channel);
        }
    }

    /// Returns the ids whose messages arrive on `channel`, each once.
    pub(super) fn over(&self, channel: &str) -> Vec<Arc<str>> {
        let mut ids = self.0.get(channel).cloned().unwrap_or_default();
        ids.sort_unstable();
        ids.dedup();
        ids
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connected_ids_that_share_a_channel_are_distinguished() {
        let (mut veiled, channel) = (Veiled::default(), Arc::from("neffos.a_b"));
        for id in ["a.b", "a b", "a.b"] {
            veiled.add(&channel, id);
        }
        assert_eq!(veiled.over(&channel), [Arc::from("a b"), Arc::from("a.b")]);
        veiled.remove(&channel, "a.b");
        assert_eq!(veiled.over(&channel).len(), 2);
        veiled.remove(&channel, "a.b");
        veiled.remove(&channel, "a b");
        assert_eq!(veiled.over(&channel), []);
        assert!(veiled.0.is_empty());
    }
}
