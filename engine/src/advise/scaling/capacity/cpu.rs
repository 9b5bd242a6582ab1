use super::learn::{Capacity, CapacitySource, EXPLAINED, FULL, unknown};
use crate::advise::scaling::ScalingError;

/// Normal quantile of an 80 % interval.
const Z_80: f64 = 1.2816;

/// Learns what one replica serves from demand a replica against its CPU: CPU = idle + cost × demand, and the
/// replica is full at 90 % CPU. The interval is that of the regression's slope.
///
/// Utilisation law (Denning & Buzen 1978): a resource's utilisation is throughput times service demand.
///
/// # Errors
/// [`ScalingError::CapacityUnknown`] naming what is missing.
pub(super) fn learn(points: &[(f64, f64)]) -> Result<Capacity, ScalingError> {
    let line = Line::fit(points).ok_or_else(|| unknown("demand a replica or its CPU never changed"))?;
    if line.slope <= 0.0 || line.explained < EXPLAINED {
        return Err(unknown(&format!(
            "demand explains {:.0} % of the changes of CPU, half is needed",
            100.0 * line.explained
        )));
    }
    let room = FULL - line.intercept.max(0.0);
    if room <= 0.0 {
        return Err(unknown("CPU is full even without demand"));
    }
    let margin = Z_80 * line.slope_error;
    Ok(Capacity {
        value: room / line.slope,
        lower: room / (line.slope + margin),
        upper: if line.slope > margin { room / (line.slope - margin) } else { f64::INFINITY },
        source: CapacitySource::Cpu,
        explained: line.explained,
    })
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
