//! Memory of all compiled patterns of the process: a query of some hundred bytes can name patterns of many megabytes.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that all compiled patterns may take together: one of the largest, and many small ones. Matching takes about
/// three times as much.
const MAX_BYTES: usize = 160 << 20;

/// Further bytes that only small patterns may take, so that large ones keep none of them out.
const SMALL_BYTES: usize = 32 << 20;
/// Largest size of a small pattern in bytes.
const SMALL: usize = 256 << 10;

static TAKEN: AtomicUsize = AtomicUsize::new(0);

/// Bytes of a compiled pattern, which are free again when it is dropped.
#[derive(Debug)]
pub(super) struct Charge(usize);

impl Charge {
    /// Takes bytes; none when too few are free.
    pub(super) fn take(bytes: usize) -> Option<Self> {
        let most = if bytes <= SMALL { MAX_BYTES + SMALL_BYTES } else { MAX_BYTES };
        TAKEN
            .try_update(Ordering::AcqRel, Ordering::Acquire, |taken| {
                taken.checked_add(bytes).filter(|sum| *sum <= most)
            })
            .is_ok()
            .then(|| Self(bytes))
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        TAKEN.fetch_sub(self.0, Ordering::AcqRel);
    }
}
