//! Notices that the system's clock has leapt, by comparing it with a clock that only runs.
//!
//! A clock that is a month fast for three seconds would otherwise delete data, expire recommendations and fit every
//! signal again. After a leap nothing is scheduled until the clock is back, or has agreed with the running clock for
//! [`SETTLE_MS`].

use axum::http::StatusCode;

use super::ApiError;

/// Change of the difference between both clocks, between two looks, from which on it is a leap, in milliseconds.
const LEAP_MS: i64 = 30_000;
/// Time after a leap from which on the new time is believed, in milliseconds.
const SETTLE_MS: i64 = 300_000;

/// A leap of the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leap {
    /// How far the clock is from where it should be, in milliseconds; positive: it is fast.
    pub by_ms: i64,
    /// Time since the leap, in milliseconds.
    pub ago_ms: i64,
}

/// Compares the system's clock with a running one.
#[derive(Debug, Clone, Copy, Default)]
pub struct LeapGuard {
    /// Difference of the clocks at the last look.
    last: Option<i64>,
    /// Difference before the leap, and the running clock at the leap.
    leapt: Option<(i64, i64)>,
}

impl LeapGuard {
    /// Looks at both clocks, in milliseconds: `wall` of the system, `running` since any start. Returns the leap that is
    /// not settled.
    pub fn look(&mut self, wall: i64, running: i64) -> Option<Leap> {
        let difference = wall.saturating_sub(running);
        let last = self.last.replace(difference).unwrap_or(difference);
        if is_leap(difference, last) {
            let origin = self.leapt.map_or(last, |(origin, _)| origin);
            self.leapt = Some((origin, running));
        }
        let (origin, at) = self.leapt?;
        let ago_ms = running.saturating_sub(at);
        if !is_leap(difference, origin) || ago_ms >= SETTLE_MS {
            self.leapt = None;
            return None;
        }
        Some(Leap { by_ms: difference.saturating_sub(origin), ago_ms })
    }
}

fn is_leap(difference: i64, from: i64) -> bool {
    difference.saturating_sub(from).saturating_abs() >= LEAP_MS
}

/// An operator's request that depends on the time is refused while the time is in doubt.
impl From<Leap> for ApiError {
    fn from(leap: Leap) -> Self {
        let (by, wait_ms) = (leap.by_ms / 1000, SETTLE_MS.saturating_sub(leap.ago_ms));
        let wait = std::time::Duration::from_millis(wait_ms.unsigned_abs());
        let message = format!(
            "the system's clock leapt by {by} s; what depends on the time waits until the clock is back, or for {} s",
            wait.as_secs()
        );
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "clock_leapt", message).retry_after(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MONTH: i64 = 30 * 86_400_000;

    /// Returns the leap after looks at (offset of the clock, running clock).
    fn after(looks: &[(i64, i64)]) -> Option<Leap> {
        let mut guard = LeapGuard::default();
        looks.iter().map(|(offset, running)| guard.look(1_000_000 + offset + running, *running)).next_back().flatten()
    }

    #[test]
    fn a_leap_lasts_until_the_clock_is_back() {
        for by in [MONTH, -MONTH, LEAP_MS] {
            assert_eq!(after(&[(0, 0), (by, 1_000)]), Some(Leap { by_ms: by, ago_ms: 0 }));
            assert_eq!(after(&[(0, 0), (by, 1_000), (by, 4_000)]), Some(Leap { by_ms: by, ago_ms: 3_000 }));
            assert_eq!(after(&[(0, 0), (by, 1_000), (by, 4_000), (0, 5_000)]), None);
        }
    }

    #[test]
    fn a_clock_that_stays_is_believed_after_a_while() {
        let looks = [(0, 0), (MONTH, 1_000), (MONTH, SETTLE_MS + 1_000)];
        assert_eq!(after(&looks), None);
        assert_eq!(after(&[&looks[..], &[(MONTH, SETTLE_MS + 2_000)]].concat()), None);
        // Back after it was believed is a leap too.
        assert!(after(&[&looks[..], &[(0, SETTLE_MS + 2_000)]].concat()).is_some());
    }

    #[test]
    fn a_clock_that_keeps_leaping_is_not_believed() {
        let leaps: Vec<(i64, i64)> = (0..100).map(|n| (n % 3 * MONTH, n * SETTLE_MS / 2)).collect();
        assert!(after(&leaps[..99]).is_some());
    }

    #[test]
    fn a_clock_that_is_adjusted_slowly_does_not_leap() {
        let looks: Vec<(i64, i64)> = (0..10_000).map(|n| (n * 20, n * 1_000)).collect();
        assert_eq!(after(&looks), None);
        assert_eq!(after(&[(i64::MIN / 2, 0), (i64::MAX / 2, 1)]).map(|leap| leap.ago_ms), Some(0));
    }
}
