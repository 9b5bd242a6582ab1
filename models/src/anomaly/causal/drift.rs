//! Drifts: departures on one side that last, each of them inside the band of single values.

use super::budget::Budget;
use super::tail::{Body, Tail};

/// Weight of the newest departure in the mean, and in the reference that the mean is taken from: some three values make
/// a drift, and some twenty make it ordinary, so that a new level after a deploy is called once and not for a day. All
/// constants here were chosen on the simulator's seeds 1 to 10 and checked on 11 to 20, and held against KPI series.
const ALPHA: f64 = 0.3;
const FOLLOW: f64 = 0.05;
/// Means of several values have lighter tails than single values: between an exponential and a normal law, and what the
/// body says is not exceeded, as drifts that were missed teach the tail.
const BODY: Body = Body { shape: 1.5, reach: 1.0 };
/// Drifts remembered without which the bound stands; from there on it grows with their number: what drifts often does
/// so by habit. At 2, 2.5, 3 and 4 leaks found are 18, 20, 20 and 20 of 20 (ten seeds, five minutes), quiet time called
/// .13, .13, .14 and .17 %, KPI's F1 .555, .549, .557 and .551. `MEMORY` is the number of values after which e^−1 of one
/// is remembered.
const ORDINARY: f64 = 3.0;
const MEMORY: f64 = 4_096.0;

/// How slow drifts are that a [`Drift`] looks for, and how sure it has to be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slowness {
    /// Times as many values as `ALPHA` and `FOLLOW` take.
    pace: f64,
    /// A departure counts up to this many scales, so that one value, however far out, makes no drift.
    held: f64,
    /// The bound is never below this many spreads of the mean: of a mean of bursts the tail says little.
    least: f64,
    /// Share of the risk that it is given.
    share: f64,
}

impl Slowness {
    /// Drifts within a few values: one value reaches 0.3 · 4 = 1.2, and the bound lies above 2. It halves the drifts called
    /// on KPI series; with a least bound of 5 one more of 20 leaks is missed.
    pub(crate) const VALUES: Self = Self { pace: 1.0, held: 4.0, least: 6.0, share: 1.0 };

    /// The same over as many minutes where a value is a minute or less; `None` where the values themselves are that long.
    ///
    /// A leak of half an hour hides in the noise of minutes: of 12 in six seeds of the simulator 1 is found without this,
    /// 10 with it, KPI's false alarms rise from 1.47 to 1.57 a week. Departures held at 2.5 and bounds from 10 on find 11 at
    /// 1.65 a week, held at 4 and from 6 on 12 at 2.
    pub(crate) fn minutes(week: f64) -> Option<Self> {
        /// Steps of a week of five minutes.
        const WEEK: f64 = 2_016.0;
        let pace = week / WEEK;
        (pace > 1.5).then_some(Self { pace, held: 2.0, least: 8.0, share: 0.2 })
    }
}

/// An exponentially weighted mean of standardised departures with bounds of its own on both sides.
///
/// What the mean reaches on ordinary days is learned from itself, so that neighbours that are alike, which lengthen its
/// reach, count without being modelled.
///
/// # Reference
/// Roberts (1959), Control chart tests based on geometric moving averages. Deviates: bounds come from the tails of the
/// mean itself and not from a normal law of independent values, and grow with the number of drifts.
#[derive(Debug, Clone)]
pub(crate) struct Drift {
    slowness: Slowness,
    /// Weights of the newest departure at this pace, in the mean and in the reference.
    alpha: f64,
    follow: f64,
    /// Standard deviation of the mean of independent values of variance 1, so that tails start at their own scale.
    spread: f64,
    mean: f64,
    reference: f64,
    above: Tail,
    below: Tail,
    rarer: [Budget; 2],
    seen: usize,
    /// Decayed number of drifts begun.
    drifts: f64,
    drifting: bool,
}

/// What a drift says of a departure, and the departures between which it says nothing; `lower ≤ 0 ≤ upper`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Drifted {
    pub score: f64,
    pub lower: f64,
    pub upper: f64,
}

impl Drift {
    /// `kept`: means that tails stand on; `risk`: share of ordinary values beyond the bound on each side; `week`: steps of
    /// a week; `budget`: alarms a week, see [`Budget`].
    pub(crate) fn new(slowness: Slowness, kept: f64, risk: f64, week: f64, budget: f64) -> Self {
        let risk = risk * slowness.share;
        Self {
            slowness,
            alpha: ALPHA / slowness.pace,
            follow: FOLLOW / slowness.pace,
            spread: (ALPHA / (2.0 * slowness.pace - ALPHA)).sqrt(),
            mean: 0.0,
            reference: 0.0,
            above: Tail::new(kept, risk, BODY),
            below: Tail::new(kept, risk, BODY),
            rarer: [Budget::new(week, budget), Budget::new(week, budget)],
            seen: 0,
            drifts: 0.0,
            drifting: false,
        }
    }

    /// Scores a `departure` in scales, then learns from it unless it stands out by itself (`alone`); the tails learn
    /// only when `open`. The score is above 1 only while values are still on the side of the drift.
    pub(crate) fn push(&mut self, departure: f64, alone: bool, open: bool) -> Drifted {
        let Slowness { held, least, .. } = self.slowness;
        let Self { alpha, follow, spread, .. } = *self;
        // Divisions are what scores cost most: here and below, none is made for what one side alone needs.
        let habit = spread * if self.drifts > ORDINARY { self.drifts / ORDINARY } else { 1.0 };
        let (first_above, first_below) = (habit * self.above.bound().max(least), habit * self.below.bound().max(least));
        let (above, below) = (first_above * self.rarer[0].factor(), first_below * self.rarer[1].factor());
        let kept = (1.0 - alpha) * self.mean;
        let upper = self.edge((above - kept) / alpha).max(0.0);
        let lower = self.edge((-below - kept) / alpha).min(0.0);
        let mean = kept + alpha * (departure - self.reference).clamp(-held, held);
        let score = if mean > 0.0 { mean / above } else { -mean / below };
        let score =
            if departure > upper || departure < lower { score.max(1.0 + f64::EPSILON) } else { score.clamp(0.0, 1.0) };
        self.seen += 1;
        self.drifts *= 1.0 - 1.0 / MEMORY;
        let drifting = score > 1.0;
        if drifting && !self.drifting && !alone {
            self.drifts += 1.0;
        }
        self.drifting = drifting;
        // What stands out by itself is no drift and teaches none.
        if !alone {
            self.mean = mean;
            self.reference += follow * (departure - self.reference);
            if open && self.seen > 10 {
                self.rarer[0].push_of(mean, first_above);
                self.rarer[1].push_of(-mean, first_below);
                let spreads = mean / spread;
                self.above.push(spreads.clamp(0.0, self.above.bound()));
                self.below.push((-spreads).clamp(0.0, self.below.bound()));
            }
        }
        Drifted { score, lower, upper }
    }

    /// The departure that brings the mean to its bound, where `needed` beyond the reference would; infinite where none
    /// does, since departures count up to a limit only.
    fn edge(&self, needed: f64) -> f64 {
        if needed.abs() > self.slowness.held { f64::INFINITY.copysign(needed) } else { self.reference + needed }
    }
}
