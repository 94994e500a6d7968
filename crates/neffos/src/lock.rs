//! Locks a mutex, also after its last holder panicked.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks without regard to poisoning: no code of users runs under the locks of this library, except for a stream that they provide,
/// whose panics are caught.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
