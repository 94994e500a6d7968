//! Shared by all programs here: a run takes no more memory than it may, and leaves none behind.

use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Checks `promise` with `data`.
///
/// # Panics
///
/// If `promise` panics, if it takes more than `most` bytes of memory, or if earlier runs have left memory behind.
pub fn hold(promise: fn(&[u8]), data: &[u8], most: usize) {
    let before = MEMORY.current_usage();
    assert!(before < LEFT_BEHIND, "earlier runs have left {before} bytes behind");
    MEMORY.reset_peak_usage();
    promise(data);
    let taken = MEMORY.peak_usage().saturating_sub(before);
    assert!(taken <= most, "{taken} bytes of memory");
}

/// Each thread keeps about 400 KB for compression, and the library keeps some memory, too.
const LEFT_BEHIND: usize = 2 << 20;
