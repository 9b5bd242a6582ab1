//! Learns the capacity of a replica from its latency by the universal scalability law. Called by `learn`.

use almanac_models::stats::quantile;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::estimate::{Capacity, CapacitySource, FULL_UTILIZATION, MIN_EXPLAINED, capacity_unknown};
use crate::advise::scaling::ScalingError;

/// Number of demand classes of equal count.
const CLASSES: usize = 40;
/// Number of blocks of time that are resampled for the interval. Blocks, because high latency comes in stretches.
const BLOCKS: usize = 12;
const RESAMPLES: usize = 200;
/// Steps of the grid search over the distance of the busiest class from saturation, and over the part of contention.
const SATURATION_STEPS: u32 = 200;
const CONTENTION_STEPS: u32 = 5;
/// Maximum latency of a fitted point, relative to the quiet hours. Beyond it a replica is overloaded: offered demand is
/// not served demand, which the law describes. At 20 times, with contention alone, demand is 95 % of saturation.
const MAX_SLOWDOWN: f64 = 20.0;
/// Maximum share of saturation that the busiest class may have.
const MAX_BUSIEST_SHARE: f64 = 0.995;

/// Learns the capacity of a replica from pairs of demand and latency per replica, in time order.
///
/// By the universal scalability law, N requests in service are served at the rate X = γN/(1 + α(N−1) + βN(N−1)), which
/// is maximal at N = √((1−α)/β). With Little's law, N = X·R, this is a law of latency: R/a = 1 + p·X·R/a + q·(X·R/a)²,
/// where a is the latency of an idle replica, p = (α−β)/γ is contention and q = aβ/γ is crosstalk. Solved for R: R(X) =
/// 2a/((1−pX) + √((1−pX)² − 4qX²)), and the rate is maximal at C = 1/(p + 2√q). C, the part of contention p·C, and a
/// are fitted to the median log latency of demand classes. A replica is full at 90 % of C or where latency exceeds
/// `latency_max`.
///
/// # Reference
/// Gunther (2007), Guerrilla capacity planning, chapter 6 (the law); Little (1961). Fitting over the rate instead of N
/// keeps the noise of latency out of the regressor.
///
/// # Errors
/// [`ScalingError::CapacityUnknown`] names what is missing.
pub(super) fn learn(points: &[(f64, f64)], latency_max: Option<f64>) -> Result<Capacity, ScalingError> {
    let classes = DemandClasses::of(points).ok_or_else(|| capacity_unknown("demand per replica hardly changed"))?;
    let all = vec![1.0; BLOCKS];
    let fit = classes.fit(&all).ok_or_else(|| capacity_unknown("latency was never above 0"))?;
    if fit.explained < MIN_EXPLAINED {
        return Err(capacity_unknown(&format!(
            "demand explains {:.0} % of the changes of latency, half is needed",
            100.0 * fit.explained.max(0.0)
        )));
    }
    // The seed is fixed, so that a capacity is reproducible.
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut resampled: Vec<f64> = (0..RESAMPLES)
        .filter_map(|_| {
            let mut counts = vec![0.0; BLOCKS];
            (0..BLOCKS).for_each(|_| counts[rng.random_range(0..BLOCKS)] += 1.0);
            classes.fit(&counts).map(|fit| fit.capacity(latency_max))
        })
        .collect();
    resampled.sort_by(f64::total_cmp);
    let value = fit.capacity(latency_max);
    if let Some(latency_max) = latency_max.filter(|_| value <= 0.0) {
        return Err(ScalingError::LatencyAtRest { latency_max, at_rest: fit.idle });
    }
    let at = |share: usize| resampled.get(resampled.len() * share / 10).copied().unwrap_or(value);
    // The capacity is at least the busiest observed class.
    let served = classes.busiest() * if latency_max.is_none() { FULL_UTILIZATION } else { 0.0 };
    Ok(Capacity {
        value: value.max(served),
        lower: at(1).min(value).max(served),
        upper: at(9).max(value),
        source: CapacitySource::Latency,
        explained: fit.explained,
    })
}

/// Latency by demand class and block of time.
struct DemandClasses {
    /// Mean demand of each class, ascending.
    demand: Vec<f64>,
    /// Median log latency and number of points, by block and class.
    medians: Vec<Vec<(f64, f64)>>,
}

impl DemandClasses {
    /// Builds the classes. None if demand varies by less than a fifth, or fewer than three classes remain.
    fn of(points: &[(f64, f64)]) -> Option<Self> {
        let known = points.iter().copied().filter(|&(demand, latency)| demand > 0.0 && latency > 0.0);
        let mut known: Vec<(f64, f64)> = known.collect();
        let latencies: Vec<f64> = known.iter().map(|point| point.1).collect();
        let idle_latency = quantile(&latencies, 0.1)?;
        known.retain(|&(_, latency)| latency <= MAX_SLOWDOWN * idle_latency);
        let demands: Vec<f64> = known.iter().map(|point| point.0).collect();
        let mut edges: Vec<f64> = (1..CLASSES)
            .filter_map(|class| quantile(&demands, f64::from(u32::try_from(class).ok()?) / CLASSES as f64))
            .collect();
        edges.dedup();
        let class_of = |demand: f64| edges.partition_point(|&edge| edge < demand);
        let n = edges.len() + 1;
        let mut sums = vec![(0.0, 0.0); n];
        let mut logs = vec![vec![Vec::new(); n]; BLOCKS];
        let length = known.len().div_ceil(BLOCKS).max(1);
        for (idx, &(demand, latency)) in known.iter().enumerate() {
            let class = class_of(demand);
            sums[class] = (sums[class].0 + demand, sums[class].1 + 1.0);
            logs[idx / length][class].push(latency.ln());
        }
        let demand: Vec<f64> = sums.iter().map(|(sum, n)| if *n > 0.0 { sum / n } else { 0.0 }).collect();
        let filled = demand.iter().filter(|demand| **demand > 0.0);
        let (least, most) =
            (filled.clone().copied().fold(f64::INFINITY, f64::min), filled.copied().fold(0.0, f64::max));
        let median = |logs: &Vec<f64>| (quantile(logs, 0.5).unwrap_or(0.0), logs.len() as f64);
        let medians = logs.iter().map(|block| block.iter().map(median).collect()).collect();
        (n >= 3 && most > 1.2 * least).then_some(Self { demand, medians })
    }

    /// Returns the mean demand of the busiest class.
    fn busiest(&self) -> f64 {
        self.demand.iter().copied().fold(0.0, f64::max)
    }

    /// Fits the law by grid search with weight `counts` of each block. For a given shape the idle latency has a closed
    /// form.
    fn fit(&self, counts: &[f64]) -> Option<LatencyFit> {
        let classes: Vec<(f64, f64, f64)> = (0..self.demand.len())
            .map(|class| {
                let of = self.medians.iter().zip(counts).map(|(block, count)| (block[class].0, count * block[class].1));
                let (sum, weight) = of.fold((0.0, 0.0), |sum, (log, weight)| (sum.0 + weight * log, sum.1 + weight));
                (self.demand[class], if weight > 0.0 { sum / weight } else { 0.0 }, weight)
            })
            .filter(|class| class.2 > 0.0)
            .collect();
        let busiest = self.busiest();
        let whole: f64 = classes.iter().map(|class| class.2).sum();
        let mean =
            |of: &dyn Fn(&(f64, f64, f64)) -> f64| classes.iter().map(|class| class.2 * of(class)).sum::<f64>() / whole;
        let level = mean(&|class| class.1);
        let spread = mean(&|class| (class.1 - level).powi(2));
        let mut best: Option<LatencyFit> = None;
        let mut least = f64::INFINITY;
        for shape in 0..=CONTENTION_STEPS {
            let contention = f64::from(shape) / f64::from(CONTENTION_STEPS);
            for step in 0..=SATURATION_STEPS {
                let busiest_share = MAX_BUSIEST_SHARE * f64::from(step) / f64::from(SATURATION_STEPS);
                let law = ScalabilityLaw { saturation: busiest / busiest_share, contention };
                let idle = mean(&|class| class.1 - law.log_slowdown(class.0));
                let error = mean(&|class| (class.1 - idle - law.log_slowdown(class.0)).powi(2));
                if error < least {
                    least = error;
                    best = Some(LatencyFit {
                        law,
                        idle: idle.exp(),
                        explained: 1.0 - error / spread.max(f64::MIN_POSITIVE),
                    });
                }
            }
        }
        best
    }
}

/// Latency of a replica as demand approaches saturation.
#[derive(Debug, Clone, Copy)]
struct ScalabilityLaw {
    /// Maximum rate; infinite if latency never rises.
    saturation: f64,
    /// Part of contention: 1 for contention alone, 0 for crosstalk alone.
    contention: f64,
}

impl ScalabilityLaw {
    /// Returns p and √q of the latency R(X).
    fn terms(&self) -> (f64, f64) {
        (self.contention / self.saturation, (1.0 - self.contention) / (2.0 * self.saturation))
    }

    /// Returns the log latency relative to an idle replica. `demand` must be below saturation.
    fn log_slowdown(&self, demand: f64) -> f64 {
        let (p, root_q) = self.terms();
        let free = 1.0 - p * demand;
        let discriminant = (free * free - (2.0 * root_q * demand).powi(2)).max(0.0);
        (2.0 / (free + discriminant.sqrt()).max(1e-9)).ln()
    }

    /// Returns the demand at which latency is `slowdown` times that of an idle replica; 0 for a slowdown of at most 1.
    fn demand_at(&self, slowdown: f64) -> f64 {
        let (p, root_q) = self.terms();
        let q = root_q * root_q;
        let more = slowdown - 1.0;
        if more <= 0.0 {
            return 0.0;
        }
        // With N requests in service, in units of an idle replica's: q·N² + p·N = slowdown − 1, and N = X · slowdown.
        let n = 2.0 * more / (p + (p * p + 4.0 * q * more).sqrt());
        n / slowdown
    }
}

/// The fitted law of one replica.
#[derive(Debug, Clone, Copy)]
struct LatencyFit {
    law: ScalabilityLaw,
    /// Latency of an idle replica.
    idle: f64,
    explained: f64,
}

impl LatencyFit {
    /// Returns the demand at which the replica is full, see [`learn`].
    fn capacity(&self, latency_max: Option<f64>) -> f64 {
        let full = FULL_UTILIZATION * self.law.saturation;
        latency_max.map_or(full, |latency_max| full.min(self.law.demand_at(latency_max / self.idle)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Points of a replica with `law` under a daily demand of up to `busy`, with noise.
    fn points(law: ScalabilityLaw, busy: f64, noise: f64) -> Vec<(f64, f64)> {
        let point = |i: u32| {
            let phase = f64::from(i % 288) / 288.0 * std::f64::consts::TAU;
            let demand = busy * (0.55 - 0.45 * phase.cos());
            let odd = f64::from(i * 7_919 % 101) / 50.0 - 1.0;
            (demand, 0.02 * (law.log_slowdown(demand) + noise * odd).exp())
        };
        (0..14 * 288).map(point).collect()
    }

    #[test]
    fn finds_the_saturation_point() {
        for contention in [1.0, 0.6, 0.0] {
            for busy in [85.0, 95.0] {
                let law = ScalabilityLaw { saturation: 100.0, contention };
                let capacity = learn(&points(law, busy, 0.2), None).unwrap();
                assert!((capacity.value / 90.0 - 1.0).abs() < 0.12, "{contention} {busy}: {capacity:?}");
                assert!(capacity.lower <= capacity.value && capacity.value <= capacity.upper);
                assert!(capacity.explained > 0.8, "{capacity:?}");
            }
        }
    }

    #[test]
    fn a_latency_that_may_be_reached_bounds_it() {
        let law = ScalabilityLaw { saturation: 100.0, contention: 1.0 };
        // R = a/(1 − X/C): three times the idle latency at two thirds of saturation.
        let capacity = learn(&points(law, 90.0, 0.1), Some(0.06)).unwrap();
        assert!((capacity.value - 66.7).abs() < 5.0, "{capacity:?}");
        for contention in [0.0, 1.0] {
            let refused = learn(&points(ScalabilityLaw { saturation: 100.0, contention }, 90.0, 0.1), Some(0.01));
            assert!(matches!(refused, Err(ScalingError::LatencyAtRest { .. })), "{refused:?}");
        }
        for contention in [0.0, 0.3, 1.0] {
            let law = ScalabilityLaw { saturation: 100.0, contention };
            for demand in [10.0, 50.0, 90.0] {
                let back = law.demand_at(law.log_slowdown(demand).exp());
                assert!((back - demand).abs() < 1e-6, "{contention} {demand}: {back}");
            }
        }
    }

    #[test]
    fn a_replica_that_was_never_busy_has_only_a_lower_bound() {
        let law = ScalabilityLaw { saturation: 100.0, contention: 1.0 };
        let learned = learn(&points(law, 35.0, 0.1), None).unwrap();
        assert!(learned.lower >= 30.0 && learned.upper > 90.0, "{learned:?}");
        let why = |points: &[(f64, f64)]| learn(points, None).unwrap_err().to_string();
        assert!(
            why(&points(ScalabilityLaw { saturation: f64::INFINITY, contention: 1.0 }, 90.0, 0.3)).contains("explains")
        );
        assert!(why(&vec![(5.0, 0.02); 400]).contains("hardly changed"));
    }

    #[test]
    fn an_outage_makes_no_capacity() {
        let law = ScalabilityLaw { saturation: 100.0, contention: 1.0 };
        let mut with_outage = points(law, 90.0, 0.1);
        for point in &mut with_outage[2_000..2_144] {
            *point = (180.0, 2.0);
        }
        let capacity = learn(&with_outage, None).unwrap();
        assert!((capacity.value / 90.0 - 1.0).abs() < 0.12 && capacity.upper < 120.0, "{capacity:?}");
    }

    #[test]
    fn units_do_not_matter() {
        let law = ScalabilityLaw { saturation: 100.0, contention: 0.5 };
        let base = points(law, 90.0, 0.2);
        let scaled: Vec<(f64, f64)> = base.iter().map(|&(demand, latency)| (demand * 1e3, latency * 1e6)).collect();
        let (a, b) = (learn(&base, Some(0.1)).unwrap(), learn(&scaled, Some(1e5)).unwrap());
        assert!((b.value / a.value / 1e3 - 1.0).abs() < 1e-6 && (b.lower / a.lower / 1e3 - 1.0).abs() < 1e-6);
    }
}
