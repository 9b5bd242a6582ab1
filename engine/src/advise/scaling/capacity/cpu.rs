//! Learns the capacity of a replica from its CPU by linear regression. Called by `learn`.

use super::estimate::{Capacity, CapacitySource, FULL_UTILIZATION, MIN_EXPLAINED, capacity_unknown};
use crate::advise::scaling::ScalingError;

/// Normal quantile of an 80 % interval.
const Z_80: f64 = 1.2816;

/// Learns the capacity of a replica from pairs of demand and CPU per replica: CPU = idle + cost × demand, and a replica
/// is full at 90 % CPU. The interval is that of the slope.
///
/// Utilisation law (Denning & Buzen 1978): a resource's utilisation is throughput times service demand.
///
/// # Errors
/// [`ScalingError::CapacityUnknown`] names what is missing.
pub(super) fn learn(points: &[(f64, f64)]) -> Result<Capacity, ScalingError> {
    let line =
        RegressionLine::fit(points).ok_or_else(|| capacity_unknown("demand per replica or its CPU never changed"))?;
    if line.slope <= 0.0 || line.explained < MIN_EXPLAINED {
        return Err(capacity_unknown(&format!(
            "demand explains {:.0} % of the changes of CPU, half is needed",
            100.0 * line.explained
        )));
    }
    let headroom = FULL_UTILIZATION - line.intercept.max(0.0);
    if headroom <= 0.0 {
        return Err(capacity_unknown("CPU is full even without demand"));
    }
    let margin = Z_80 * line.slope_error;
    Ok(Capacity {
        value: headroom / line.slope,
        lower: headroom / (line.slope + margin),
        upper: if line.slope > margin { headroom / (line.slope - margin) } else { f64::INFINITY },
        source: CapacitySource::Cpu,
        explained: line.explained,
    })
}

/// A straight line by ordinary least squares.
struct RegressionLine {
    slope: f64,
    intercept: f64,
    slope_error: f64,
    explained: f64,
}

impl RegressionLine {
    /// Fits the line. None if either quantity is constant.
    fn fit(points: &[(f64, f64)]) -> Option<Self> {
        let n = f64::from(u32::try_from(points.len()).ok()?);
        let (x_mean, y_mean) = points.iter().fold((0.0, 0.0), |(x, y), point| (x + point.0 / n, y + point.1 / n));
        let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
        for (x, y) in points {
            let (x, y) = (x - x_mean, y - y_mean);
            (xx, xy, yy) = (xx + x * x, xy + x * y, yy + y * y);
        }
        // Demand that is constant up to rounding has no slope.
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
