//! Runs work on a list of items with a bounded number of threads. Used for fits and for the evaluation of signals.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

/// Calls `work` for each item on at most `threads` threads, and `take` on the caller's thread with each outcome in
/// order of completion. The outcome is `None` if the work panicked.
pub(in crate::learn) fn run_pool<I: Sync, O: Send>(
    threads: usize,
    items: &[I],
    work: impl Fn(&I) -> O + Sync,
    mut take: impl FnMut(usize, Option<O>),
) {
    let next = AtomicUsize::new(0);
    let (sender, outcomes) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..threads.clamp(1, items.len().max(1)) {
            let (sender, next, work) = (sender.clone(), &next, &work);
            scope.spawn(move || {
                loop {
                    let idx = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(idx) else { return };
                    let outcome = catch_unwind(AssertUnwindSafe(|| work(item))).ok();
                    // The receiver is gone only if `take` panicked.
                    if sender.send((idx, outcome)).is_err() {
                        return;
                    }
                }
            });
        }
        // The loop below ends when the last thread has dropped its sender.
        drop(sender);
        for (idx, outcome) in outcomes {
            take(idx, outcome);
        }
    });
}
