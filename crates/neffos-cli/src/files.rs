//! The limit of open files of this process. Each connection is one file.

/// Raises the limit as far as the system permits. Returns it, or `None` if there is no limit.
#[cfg(unix)]
pub(crate) fn allow_all() -> Option<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let limit = getrlimit(Resource::Nofile);
    // If this fails, the lower limit stays.
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).ok();
    getrlimit(Resource::Nofile).current
}

/// Returns the current limit, or `None` if there is none.
#[cfg(unix)]
pub(crate) fn limit() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current
}

/// Other systems have no such limit.
#[cfg(not(unix))]
pub(crate) fn limit() -> Option<u64> {
    None
}

/// Other systems have no such limit.
#[cfg(not(unix))]
pub(crate) fn allow_all() -> Option<u64> {
    None
}
