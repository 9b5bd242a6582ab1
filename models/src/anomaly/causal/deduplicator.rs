//! Lowers the scores of values that continue an alarm, so that each alarm has one high score.

use super::Scored;

/// Largest number of values between two anomalies of one alarm.
const APART: usize = 20;
/// Ratio to the alarm's first score above which a value keeps its full score.
const WORSE: f64 = 2.0;
/// Largest excess over 1 of a repeated score. It is less than that of any first score, so that a threshold between the
/// two selects alarms. Tried values: `docs/tuning/anomaly.md`.
const GOES_ON: f64 = 0.001;

/// Suppresses repeated scores within one alarm.
///
/// The first value of an alarm keeps its score. Later ones score just above 1, until one is `WORSE` times as high. A
/// reader that acts on high scores therefore acts once per alarm.
#[derive(Debug, Clone, Default)]
pub(crate) struct AlarmDeduplicator {
    since: usize,
    peak: f64,
}

impl AlarmDeduplicator {
    /// Returns the score to report; `often`: anomalies are frequent, and repeated values score exactly 1.
    pub(crate) fn filter(&mut self, scored: Scored, often: bool) -> Scored {
        self.since = self.since.saturating_add(1);
        if scored.score <= 1.0 {
            return scored;
        }
        let goes_on = self.peak > 0.0 && self.since <= APART;
        self.since = 0;
        if goes_on && scored.score <= WORSE * self.peak {
            let above = if often { 0.0 } else { GOES_ON * (1.0 - 1.0 / scored.score) };
            return Scored { score: 1.0 + above, ..scored };
        }
        self.peak = scored.score;
        scored
    }
}
