//! One view of a series: a level that follows at a given pace, the scale of what departs from it, and its tails.

use super::Scored;
use super::tail::Tail;

/// Standardised departures beyond this many bounds teach no more than this many.
const CLIP: f64 = 1.0;

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
            above: Tail::new(kept, risk),
            below: Tail::new(kept, risk),
            seen: 0,
            run: 0,
            run_sum: 0.0,
            patience,
        }
    }

    /// Scores `value` where the season alone would have `base`, then learns from it. `floor` is the least scale; tails
    /// learn only when `open`.
    pub(crate) fn push(&mut self, value: f64, base: f64, floor: f64, open: bool) -> Scored {
        if self.seen == 0 {
            self.level = value - base;
        }
        let expected = base + self.level;
        let residual = value - expected;
        let scale = if self.weight > 0.0 { (self.sum / self.weight).max(floor) } else { floor };
        let scale = scale.max(f64::MIN_POSITIVE);
        let (above, below) = (self.above.bound(), self.below.bound());
        let departure = residual / scale;
        let score = if departure >= 0.0 { departure / above } else { -departure / below };
        let scored =
            Scored { expected, lower: expected - below * scale, upper: expected + above * scale, score: score.abs() };
        let held = departure.clamp(-CLIP * below, CLIP * above);
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
        self.above.forget();
        self.below.forget();
    }

    /// Moves the level where a new seasonal profile has another base.
    pub(crate) fn rebase(&mut self, old_base: f64, new_base: f64) {
        self.level += old_base - new_base;
    }

    /// The value expected where the season alone would have `base`; NaN before anything was seen.
    pub(crate) fn expected(&self, base: f64) -> f64 {
        if self.seen == 0 { f64::NAN } else { base + self.level }
    }

    pub(crate) fn seen(&self) -> usize {
        self.seen
    }
}
