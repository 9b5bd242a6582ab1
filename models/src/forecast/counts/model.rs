//! Chooses how the expected count moves by what forecasts of held-out counts missed, and measures their dispersion.

use super::distribution::CountDistribution;
use super::mean::{Level, Shape};

/// Mean above which counts are forecast as other values are.
const LARGEST_MEAN: f64 = 100.0;
/// Values without which nothing is measured.
const LEAST: usize = 48;
/// Shares forgotten a step that are tried, and the log-likelihood by which a shorter memory must be better than a longer one.
const ALPHAS: [f64; 7] = [0.000_1, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3];
const WORTH_FORGETTING: f64 = 3.0;
/// Share of the history in which forecasts are measured.
const HELD_OUT: f64 = 0.4;
/// Log-likelihood by which a season must be better than none.
const WORTH: f64 = 10.0;
/// Variance over mean one step ahead below which values are no counts of independent events, as of a number of replicas.
const LEAST_DISPERSION: f64 = 0.7;
/// Correlation of neighbouring errors, or of errors a season apart, above which counts follow each other or another
/// pattern, and the ordinary models forecast them better; and the standard errors of chance that are added.
const MOST_ALIKE: f64 = 0.1;
const CHANCE: f64 = 2.5;

/// A fitted model of sparse counts.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::forecast) struct CountModel {
    shape: Shape,
    points: usize,
    /// By lead, ascending.
    leads: Vec<AtLead>,
    usual: f64,
    /// Forecasts that were measured, their mean absolute error, and the shares inside 80 % and 95 % intervals.
    pub measured: (usize, f64, f64, f64),
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct AtLead {
    lead: usize,
    level: Level,
    /// Variance over mean.
    dispersion: f64,
}

/// What forecasts at one lead missed.
struct Judged {
    alpha: f64,
    likelihood: f64,
    dispersion: f64,
    pairs: Vec<(f64, f64)>,
}

impl Judged {
    /// Whether errors so many steps apart are alike, in units of what chance lets each vary.
    fn follow_each_other(&self, lag: usize) -> bool {
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
    /// Fits `y`, counts with NaN where missing, with one of these seasons or none; `None` when there are too few, when
    /// they are not sparse, or when they are no counts of events that come by chance.
    pub(in crate::forecast) fn fit(y: &[f64], seasons: &[usize], horizon: usize) -> Option<Self> {
        let finite = y.iter().filter(|v| v.is_finite()).count();
        let usual = crate::stats::mean(y)?;
        if finite < LEAST || !(usual > 0.0 && usual <= LARGEST_MEAN) {
            return None;
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of the length")]
        let known = ((1.0 - HELD_OUT) * y.len() as f64) as usize;
        let farthest = horizon.min((y.len() - known) / 2).max(1);
        let mut leads = vec![1, farthest.div_ceil(4), farthest];
        leads.dedup();
        let flat = Shape::flat();
        let judge =
            |shape: &Shape| -> Vec<Judged> { leads.iter().map(|lead| judged(y, shape, known, *lead, usual)).collect() };
        let sum = |all: &[Judged]| all.iter().map(|one| one.likelihood).sum::<f64>() / all.len() as f64;
        let (mut season, mut best) = (0, judge(&flat));
        for &m in seasons {
            if let Some(shape) = Shape::fit(&y[..known], m) {
                let found = judge(&shape);
                if sum(&found) > sum(&best) + WORTH {
                    (season, best) = (m, found);
                }
            }
        }
        let (first, last) = (best.first()?, best.last()?);
        let lags = seasons.iter().copied().chain([1]);
        if first.dispersion < LEAST_DISPERSION || lags.into_iter().any(|lag| last.follow_each_other(lag)) {
            return None;
        }
        let shape = if season > 0 { Shape::fit(y, season).unwrap_or(flat) } else { flat };
        let fitted = leads
            .iter()
            .zip(&best)
            .map(|(lead, one)| {
                let mut level = Level::new(one.alpha);
                y.iter().enumerate().for_each(|(t, v)| level.push(*v, shape.at(t)));
                AtLead { lead: *lead, level, dispersion: one.dispersion }
            })
            .collect();
        let measured = measured(&best);
        Some(Self { shape, points: y.len(), leads: fitted, usual, measured })
    }

    /// The distribution `lead` steps (from 0) after the last value, its mean moved by `shift`.
    pub(in crate::forecast) fn at(&self, lead: usize, shift: f64) -> CountDistribution {
        let place = self.leads.partition_point(|at| at.lead < lead + 1).min(self.leads.len() - 1);
        let at = &self.leads[place];
        let mean = (at.level.value(self.usual) * self.shape.at(self.points + lead) + shift).max(0.0);
        // A level known from few events is itself uncertain, as a gamma variable of that shape is.
        let known = at.level.known();
        CountDistribution::new(mean, at.dispersion.max(1.0) + mean / known)
    }

    /// The expected count `lead` steps (from 0) after the last value.
    pub(in crate::forecast) fn mean(&self, lead: usize) -> f64 {
        let place = self.leads.partition_point(|at| at.lead < lead + 1).min(self.leads.len() - 1);
        self.leads[place].level.value(self.usual) * self.shape.at(self.points + lead)
    }

    /// The name of the model.
    pub(in crate::forecast) fn name(&self) -> String {
        match self.shape.season() {
            1 => "counts(level)".to_owned(),
            season => format!("counts(level,season {season})"),
        }
    }
}

/// Forecasts of `lead` steps ahead over the held-out part with the rate of forgetting that is best there.
fn judged(y: &[f64], shape: &Shape, known: usize, lead: usize, usual: f64) -> Judged {
    let (mut least, mut alpha, mut pairs_of_best) = (f64::INFINITY, ALPHAS[0], Vec::new());
    for tried in ALPHAS {
        let mut level = Level::new(tried);
        let mut pairs = Vec::with_capacity(y.len() - known);
        let mut loss = 0.0;
        for t in 0..y.len() {
            level.push(y[t], shape.at(t));
            let at = t + lead;
            if at >= known && at < y.len() && y[at].is_finite() {
                let mean = (level.value(usual) * shape.at(at)).max(1e-9);
                // Poisson's deviance, up to what does not depend on the mean.
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
    Judged { alpha, likelihood, dispersion, pairs }
}

fn measured(all: &[Judged]) -> (usize, f64, f64, f64) {
    let (mut n, mut error, mut inside) = (0usize, 0.0, [0.0; 2]);
    for one in all {
        // Some of them say as much of the shares as all.
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
