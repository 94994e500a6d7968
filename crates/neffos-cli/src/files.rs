//! How many files this process may have open: each connection is one.

/// Raises the limit as far as the system lets this process, and returns it; none when there is no limit.
#[cfg(unix)]
pub(crate) fn allow_all() -> Option<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let limit = getrlimit(Resource::Nofile);
    // If it fails, the lower limit is what counts.
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).ok();
    getrlimit(Resource::Nofile).current
}

/// How many this process may have open now; none when there is no limit.
#[cfg(unix)]
pub(crate) fn limit() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current
}

/// Elsewhere there is no such limit.
#[cfg(not(unix))]
pub(crate) fn limit() -> Option<u64> {
    None
}

/// Elsewhere there is no such limit.
#[cfg(not(unix))]
pub(crate) fn allow_all() -> Option<u64> {
    None
}
