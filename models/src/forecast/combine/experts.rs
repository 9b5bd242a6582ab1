//! Where quantiles of what is to come can be taken from: errors of the combined forecast, values at the same phase of
//! earlier cycles, changes over as many steps.

use super::ensemble::Periods;
use super::leads::anchors;
use crate::forecast::prepare::Space;
use crate::stats::quantile_sorted;
use statrs::distribution::{ContinuousCDF, Normal};

/// Probabilities at which quantiles are kept; between them they are interpolated, beyond them extended.
pub(crate) const GRID: [f64; 15] =
    [0.005, 0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.975, 0.995];

/// Quantiles at the probabilities of [`GRID`].
pub(crate) type Quantiles = [f64; GRID.len()];

/// Quantiles of sorted values, at least one; past the ends a little further than the extremes.
fn quantiles_sorted(sorted: &[f64]) -> Quantiles {
    GRID.map(|p| quantile_sorted(sorted, p).unwrap_or(0.0))
}

/// Values at the same phase of earlier cycles; of a series without seasons the latest values.
#[derive(Debug, Clone)]
pub(crate) struct Climatology {
    season: usize,
    /// A season of several of these: cycles that many steps apart count double.
    long: usize,
}

/// Cycles looked back at; with 7 to 28 the load traces differ by under 1 %.
const CYCLES: usize = 14;
/// Weight of a cycle against the one after it.
const KEEP: f64 = 0.9;
/// Latest values that stand for a series without seasons.
const LATEST: usize = 500;

impl Climatology {
    pub(crate) fn new(periods: Periods) -> Self {
        Self { season: periods.cycle.unwrap_or(0), long: periods.seasons.last().copied().unwrap_or(0) }
    }

    /// Quantiles of the value `lead` steps (from 0) after the history `y`; NaN where missing. `None` when nothing was
    /// seen at that phase.
    pub(crate) fn quantiles(&self, y: &[f64], lead: usize, work: &mut Vec<(f64, f64)>) -> Option<Quantiles> {
        let n = y.len();
        work.clear();
        if self.season == 0 {
            work.extend(y[n.saturating_sub(LATEST)..].iter().filter(|v| v.is_finite()).map(|v| (*v, 1.0)));
        } else {
            let m = self.season;
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
        weighted(work)
    }
}

/// Quantiles of weighted values; `None` when there is none.
pub(crate) fn weighted(values: &mut [(f64, f64)]) -> Option<Quantiles> {
    values.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let total: f64 = values.iter().map(|v| v.1).sum();
    let (first, last) = (values.first()?, values.last()?);
    let mut out = [first.0; GRID.len()];
    let (mut before, mut i) = (0.0, 0);
    let mut previous = (0.0, first.0);
    for (slot, p) in out.iter_mut().zip(GRID) {
        let wanted = p * total;
        // Each value stands at the middle of its weight.
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

/// The last value and what changed over as many steps before.
#[derive(Debug, Clone)]
pub(crate) struct Persistence {
    leads: Vec<usize>,
    changes: Vec<Quantiles>,
}

/// Changes taken a lead; more are thinned.
const CHANGES: usize = 400;

impl Persistence {
    /// From a history `y`, NaN where missing.
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
                if values.is_empty() { [0.0; GRID.len()] } else { quantiles_sorted(&values) }
            })
            .collect();
        Self { leads, changes }
    }

    /// Quantiles of the value `lead` steps (from 0) after `last`.
    pub(crate) fn quantiles(&self, last: f64, lead: usize) -> Quantiles {
        let at = self.leads.partition_point(|l| *l < lead);
        let Some(above) = self.changes.get(at).or(self.changes.last()) else { return [last; GRID.len()] };
        let mut out = *above;
        if at > 0 && at < self.leads.len() && self.leads[at] > lead {
            let below = &self.changes[at - 1];
            let share = (lead - self.leads[at - 1]) as f64 / (self.leads[at] - self.leads[at - 1]) as f64;
            out.iter_mut().zip(below).for_each(|(o, b)| *o = b + (*o - b) * share);
        }
        if let Some(longest) = self.leads.last().filter(|l| **l < lead) {
            // Further than was looked at changes widen as a random walk's.
            let widen = ((lead + 1) as f64 / (longest + 1) as f64).sqrt();
            out.iter_mut().for_each(|o| *o *= widen);
        }
        out.map(|change| last + change)
    }
}

/// The value one season ago and what changed over a season of late.
#[derive(Debug, Clone)]
pub(crate) struct SeasonalChange {
    season: usize,
    changes: Quantiles,
}

impl SeasonalChange {
    /// From a history `y`, NaN where missing; `None` when it holds no two values a `season` apart.
    pub(crate) fn fit(y: &[f64], season: usize) -> Option<Self> {
        // A quarter of a season to compare is the least.
        if season < 2 || y.len() <= season + season / 4 {
            return None;
        }
        let from = y.len().saturating_sub(CYCLES * season).max(season);
        // Thinned by a step that no season shares.
        let stride = ((y.len() - from) / (4 * CHANGES)).max(1) | 1;
        let mut values: Vec<f64> =
            (from..y.len()).rev().step_by(stride).map(|t| y[t] - y[t - season]).filter(|v| v.is_finite()).collect();
        values.sort_unstable_by(f64::total_cmp);
        (!values.is_empty()).then(|| Self { season, changes: quantiles_sorted(&values) })
    }

    /// Quantiles of the value `lead` steps (from 0) after `filled`, finite throughout; `None` when it is too short.
    pub(crate) fn quantiles(&self, filled: &[f64], lead: usize) -> Option<Quantiles> {
        let cycles = lead / self.season + 1;
        let base = (filled.len() + lead).checked_sub(cycles * self.season).map(|t| filled[t])?;
        let widen = (cycles as f64).sqrt();
        Some(self.changes.map(|change| base + change * widen))
    }
}

/// How wide errors are at each phase of the shortest season, in mean 1.
#[derive(Debug, Clone)]
pub(crate) struct PhaseSpread {
    season: usize,
    factor: Vec<f64>,
}

/// Share of the measured spread of a phase that is believed: cycles are few.
const MEASURED: f64 = 0.67;
/// Phases told apart at most.
const PHASES: usize = 24;

impl PhaseSpread {
    /// From the changes from cycle to cycle of `z`, finite throughout.
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
        let raw: Vec<f64> =
            sum.iter().zip(&count).map(|(s, c)| s / c.max(1.0) / mean * MEASURED + (1.0 - MEASURED)).collect();
        let factor =
            (0..bins).map(|b| 0.25 * raw[(b + bins - 1) % bins] + 0.5 * raw[b] + 0.25 * raw[(b + 1) % bins]).collect();
        Self { season: m, factor }
    }

    /// The factor at step `t` since the start of the series.
    pub(crate) fn at(&self, t: usize) -> f64 {
        self.factor[t % self.season * self.factor.len() / self.season]
    }
}

/// Errors of the combined forecast on one scale, standardised by lead and phase.
#[derive(Debug, Clone)]
pub(crate) struct Residuals {
    space: Space,
    spread: PhaseSpread,
    /// Typical size of the error, by lead.
    scale: Vec<f64>,
    /// Quantiles of the standardised error.
    shape: Quantiles,
}

/// One origin's combined course beside what came.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outcome<'a> {
    pub at: usize,
    pub course: &'a [f64],
    pub actual: &'a [f64],
}

impl Residuals {
    /// From the outcomes at several origins of one length; `None` when no error is finite.
    pub(crate) fn fit(space: Space, spread: &PhaseSpread, outcomes: &[Outcome]) -> Option<Self> {
        let leads = outcomes.first()?.course.len();
        let errors: Vec<Vec<f64>> = outcomes
            .iter()
            .map(|o| {
                o.course
                    .iter()
                    .zip(o.actual)
                    .enumerate()
                    .map(|(k, (p, a))| (space.forward(*a) - space.forward(*p)) / spread.at(o.at + k))
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
        // A few origins all missed to one side say little of the next: as the median the forecast itself is better by
        // 1 % of the loss on the load traces, by 5 % of MSIS on the M4 hourly half.
        let middle = shape[GRID.len() / 2];
        Some(Self { space, spread: spread.clone(), scale, shape: shape.map(|s| s - middle) })
    }

    /// Quantiles `lead` steps (from 0) after the first `origin` values, where `point` is foretold.
    pub(crate) fn quantiles(&self, origin: usize, lead: usize, point: f64) -> Quantiles {
        let centre = self.space.forward(point);
        let scale = self.scale_at(lead) * self.spread.at(origin + lead);
        self.shape.map(|s| self.space.inverse(centre + s * scale))
    }

    fn scale_at(&self, lead: usize) -> f64 {
        let n = self.scale.len();
        if let Some(&s) = self.scale.get(lead) {
            return s;
        }
        // Beyond what was measured the error grows as it did over the last half, at most as a random walk's.
        let last = self.scale[n - 1];
        let growth = (last / self.scale[(n - 1) / 2]).log2().clamp(0.1, 0.5);
        last * ((lead + 1) as f64 / n as f64).powf(growth)
    }
}

/// Mean absolute error by lead, neighbours within a quarter of the lead speaking for it too.
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

/// Standard normal quantiles of [`GRID`]; R 4.2: qnorm.
pub(crate) const NORMAL: [f64; GRID.len()] = [
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

/// The quantile `p` in (0, 1) between those of the grid, straight in normal scores; past its ends as a normal tail goes
/// on.
pub(crate) fn at_probability(quantiles: &Quantiles, p: f64) -> f64 {
    let above = GRID.partition_point(|g| *g < p);
    if above < GRID.len() && (GRID[above] - p).abs() < 1e-9 {
        return quantiles[above];
    }
    let score = Normal::standard().inverse_cdf(p);
    let (last, middle) = (GRID.len() - 1, quantiles[GRID.len() / 2]);
    match above {
        0 => middle + (quantiles[0] - middle) * (score / NORMAL[0]).max(1.0),
        above if above > last => middle + (quantiles[last] - middle) * (score / NORMAL[last]).max(1.0),
        above => {
            let share = (score - NORMAL[above - 1]) / (NORMAL[above] - NORMAL[above - 1]);
            quantiles[above - 1] + (quantiles[above] - quantiles[above - 1]) * share.clamp(0.0, 1.0)
        }
    }
}
