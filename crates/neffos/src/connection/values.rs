//! Values that an application stores: with a connection, and for all its handlers.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;

/// The values of one connection: at most one of each type, and counters by name. When empty, it takes two words.
#[derive(Default)]
pub(crate) struct Values {
    pub(crate) typed: http::Extensions,
    #[expect(clippy::box_collection, reason = "hardly any connection counts anything: then this is one word")]
    counters: Option<Box<HashMap<String, i64>>>,
}

impl Values {
    /// Adds `step` to the counter `name`, which starts at zero, and returns the sum.
    pub(crate) fn add(&mut self, name: &str, step: i64) -> i64 {
        let counters = self.counters.get_or_insert_default();
        if let Some(count) = counters.get_mut(name) {
            *count += step;
            return *count;
        }
        counters.insert(name.to_owned(), step);
        step
    }
}

/// The values that the application shares with its handlers: at most one of each type.
#[derive(Default)]
pub(crate) struct StateMap(HashMap<TypeId, Box<dyn Any + Send + Sync>>);

impl StateMap {
    pub(crate) fn insert<T: Any + Send + Sync>(&mut self, value: T) {
        self.0.insert(TypeId::of::<T>(), Box::new(value));
    }

    pub(crate) fn get<T: Any>(&self) -> Option<&T> {
        self.0.get(&TypeId::of::<T>())?.downcast_ref()
    }
}

impl fmt::Debug for StateMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StateMap").field(&self.0.len()).finish()
    }
}
