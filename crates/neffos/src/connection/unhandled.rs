//! The names of events without a handler that have had their log line.

use std::collections::HashSet;
use std::sync::Mutex;

use smol_str::SmolStr;

use crate::lock::lock;

/// Peers choose the names, so only some are kept.
#[derive(Debug, Default)]
pub(super) struct Unhandled(Mutex<HashSet<(SmolStr, SmolStr)>>);

impl Unhandled {
    /// Returns whether this is the first event of this name in this namespace. False for all others once
    /// [`MOST_NAMES`] names are known, and for names longer than [`LONGEST_NAME`] bytes.
    pub(super) fn is_first(&self, namespace: &str, event: &str) -> bool {
        let mut names = lock(&self.0);
        names.len() < MOST_NAMES
            && namespace.len().max(event.len()) <= LONGEST_NAME
            && names.insert((namespace.into(), event.into()))
    }
}

const MOST_NAMES: usize = 64;
const LONGEST_NAME: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_first_once() {
        let unhandled = Unhandled::default();
        let names = [("a", "x"), ("a", "y"), ("b", "x"), ("a", "x")];
        assert_eq!(names.map(|(namespace, event)| unhandled.is_first(namespace, event)), [true, true, true, false]);
    }

    #[test]
    fn a_flood_of_names_fills_neither_memory_nor_the_log() {
        let unhandled = Unhandled::default();
        let firsts = (0..10_000).filter(|nth| unhandled.is_first("default", &format!("event-{nth}"))).count();
        assert_eq!(firsts, MOST_NAMES);
        assert!(!Unhandled::default().is_first("default", &"x".repeat(LONGEST_NAME + 1)));
    }
}
