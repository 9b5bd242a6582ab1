//! Limits how many statements run at once, and how many wait.

use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::{SqlCancel, SqlError};

/// Maximum number of waiting statements per permit; a further one is rejected as `Busy`.
const MAX_WAITING_PER_PERMIT: usize = 8;

/// Interval at which a waiting statement notices that it was cancelled.
const CANCEL_INTERVAL: Duration = Duration::from_millis(50);

/// Permits for running statements.
#[derive(Debug)]
pub(in crate::store) struct Permits {
    total: usize,
    state: Mutex<State>,
    released: Condvar,
}

#[derive(Debug)]
struct State {
    free: usize,
    waiting: usize,
}

/// Permit of a running statement; released when dropped.
#[derive(Debug)]
pub(in crate::store) struct Permit<'a>(&'a Permits);

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.0.state.lock().free += 1;
        self.0.released.notify_one();
    }
}

impl Permits {
    /// Creates `total` permits, at least one.
    pub(in crate::store) fn new(total: usize) -> Self {
        let total = total.max(1);
        Self { total, state: Mutex::new(State { free: total, waiting: 0 }), released: Condvar::new() }
    }

    /// Waits for a permit until `end`; `late` is the error after that. `Busy` when too many wait already.
    pub(in crate::store) fn acquire(&self, end: Instant, late: &SqlError) -> Result<Permit<'_>, SqlError> {
        self.acquire_unless(end, late, &SqlCancel::default())
    }

    /// Waits as [`Permits::acquire`] does, and returns `Cancelled` soon after the statement was cancelled.
    pub(in crate::store) fn acquire_unless(
        &self,
        end: Instant,
        late: &SqlError,
        cancel: &SqlCancel,
    ) -> Result<Permit<'_>, SqlError> {
        let mut state = self.state.lock();
        if state.free == 0 && state.waiting >= MAX_WAITING_PER_PERMIT * self.total {
            // The queue is bounded because every waiting statement blocks a thread.
            return Err(SqlError::Busy);
        }
        state.waiting += 1;
        let mut is_late = false;
        while state.free == 0 && !is_late && !cancel.is_cancelled() {
            let pause = end.min(Instant::now() + CANCEL_INTERVAL);
            is_late = self.released.wait_until(&mut state, pause).timed_out() && Instant::now() >= end;
        }
        state.waiting -= 1;
        if cancel.is_cancelled() {
            // The permit whose release woke this statement is for another one.
            self.released.notify_one();
            return Err(SqlError::Cancelled);
        }
        if state.free == 0 {
            return Err(late.clone());
        }
        state.free -= 1;
        Ok(Permit(self))
    }
}
