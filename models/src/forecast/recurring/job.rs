//! A recurring job: the probability that it occurs and the distribution of what it adds to the series.

use crate::forecast::combine::{PROBABILITIES, Quantiles, weighted_quantiles};
use crate::stats::median;

/// Number of newest occurrences that heights are estimated from.
const HEIGHTS: usize = 14;
/// Prior weight, in cycles, of the occurrence share of all kinds against that of one kind: first if each kind is
/// consistent, second otherwise.
const PRIOR: (f64, f64) = (0.25, 4.0);
/// Number of equal parts that the probability of no job is split into.
const ABSENT_PARTS: usize = 12;
/// Maximum ratio of the spread of the peaks to their median. Above it, values at the phase vary too much to be a job.
const MOST_SPREAD: f64 = 0.5;
/// Minimum share of cycles that agree with the majority of their kind for the kinds to count as different.
const CONSISTENT: f64 = 0.95;
/// Range of the occurrence share of a step within which it is an edge: the job starts early or late at times.
const EDGE: (f64, f64) = (0.15, 0.85);

/// A cycle at which jobs may recur.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::forecast) struct Cycle {
    /// Length in steps.
    pub period: usize,
    /// Width of the running median in steps, more than twice the longest job.
    pub window: usize,
    /// Number of kinds of cycle, which repeat in order: 7 for days, otherwise 1.
    pub kinds: usize,
}

/// The values of one cycle in the job's window, minus the baseline of the series.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Occurrence {
    pub cycle: usize,
    pub came: bool,
    pub values: Vec<f64>,
}

impl Occurrence {
    /// Returns the extreme value on the side of the sign of `least`.
    fn peak(&self, least: f64) -> f64 {
        let finite = self.values.iter().copied().filter(|v| v.is_finite());
        if least > 0.0 { finite.fold(0.0, f64::max) } else { finite.fold(0.0, f64::min) }
    }
}

/// A departure of a few steps that recurs once per cycle.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Job {
    cycle: Cycle,
    /// First step of the window within the cycle, and length of the window in steps.
    phase: usize,
    width: usize,
    /// Probability of an occurrence, by kind of cycle.
    occurrence_probability: Vec<f64>,
    /// What the job adds at each step of its window, as weighted values.
    heights: Vec<Vec<(f64, f64)>>,
}

impl Job {
    /// Fits a job. `noise`: standard deviation of values without it; `least`: threshold of a departure, negative for
    /// departures below. Returns `None` with fewer than three occurrences or when their peaks vary too much.
    pub(super) fn new(
        cycle: Cycle,
        phase: usize,
        width: usize,
        noise: f64,
        least: f64,
        occurrences: Vec<Occurrence>,
    ) -> Option<Self> {
        // A job that started within the history is evaluated from its first occurrence.
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
        Some(Self {
            cycle,
            phase,
            width,
            occurrence_probability: occurrence_probability(occurrences, cycle.kinds),
            heights,
        })
    }

    /// Returns the offset of step `t` in the job's window; `None` outside of it.
    fn window_offset(&self, t: usize) -> Option<usize> {
        let since = (t % self.cycle.period + self.cycle.period - self.phase) % self.cycle.period;
        (since < self.width).then_some(since)
    }

    /// Iterates over the steps below `n` at which the job is due.
    pub(super) fn steps(&self, n: usize) -> impl Iterator<Item = usize> + '_ {
        (0..n).filter(|t| self.window_offset(*t).is_some())
    }

    /// Returns the distribution of what the job adds at step `t`; `None` outside of its window.
    fn departure(&self, t: usize) -> Option<Departure> {
        let offset = self.window_offset(t)?;
        // The window started in this cycle, or in the previous one if it extends over the end of the cycle.
        let cycle = (t + self.cycle.period - offset - self.phase) / self.cycle.period;
        let probability = self.occurrence_probability[(cycle + self.cycle.kinds - 1) % self.cycle.kinds];
        let heights = &self.heights[offset];
        let total: f64 = heights.iter().map(|(_, w)| w).sum();
        let mut values: Vec<(f64, f64)> = heights.iter().map(|(v, w)| (*v, w / total * probability)).collect();
        // Quantiles are interpolated between the middles of weights: a single large weight would bias them towards its
        // neighbour.
        let without = (1.0 - probability) / ABSENT_PARTS as f64;
        values.extend(std::iter::repeat_n((0.0, without), ABSENT_PARTS));
        values.retain(|(_, w)| *w > 0.0);
        (!values.is_empty()).then_some(Departure { values })
    }
}

/// Returns the weighted values at one step of the window. At the edges of a job that starts early or late, the values
/// of the neighbouring steps are included. The spread is reduced by the share of the noise and increased for few
/// values.
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
    // An edge has two groups of values, with and without the job: shrinking would merge them.
    let two = jitters && edge(step);
    out.iter_mut().for_each(|(v, _)| *v = if two { *v } else { centre + (*v - centre) * own * few });
    out
}

/// Returns the probability of an occurrence by kind of cycle, shrunk towards that of all kinds.
fn occurrence_probability(occurrences: &[Occurrence], kinds: usize) -> Vec<f64> {
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

/// Returns whether, of seven kinds, exactly two neighbours lack the job: a weekend. Used when some kinds were observed
/// only once.
fn weekend(came: &[f64], seen: &[f64]) -> bool {
    let without: Vec<usize> = (0..came.len()).filter(|k| seen[*k] > 0.0 && came[*k] <= 0.0).collect();
    let whole = came.iter().zip(seen).all(|(c, s)| *c <= 0.0 || c >= s);
    came.len() == 7 && whole && matches!(without[..], [a, b] if b == a + 1 || (a == 0 && b == 6))
}

/// The distribution of what a job adds at one step: values with their probabilities.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::forecast) struct Departure {
    values: Vec<(f64, f64)>,
}

impl Departure {
    /// Returns the median of the added value.
    pub(in crate::forecast) fn point(&self) -> f64 {
        let mut values = self.values.clone();
        weighted_quantiles(&mut values).map_or(0.0, |q| q[PROBABILITIES.len() / 2])
    }

    /// Returns the quantiles of the sum of two independent variables: `base` and the added value.
    pub(in crate::forecast) fn added(&self, base: &Quantiles) -> Quantiles {
        let mut sums: Vec<(f64, f64)> = Vec::with_capacity(self.values.len() * PROBABILITIES.len());
        for (value, weight) in &self.values {
            for (i, q) in base.iter().enumerate() {
                // Each quantile represents the probabilities nearest to its own.
                let from = if i > 0 { 0.5 * (PROBABILITIES[i - 1] + PROBABILITIES[i]) } else { 0.0 };
                let to = PROBABILITIES.get(i + 1).map_or(1.0, |next| 0.5 * (next + PROBABILITIES[i]));
                sums.push((value + q, weight * (to - from)));
            }
        }
        weighted_quantiles(&mut sums).unwrap_or(*base)
    }
}

/// All jobs of a series. Steps count from the start of the searched part.
#[derive(Debug, Clone, PartialEq, Default)]
pub(in crate::forecast) struct Jobs {
    jobs: Vec<Job>,
}

impl Jobs {
    pub(super) fn new(jobs: Vec<Job>) -> Self {
        Self { jobs }
    }

    /// Returns whether a job is due at step `t`.
    pub(in crate::forecast) fn holds(&self, t: usize) -> bool {
        self.jobs.iter().any(|job| job.window_offset(t).is_some())
    }

    /// Returns the distributions of what each due job adds at step `t`.
    pub(in crate::forecast) fn at(&self, t: usize) -> Vec<Departure> {
        self.jobs.iter().filter_map(|job| job.departure(t)).collect()
    }

    /// Returns the cycle lengths in steps, shortest first.
    pub(in crate::forecast) fn periods(&self) -> Vec<usize> {
        let mut periods: Vec<usize> = self.jobs.iter().map(|job| job.cycle.period).collect();
        periods.sort_unstable();
        periods.dedup();
        periods
    }
}
