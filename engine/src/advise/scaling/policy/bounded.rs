use std::collections::VecDeque;

use crate::advise::scaling::Pool;

/// Keeps count of a pool's changes, so that it is scaled in only while fewer than a bound lie within the last day.
///
/// Scaling out is never held back. So within any day there are no more scale-ins than the bound; of changes there may be
/// more, where demand asks for it.
#[derive(Debug, Clone)]
pub(super) struct BoundedChanges {
    most: Option<u32>,
    day_ms: i64,
    /// When the pool changed within the last day, the newest last.
    changes: VecDeque<i64>,
    /// When the last decision was made and what the pool had then.
    last: Option<(i64, u32)>,
}

impl BoundedChanges {
    /// At most so many changes a day before scaling in waits; none: as many as are asked for.
    pub(super) fn new(most: Option<u32>, day_ms: i64) -> Self {
        Self { most, day_ms, changes: VecDeque::new(), last: None }
    }

    /// `wanted` at `at_ms`, or what there is when that would scale in beyond the bound. Called at every decision, for
    /// what became of the one before is seen in the pool.
    pub(super) fn admit(&mut self, at_ms: i64, wanted: u32, pool: &Pool) -> u32 {
        let Some(most) = self.most else { return wanted };
        let total = pool.total();
        if let Some((decided_ms, before)) = self.last.replace((at_ms, total))
            && before != total
        {
            self.changes.push_back(decided_ms);
        }
        while self.changes.front().is_some_and(|&changed_ms| changed_ms <= at_ms - self.day_ms) {
            self.changes.pop_front();
        }
        let spent = u32::try_from(self.changes.len()).unwrap_or(u32::MAX) >= most;
        if spent { wanted.max(total) } else { wanted }
    }
}
