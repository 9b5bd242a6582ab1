use super::{ScalingError, WorkloadHistory};

/// Points of demand, replicas and CPU that a capacity is learned from at least.
const POINTS: usize = 100;
/// Share of a replica's CPU at which it is taken to be full: queues grow without bound before 1.
const FULL_CPU: f64 = 0.9;
/// Share of the spread of CPU that demand must explain.
const EXPLAINED: f64 = 0.5;
/// Normal quantile of an 80 % interval.
const Z_80: f64 = 1.2816;

/// What one replica serves, and how sure that is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Capacity {
    /// Demand that one replica serves.
    pub value: f64,
    /// Lower end of the 80 % interval; the value itself when stated.
    pub lower: f64,
    /// Upper end.
    pub upper: f64,
    /// Whether it was learned and not stated.
    pub learned: bool,
    /// Share of the spread of CPU that demand explains; 1 when stated.
    pub explained: f64,
}

impl Capacity {
    /// A capacity that somebody stated.
    #[must_use]
    pub fn stated(value: f64) -> Self {
        Self { value, lower: value, upper: value, learned: false, explained: 1.0 }
    }

    /// Learns what one replica serves from demand a replica against its CPU: CPU = idle + cost × demand, and the
    /// replica is full at 90 % CPU. The interval is that of the regression's slope.
    ///
    /// Utilisation law (Denning & Buzen 1978): a resource's utilisation is throughput times service demand.
    ///
    /// # Errors
    /// [`ScalingError::CapacityUnknown`] naming what is missing.
    pub fn learn(history: &WorkloadHistory) -> Result<Self, ScalingError> {
        let unknown = |reason: &str| ScalingError::CapacityUnknown { reason: reason.to_owned() };
        let cpu = history.cpu.as_ref().ok_or_else(|| unknown("set cpu to an expression of CPU use a replica"))?;
        let replicas =
            history.replicas.as_ref().ok_or_else(|| unknown("set replicas to an expression of their number"))?;
        let demand = history.demand.values().iter().zip(history.demand.observed());
        let points: Vec<(f64, f64)> = demand
            .zip(cpu.iter().zip(replicas))
            .filter(|((_, observed), (cpu, replicas))| **observed && cpu.is_finite() && **replicas >= 1.0)
            .map(|((demand, _), (cpu, replicas))| (demand / replicas, *cpu))
            .collect();
        if points.len() < POINTS {
            let reason = format!("{} points have demand, CPU and replicas, {POINTS} are needed", points.len());
            return Err(ScalingError::CapacityUnknown { reason });
        }
        let line = Line::fit(&points).ok_or_else(|| unknown("demand a replica never changed"))?;
        if line.slope <= 0.0 || line.explained < EXPLAINED {
            let reason =
                format!("demand explains {:.0} % of the changes of CPU, half is needed", 100.0 * line.explained);
            return Err(ScalingError::CapacityUnknown { reason });
        }
        let room = FULL_CPU - line.intercept.max(0.0);
        if room <= 0.0 {
            return Err(unknown("CPU is full even without demand"));
        }
        let margin = Z_80 * line.slope_error;
        Ok(Self {
            value: room / line.slope,
            lower: room / (line.slope + margin),
            upper: if line.slope > margin { room / (line.slope - margin) } else { f64::INFINITY },
            learned: true,
            explained: line.explained,
        })
    }
}

/// A straight line by least squares.
struct Line {
    slope: f64,
    intercept: f64,
    slope_error: f64,
    explained: f64,
}

impl Line {
    fn fit(points: &[(f64, f64)]) -> Option<Self> {
        let n = f64::from(u32::try_from(points.len()).ok()?);
        let (x_mean, y_mean) = points.iter().fold((0.0, 0.0), |(x, y), point| (x + point.0 / n, y + point.1 / n));
        let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
        for (x, y) in points {
            let (x, y) = (x - x_mean, y - y_mean);
            (xx, xy, yy) = (xx + x * x, xy + x * y, yy + y * y);
        }
        if xx <= 1e-12 * n * x_mean * x_mean || yy <= 0.0 {
            return None;
        }
        let slope = xy / xx;
        let residual = (yy - slope * xy).max(0.0);
        Some(Self {
            slope,
            intercept: y_mean - slope * x_mean,
            slope_error: (residual / (n - 2.0) / xx).sqrt(),
            explained: 1.0 - residual / yy,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Capacity, ScalingError, WorkloadHistory};
    use crate::advise::scaling::DemandHistory;

    fn history(cpu_of: impl Fn(f64, f64) -> f64) -> WorkloadHistory {
        let timestamps: Vec<i64> = (0..400).map(|i| i * 60_000).collect();
        let demand: Vec<f64> = (0..400).map(|i| 100.0 + f64::from(i % 50)).collect();
        let replicas: Vec<f64> = (0..400).map(|i| f64::from(2 + i % 3)).collect();
        let cpu =
            demand.iter().zip(&replicas).map(|(demand, replicas)| cpu_of(demand / replicas, demand % 7.0)).collect();
        let demand = DemandHistory::try_new(timestamps, demand).unwrap();
        WorkloadHistory { demand, resources: Vec::new(), replicas: Some(replicas), cpu: Some(cpu) }
    }

    #[test]
    fn finds_what_fills_a_replica() {
        // 5 % idle, 1 % for each unit: full, at 90 %, with 85 units.
        let capacity = Capacity::learn(&history(|demand, noise| 0.05 + 0.01 * demand + 0.004 * (noise - 3.0))).unwrap();
        assert!((capacity.value - 85.0).abs() < 1.5, "{capacity:?}");
        assert!(capacity.lower < capacity.value && capacity.value < capacity.upper && capacity.learned);
        assert!(capacity.explained > 0.95);
    }

    #[test]
    fn says_what_is_missing() {
        let said = |history: &WorkloadHistory| match Capacity::learn(history) {
            Err(ScalingError::CapacityUnknown { reason }) => reason,
            other => panic!("{other:?}"),
        };
        let good = history(|demand, _| 0.01 * demand);
        assert!(said(&WorkloadHistory { cpu: None, ..good.clone() }).contains("cpu"));
        assert!(said(&WorkloadHistory { replicas: None, ..good }).contains("replicas"));
        assert!(said(&history(|_, noise| 0.1 * noise)).contains("explains"));
        assert!(said(&history(|demand, _| 0.95 + 1e-3 * demand)).contains("full"));
    }
}
