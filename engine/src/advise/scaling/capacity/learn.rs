//! Learns the capacity of a replica from CPU, latency or both, and decides between them. Called by `decide`.

use almanac_models::stats::quantile;

use super::{
    cpu,
    estimate::{Capacity, capacity_unknown},
    latency,
};
use crate::advise::scaling::{ScalingError, WorkloadHistory};

/// Minimum number of points.
const MIN_POINTS: usize = 100;

impl Capacity {
    /// Learns the capacity from CPU, from latency, or from both. Of both, the lower one by its interval counts, because
    /// that resource saturates first. `latency_max`: maximum latency, in the unit of the history.
    ///
    /// # Errors
    /// [`ScalingError::CapacityUnknown`] names what is missing.
    pub fn learn(history: &WorkloadHistory, latency_max: Option<f64>) -> Result<Self, ScalingError> {
        let by_cpu = history.cpu.as_deref().map(|cpu| cpu::learn(&points_per_replica(history, cpu)?));
        let by_latency = history
            .latency
            .as_deref()
            .map(|latency| latency::learn(&points_per_replica(history, latency)?, latency_max));
        match (by_cpu, by_latency) {
            (None, None) => Err(capacity_unknown(
                "set cpu to an expression of CPU use per replica, or latency to one of the response time",
            )),
            (Some(one), None) | (None, Some(one)) => one,
            (Some(Ok(a)), Some(Ok(b))) => Ok(if a.lower <= b.lower { a } else { b }),
            // An idle replica above the maximum latency is an error whatever CPU shows.
            (_, Some(Err(error @ ScalingError::LatencyAtRest { .. }))) => Err(error),
            // CPU alone does not suffice if latency often exceeds its maximum for an unknown reason.
            (Some(Ok(_)), Some(Err(error))) if !stays_within(history, latency_max) => Err(error),
            (Some(Ok(one)), Some(Err(_))) | (Some(Err(_)), Some(Ok(one))) => Ok(one),
            (Some(Err(cpu)), Some(Err(latency))) => {
                let why = |error: &ScalingError| match error {
                    ScalingError::CapacityUnknown { reason } => reason.clone(),
                    other => other.to_string(),
                };
                Err(capacity_unknown(&format!("{}; and {}", why(&cpu), why(&latency))))
            }
        }
    }
}

/// Returns whether latency stayed within `latency_max` for 95 % of the time.
fn stays_within(history: &WorkloadHistory, latency_max: Option<f64>) -> bool {
    let most = history.latency.as_deref().and_then(|latency| quantile(latency, 0.95));
    latency_max.zip(most).is_none_or(|(allowed, most)| most <= allowed)
}

/// Returns pairs of demand per replica and the measured value, in time order.
fn points_per_replica(history: &WorkloadHistory, measured: &[f64]) -> Result<Vec<(f64, f64)>, ScalingError> {
    let replicas =
        history.replicas.as_ref().ok_or_else(|| capacity_unknown("set replicas to an expression of their number"))?;
    let demand = history.demand.values().iter().zip(history.demand.observed());
    let points: Vec<(f64, f64)> = demand
        .zip(measured.iter().zip(replicas))
        .filter(|((_, observed), (measured, replicas))| **observed && measured.is_finite() && **replicas >= 1.0)
        .map(|((demand, _), (measured, replicas))| (demand / replicas, *measured))
        .collect();
    if points.len() < MIN_POINTS {
        return Err(capacity_unknown(&format!(
            "{} points have demand, replicas and the measured value together, {MIN_POINTS} are needed",
            points.len()
        )));
    }
    Ok(points)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advise::scaling::{CapacitySource, DemandHistory};

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
        // 5 % idle and 1 % per unit: full, at 90 %, with 85 units.
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
    fn the_missing_input_is_named() {
        let reason = |history: &WorkloadHistory| match Capacity::learn(history, None) {
            Err(ScalingError::CapacityUnknown { reason }) => reason,
            other => panic!("{other:?}"),
        };
        let good = history(|demand, _| 0.01 * demand);
        assert!(reason(&WorkloadHistory { cpu: None, ..good.clone() }).contains("cpu"));
        assert!(reason(&WorkloadHistory { replicas: None, ..good }).contains("replicas"));
        assert!(reason(&history(|_, noise| 0.1 * noise)).contains("explains"));
        assert!(reason(&history(|demand, _| 0.95 + 1e-3 * demand)).contains("full"));
    }

    #[test]
    fn of_cpu_and_latency_what_is_exhausted_first_counts() {
        let by_cpu = history(|demand, _| 0.01 * demand);
        // Demand is up to 74 units per replica; latency allows 80, CPU 90.
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
        let message = Capacity::learn(&neither, None).unwrap_err().to_string();
        assert!(message.contains("CPU") && message.contains("latency"), "{message}");
    }
}
