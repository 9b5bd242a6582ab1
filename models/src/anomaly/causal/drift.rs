//! Drifts: departures on one side that last, each of them inside the band of single values.

use super::budget::Budget;
use super::tail::{Body, Tail};

/// Weight of the newest departure in the mean, and in the reference that the mean is taken from: some three values make
/// a drift, and some twenty make it ordinary, so that a new level after a deploy is called once and not for a day. All
/// constants here were chosen on the simulator's seeds 1 to 10 at five minutes and checked on 11 to 20.
const ALPHA: f64 = 0.3;
const FOLLOW: f64 = 0.05;
/// A departure counts up to this many scales, so that one value, however far out, makes no drift: the mean would reach
/// 0.3 · 4 = 1.2, and its bound lies above 2.
const HELD: f64 = 4.0;
/// Means of several values have lighter tails than single values: between an exponential and a normal law, and what the
/// body says is not exceeded, as drifts that were missed teach the tail.
const BODY: Body = Body { shape: 1.5, reach: 1.0 };
/// The bound is never below this many spreads: of a mean of bursts the tail says little. Chosen on the KPI series, where it
/// halves the drifts called; 18 of 20 leaks of ten seeds of the simulator are found with it, 17 with 5.
const LEAST_BOUND: f64 = 6.0;
/// Drifts remembered without which the bound stands; from there on it grows with their number: what drifts often does
/// so by habit (2 and 2.5 find all 40 leaks of 20 seeds, 1.5 misses three). `MEMORY` is the number of values after which e^−1 of one is remembered.
const ORDINARY: f64 = 2.0;
const MEMORY: f64 = 4_096.0;

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
    pub(crate) fn new(kept: f64, risk: f64, week: f64, budget: f64) -> Self {
        Self {
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
        // Standard deviation of the mean of independent values of variance 1, so that tails start at their own scale.
        let spread = (ALPHA / (2.0 - ALPHA)).sqrt();
        let habit = spread * (self.drifts / ORDINARY).max(1.0);
        let (first_above, first_below) =
            (habit * self.above.bound().max(LEAST_BOUND), habit * self.below.bound().max(LEAST_BOUND));
        let (above, below) = (first_above * self.rarer[0].factor(), first_below * self.rarer[1].factor());
        let kept = (1.0 - ALPHA) * self.mean;
        let upper = self.edge((above - kept) / ALPHA).max(0.0);
        let lower = self.edge((-below - kept) / ALPHA).min(0.0);
        let mean = kept + ALPHA * (departure - self.reference).clamp(-HELD, HELD);
        let score = (mean / above).max(-mean / below);
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
            self.reference += FOLLOW * (departure - self.reference);
            if open && self.seen > 10 {
                self.rarer[0].push(mean / first_above);
                self.rarer[1].push(-mean / first_below);
                self.above.push((mean / spread).clamp(0.0, self.above.bound()));
                self.below.push((-mean / spread).clamp(0.0, self.below.bound()));
            }
        }
        Drifted { score, lower, upper }
    }

    /// The departure that brings the mean to its bound, where `needed` beyond the reference would; infinite where none
    /// does, since departures count up to [`HELD`] only.
    fn edge(&self, needed: f64) -> f64 {
        if needed.abs() > HELD { f64::INFINITY.copysign(needed) } else { self.reference + needed }
    }
}
