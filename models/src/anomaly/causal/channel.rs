//! One view of a series: a level that follows at a given pace, the scale of what departs from it, and its tails.

use super::budget::Budget;
use super::profile::SeasonalEnvelope;
use super::tail::{Body, Tail};
use super::{Kind, Scored};

/// Departures in a row that are a new regime of a series without noise, or of one that stands still.
const SILENT: usize = 12;
/// Standardised departures beyond this many bounds teach no more than this many.
const CLIP: f64 = 1.0;
/// Values after an anomaly within which a return to the level before it is ordinary.
const RETURN: usize = 200;
/// Anomalies that take more than this share of the last `MEMORY` values or so are how the series is, and get none of
/// what incidents get. Four incidents a week take 2 % of the time of the simulated signal that they move; at 2, 3 and 5 %
/// at most 0.45, 0.24 and 0.18 % of the quiet time of 20 seeds is called.
const BUDGET: f64 = 0.03;
const MEMORY: f64 = 4_096.0;
/// Weight of the share that is taken for granted at first, in values: none.
const PRIOR: f64 = 200.0;

/// Scales that no bound is below: where a series departs far on one side, it does not on the other, and a level that rose
/// a little would make its usual value an anomaly. 2.5 leaves 66 false alarms in the KPI series, 4 leaves 62, none 112.
const LEAST_BOUND: f64 = 4.0;
/// A scale is remembered for so many weeks, and so many times its span at least, by a share `REMEMBERED`: a calm night, or
/// a stretch of filled values, does not make the next day an anomaly. From 0.6 on to 1 the choice is flat.
const LONG_WEEKS: f64 = 4.0;
const LONGER: f64 = 16.0;
const REMEMBERED: f64 = 0.9;

/// Smoothed level and scale of residuals, with bounds on both sides.
#[derive(Debug, Clone)]
pub(crate) struct Channel {
    /// Share of a departure that the level takes over.
    pub alpha: f64,
    level: f64,
    /// Decayed sums of |residual| and of weights, so that the first values count fully.
    sum: f64,
    weight: f64,
    keep: f64,
    /// The same with a longer memory: `[sum, weight, keep]`.
    long: [f64; 3],
    above: Side,
    below: Side,
    seen: usize,
    /// Departures on one side, one after the other: how many, and their sum.
    run: usize,
    run_sum: f64,
    /// So many in a row are a new regime and no anomaly any more.
    patience: usize,
    /// The level before the last anomaly, and values since then, 0 when it is forgotten.
    before: f64,
    since: usize,
    /// Decayed share of values that were anomalies.
    share: f64,
}

/// A side of the band: how far ordinary values go, and how far they may go before too many alarms were raised.
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

    /// Learns how far out a value was on this side, in scales, at least 0.
    fn push(&mut self, departure: f64) {
        let bound = self.plain();
        self.budget.push_of(departure, bound);
        self.tail.push(departure.min(CLIP * bound));
    }
}

/// How a channel is set up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChannelConfig {
    /// Share of a departure that the level takes over.
    pub alpha: f64,
    /// Steps that the scale remembers.
    pub span: f64,
    /// Departures in a row after which they are ordinary.
    pub patience: usize,
    /// Magnitudes that the bounds stand on.
    pub kept: f64,
    /// Share of ordinary values beyond the bound on each side.
    pub risk: f64,
    /// Steps of a week, or of what counts as one.
    pub week: f64,
    /// Alarms a week, see [`Budget`].
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

    /// Scores `value` where the season alone would have `base`, then learns from it. `floor` is the least scale, `scale` the
    /// one of ordinary departures; tails learn only when `open`; `still`: it stands still, as it does by habit.
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

    /// [`Self::judge`], but where the level has gone with an anomaly, a value as before it takes the level back: the end of
    /// an incident is no second one.
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

    /// The value against level, scale and bounds as they stand.
    fn judge(&self, value: f64, base: SeasonalEnvelope, scale: f64) -> Scored {
        let expected = base.now + self.level;
        let below = base.now - base.low + self.below.bound() * scale;
        let above = base.high - base.now + self.above.bound() * scale;
        let departure = value - expected;
        let score = departure / if departure >= 0.0 { above } else { below };
        let (lower, upper) = (expected - below, expected + above);
        Scored { expected, lower, upper, score: score.abs(), kind: Kind::Value }
    }

    /// What is expected next to `value`, by a season that may be a little early or late.
    fn within(&self, value: f64, base: SeasonalEnvelope) -> f64 {
        self.level + (value - self.level).max(base.low).min(base.high)
    }

    /// After a long run of departures on one side the level goes where they are.
    fn follow_regime(&mut self, residual: f64, score: f64, scale: f64, floor: f64, still: bool) {
        if score <= 1.0 || (self.run > 0 && (residual > 0.0) != (self.run_sum > 0.0)) {
            self.run = 0;
            self.run_sum = 0.0;
        }
        if score > 1.0 {
            self.run += 1;
            self.run_sum += residual;
        }
        // What does not vary is soon seen to stay: a size that a deploy changed is no anomaly for hours.
        let silent = scale <= 2.0 * floor.max(f64::MIN_POSITIVE);
        if self.run >= if silent || still { SILENT.min(self.patience) } else { self.patience } {
            let shift = self.run_sum / self.run as f64;
            self.level += shift;
            // A series that did not vary at all has no scale for the new regime; any other keeps its own.
            if silent {
                self.weight = self.weight.max(1.0);
                self.sum = scale.max((residual - shift).abs()).max(1e-3 * shift.abs()) * self.weight;
            }
            self.run = 0;
            self.run_sum = 0.0;
        }
    }

    /// Moves the level where a new seasonal profile has another base.
    pub(crate) fn rebase(&mut self, old_base: f64, new_base: f64) {
        self.level += old_base - new_base;
        self.before += old_base - new_base;
    }

    /// The value expected where the season alone would have `base`; NaN before anything was seen.
    pub(crate) fn expected(&self, base: f64) -> f64 {
        if self.seen == 0 { f64::NAN } else { base + self.level }
    }

    /// Share of values that were anomalies.
    pub(crate) fn share(&self) -> f64 {
        self.share
    }

    /// Whether anomalies are so many that they are how the series is.
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
