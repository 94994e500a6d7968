//! What all programs here have in common: a run takes no more memory than it may, and leaves none behind.

use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Holds `promise` up against `data`.
///
/// # Panics
///
/// When `promise` does, when it takes more than `most` bytes of memory, or when runs have left something behind.
pub fn hold(promise: fn(&[u8]), data: &[u8], most: usize) {
    let before = MEMORY.current_usage();
    assert!(before < LEFT_BEHIND, "earlier runs have left {before} bytes behind");
    MEMORY.reset_peak_usage();
    promise(data);
    let taken = MEMORY.peak_usage().saturating_sub(before);
    assert!(taken <= most, "{taken} bytes of memory");
}

/// Threads keep some 400 KB for compression, and the library some for itself.
const LEFT_BEHIND: usize = 2 << 20;
