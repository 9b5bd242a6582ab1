//! Sources of predictive quantiles ("experts"): errors of the combined forecast, values at the same phase of earlier
//! cycles, and changes over the same number of steps. `predictive` averages them.

use super::ensemble::Periods;
use super::leads::anchors;
use crate::forecast::prepare::Transform;
use crate::stats::quantile_sorted;
use statrs::distribution::{ContinuousCDF, Normal};

/// Probabilities of the stored quantiles. Other quantiles are interpolated or extrapolated.
pub(crate) const PROBABILITIES: [f64; 15] =
    [0.005, 0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.975, 0.995];

/// Quantiles at the probabilities of [`PROBABILITIES`].
pub(crate) type Quantiles = [f64; PROBABILITIES.len()];

/// Returns the quantiles of sorted values, of which there is at least one.
fn quantiles_sorted(sorted: &[f64]) -> Quantiles {
    PROBABILITIES.map(|p| quantile_sorted(sorted, p).unwrap_or(0.0))
}

/// Expert: values at the same phase of earlier cycles, or the latest values of a series without seasons.
#[derive(Debug, Clone)]
pub(crate) struct Climatology {
    /// Cycle in steps; 0 without a season.
    season: usize,
    /// Longest season in steps: cycles a multiple of it ago count double.
    long: usize,
}

/// Number of past cycles in use. Tried values: `docs/tuning/forecast.md`.
const CYCLES: usize = 14;
/// Weight of a cycle relative to the following one.
const KEEP: f64 = 0.9;
/// Number of latest values in use for a series without seasons.
const LATEST: usize = 500;

impl Climatology {
    pub(crate) fn new(periods: Periods) -> Self {
        Self { season: periods.cycle.unwrap_or(0), long: periods.seasons.last().copied().unwrap_or(0) }
    }

    /// Returns the quantiles of the value `lead` steps (from 0) after the history `y` (NaN where missing); `None`
    /// without a value at that phase. `work` is a buffer.
    pub(crate) fn quantiles(&self, y: &[f64], lead: usize, work: &mut Vec<(f64, f64)>) -> Option<Quantiles> {
        let n = y.len();
        work.clear();
        if self.season == 0 {
            work.extend(y[n.saturating_sub(LATEST)..].iter().filter(|v| v.is_finite()).map(|v| (*v, 1.0)));
        } else {
            let m = self.season;
            // Cycles of many steps: include neighbouring phases, up to a 576th of the cycle on each side.
            let half = if m >= 96 { (m / 576).max(1) } else { 0 };
            let mut weight = 1.0;
            for cycle in lead / m + 1..lead / m + 1 + CYCLES {
                let Some(centre) = (n + lead).checked_sub(cycle * m) else { break };
                let same = self.long > m && (cycle * m).is_multiple_of(self.long);
                let w = if same { 2.0 * weight } else { weight };
                let values = &y[centre.saturating_sub(half)..(centre + half + 1).min(n)];
                work.extend(values.iter().filter(|v| v.is_finite()).map(|v| (*v, w)));
                weight *= KEEP;
            }
        }
        weighted_quantiles(work)
    }
}

/// Returns the quantiles of weighted values, which are reordered; `None` without values.
pub(crate) fn weighted_quantiles(values: &mut [(f64, f64)]) -> Option<Quantiles> {
    values.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let total: f64 = values.iter().map(|v| v.1).sum();
    let (first, last) = (values.first()?, values.last()?);
    let mut out = [first.0; PROBABILITIES.len()];
    let (mut before, mut i) = (0.0, 0);
    let mut previous = (0.0, first.0);
    for (slot, p) in out.iter_mut().zip(PROBABILITIES) {
        let wanted = p * total;
        // Each value is placed at the middle of its weight; quantiles between are interpolated.
        while i < values.len() && before + 0.5 * values[i].1 < wanted {
            previous = (before + 0.5 * values[i].1, values[i].0);
            before += values[i].1;
            i += 1;
        }
        *slot = match values.get(i) {
            None => last.0,
            Some(_) if i == 0 => first.0,
            Some((value, w)) => {
                let at = before + 0.5 * w;
                previous.1 + (value - previous.1) * ((wanted - previous.0) / (at - previous.0)).clamp(0.0, 1.0)
            }
        };
    }
    Some(out)
}

/// Expert: the last value plus past changes over the same number of steps.
#[derive(Debug, Clone)]
pub(crate) struct Persistence {
    leads: Vec<usize>,
    changes: Vec<Quantiles>,
}

/// Maximum number of changes per lead; more are thinned.
const CHANGES: usize = 400;

impl Persistence {
    /// Fits the changes at selected leads on `y`, NaN where missing. `window`: minimum number of steps to look back.
    pub(crate) fn fit(y: &[f64], horizon: usize, window: usize) -> Self {
        let leads: Vec<usize> = anchors(horizon).into_iter().filter(|lead| lead + 1 < y.len()).collect();
        let mut values = Vec::new();
        let changes = leads
            .iter()
            .map(|lead| {
                let lag = lead + 1;
                let from = y.len().saturating_sub(window.max(4 * lag)).max(lag);
                let stride = ((y.len() - from) / CHANGES).max(1);
                values.clear();
                values
                    .extend((from..y.len()).rev().step_by(stride).map(|t| y[t] - y[t - lag]).filter(|v| v.is_finite()));
                values.sort_unstable_by(f64::total_cmp);
                if values.is_empty() { [0.0; PROBABILITIES.len()] } else { quantiles_sorted(&values) }
            })
            .collect();
        Self { leads, changes }
    }

    /// Returns the quantiles of the value `lead` steps (from 0) after `last`.
    pub(crate) fn quantiles(&self, last: f64, lead: usize) -> Quantiles {
        let at = self.leads.partition_point(|l| *l < lead);
        let Some(above) = self.changes.get(at).or(self.changes.last()) else { return [last; PROBABILITIES.len()] };
        let mut out = *above;
        if at > 0 && at < self.leads.len() && self.leads[at] > lead {
            let below = &self.changes[at - 1];
            let share = (lead - self.leads[at - 1]) as f64 / (self.leads[at] - self.leads[at - 1]) as f64;
            out.iter_mut().zip(below).for_each(|(o, b)| *o = b + (*o - b) * share);
        }
        if let Some(longest) = self.leads.last().filter(|l| **l < lead) {
            // Beyond the measured leads, changes widen like those of a random walk.
            let widen = ((lead + 1) as f64 / (longest + 1) as f64).sqrt();
            out.iter_mut().for_each(|o| *o *= widen);
        }
        out.map(|change| last + change)
    }
}

/// Expert: the value one season ago plus recent changes over a season.
#[derive(Debug, Clone)]
pub(crate) struct SeasonalChange {
    season: usize,
    changes: Quantiles,
}

impl SeasonalChange {
    /// Fits the changes on `y`, NaN where missing; `None` when `y` is not longer than 1.25 seasons or has no pair of
    /// values a `season` apart.
    pub(crate) fn fit(y: &[f64], season: usize) -> Option<Self> {
        // At least a quarter of a season to compare.
        if season < 2 || y.len() <= season + season / 4 {
            return None;
        }
        let from = y.len().saturating_sub(CYCLES * season).max(season);
        // An odd stride, so that thinning does not select the same phases of an even season.
        let stride = ((y.len() - from) / (4 * CHANGES)).max(1) | 1;
        let mut values: Vec<f64> =
            (from..y.len()).rev().step_by(stride).map(|t| y[t] - y[t - season]).filter(|v| v.is_finite()).collect();
        values.sort_unstable_by(f64::total_cmp);
        (!values.is_empty()).then(|| Self { season, changes: quantiles_sorted(&values) })
    }

    /// Returns the quantiles of the value `lead` steps (from 0) after `filled`, finite throughout; `None` when `filled`
    /// is too short.
    pub(crate) fn quantiles(&self, filled: &[f64], lead: usize) -> Option<Quantiles> {
        let cycles = lead / self.season + 1;
        let base = (filled.len() + lead).checked_sub(cycles * self.season).map(|t| filled[t])?;
        let widen = (cycles as f64).sqrt();
        Some(self.changes.map(|change| base + change * widen))
    }
}

/// Relative spread of errors at each phase of a cycle, with mean 1.
#[derive(Debug, Clone)]
pub(crate) struct PhaseSpread {
    season: usize,
    factor: Vec<f64>,
}

/// Weight of the measured spread of a phase against the mean spread: the number of cycles is small.
const SPREAD_WEIGHT: f64 = 0.67;
/// Maximum number of distinct phases.
const PHASES: usize = 24;

impl PhaseSpread {
    /// Fits on the changes of `z`, finite throughout, from cycle to cycle. Flat below three cycles.
    pub(crate) fn fit(z: &[f64], cycle: usize) -> Self {
        let flat = Self { season: 1, factor: vec![1.0] };
        let m = cycle;
        if m < 4 || z.len() < 3 * m {
            return flat;
        }
        let bins = PHASES.min(m);
        let (mut sum, mut count) = (vec![0.0; bins], vec![0.0f64; bins]);
        let from = z.len().saturating_sub(CYCLES * m).max(m);
        for t in from..z.len() {
            let b = t % m * bins / m;
            sum[b] += (z[t] - z[t - m]).abs();
            count[b] += 1.0;
        }
        let (total, n): (f64, f64) = (sum.iter().sum(), count.iter().sum());
        if !(total > 0.0) {
            return flat;
        }
        let mean = total / n;
        let raw: Vec<f64> = sum
            .iter()
            .zip(&count)
            .map(|(s, c)| s / c.max(1.0) / mean * SPREAD_WEIGHT + (1.0 - SPREAD_WEIGHT))
            .collect();
        let factor =
            (0..bins).map(|b| 0.25 * raw[(b + bins - 1) % bins] + 0.5 * raw[b] + 0.25 * raw[(b + 1) % bins]).collect();
        Self { season: m, factor }
    }

    /// Returns the factor at step `t` since the start of the series.
    pub(crate) fn at(&self, t: usize) -> f64 {
        self.factor[t % self.season * self.factor.len() / self.season]
    }
}

/// Expert: errors of the combined forecast under one transform, standardised by lead and phase.
#[derive(Debug, Clone)]
pub(crate) struct Residuals {
    transform: Transform,
    spread: PhaseSpread,
    /// Mean absolute error by lead.
    scale: Vec<f64>,
    /// Quantiles of the standardised error.
    shape: Quantiles,
}

/// Combined course of one origin with the observed values. `at`: number of values before the origin.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OriginOutcome<'a> {
    pub at: usize,
    pub course: &'a [f64],
    pub actual: &'a [f64],
}

impl Residuals {
    /// Fits on outcomes of equal length at several origins; `None` when no error is finite.
    pub(crate) fn fit(transform: Transform, spread: &PhaseSpread, outcomes: &[OriginOutcome]) -> Option<Self> {
        let leads = outcomes.first()?.course.len();
        let errors: Vec<Vec<f64>> = outcomes
            .iter()
            .map(|o| {
                o.course
                    .iter()
                    .zip(o.actual)
                    .enumerate()
                    .map(|(k, (p, a))| (transform.forward(*a) - transform.forward(*p)) / spread.at(o.at + k))
                    .collect()
            })
            .collect();
        let scale = scale_by_lead(&errors, leads)?;
        let mut shape: Vec<f64> =
            errors.iter().flat_map(|e| e.iter().zip(&scale).map(|(e, s)| e / s)).filter(|e| e.is_finite()).collect();
        shape.sort_unstable_by(f64::total_cmp);
        if shape.is_empty() {
            return None;
        }
        let shape = quantiles_sorted(&shape);
        // Centre the errors: with few origins their median is mostly chance, and the forecast itself is the better
        // median. Measured effect: `docs/tuning/forecast.md`.
        let middle = shape[PROBABILITIES.len() / 2];
        Some(Self { transform, spread: spread.clone(), scale, shape: shape.map(|s| s - middle) })
    }

    /// Returns the quantiles `lead` steps (from 0) after the first `origin` values, around the forecast `point`.
    pub(crate) fn quantiles(&self, origin: usize, lead: usize, point: f64) -> Quantiles {
        let centre = self.transform.forward(point);
        let scale = self.scale_at(lead) * self.spread.at(origin + lead);
        self.shape.map(|s| self.transform.inverse(centre + s * scale))
    }

    fn scale_at(&self, lead: usize) -> f64 {
        let n = self.scale.len();
        if let Some(&s) = self.scale.get(lead) {
            return s;
        }
        // Beyond the measured leads the error grows as over their last half, at most like that of a random walk.
        let last = self.scale[n - 1];
        let growth = (last / self.scale[(n - 1) / 2]).log2().clamp(0.1, 0.5);
        last * ((lead + 1) as f64 / n as f64).powf(growth)
    }
}

/// Returns the mean absolute error by lead, smoothed over neighbours within a quarter of the lead.
fn scale_by_lead(errors: &[Vec<f64>], leads: usize) -> Option<Vec<f64>> {
    let (mut sums, mut counts) = (vec![0.0; leads + 1], vec![0.0; leads + 1]);
    for lead in 0..leads {
        let (sum, count) = errors
            .iter()
            .filter_map(|e| e.get(lead))
            .filter(|e| e.is_finite())
            .fold((0.0, 0.0), |(s, c), e| (s + e.abs(), c + 1.0));
        sums[lead + 1] = sums[lead] + sum;
        counts[lead + 1] = counts[lead] + count;
    }
    let mean = (counts[leads] > 0.0).then(|| sums[leads] / counts[leads])?;
    let floor = (1e-3 * mean).max(f64::MIN_POSITIVE);
    Some(
        (0..leads)
            .map(|lead| {
                let half = 1 + lead / 4;
                let (from, to) = (lead.saturating_sub(half), (lead + half + 1).min(leads));
                let count = counts[to] - counts[from];
                let near = if count > 0.0 { (sums[to] - sums[from]) / count } else { mean };
                near.max(floor)
            })
            .collect(),
    )
}

/// Standard normal quantiles at [`PROBABILITIES`], from `qnorm` of R 4.2.
pub(crate) const NORMAL: [f64; PROBABILITIES.len()] = [
    -2.575_829_303_548_9,
    -1.959_963_984_540_05,
    -1.644_853_626_951_47,
    -1.281_551_565_544_6,
    -0.841_621_233_572_914,
    -0.524_400_512_708_041,
    -0.253_347_103_135_8,
    0.0,
    0.253_347_103_135_8,
    0.524_400_512_708_041,
    0.841_621_233_572_914,
    1.281_551_565_544_6,
    1.644_853_626_951_47,
    1.959_963_984_540_05,
    2.575_829_303_548_9,
];

/// Returns the quantile `p` in (0, 1): interpolated linearly in normal scores between stored quantiles, extrapolated
/// with a normal tail beyond them.
pub(crate) fn quantile_at(quantiles: &Quantiles, p: f64) -> f64 {
    let above = PROBABILITIES.partition_point(|g| *g < p);
    if above < PROBABILITIES.len() && (PROBABILITIES[above] - p).abs() < 1e-9 {
        return quantiles[above];
    }
    let score = Normal::standard().inverse_cdf(p);
    let (last, middle) = (PROBABILITIES.len() - 1, quantiles[PROBABILITIES.len() / 2]);
    match above {
        0 => middle + (quantiles[0] - middle) * (score / NORMAL[0]).max(1.0),
        above if above > last => middle + (quantiles[last] - middle) * (score / NORMAL[last]).max(1.0),
        above => {
            let share = (score - NORMAL[above - 1]) / (NORMAL[above] - NORMAL[above - 1]);
            quantiles[above - 1] + (quantiles[above] - quantiles[above - 1]) * share.clamp(0.0, 1.0)
        }
    }
}
