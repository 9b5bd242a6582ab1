//! Bounds the scale-ins of a day.

/// Part of a day's changes that may be made at once: three hours' worth.
const BURST: f64 = 0.125;
/// Share of the pool that a surplus must have to be let go as the changes run out, none while there are changes to spare: the
/// few that are left go to where they save most. Without either, a day's changes are spent by noon and the pool stays at its peak.
const SCARCE: f64 = 0.4;

/// Spreads a pool's changes over the day, so that there are no more scale-ins in any day than a bound.
///
/// Every change takes from a bucket that fills with time; scaling in waits for it, scaling out never does. So of changes
/// there may be more than the bound, where demand asks for it.
///
/// # Reference
/// The token bucket (Turner 1986).
#[derive(Debug, Clone)]
pub(super) struct BoundedChanges {
    most: Option<f64>,
    day_ms: i64,
    tokens: f64,
    /// When the last decision was made and what the pool had then.
    last: Option<(i64, u32)>,
}

impl BoundedChanges {
    /// At most so many scale-ins a day; none: as many as are asked for.
    pub(super) fn new(most: Option<u32>, day_ms: i64) -> Self {
        let most = most.map(f64::from);
        Self { most, day_ms, tokens: most.map_or(0.0, burst), last: None }
    }

    /// `wanted` at `at_ms`, or the `total` that there is when that would scale in beyond the bound. Called at every decision,
    /// for what became of the one before is seen in the total.
    pub(super) fn admit(&mut self, at_ms: i64, wanted: u32, total: u32) -> u32 {
        let Some(most) = self.most else { return wanted };
        let full = burst(most);
        if let Some((decided_ms, before)) = self.last.replace((at_ms, total)) {
            if before != total {
                self.tokens = (self.tokens - 1.0).max(0.0);
            }
            // Full at first, and one more within a day than the bound would be one too many only at its very end.
            let a_day = most + 1.0 - full;
            self.tokens = (self.tokens + a_day * days(at_ms - decided_ms, self.day_ms)).min(full);
        }
        let surplus = f64::from(total.saturating_sub(wanted));
        let worth = SCARCE * (1.0 - self.tokens / full) * f64::from(total);
        let spent = most < 1.0 || self.tokens < 1.0 || surplus < worth;
        if spent { wanted.max(total) } else { wanted }
    }
}

fn burst(most: f64) -> f64 {
    1.0 + BURST * (most - 1.0).max(0.0)
}

#[expect(clippy::cast_precision_loss, reason = "spans are far below 2^53 ms")]
fn days(millis: i64, day_ms: i64) -> f64 {
    millis.max(0) as f64 / day_ms.max(1) as f64
}
