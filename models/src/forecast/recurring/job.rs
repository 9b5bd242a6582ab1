//! What a recurring job adds: how often it comes, and what it adds when it does.

use super::find::Cycle;
use crate::forecast::combine::{GRID, Quantiles, weighted};
use crate::stats::median;

/// Newest occurrences that heights are taken from.
const HEIGHTS: usize = 14;
/// Cycles that all kinds together count for in the share of one kind: where each kind has it always or never, and else.
const PRIOR: (f64, f64) = (0.25, 4.0);
/// Parts that the probability of no job is split into.
const ABSENT_PARTS: usize = 12;
/// Spread of a job's heights over their median above which it is no job but a phase at which much may happen.
const MOST_SPREAD: f64 = 0.5;
/// Share of the cycles that follow their kind from which kinds differ.
const CONSISTENT: f64 = 0.95;
/// Shares between which a step of a job is at its edge, so that the job starts early or late at times.
const EDGE: (f64, f64) = (0.15, 0.85);

/// One cycle's values where the job is due, less the course of the series.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Occurrence {
    pub cycle: usize,
    pub came: bool,
    pub values: Vec<f64>,
}

impl Occurrence {
    /// The value furthest to the side of `least`.
    fn peak(&self, least: f64) -> f64 {
        let finite = self.values.iter().copied().filter(|v| v.is_finite());
        if least > 0.0 { finite.fold(0.0, f64::max) } else { finite.fold(0.0, f64::min) }
    }
}

/// A job.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Job {
    cycle: Cycle,
    /// First step of a cycle at which it may be seen, and how many follow.
    phase: usize,
    width: usize,
    /// Probability that it comes, by kind of cycle.
    comes: Vec<f64>,
    /// What it adds by step of its window: values with their weights.
    heights: Vec<Vec<(f64, f64)>>,
}

impl Job {
    /// `noise`: standard deviation of values without it; `least`: from where on (negative: down to where) a value departs.
    pub(super) fn new(
        cycle: Cycle,
        phase: usize,
        width: usize,
        noise: f64,
        least: f64,
        occurrences: Vec<Occurrence>,
    ) -> Option<Self> {
        // What began in between is judged from its first cycle on.
        let first = occurrences.iter().position(|o| o.came)?;
        let occurrences = &occurrences[first..];
        let came: Vec<&Occurrence> = occurrences.iter().filter(|o| o.came).collect();
        if came.len() < 3 {
            return None;
        }
        let newest = &came[came.len().saturating_sub(HEIGHTS)..];
        let peaks: Vec<f64> = newest.iter().map(|o| o.peak(least)).collect();
        let middle = median(&peaks)?;
        if crate::stats::mad(&peaks)? > MOST_SPREAD * middle.abs() {
            return None;
        }
        let departs = |v: f64| if least > 0.0 { v > least } else { v < least };
        let share = |step: usize| {
            let seen = newest.iter().filter(|o| o.values[step].is_finite()).count();
            let out = newest.iter().filter(|o| departs(o.values[step])).count();
            if seen > 0 { out as f64 / seen as f64 } else { 0.0 }
        };
        let shares: Vec<f64> = (0..width).map(share).collect();
        let jitters = shares.iter().any(|s| (EDGE.0..=EDGE.1).contains(s));
        let heights = (0..width).map(|step| heights(newest, step, &shares, jitters, noise)).collect();
        Some(Self { cycle, phase, width, comes: comes(occurrences, cycle.kinds), heights })
    }

    /// The step of the job's window that the step `t` of the series is, if it is one.
    fn place(&self, t: usize) -> Option<usize> {
        let since = (t % self.cycle.period + self.cycle.period - self.phase) % self.cycle.period;
        (since < self.width).then_some(since)
    }

    /// Steps below `n` at which the job is due.
    pub(super) fn steps(&self, n: usize) -> impl Iterator<Item = usize> + '_ {
        (0..n).filter(|t| self.place(*t).is_some())
    }

    fn departure(&self, t: usize) -> Option<Departure> {
        let place = self.place(t)?;
        // The window began in this cycle, or in the one before when it reaches over its end.
        let cycle = (t + self.cycle.period - place - self.phase) / self.cycle.period;
        let probability = self.comes[(cycle + self.cycle.kinds - 1) % self.cycle.kinds];
        let heights = &self.heights[place];
        let total: f64 = heights.iter().map(|(_, w)| w).sum();
        let mut values: Vec<(f64, f64)> = heights.iter().map(|(v, w)| (*v, w / total * probability)).collect();
        // Quantiles lie between the middles of weights: one large weight would draw them towards its neighbour.
        let without = (1.0 - probability) / ABSENT_PARTS as f64;
        values.extend(std::iter::repeat_n((0.0, without), ABSENT_PARTS));
        values.retain(|(_, w)| *w > 0.0);
        (!values.is_empty()).then_some(Departure { values })
    }
}

/// What came at one step of the window; beside the edge of a job that starts early or late what came just before and
/// after counts too. Values are drawn together by the noise that is in them, and apart by how few they are.
fn heights(newest: &[&Occurrence], step: usize, shares: &[f64], jitters: bool, noise: f64) -> Vec<(f64, f64)> {
    let mut out: Vec<(f64, f64)> = Vec::new();
    let mut take = |step: usize, weight: f64| {
        out.extend(newest.iter().map(|o| o.values[step]).filter(|v| v.is_finite()).map(|v| (v, weight)));
    };
    take(step, 1.0);
    let edge = |s: usize| (EDGE.0..=EDGE.1).contains(&shares[s]);
    if jitters {
        for beside in [step.checked_sub(1), Some(step + 1).filter(|s| *s < shares.len())].into_iter().flatten() {
            if edge(step) || edge(beside) {
                take(beside, 0.25);
            }
        }
    }
    let values: Vec<f64> = out.iter().map(|v| v.0).collect();
    let Some(centre) = median(&values) else { return out };
    let spread = values.iter().map(|v| (v - centre).powi(2)).sum::<f64>() / values.len() as f64;
    let own = if spread > 0.0 { (1.0 - noise * noise / spread).max(0.0).sqrt() } else { 0.0 };
    let few = 1.0 + 1.5 / newest.len() as f64;
    // Of two groups, with and without the job, neither may leave its place.
    let two = jitters && edge(step);
    out.iter_mut().for_each(|(v, _)| *v = if two { *v } else { centre + (*v - centre) * own * few });
    out
}

/// Probability that the job comes, by kind of cycle, drawn towards that of all kinds.
fn comes(occurrences: &[Occurrence], kinds: usize) -> Vec<f64> {
    let (mut came, mut seen) = (vec![0.0f64; kinds], vec![0.0f64; kinds]);
    for o in occurrences {
        seen[o.cycle % kinds] += 1.0;
        came[o.cycle % kinds] += f64::from(u8::from(o.came));
    }
    let (all, n): (f64, f64) = (came.iter().sum(), seen.iter().sum());
    let follow: f64 = came.iter().zip(&seen).map(|(c, s)| c.max(s - c)).sum();
    let twice = seen.iter().all(|s| *s >= 2.0);
    let differ = if twice { follow >= CONSISTENT * n } else { weekend(&came, &seen) };
    let prior = if differ { PRIOR.0 } else { PRIOR.1 };
    came.iter().zip(&seen).map(|(c, s)| (c + prior * all / n) / (s + prior)).collect()
}

/// Whether, of seven kinds of which some were seen once, just two neighbours lack the job: a weekend.
fn weekend(came: &[f64], seen: &[f64]) -> bool {
    let without: Vec<usize> = (0..came.len()).filter(|k| seen[*k] > 0.0 && came[*k] <= 0.0).collect();
    let whole = came.iter().zip(seen).all(|(c, s)| *c <= 0.0 || c >= s);
    came.len() == 7 && whole && matches!(without[..], [a, b] if b == a + 1 || (a == 0 && b == 6))
}

/// What jobs add at one step: values with their probabilities.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::forecast) struct Departure {
    values: Vec<(f64, f64)>,
}

impl Departure {
    /// The median of what is added.
    pub(in crate::forecast) fn point(&self) -> f64 {
        let mut values = self.values.clone();
        weighted(&mut values).map_or(0.0, |q| q[GRID.len() / 2])
    }

    /// Quantiles of the sum of two independent variables: that of `base`, and what is added.
    pub(in crate::forecast) fn added(&self, base: &Quantiles) -> Quantiles {
        let mut sums: Vec<(f64, f64)> = Vec::with_capacity(self.values.len() * GRID.len());
        for (value, weight) in &self.values {
            for (i, q) in base.iter().enumerate() {
                // Each quantile stands for the probabilities that lie nearest.
                let from = if i > 0 { 0.5 * (GRID[i - 1] + GRID[i]) } else { 0.0 };
                let to = GRID.get(i + 1).map_or(1.0, |next| 0.5 * (next + GRID[i]));
                sums.push((value + q, weight * (to - from)));
            }
        }
        weighted(&mut sums).unwrap_or(*base)
    }
}

/// All jobs of a series; steps count from where it was looked at.
#[derive(Debug, Clone, PartialEq, Default)]
pub(in crate::forecast) struct Jobs {
    jobs: Vec<Job>,
}

impl Jobs {
    pub(super) fn new(jobs: Vec<Job>) -> Self {
        Self { jobs }
    }

    /// Whether a job is due at a step.
    pub(in crate::forecast) fn holds(&self, t: usize) -> bool {
        self.jobs.iter().any(|job| job.place(t).is_some())
    }

    /// What jobs add at a step, of those whose turn it is.
    pub(in crate::forecast) fn at(&self, t: usize) -> Vec<Departure> {
        self.jobs.iter().filter_map(|job| job.departure(t)).collect()
    }

    /// Lengths of the cycles with which they return, shortest first.
    pub(in crate::forecast) fn periods(&self) -> Vec<usize> {
        let mut periods: Vec<usize> = self.jobs.iter().map(|job| job.cycle.period).collect();
        periods.sort_unstable();
        periods.dedup();
        periods
    }
}
