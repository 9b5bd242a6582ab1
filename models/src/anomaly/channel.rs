//! One view of a series: a level that follows at a given pace, the scale of what departs from it, and its tails.

use super::Scored;
use super::tail::{Body, Tail};

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
    above: Tail,
    below: Tail,
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

impl Channel {
    /// `span`: steps that the scale remembers; `patience`: departures in a row after which they are ordinary.
    pub(crate) fn new(alpha: f64, span: f64, patience: usize, kept: usize, risk: f64) -> Self {
        Self {
            alpha,
            level: 0.0,
            sum: 0.0,
            weight: 0.0,
            keep: (-1.0 / span.max(1.0)).exp(),
            above: Tail::new(kept, risk, Body::VALUES),
            below: Tail::new(kept, risk, Body::VALUES),
            seen: 0,
            run: 0,
            run_sum: 0.0,
            patience,
            before: 0.0,
            since: 0,
            share: 0.0,
        }
    }

    /// Scores `value` where the season alone would have `base`, then learns from it. `floor` is the least scale; tails
    /// learn only when `open`.
    pub(crate) fn push(&mut self, value: f64, base: f64, floor: f64, open: bool) -> Scored {
        if self.seen == 0 {
            self.level = value - base;
        }
        let scale = self.scale(floor);
        let scored = self.judge_or_return(value, base, scale);
        let residual = value - scored.expected;
        let (above, below) = (self.above.bound(), self.below.bound());
        let held = (residual / scale).clamp(-CLIP * below, CLIP * above);
        self.level += self.alpha * held * scale;
        self.sum = self.sum * self.keep + (held * scale).abs();
        self.weight = self.weight * self.keep + 1.0;
        self.seen += 1;
        self.follow_regime(residual, scored.score, scale, floor);
        if self.seen > 10 && open {
            self.above.push(held.max(0.0));
            self.below.push((-held).max(0.0));
        }
        scored
    }

    /// [`Self::judge`], but where the level has gone with an anomaly, a value as before it takes the level back: the end of
    /// an incident is no second one.
    fn judge_or_return(&mut self, value: f64, base: f64, scale: f64) -> Scored {
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
        let weight = (1.0 / MEMORY).max(1.0 / (self.seen as f64 + PRIOR));
        self.share += (f64::from(u8::from(anomalous)) - self.share) * weight;
        scored
    }

    /// The value against level, scale and bounds as they stand.
    fn judge(&self, value: f64, base: f64, scale: f64) -> Scored {
        let expected = base + self.level;
        let (above, below) = (self.above.bound(), self.below.bound());
        let departure = (value - expected) / scale;
        let score = if departure >= 0.0 { departure / above } else { -departure / below };
        Scored { expected, lower: expected - below * scale, upper: expected + above * scale, score: score.abs() }
    }

    /// After a long run of departures on one side the level goes where they are.
    fn follow_regime(&mut self, residual: f64, score: f64, scale: f64, floor: f64) {
        if score <= 1.0 || (self.run > 0 && (residual > 0.0) != (self.run_sum > 0.0)) {
            self.run = 0;
            self.run_sum = 0.0;
        }
        if score > 1.0 {
            self.run += 1;
            self.run_sum += residual;
        }
        if self.run >= self.patience {
            let shift = self.run_sum / self.run as f64;
            self.level += shift;
            // A series that did not vary at all has no scale for the new regime; any other keeps its own.
            if scale <= 2.0 * floor.max(f64::MIN_POSITIVE) {
                self.weight = self.weight.max(1.0);
                self.sum = scale.max((residual - shift).abs()).max(1e-3 * shift.abs()) * self.weight;
            }
            self.run = 0;
            self.run_sum = 0.0;
        }
    }

    /// Forgets all but the pace.
    pub(crate) fn forget(&mut self) {
        self.level = 0.0;
        self.sum = 0.0;
        self.weight = 0.0;
        self.seen = 0;
        self.run = 0;
        self.run_sum = 0.0;
        self.since = 0;
        self.share = 0.0;
        self.above.forget();
        self.below.forget();
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

    /// Whether anomalies are so many that they are how the series is.
    pub(crate) fn is_crowded(&self) -> bool {
        self.share >= BUDGET
    }

    /// Scale of ordinary departures.
    pub(crate) fn scale(&self, floor: f64) -> f64 {
        let scale = if self.weight > 0.0 { (self.sum / self.weight).max(floor) } else { floor };
        scale.max(f64::MIN_POSITIVE)
    }

    pub(crate) fn seen(&self) -> usize {
        self.seen
    }
}
