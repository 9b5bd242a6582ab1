//! The predictive distribution: a weighted average of expert quantiles. Weights and widths are learned from rolling
//! origins; coverage is measured on the half of the origins that a fit has not used.

use super::ensemble::Periods;
use super::experts::{
    Climatology, NORMAL, OriginOutcome, PROBABILITIES, Persistence, PhaseSpread, Quantiles, Residuals, SeasonalChange,
};
use super::leads::{anchors, group, groups};
use super::weights::{RelativeLosses, inverse};
use crate::forecast::prepare::Transform;

/// Exponent of the inverse loss in an expert's weight. It is high because the losses of experts are close to each
/// other. Tried values: `docs/tuning/forecast.md`.
const POWER: f64 = 8.0;
/// Weight of an expert's loss over all leads against its loss in a group of leads.
const SHARED: f64 = 0.3;

/// The history that experts are fitted on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ExpertHistory<'a> {
    /// NaN where missing.
    pub y: &'a [f64],
    /// Finite throughout.
    pub filled: &'a [f64],
    pub periods: Periods<'a>,
    pub transforms: &'a [Transform],
    pub spreads: &'a [PhaseSpread],
    /// 0.5 for counts, whose interval ends are rounded to whole numbers; otherwise 0.
    pub half_step: f64,
}

/// All experts. The residuals come first: they always have quantiles.
#[derive(Debug, Clone)]
struct Experts {
    residuals: Vec<Residuals>,
    climatology: Climatology,
    persistence: Persistence,
    seasonal: Vec<Option<SeasonalChange>>,
}

/// A query for quantiles `lead` steps (from 0) after the history, around the forecast `point`. `y` is the history with
/// NaN where missing, `filled` the same without gaps.
#[derive(Debug, Clone, Copy)]
pub(crate) struct QuantileQuery<'a> {
    pub y: &'a [f64],
    pub filled: &'a [f64],
    pub lead: usize,
    pub point: f64,
}

impl Experts {
    /// Fits residuals on `outcomes` and changes on the first `before` values.
    fn fit(history: ExpertHistory, outcomes: &[OriginOutcome], before: usize, horizon: usize) -> Option<Self> {
        let residuals: Vec<Residuals> = history
            .transforms
            .iter()
            .zip(history.spreads)
            .filter_map(|(transform, spread)| Residuals::fit(*transform, spread, outcomes))
            .collect();
        let longest = history.periods.seasons.last().copied().unwrap_or(0);
        let y = &history.y[..before];
        (!residuals.is_empty()).then(|| Self {
            residuals,
            climatology: Climatology::new(history.periods),
            persistence: Persistence::fit(y, horizon, (2 * longest).max(1_000)),
            seasonal: history.periods.cycles.iter().map(|m| SeasonalChange::fit(y, *m)).collect(),
        })
    }

    /// Returns the quantiles of each expert in fixed order; `None` for an expert without data.
    fn quantiles(&self, query: QuantileQuery, work: &mut Vec<(f64, f64)>) -> Vec<Option<Quantiles>> {
        let QuantileQuery { y, filled, lead, point } = query;
        let mut out: Vec<Option<Quantiles>> =
            self.residuals.iter().map(|r| Some(r.quantiles(y.len(), lead, point))).collect();
        let last = filled.last().copied().unwrap_or(point);
        out.push(self.climatology.quantiles(y, lead, work));
        out.push(Some(self.persistence.quantiles(last, lead)));
        out.extend(self.seasonal.iter().map(|s| s.as_ref().and_then(|s| s.quantiles(filled, lead))));
        out
    }

    fn len(&self) -> usize {
        self.residuals.len() + 2 + self.seasonal.len()
    }
}

/// The fitted predictive distribution.
#[derive(Debug, Clone)]
pub(crate) struct Predictive {
    experts: Experts,
    /// Weights by group of leads, one entry per expert.
    weights: Vec<Vec<f64>>,
    stretch: Stretch,
}

/// Shares of held-out values inside the 80 % and 95 % intervals.
pub(crate) type Coverage = Option<(f64, f64)>;

/// Expert quantiles at one origin and lead, with the observed value.
struct ForecastRecord {
    group: usize,
    /// Number of leads that this one represents.
    n_leads: f64,
    actual: f64,
    experts: Vec<Option<Quantiles>>,
}

impl Predictive {
    /// Fits on outcomes at rolling origins, oldest first; `None` when no error is finite.
    pub(crate) fn fit(history: ExpertHistory, outcomes: &[OriginOutcome]) -> Option<(Self, Coverage)> {
        let horizon = outcomes.first()?.course.len();
        let experts = Experts::fit(history, outcomes, history.y.len(), horizon)?;
        // Two-fold cross-fitting: the experts of each half are evaluated on the other one.
        let (older, newer) = outcomes.split_at(outcomes.len() / 2);
        let first = evaluate_experts(history, newer, older);
        let second = evaluate_experts(history, older, newer);
        let (n_groups, n_experts) = (groups(horizon), experts.len());
        let windows = 1.0 + (newer.last().map_or(0, |o| o.at) - outcomes[0].at) as f64 / horizon as f64;
        let learned = |parts: &[&[ForecastRecord]]| {
            let weights = weights(parts, n_groups, n_experts);
            let stretch = stretch(parts, &weights, windows, history.half_step);
            (weights, stretch)
        };
        let (of_first, of_second) = (learned(&[&first]), learned(&[&second]));
        let coverage = measure_coverage(&[(&first, &of_second), (&second, &of_first)], history.half_step);
        let (weights, stretch) = learned(&[&first, &second]);
        Some((Self { experts, weights, stretch }, coverage))
    }

    pub(crate) fn quantiles(&self, query: QuantileQuery, work: &mut Vec<(f64, f64)>) -> Quantiles {
        let experts = self.experts.quantiles(query, work);
        average_quantiles(&experts, &self.weights[group(query.lead).min(self.weights.len() - 1)], self.stretch)
    }
}

/// Returns the quantiles that experts fitted on `learn` give for `test`.
fn evaluate_experts(history: ExpertHistory, learn: &[OriginOutcome], test: &[OriginOutcome]) -> Vec<ForecastRecord> {
    let Some((before, horizon)) = test.first().map(|o| (o.at, o.course.len())) else { return Vec::new() };
    let Some(experts) = Experts::fit(history, learn, before, horizon) else { return Vec::new() };
    let leads = anchors(horizon);
    let mut work = Vec::new();
    let mut out = Vec::with_capacity(test.len() * leads.len());
    for outcome in test {
        let (y, filled) = (&history.y[..outcome.at], &history.filled[..outcome.at]);
        for (i, &lead) in leads.iter().enumerate() {
            let actual = outcome.actual[lead];
            if actual.is_finite() {
                let n_leads = (lead + 1 - i.checked_sub(1).map_or(0, |i| leads[i] + 1)) as f64;
                let query = QuantileQuery { y, filled, lead, point: outcome.course[lead] };
                out.push(ForecastRecord {
                    group: group(lead),
                    n_leads,
                    actual,
                    experts: experts.quantiles(query, &mut work),
                });
            }
        }
    }
    out
}

/// Returns the sum of the quantile losses over the grid.
fn loss(quantiles: &Quantiles, actual: f64) -> f64 {
    quantiles
        .iter()
        .zip(PROBABILITIES)
        .map(|(q, p)| if actual >= *q { p * (actual - q) } else { (1.0 - p) * (q - actual) })
        .sum()
}

/// Returns the experts' weights by group of leads, from their quantile losses.
fn weights(parts: &[&[ForecastRecord]], n_groups: usize, experts: usize) -> Vec<Vec<f64>> {
    let mut ratios = RelativeLosses::new(n_groups, experts);
    for one in parts.iter().flat_map(|p| p.iter()) {
        let losses = one.experts.iter().map(|q| q.as_ref().map_or(f64::NAN, |q| loss(q, one.actual)));
        ratios.push(one.group, one.n_leads, losses);
    }
    let sum = ratios.by_group();
    let overall: Vec<f64> = (0..experts).map(|e| sum.iter().map(|row| row[e]).sum::<f64>() / n_groups as f64).collect();
    sum.iter()
        .map(|row| {
            let mixed: Vec<f64> = row.iter().zip(&overall).map(|(r, o)| (1.0 - SHARED) * r + SHARED * o).collect();
            inverse(&mixed, POWER)
        })
        .collect()
}

/// Averages the quantiles of the experts and scales their distance from the median by `stretch`.
fn average_quantiles(experts: &[Option<Quantiles>], weights: &[f64], stretch: Stretch) -> Quantiles {
    let mut out = [0.0; PROBABILITIES.len()];
    let mut total = 0.0;
    for (quantiles, w) in experts.iter().zip(weights) {
        if let Some(quantiles) = quantiles.as_ref().filter(|_| *w > 0.0) {
            out.iter_mut().zip(quantiles).for_each(|(o, q)| *o += w * q);
            total += w;
        }
    }
    // The first expert, the residuals, always has quantiles, but its weight may have underflowed to 0.
    if total > 0.0 {
        out.iter_mut().for_each(|o| *o /= total);
    } else if let Some(quantiles) = experts.iter().flatten().next() {
        out = *quantiles;
    }
    let centre = PROBABILITIES.len() / 2;
    let middle = out[centre];
    out.iter_mut().zip(stretch.factors()).for_each(|(q, f)| *q = middle + f * (*q - middle));
    // A narrow tail next to a wide middle must not cross it: enforce monotony from the median outwards.
    for i in 1..=centre {
        out[centre - i] = out[centre - i].min(out[centre - i + 1]);
        out[centre + i] = out[centre + i].max(out[centre + i - 1]);
    }
    out
}

/// Nominal coverage of the two intervals, and their caution: the coverage to reach on the outcomes is raised by
/// (1 − nominal) · caution / windows. Tried values: `docs/tuning/forecast.md`.
const PROMISES: [(f64, f64); 2] = [(0.8, 0.7), (0.95, 2.0)];
/// Indices in [`PROBABILITIES`] of the ends of the 80 % and 95 % intervals.
const ENDS: [(usize, usize); 2] = [(3, 11), (1, 13)];

/// Factors on the distance of the ends of the 80 % and 95 % intervals from the median, for nominal coverage.
#[derive(Debug, Clone, Copy)]
struct Stretch([f64; 2]);

impl Stretch {
    const NONE: Self = Self([1.0; 2]);

    /// Returns the factor at each probability of the grid: linear in normal scores between the two intervals, constant
    /// outside.
    fn factors(self) -> Quantiles {
        let [inner, outer] = self.0;
        NORMAL.map(|z| {
            let share = ((z.abs() - NORMAL[11]) / (NORMAL[13] - NORMAL[11])).clamp(0.0, 1.0);
            inner + (outer - inner) * share
        })
    }
}

/// Returns the factors at which the 80 % and 95 % intervals reach their coverage. `windows`: number of non-overlapping
/// horizons that the outcomes span; the fewer, the wider the intervals.
fn stretch(parts: &[&[ForecastRecord]], weights: &[Vec<f64>], windows: f64, half_step: f64) -> Stretch {
    // Factor at which each outcome would lie on the end of its interval, with the number of leads it represents.
    let mut needed: [Vec<(f64, f64)>; 2] = [Vec::new(), Vec::new()];
    let mut total = 0.0;
    for s in parts.iter().flat_map(|p| p.iter()) {
        let q = average_quantiles(&s.experts, &weights[s.group], Stretch::NONE);
        let middle = q[PROBABILITIES.len() / 2];
        let off = s.actual - middle;
        // An end within half a step of a count is rounded to it.
        let off = off.signum() * (off.abs() - half_step).max(0.0);
        for (list, (l, h)) in needed.iter_mut().zip(ENDS) {
            let half = if off < 0.0 { q[l] - middle } else { q[h] - middle };
            let width = if off.abs() <= 1e-12 * middle.abs() { 0.0 } else { off / half };
            list.push((if width.is_finite() { width } else { f64::MAX }, s.n_leads));
        }
        total += s.n_leads;
    }
    let mut out = Stretch::NONE;
    for ((list, (promised, caution)), slot) in needed.iter_mut().zip(PROMISES).zip(&mut out.0) {
        list.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let wanted = (promised + (1.0 - promised) * (caution / windows).min(0.8)) * total;
        let mut sum = 0.0;
        for (width, n_leads) in list.iter() {
            sum += n_leads;
            if sum >= wanted {
                *slot = width.clamp(WIDTHS.0, WIDTHS.1);
                break;
            }
        }
    }
    out.0[1] = out.0[1].max(out.0[0] * NARROWEST);
    out
}

/// Range of the factors. With few origins, values outside arise by chance.
const WIDTHS: (f64, f64) = (0.6, 2.5);
/// Minimum ratio of the outer factor to the inner one, so that the 95 % interval is never inside the 80 % one.
const NARROWEST: f64 = 0.7;

/// Weights by group of leads, and the stretch.
type Learned = (Vec<Vec<f64>>, Stretch);

/// Returns the shares inside the 80 % and 95 % intervals, each part evaluated with what was learned without it.
fn measure_coverage(parts: &[(&[ForecastRecord], &Learned)], half_step: f64) -> Coverage {
    let (mut inside, mut total) = ([0.0; 2], 0.0);
    for (records, (weights, stretch)) in parts {
        for s in *records {
            let q = average_quantiles(&s.experts, &weights[s.group], *stretch);
            for (i, (l, h)) in inside.iter_mut().zip(ENDS) {
                let inside = q[l] - half_step <= s.actual && s.actual <= q[h] + half_step;
                *i += if inside { s.n_leads } else { 0.0 };
            }
            total += s.n_leads;
        }
    }
    (total > 0.0).then(|| (inside[0] / total, inside[1] / total))
}
