//! Selects season and memory of the expected count by held-out likelihood and measures the dispersion at each lead.

use super::distribution::CountDistribution;
use super::mean::{SeasonalShape, SmoothedLevel};

/// Mean above which counts are forecast like other values.
const LARGEST_MEAN: f64 = 100.0;
/// Minimum number of finite values for a fit.
const LEAST: usize = 48;
/// Candidate decay rates per step, from the longest memory to the shortest, and the gain in log-likelihood that a
/// shorter memory must reach.
const ALPHAS: [f64; 7] = [0.000_1, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3];
const WORTH_FORGETTING: f64 = 3.0;
/// Share of the history, at its end, on which forecasts are evaluated.
const HELD_OUT: f64 = 0.4;
/// Gain in log-likelihood that a season must reach over no season.
const WORTH: f64 = 10.0;
/// Dispersion one step ahead below which values are not counts of independent events; a number of replicas is an
/// example.
const LEAST_DISPERSION: f64 = 0.7;
/// Autocorrelation of errors, at lag 1 or at a season, above which counts depend on each other and the ordinary models
/// forecast them better. `CHANCE`: standard errors that are added to this limit.
const MOST_ALIKE: f64 = 0.1;
const CHANCE: f64 = 2.5;

/// A fitted model of sparse counts.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::forecast) struct CountModel {
    shape: SeasonalShape,
    points: usize,
    /// Models of the evaluated leads, in ascending order of lead.
    leads: Vec<LeadModel>,
    /// Mean of the history.
    overall_mean: f64,
    /// Number of evaluated forecasts, their mean absolute error, and the shares inside the 80 % and 95 % intervals.
    pub measured: (usize, f64, f64, f64),
}

/// Level and dispersion for forecasts of one lead.
#[derive(Debug, Clone, Copy, PartialEq)]
struct LeadModel {
    lead: usize,
    level: SmoothedLevel,
    /// Variance divided by mean.
    dispersion: f64,
}

/// Held-out evaluation of forecasts at one lead.
struct LeadEvaluation {
    alpha: f64,
    likelihood: f64,
    dispersion: f64,
    /// Forecast means with the observed counts.
    pairs: Vec<(f64, f64)>,
}

impl LeadEvaluation {
    /// Returns whether standardised errors are autocorrelated at `lag` steps.
    fn autocorrelated(&self, lag: usize) -> bool {
        let errors: Vec<f64> = self.pairs.iter().map(|(mean, v)| (v - mean) / mean.sqrt()).collect();
        if errors.len() < 2 * lag || errors.len() < 20 {
            return false;
        }
        let square = errors.iter().map(|e| e * e).sum::<f64>() / errors.len() as f64;
        let pairs = errors.len() - lag;
        let product = errors.iter().zip(&errors[lag..]).map(|(a, b)| a * b).sum::<f64>() / pairs as f64;
        square > 0.0 && product / square > MOST_ALIKE + CHANCE / (pairs as f64).sqrt()
    }
}

impl CountModel {
    /// Fits `y`, counts with NaN where missing, with the best of `seasons` or none. Returns `None` when there are too
    /// few values, when they are not sparse, or when they are not counts of independent events.
    pub(in crate::forecast) fn fit(y: &[f64], seasons: &[usize], horizon: usize) -> Option<Self> {
        let finite = y.iter().filter(|v| v.is_finite()).count();
        let overall_mean = crate::stats::mean(y)?;
        if finite < LEAST || !(overall_mean > 0.0 && overall_mean <= LARGEST_MEAN) {
            return None;
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of the length")]
        let known = ((1.0 - HELD_OUT) * y.len() as f64) as usize;
        // Leads are evaluated at 1, a quarter of the horizon and the horizon, which is at most half of the held-out
        // part.
        let farthest = horizon.min((y.len() - known) / 2).max(1);
        let mut leads = vec![1, farthest.div_ceil(4), farthest];
        leads.dedup();
        let flat = SeasonalShape::flat();
        let judge = |shape: &SeasonalShape| -> Vec<LeadEvaluation> {
            leads.iter().map(|lead| evaluate_lead(y, shape, known, *lead, overall_mean)).collect()
        };
        let sum = |all: &[LeadEvaluation]| all.iter().map(|one| one.likelihood).sum::<f64>() / all.len() as f64;
        let (mut season, mut best) = (0, judge(&flat));
        for &m in seasons {
            if let Some(shape) = SeasonalShape::fit(&y[..known], m) {
                let found = judge(&shape);
                if sum(&found) > sum(&best) + WORTH {
                    (season, best) = (m, found);
                }
            }
        }
        let (first, last) = (best.first()?, best.last()?);
        let lags = seasons.iter().copied().chain([1]);
        if first.dispersion < LEAST_DISPERSION || lags.into_iter().any(|lag| last.autocorrelated(lag)) {
            return None;
        }
        let shape = if season > 0 { SeasonalShape::fit(y, season).unwrap_or(flat) } else { flat };
        // The evaluation used the first part only: run the levels over the whole history.
        let fitted = leads
            .iter()
            .zip(&best)
            .map(|(lead, one)| {
                let mut level = SmoothedLevel::new(one.alpha);
                y.iter().enumerate().for_each(|(t, v)| level.push(*v, shape.at(t)));
                LeadModel { lead: *lead, level, dispersion: one.dispersion }
            })
            .collect();
        let measured = overall_accuracy(&best);
        Some(Self { shape, points: y.len(), leads: fitted, overall_mean, measured })
    }

    /// Returns the distribution `lead` steps (from 0) after the last value, with `shift` added to its mean.
    pub(in crate::forecast) fn at(&self, lead: usize, shift: f64) -> CountDistribution {
        let index = self.leads.partition_point(|at| at.lead < lead + 1).min(self.leads.len() - 1);
        let at = &self.leads[index];
        let mean = (at.level.value(self.overall_mean) * self.shape.at(self.points + lead) + shift).max(0.0);
        // The level is itself uncertain: it is a gamma variable whose shape is the number of events behind it.
        let known = at.level.known();
        CountDistribution::new(mean, at.dispersion.max(1.0) + mean / known)
    }

    /// Returns the expected count `lead` steps (from 0) after the last value.
    pub(in crate::forecast) fn mean(&self, lead: usize) -> f64 {
        let index = self.leads.partition_point(|at| at.lead < lead + 1).min(self.leads.len() - 1);
        self.leads[index].level.value(self.overall_mean) * self.shape.at(self.points + lead)
    }

    /// Returns the name of the model, with the season in steps.
    pub(in crate::forecast) fn name(&self) -> String {
        match self.shape.season() {
            1 => "counts(level)".to_owned(),
            season => format!("counts(level,season {season})"),
        }
    }
}

/// Evaluates forecasts `lead` steps ahead on the held-out part, which starts at step `known`, with the best decay rate.
fn evaluate_lead(y: &[f64], shape: &SeasonalShape, known: usize, lead: usize, overall_mean: f64) -> LeadEvaluation {
    let (mut least, mut alpha, mut pairs_of_best) = (f64::INFINITY, ALPHAS[0], Vec::new());
    for tried in ALPHAS {
        let mut level = SmoothedLevel::new(tried);
        let mut pairs = Vec::with_capacity(y.len() - known);
        let mut loss = 0.0;
        for t in 0..y.len() {
            level.push(y[t], shape.at(t));
            let at = t + lead;
            if at >= known && at < y.len() && y[at].is_finite() {
                let mean = (level.value(overall_mean) * shape.at(at)).max(1e-9);
                // Half the Poisson deviance, without the terms that do not depend on the mean.
                loss += mean - y[at] * mean.ln();
                pairs.push((mean, y[at]));
            }
        }
        if loss < least - WORTH_FORGETTING {
            (least, alpha, pairs_of_best) = (loss, tried, pairs);
        }
    }
    let pairs = pairs_of_best;
    let (squares, means) = pairs.iter().fold((0.0, 0.0), |(s, m), (mean, v)| (s + (v - mean).powi(2), m + mean));
    let dispersion = if means > 0.0 { squares / means } else { 1.0 };
    let likelihood = pairs.iter().map(|(mean, v)| CountDistribution::new(*mean, dispersion).log_mass(*v)).sum();
    LeadEvaluation { alpha, likelihood, dispersion, pairs }
}

/// Returns the number of evaluated forecasts, their mean absolute error, and the shares inside the 80 % and 95 %
/// intervals.
fn overall_accuracy(all: &[LeadEvaluation]) -> (usize, f64, f64, f64) {
    let (mut n, mut error, mut inside) = (0usize, 0.0, [0.0; 2]);
    for one in all {
        // About 500 forecasts per lead suffice to estimate the shares.
        for (mean, v) in one.pairs.iter().step_by((one.pairs.len() / 500).max(1)) {
            let d = CountDistribution::new(*mean, one.dispersion);
            error += (v - mean).abs();
            for (slot, tail) in inside.iter_mut().zip([0.1, 0.025]) {
                *slot += f64::from(u8::from(d.quantile(tail) <= *v && *v <= d.quantile(1.0 - tail)));
            }
            n += 1;
        }
    }
    let count = n.max(1) as f64;
    (n, error / count, inside[0] / count, inside[1] / count)
}
