//! A channel of the detector: a smoothed level, the scale of departures from it, and a bound on each side.

use super::budget::Budget;
use super::profile::SeasonalEnvelope;
use super::tail::{Body, Tail};
use super::{Kind, Scored};

/// Number of departures in a row after which the level follows, for a series without noise or a usually constant one.
const SILENT: usize = 12;
/// Limit, in bounds, of the departure that level, scale and tails learn.
const CLIP: f64 = 1.0;
/// Number of values after an anomaly within which a return to the level before it is ordinary.
const RETURN: usize = 200;
/// Share of anomalies among about `MEMORY` values from which on they count as ordinary for the series and are no longer
/// treated as incidents. Tried values: `docs/tuning/anomaly.md`.
const BUDGET: f64 = 0.03;
const MEMORY: f64 = 4_096.0;
/// Weight of the initial share of anomalies, which is 0, in values.
const PRIOR: f64 = 200.0;

/// Smallest bound, in scales. A series that departs far on one side departs little on the other, where a slightly
/// raised level would make its usual value an anomaly. Tried values: `docs/tuning/anomaly.md`.
const LEAST_BOUND: f64 = 4.0;
/// Memory of the long-term scale: `LONG_WEEKS`, and at least `LONGER` spans of the short-term one. The scale is at
/// least `REMEMBERED` of it, so that a calm night or filled values do not make the next day an anomaly. Tried values:
/// `docs/tuning/anomaly.md`.
const LONG_WEEKS: f64 = 4.0;
const LONGER: f64 = 16.0;
const REMEMBERED: f64 = 0.9;

/// Smoothed level and scale of residuals, with a bound on each side.
#[derive(Debug, Clone)]
pub(crate) struct Channel {
    /// Smoothing factor of the level.
    pub alpha: f64,
    level: f64,
    /// Decayed sums of |residual| and of weights, so that the first values count fully.
    sum: f64,
    weight: f64,
    keep: f64,
    /// The same with the longer memory: `[sum, weight, keep]`.
    long: [f64; 3],
    above: Side,
    below: Side,
    seen: usize,
    /// Number and sum of consecutive departures on one side.
    run: usize,
    run_sum: f64,
    /// Number in a row from which on they are a new regime.
    patience: usize,
    /// Level before the last anomaly, and number of values since then; 0 when there is none within `RETURN`.
    before: f64,
    since: usize,
    /// Decayed share of anomalies among the values.
    share: f64,
}

/// One side of the band: the tail of ordinary departures, and the factor that keeps alarms within the budget.
#[derive(Debug, Clone)]
struct Side {
    tail: Tail,
    budget: Budget,
}

impl Side {
    fn bound(&self) -> f64 {
        self.plain() * self.budget.factor()
    }

    fn plain(&self) -> f64 {
        self.tail.bound().max(LEAST_BOUND)
    }

    /// Learns a departure on this side, in scales, at least 0.
    fn push(&mut self, departure: f64) {
        let bound = self.plain();
        self.budget.push_of(departure, bound);
        self.tail.push(departure.min(CLIP * bound));
    }
}

/// Configuration of a channel.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChannelConfig {
    /// Smoothing factor of the level.
    pub alpha: f64,
    /// Memory of the scale in steps.
    pub span: f64,
    /// Number of departures in a row after which they are ordinary.
    pub patience: usize,
    /// Number of magnitudes that the bounds are fitted to.
    pub kept: f64,
    /// Share of ordinary values beyond the bound on each side.
    pub risk: f64,
    /// Steps of a week, or of the span that counts as one.
    pub week: f64,
    /// Alarms per week, see [`Budget`].
    pub budget: f64,
}

impl Channel {
    pub(crate) fn new(config: ChannelConfig) -> Self {
        let side = || Side {
            tail: Tail::new(config.kept, config.risk, Body::VALUES),
            budget: Budget::new(config.week, config.budget),
        };
        Self {
            alpha: config.alpha,
            level: 0.0,
            sum: 0.0,
            weight: 0.0,
            keep: (-1.0 / config.span.max(1.0)).exp(),
            long: [0.0, 0.0, (-1.0 / (LONGER * config.span.max(1.0)).max(LONG_WEEKS * config.week)).exp()],
            above: side(),
            below: side(),
            seen: 0,
            run: 0,
            run_sum: 0.0,
            patience: config.patience,
            before: 0.0,
            since: 0,
            share: 0.0,
        }
    }

    /// Scores `value` at the seasonal part `base`, then learns from it. `floor`: smallest scale; `scale`: scale of
    /// ordinary departures; the tails learn only when `open`; `still`: the series is constant, as it usually is.
    pub(crate) fn push(
        &mut self,
        value: f64,
        base: SeasonalEnvelope,
        scale: f64,
        floor: f64,
        open: bool,
        still: bool,
    ) -> Scored {
        if self.seen == 0 {
            self.level = value - base.now;
        }
        let scored = self.judge_or_return(value, base, scale);
        let residual = value - scored.expected;
        // The bounds before this value is learned limit how much it teaches.
        let (above, below) = (self.above.bound(), self.below.bound());
        let departure = (value - self.within(value, base)) / scale;
        let held = (residual / scale).clamp(-CLIP * below, CLIP * above);
        self.level += self.alpha * held * scale;
        let plain = (held * scale).abs();
        self.sum = self.sum * self.keep + plain;
        self.weight = self.weight * self.keep + 1.0;
        let [sum, weight, keep] = self.long;
        self.long = [sum * keep + plain, weight * keep + 1.0, keep];
        self.seen += 1;
        self.follow_regime(residual, scored.score, scale, floor, still);
        if open && self.seen > 10 {
            self.above.push(departure.max(0.0));
            self.below.push((-departure).max(0.0));
        }
        scored
    }

    /// Scores as [`Self::judge`]; where the level followed an anomaly, a value near the level before it restores that
    /// level, so that the end of an incident is not a second one.
    fn judge_or_return(&mut self, value: f64, base: SeasonalEnvelope, scale: f64) -> Scored {
        let mut scored = self.judge(value, base, scale);
        if scored.score > 1.0 && self.since > 0 && !self.is_crowded() {
            let moved = std::mem::replace(&mut self.level, self.before);
            let returned = self.judge(value, base, scale);
            if returned.score <= 1.0 {
                scored = returned;
                self.since = 0;
            } else {
                self.level = moved;
            }
        }
        let anomalous = scored.score > 1.0;
        if anomalous && self.since == 0 {
            self.before = self.level;
            self.since = 1;
        } else if self.since > 0 {
            self.since = if self.since < RETURN { self.since + 1 } else { 0 };
        }
        let count = self.seen as f64 + PRIOR;
        let weight = if count < MEMORY { 1.0 / count } else { 1.0 / MEMORY };
        self.share += (f64::from(u8::from(anomalous)) - self.share) * weight;
        scored
    }

    /// Scores the value by the current level, scale and bounds, without learning.
    fn judge(&self, value: f64, base: SeasonalEnvelope, scale: f64) -> Scored {
        let expected = base.now + self.level;
        let below = base.now - base.low + self.below.bound() * scale;
        let above = base.high - base.now + self.above.bound() * scale;
        let departure = value - expected;
        let score = departure / if departure >= 0.0 { above } else { below };
        let (lower, upper) = (expected - below, expected + above);
        Scored { expected, lower, upper, score: score.abs(), kind: Kind::Value }
    }

    /// Returns the expected value nearest to `value` for a season that may be a little early or late.
    fn within(&self, value: f64, base: SeasonalEnvelope) -> f64 {
        self.level + (value - self.level).max(base.low).min(base.high)
    }

    /// Moves the level to the mean of a long run of departures on one side.
    fn follow_regime(&mut self, residual: f64, score: f64, scale: f64, floor: f64, still: bool) {
        if score <= 1.0 || (self.run > 0 && (residual > 0.0) != (self.run_sum > 0.0)) {
            self.run = 0;
            self.run_sum = 0.0;
        }
        if score > 1.0 {
            self.run += 1;
            self.run_sum += residual;
        }
        // A series without noise is followed soon: a size that a deploy changed is not an anomaly for hours.
        let silent = scale <= 2.0 * floor.max(f64::MIN_POSITIVE);
        if self.run >= if silent || still { SILENT.min(self.patience) } else { self.patience } {
            let shift = self.run_sum / self.run as f64;
            self.level += shift;
            // A series without noise has no scale for the new regime; any other keeps its own.
            if silent {
                self.weight = self.weight.max(1.0);
                self.sum = scale.max((residual - shift).abs()).max(1e-3 * shift.abs()) * self.weight;
            }
            self.run = 0;
            self.run_sum = 0.0;
        }
    }

    /// Moves the level so that the expected value stays the same under another seasonal part.
    pub(crate) fn rebase(&mut self, old_base: f64, new_base: f64) {
        self.level += old_base - new_base;
        self.before += old_base - new_base;
    }

    /// Returns the expected value at the seasonal part `base`; NaN before the first value.
    pub(crate) fn expected(&self, base: f64) -> f64 {
        if self.seen == 0 { f64::NAN } else { base + self.level }
    }

    /// Share of anomalies among the values.
    pub(crate) fn share(&self) -> f64 {
        self.share
    }

    /// Whether anomalies are so frequent that they count as ordinary for the series.
    pub(crate) fn is_crowded(&self) -> bool {
        self.share >= BUDGET
    }

    /// Scale of ordinary departures.
    pub(crate) fn scale(&self, floor: f64) -> f64 {
        let scale = if self.weight > 0.0 {
            (self.sum / self.weight).max(REMEMBERED * self.long[0] / self.long[1]).max(floor)
        } else {
            floor
        };
        scale.max(f64::MIN_POSITIVE)
    }

    pub(crate) fn seen(&self) -> usize {
        self.seen
    }
}
