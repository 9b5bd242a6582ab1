//! Weights of the members at each lead, from their errors at rolling origins, and the combined course.

use super::leads::{group, groups};
use super::rolling::OriginForecasts;

/// Exponent of the inverse error in a member's weight. Tried values: `docs/tuning/forecast.md`.
const POWER: f64 = 3.0;
/// Weight of a member's error over all leads against its error in a group of leads. Tried values:
/// `docs/tuning/forecast.md`.
const SHARED: f64 = 0.5;

/// Weights of the members by group of leads. Each row sums to 1.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Combination {
    weights: Vec<Vec<f64>>,
}

impl Combination {
    /// Returns equal weights for `members` members.
    pub(crate) fn equal(members: usize) -> Self {
        Self { weights: vec![vec![1.0 / members.max(1) as f64; members]] }
    }

    /// Fits the weights on the observed values `y` (NaN where missing) after each origin; `None` without origins.
    pub(crate) fn fit(rolled: &[OriginForecasts], y: &[f64]) -> Option<Self> {
        let first = rolled.first()?;
        let (members, horizon) = (first.courses.len(), first.courses.first()?.len());
        let n_groups = groups(horizon);
        let mut ratios = RelativeLosses::new(n_groups, members);
        for origin in rolled {
            for (lead, actual) in y[origin.at..].iter().take(horizon).enumerate().filter(|(_, a)| a.is_finite()) {
                ratios.push(group(lead), 1.0, origin.courses.iter().map(|course| (actual - course[lead]).abs()));
            }
        }
        let mut error = ratios.by_group();
        let overall: Vec<f64> =
            (0..members).map(|i| error.iter().map(|row| row[i]).sum::<f64>() / n_groups as f64).collect();
        for row in &mut error {
            for (e, o) in row.iter_mut().zip(&overall) {
                *e = (1.0 - SHARED) * *e + SHARED * o;
            }
        }
        Some(Self { weights: error.iter().map(|row| inverse(row, POWER)).collect() })
    }

    /// Combines the members' courses; a member without a forecast is NaN and is left out.
    pub(crate) fn apply(&self, courses: &[Vec<f64>]) -> Vec<f64> {
        let horizon = courses.first().map_or(0, Vec::len);
        let mut column = Vec::with_capacity(courses.len());
        (0..horizon)
            .map(|lead| {
                let weights = &self.weights[group(lead).min(self.weights.len() - 1)];
                column.clear();
                column.extend(courses.iter().map(|c| c[lead]).zip(weights.iter().copied()).filter(|c| c.0.is_finite()));
                let total: f64 = column.iter().map(|c| c.1).sum();
                if total > 0.0 {
                    column.iter_mut().for_each(|c| c.1 /= total);
                } else {
                    let equal = 1.0 / column.len() as f64;
                    column.iter_mut().for_each(|c| c.1 = equal);
                }
                middle(&mut column)
            })
            .collect()
    }
}

/// Losses of members relative to the first, by group of leads. Each is compared where it has a forecast, so that
/// missing forecasts do not bias it.
pub(crate) struct RelativeLosses {
    /// Sums of each member's losses.
    own: Vec<Vec<f64>>,
    /// Sums of the first member's losses over the same forecasts.
    reference: Vec<Vec<f64>>,
}

impl RelativeLosses {
    pub(crate) fn new(n_groups: usize, members: usize) -> Self {
        let zeros = vec![vec![0.0; members]; n_groups];
        Self { own: zeros.clone(), reference: zeros }
    }

    /// Adds the losses of one forecast, NaN for a member without one; the first always has one. `n_leads`: number of
    /// leads that the forecast represents.
    pub(crate) fn push(&mut self, group: usize, n_leads: f64, mut losses: impl Iterator<Item = f64>) {
        let (own, reference) = (&mut self.own[group], &mut self.reference[group]);
        let Some(first) = losses.next() else { return };
        own[0] += n_leads * first;
        reference[0] += n_leads * first;
        for ((o, r), loss) in own[1..].iter_mut().zip(&mut reference[1..]).zip(losses) {
            if loss.is_finite() {
                *o += n_leads * loss;
                *r += n_leads * first;
            }
        }
    }

    /// Returns the losses by group, scaled to all forecasts; infinite for a member that never had a forecast.
    pub(crate) fn by_group(&self) -> Vec<Vec<f64>> {
        self.own
            .iter()
            .zip(&self.reference)
            .map(|(own, reference)| {
                let whole = reference[0];
                own.iter()
                    .zip(reference)
                    .map(|(o, r)| {
                        // Ratio to the first member over the same forecasts, times the first's loss over all of them.
                        if *r > 0.0 {
                            o / r * whole
                        } else if *o > 0.0 || whole > 0.0 {
                            f64::INFINITY
                        } else {
                            0.0
                        }
                    })
                    .collect()
            })
            .collect()
    }
}

/// Returns weights proportional to a power of the inverse error. They sum to 1.
pub(crate) fn inverse(errors: &[f64], power: f64) -> Vec<f64> {
    let least = errors.iter().copied().fold(f64::INFINITY, f64::min);
    if !(least > 0.0 && least.is_finite()) {
        // Members without error share all weight; without a finite error all are equal.
        let hits = errors.iter().filter(|e| **e <= 0.0).count();
        let (all, n) = (hits == 0, errors.len() as f64);
        return errors
            .iter()
            .map(|e| {
                if all {
                    1.0 / n
                } else if *e <= 0.0 {
                    1.0 / hits as f64
                } else {
                    0.0
                }
            })
            .collect();
    }
    let raw: Vec<f64> = errors.iter().map(|e| (least / e).powf(power)).collect();
    let total: f64 = raw.iter().sum();
    raw.iter().map(|w| w / total).collect()
}

/// Returns the weighted interquartile mean of (value, weight) pairs: robust against one outlying member, and
/// smoother than the median.
fn middle(column: &mut [(f64, f64)]) -> f64 {
    column.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let (low, high) = (0.25, 0.75);
    let (mut before, mut sum, mut total) = (0.0, 0.0, 0.0);
    for (value, weight) in column.iter() {
        let inside = (before + weight).min(high) - f64::max(before, low);
        if inside > 0.0 {
            sum += inside * value;
            total += inside;
        }
        before += weight;
    }
    if total > 0.0 { sum / total } else { column[column.len() / 2].0 }
}
