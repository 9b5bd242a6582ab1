//! How much each member counts at each lead, by what it missed from rolling origins.

use super::leads::{group, groups};
use super::rolling::Origin;

/// Power of the inverse error that a member's weight follows. On the M4 hourly half 2 to 5 give an OWA within 0.3 % of
/// each other, equal weights one 1 % higher.
const POWER: f64 = 3.0;
/// Weight, against the own group of leads, of what a member missed at all leads; 0.3 to 1 differ by 0.5 % of the OWA.
const SHARED: f64 = 0.5;

/// Weights of the members by group of leads, rows summing to 1.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Combination {
    weights: Vec<Vec<f64>>,
}

impl Combination {
    /// Equal weights of `members`.
    pub(crate) fn equal(members: usize) -> Self {
        Self { weights: vec![vec![1.0 / members.max(1) as f64; members]] }
    }

    /// From what came (`y`, NaN where missing) after each origin.
    pub(crate) fn fit(rolled: &[Origin], y: &[f64]) -> Option<Self> {
        let first = rolled.first()?;
        let (members, horizon) = (first.courses.len(), first.courses.first()?.len());
        let n_groups = groups(horizon);
        let mut ratios = Ratios::new(n_groups, members);
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

    /// One course of the members' courses; a member that cannot say anything yet is NaN.
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

/// Losses of several against that of the first, by group of leads, each over the places where it said something.
pub(crate) struct Ratios {
    own: Vec<Vec<f64>>,
    reference: Vec<Vec<f64>>,
}

impl Ratios {
    pub(crate) fn new(n_groups: usize, members: usize) -> Self {
        let zeros = vec![vec![0.0; members]; n_groups];
        Self { own: zeros.clone(), reference: zeros }
    }

    /// Takes the losses at one place, NaN where nothing was said; the first always says something.
    pub(crate) fn push(&mut self, group: usize, worth: f64, mut losses: impl Iterator<Item = f64>) {
        let (own, reference) = (&mut self.own[group], &mut self.reference[group]);
        let Some(first) = losses.next() else { return };
        own[0] += worth * first;
        reference[0] += worth * first;
        for ((o, r), loss) in own[1..].iter_mut().zip(&mut reference[1..]).zip(losses) {
            if loss.is_finite() {
                *o += worth * loss;
                *r += worth * first;
            }
        }
    }

    /// Mean loss by group; infinite where nothing was ever said.
    pub(crate) fn by_group(&self) -> Vec<Vec<f64>> {
        self.own
            .iter()
            .zip(&self.reference)
            .map(|(own, reference)| {
                let whole = reference[0];
                own.iter()
                    .zip(reference)
                    .map(|(o, r)| {
                        // Against the first over the same places, in the unit of the first over all of them.
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

/// Weights by a power of the inverse error.
pub(crate) fn inverse(errors: &[f64], power: f64) -> Vec<f64> {
    let least = errors.iter().copied().fold(f64::INFINITY, f64::min);
    if !(least > 0.0 && least.is_finite()) {
        // A member without any error leaves nothing to the others; without a measure all count alike.
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

/// Mean of the values between the weighted quartiles: one member gone astray moves nothing, and no single one decides.
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
