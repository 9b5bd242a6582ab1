use almanac_models::stats::quantile;

use super::{cpu, latency};
use crate::advise::scaling::{ScalingError, WorkloadHistory};

/// Points that a capacity is learned from at least.
pub(super) const POINTS: usize = 100;
/// Share of what a replica serves at the utmost at which it is taken to be full: queues grow without bound before 1.
pub(super) const FULL: f64 = 0.9;
/// Share of the spread of CPU, or of latency, that demand must explain.
pub(super) const EXPLAINED: f64 = 0.5;

/// What one replica serves, and how sure that is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Capacity {
    /// Demand that one replica serves.
    pub value: f64,
    /// Lower end of the 80 % interval; the value itself when stated.
    pub lower: f64,
    /// Upper end; infinite where a replica was never near it.
    pub upper: f64,
    /// How it is known.
    pub source: CapacitySource,
    /// Share of the spread of CPU or of latency that demand explains; 1 when stated.
    pub explained: f64,
}

/// How a capacity is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CapacitySource {
    /// Somebody said so.
    Stated,
    /// From processor use, by the utilisation law.
    Cpu,
    /// From latency, by the universal scalability law.
    Latency,
}

impl CapacitySource {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stated => "stated",
            Self::Cpu => "cpu",
            Self::Latency => "latency",
        }
    }
}

impl Capacity {
    /// A capacity that somebody stated.
    #[must_use]
    pub fn stated(value: f64) -> Self {
        Self { value, lower: value, upper: value, source: CapacitySource::Stated, explained: 1.0 }
    }

    /// Learns what one replica serves from processor use, from latency, or from both: then what is exhausted first counts, by
    /// the lower end of its interval. `latency_max`: latency that may be reached, in the unit of the history's.
    ///
    /// # Errors
    /// [`ScalingError::CapacityUnknown`] naming what is missing.
    pub fn learn(history: &WorkloadHistory, latency_max: Option<f64>) -> Result<Self, ScalingError> {
        let by_cpu = history.cpu.as_deref().map(|cpu| cpu::learn(&of_a_replica(history, cpu)?));
        let by_latency =
            history.latency.as_deref().map(|latency| latency::learn(&of_a_replica(history, latency)?, latency_max));
        match (by_cpu, by_latency) {
            (None, None) => Err(unknown(
                "set cpu to an expression of CPU use a replica, or latency to one of the time that an answer takes",
            )),
            (Some(one), None) | (None, Some(one)) => one,
            (Some(Ok(a)), Some(Ok(b))) => Ok(if a.lower <= b.lower { a } else { b }),
            // A latency that no number of replicas keeps is no matter of which is learned.
            (_, Some(Err(error @ ScalingError::LatencyAtRest { .. }))) => Err(error),
            // Nor is CPU all that counts where latency is often above what it may be, whatever makes it so.
            (Some(Ok(_)), Some(Err(error))) if !keeps(history, latency_max) => Err(error),
            (Some(Ok(one)), Some(Err(_))) | (Some(Err(_)), Some(Ok(one))) => Ok(one),
            (Some(Err(cpu)), Some(Err(latency))) => {
                let why = |error: &ScalingError| match error {
                    ScalingError::CapacityUnknown { reason } => reason.clone(),
                    other => other.to_string(),
                };
                Err(unknown(&format!("{}; and {}", why(&cpu), why(&latency))))
            }
        }
    }
}

/// Whether the latency that there was kept to `latency_max`, but for a twentieth of the time.
fn keeps(history: &WorkloadHistory, latency_max: Option<f64>) -> bool {
    let most = history.latency.as_deref().and_then(|latency| quantile(latency, 0.95));
    latency_max.zip(most).is_none_or(|(allowed, most)| most <= allowed)
}

pub(super) fn unknown(reason: &str) -> ScalingError {
    ScalingError::CapacityUnknown { reason: reason.to_owned() }
}

/// Demand a replica beside what was measured, in the order of time.
fn of_a_replica(history: &WorkloadHistory, measured: &[f64]) -> Result<Vec<(f64, f64)>, ScalingError> {
    let replicas = history.replicas.as_ref().ok_or_else(|| unknown("set replicas to an expression of their number"))?;
    let demand = history.demand.values().iter().zip(history.demand.observed());
    let points: Vec<(f64, f64)> = demand
        .zip(measured.iter().zip(replicas))
        .filter(|((_, observed), (measured, replicas))| **observed && measured.is_finite() && **replicas >= 1.0)
        .map(|((demand, _), (measured, replicas))| (demand / replicas, *measured))
        .collect();
    if points.len() < POINTS {
        return Err(unknown(&format!(
            "{} points have demand, replicas and what is measured beside them, {POINTS} are needed",
            points.len()
        )));
    }
    Ok(points)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advise::scaling::DemandHistory;

    fn history(cpu_of: impl Fn(f64, f64) -> f64) -> WorkloadHistory {
        let timestamps: Vec<i64> = (0..400).map(|i| i * 60_000).collect();
        let demand: Vec<f64> = (0..400).map(|i| 100.0 + f64::from(i % 50)).collect();
        let replicas: Vec<f64> = (0..400).map(|i| f64::from(2 + i % 3)).collect();
        let cpu =
            demand.iter().zip(&replicas).map(|(demand, replicas)| cpu_of(demand / replicas, demand % 7.0)).collect();
        let demand = DemandHistory::try_new(timestamps, demand).unwrap();
        WorkloadHistory { demand, resources: Vec::new(), replicas: Some(replicas), cpu: Some(cpu), latency: None }
    }

    #[test]
    fn finds_what_fills_a_replica() {
        // 5 % idle, 1 % for each unit: full, at 90 %, with 85 units.
        let capacity =
            Capacity::learn(&history(|demand, noise| 0.05 + 0.01 * demand + 0.004 * (noise - 3.0)), None).unwrap();
        assert!((capacity.value - 85.0).abs() < 1.5, "{capacity:?}");
        assert!(
            capacity.lower < capacity.value
                && capacity.value < capacity.upper
                && capacity.source == CapacitySource::Cpu
        );
        assert!(capacity.explained > 0.95);
    }

    #[test]
    fn says_what_is_missing() {
        let said = |history: &WorkloadHistory| match Capacity::learn(history, None) {
            Err(ScalingError::CapacityUnknown { reason }) => reason,
            other => panic!("{other:?}"),
        };
        let good = history(|demand, _| 0.01 * demand);
        assert!(said(&WorkloadHistory { cpu: None, ..good.clone() }).contains("cpu"));
        assert!(said(&WorkloadHistory { replicas: None, ..good }).contains("replicas"));
        assert!(said(&history(|_, noise| 0.1 * noise)).contains("explains"));
        assert!(said(&history(|demand, _| 0.95 + 1e-3 * demand)).contains("full"));
    }

    #[test]
    fn of_cpu_and_latency_what_is_exhausted_first_counts() {
        let by_cpu = history(|demand, _| 0.01 * demand);
        // Of up to 74 units a replica's latency leaves 80, its CPU 90.
        let demand = by_cpu.demand.values().iter().zip(by_cpu.replicas.as_ref().unwrap());
        let latency = demand.map(|(demand, replicas)| 0.05 / (1.0 - demand / replicas / 88.9)).collect();
        let both = WorkloadHistory { latency: Some(latency), ..by_cpu.clone() };
        let capacity = Capacity::learn(&both, None).unwrap();
        assert!(capacity.source == CapacitySource::Latency && (capacity.value - 80.0).abs() < 4.0, "{capacity:?}");
        let flat = WorkloadHistory { latency: Some(vec![0.05; 400]), ..by_cpu.clone() };
        assert_eq!(Capacity::learn(&flat, None).unwrap().source, CapacitySource::Cpu);
        let slow = Capacity::learn(&flat, Some(0.04)).unwrap_err().to_string();
        assert!(slow.contains("changes of latency"), "CPU alone would not keep it: {slow}");
        assert_eq!(Capacity::learn(&flat, Some(0.06)).unwrap().source, CapacitySource::Cpu);
        let neither = WorkloadHistory { cpu: Some(vec![0.5; 400]), ..flat };
        let said = Capacity::learn(&neither, None).unwrap_err().to_string();
        assert!(said.contains("CPU") && said.contains("latency"), "{said}");
    }
}
