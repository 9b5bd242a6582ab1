//! Limits the scale-ins per day. Used by the predictive rule.

/// Share of a day's changes that may be made at once: three hours' worth.
const BURST_SHARE: f64 = 0.125;
/// Minimum surplus for a scale-in when the changes are used up, as a share of the pool; it falls to 0 with a full
/// bucket. The last changes then go to the largest savings. Tried values: `docs/tuning/scaling.md`.
const MAX_SURPLUS_SHARE: f64 = 0.4;

/// Spreads a pool's changes over the day, so that the number of scale-ins in any day is bounded.
///
/// Every change takes a token from a bucket that refills with time. Scaling in waits for a token, scaling out never
/// does, so that the total number of changes may exceed the bound if demand requires it.
///
/// # Reference
/// The token bucket (Turner 1986).
#[derive(Debug, Clone)]
pub(super) struct BoundedChanges {
    most: Option<f64>,
    day_ms: i64,
    tokens: f64,
    /// Time of the last decision and size of the pool then.
    last: Option<(i64, u32)>,
}

impl BoundedChanges {
    /// Creates a limit of `most` scale-ins per day; none: unlimited.
    pub(super) fn new(most: Option<u32>, day_ms: i64) -> Self {
        let most = most.map(f64::from);
        Self { most, day_ms, tokens: most.map_or(0.0, bucket_size), last: None }
    }

    /// Returns `wanted` at `at_ms`, or `total` when that would scale in beyond the limit. Must be called at every
    /// decision: the change made by the previous one is inferred from `total`.
    pub(super) fn admit(&mut self, at_ms: i64, wanted: u32, total: u32) -> u32 {
        let Some(most) = self.most else { return wanted };
        let capacity = bucket_size(most);
        if let Some((decided_ms, before)) = self.last.replace((at_ms, total)) {
            if before != total {
                self.tokens = (self.tokens - 1.0).max(0.0);
            }
            // The bucket starts full. One change more than the limit within a day would then be complete only at its
            // very end.
            let a_day = most + 1.0 - capacity;
            self.tokens = (self.tokens + a_day * days(at_ms - decided_ms, self.day_ms)).min(capacity);
        }
        let surplus = f64::from(total.saturating_sub(wanted));
        let worth = MAX_SURPLUS_SHARE * (1.0 - self.tokens / capacity) * f64::from(total);
        let spent = most < 1.0 || self.tokens < 1.0 || surplus < worth;
        if spent { wanted.max(total) } else { wanted }
    }
}

/// Returns the size of the bucket.
fn bucket_size(most: f64) -> f64 {
    1.0 + BURST_SHARE * (most - 1.0).max(0.0)
}

#[expect(clippy::cast_precision_loss, reason = "spans are far below 2^53 ms")]
fn days(millis: i64, day_ms: i64) -> f64 {
    millis.max(0) as f64 / day_ms.max(1) as f64
}
