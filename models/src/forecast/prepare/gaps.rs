//! Checks a history, fills its gaps, and brings it to the scale on which it is modelled.

use crate::forecast::{ForecastError, naive_scale};
use crate::stats::{median, quantile};

/// Values beyond this overflow when squared.
const LARGEST: f64 = 1e150;

/// Refuses infinite and overflowing values; the number of finite ones otherwise.
pub(crate) fn check(y: &[f64]) -> Result<usize, ForecastError> {
    let mut finite = 0;
    for (idx, &value) in y.iter().enumerate() {
        if value.is_infinite() {
            return Err(ForecastError::Infinite { idx });
        }
        if value.abs() > LARGEST {
            return Err(ForecastError::TooLarge { idx, value });
        }
        finite += usize::from(value.is_finite());
    }
    Ok(finite)
}

/// Fills missing values: short gaps by a straight line, longer ones by the values one season before or after
/// (that season over which values change least), shifted
/// to meet the ends. `y` holds at least one finite value; values past the last finite one repeat the last season.
pub(crate) fn fill_gaps(y: &[f64], seasons: &[usize]) -> Vec<f64> {
    let mut out = y.to_vec();
    let n = out.len();
    let mut t = 0;
    let mut best: Option<Vec<usize>> = None;
    while t < n {
        if out[t].is_finite() {
            t += 1;
            continue;
        }
        let end = (t..n).find(|&i| out[i].is_finite()).unwrap_or(n);
        let before = t.checked_sub(1).map(|i| out[i]);
        let after = (end < n).then(|| out[end]);
        let season = if end - t > 2 {
            let best = best.get_or_insert_with(|| by_change(y, seasons));
            best.iter().copied().find(|&m| end - t > m / 8 && t > m)
        } else {
            None
        };
        match season {
            Some(m) => {
                let from = out[t - 1] - out[t - 1 - m];
                let to = after.map_or(from, |v| if end >= m { v - out[end - m] } else { from });
                for i in t..end {
                    let share = (i + 1 - t) as f64 / (end + 1 - t) as f64;
                    out[i] = out[i - m] + from + (to - from) * share;
                }
            }
            None => {
                for (k, slot) in out[t..end].iter_mut().enumerate() {
                    let share = (k + 1) as f64 / (end + 1 - t) as f64;
                    *slot = match (before, after) {
                        (Some(a), Some(b)) => a + (b - a) * share,
                        (Some(v), None) | (None, Some(v)) => v,
                        (None, None) => 0.0,
                    };
                }
            }
        }
        t = end;
    }
    out
}

/// Seasons by how little values change over one, least first.
fn by_change(y: &[f64], seasons: &[usize]) -> Vec<usize> {
    let mut changes: Vec<(f64, usize)> =
        seasons.iter().map(|&m| (naive_scale(y, m).unwrap_or(f64::INFINITY), m)).collect();
    changes.sort_by(|a, b| a.0.total_cmp(&b.0));
    changes.into_iter().map(|(_, m)| m).collect()
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Linear,
    /// The logarithm of the value and this.
    Log(f64),
    /// The logarithm of the distance from 0 over that from `high`, `margin` added to both.
    Logit {
        margin: f64,
        high: f64,
    },
}

/// The scale on which a series is modelled: as it is, in logarithms or in logits, centred and brought to unit spread.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Space {
    kind: Kind,
    centre: f64,
    spread: f64,
}

impl Space {
    /// The scale of the series itself; `None` when it is constant.
    pub(crate) fn linear(y: &[f64]) -> Option<Self> {
        Self::standard(y, Kind::Linear)
    }

    /// Logarithms, for a series that is never negative; `None` when they do not exist, or the series is constant.
    ///
    /// Where values come close to 0 against their median a tenth of the mean is added first, since the logarithm of
    /// almost nothing is all noise.
    pub(crate) fn log(y: &[f64]) -> Option<Self> {
        let low = y.iter().copied().fold(f64::INFINITY, f64::min);
        if low < 0.0 {
            return None;
        }
        let middle = median(y)?;
        let offset = if low > 0.0 && low >= 0.02 * middle { 0.0 } else { 0.1 * y.iter().sum::<f64>() / y.len() as f64 };
        if low + offset <= 0.0 {
            return None;
        }
        Self::standard(y, Kind::Log(offset))
    }

    fn standard(y: &[f64], kind: Kind) -> Option<Self> {
        let raw = Self { kind, centre: 0.0, spread: 1.0 };
        let z: Vec<f64> = y.iter().map(|&v| raw.forward(v)).collect();
        let n = z.len() as f64;
        let centre = z.iter().sum::<f64>() / n;
        let spread = (z.iter().map(|v| (v - centre).powi(2)).sum::<f64>() / n).sqrt();
        // One spike must not set the scale: fall back on the middle half when it is far narrower but not nil.
        let middle = (quantile(&z, 0.75)? - quantile(&z, 0.25)?) / 1.349;
        let spread = if middle > 0.0 && middle < 0.01 * spread { middle } else { spread };
        (spread > 1e-13 * centre.abs() && spread > 0.0 && spread.is_finite()).then_some(Self { kind, centre, spread })
    }

    /// Logits, for a series within 0 and `high`; `None` when it is constant.
    ///
    /// A tenth of the mean distance from the nearer bound is added on both sides, since the logarithm of almost nothing
    /// is all noise.
    pub(crate) fn logit(y: &[f64], high: f64) -> Option<Self> {
        let mean = y.iter().sum::<f64>() / y.len() as f64;
        let margin = 0.1 * mean.min(high - mean);
        let inside = y.iter().all(|v| (0.0..=high).contains(v));
        if !(inside && margin > 0.0) {
            return None;
        }
        Self::standard(y, Kind::Logit { margin, high })
    }

    /// The name of a scale that is not the series' own.
    pub(crate) fn name(self) -> Option<&'static str> {
        match self.kind {
            Kind::Linear => None,
            Kind::Log(_) => Some("log"),
            Kind::Logit { .. } => Some("logit"),
        }
    }

    pub(crate) fn forward(self, value: f64) -> f64 {
        let value = match self.kind {
            // `max` would make a number of a missing value.
            _ if value.is_nan() => value,
            Kind::Linear => value,
            Kind::Log(offset) => (value + offset).max(f64::MIN_POSITIVE).ln(),
            Kind::Logit { margin, high } => {
                let value = value.clamp(0.0, high);
                ((value + margin) / (high - value + margin)).ln()
            }
        };
        (value - self.centre) / self.spread
    }

    pub(crate) fn inverse(self, z: f64) -> f64 {
        let value = z * self.spread + self.centre;
        match self.kind {
            Kind::Linear => value,
            // 346 = ln(1e150): no forecast overflows.
            Kind::Log(offset) => value.min(346.0).exp() - offset,
            Kind::Logit { margin, high } => {
                let odds = value.clamp(-346.0, 346.0).exp();
                ((odds * (high + margin) - margin) / (1.0 + odds)).clamp(0.0, high)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_follow_the_season() {
        let mut y: Vec<f64> = (0..96).map(|t| f64::from(t % 24)).collect();
        y[50..70].fill(f64::NAN);
        y[10] = f64::NAN;
        y[95] = f64::NAN;
        let filled = fill_gaps(&y, &[24]);
        for (t, v) in filled.iter().enumerate().take(95) {
            assert!((v - (t % 24) as f64).abs() < 1e-9, "step {t}: {v}");
        }
        assert_eq!(fill_gaps(&[f64::NAN, 2.0, f64::NAN], &[]), vec![2.0, 2.0, 2.0]);
    }

    #[test]
    fn spaces_invert() {
        let y = [0.0, 3.0, 10.0, 4.0, 7.5];
        for space in [Space::linear(&y).unwrap(), Space::log(&y).unwrap(), Space::logit(&y, 10.0).unwrap()] {
            for v in y {
                assert!((space.inverse(space.forward(v)) - v).abs() < 1e-9);
            }
            assert!(space.forward(f64::NAN).is_nan(), "a missing value stays missing");
        }
        assert_eq!(Space::linear(&[5.0; 9]), None);
        assert_eq!(Space::log(&[-1.0, 2.0]), None);
        assert_eq!(Space::log(&[0.0, 0.0]), None);
    }
}
