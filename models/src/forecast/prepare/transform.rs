//! Invertible transforms of a series: identity, logarithm and logit, standardised.

use crate::stats::{median, quantile};

/// The nonlinear part of a [`Transform`].
#[derive(Debug, Clone, Copy, PartialEq)]
enum TransformKind {
    Linear,
    /// The logarithm of the value plus this offset.
    Log(f64),
    /// The logarithm of the ratio of the distances from 0 and from `high`, with `margin` added to both.
    Logit {
        margin: f64,
        high: f64,
    },
}

/// The transform under which a series is modelled: identity, logarithm or logit, then centred and scaled to unit
/// spread.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Transform {
    kind: TransformKind,
    centre: f64,
    spread: f64,
}

impl Transform {
    /// Fits the identity; `None` when `y` is constant.
    pub(crate) fn linear(y: &[f64]) -> Option<Self> {
        Self::standard(y, TransformKind::Linear)
    }

    /// Fits a logarithm; `None` when `y` has negative values, is constant or is all 0.
    ///
    /// If values come close to 0 relative to the median, a tenth of the mean is added first, because logarithms of
    /// near-zero values are dominated by noise.
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
        Self::standard(y, TransformKind::Log(offset))
    }

    /// Fits centre and spread of the transformed values; `None` when they are constant up to rounding.
    fn standard(y: &[f64], kind: TransformKind) -> Option<Self> {
        let raw = Self { kind, centre: 0.0, spread: 1.0 };
        let z: Vec<f64> = y.iter().map(|&v| raw.forward(v)).collect();
        let n = z.len() as f64;
        let centre = z.iter().sum::<f64>() / n;
        let spread = (z.iter().map(|v| (v - centre).powi(2)).sum::<f64>() / n).sqrt();
        // A single spike must not set the scale: use the interquartile range if it is far narrower and not 0.
        let middle = (quantile(&z, 0.75)? - quantile(&z, 0.25)?) / 1.349;
        let spread = if middle > 0.0 && middle < 0.01 * spread { middle } else { spread };
        (spread > 1e-13 * centre.abs() && spread > 0.0 && spread.is_finite()).then_some(Self { kind, centre, spread })
    }

    /// Fits a logit; `None` when `y` is not within 0 to `high` or is constant.
    ///
    /// A tenth of the mean distance from the nearer bound is added on both sides, because logarithms of near-zero
    /// values are dominated by noise.
    pub(crate) fn logit(y: &[f64], high: f64) -> Option<Self> {
        let mean = y.iter().sum::<f64>() / y.len() as f64;
        let margin = 0.1 * mean.min(high - mean);
        let inside = y.iter().all(|v| (0.0..=high).contains(v));
        if !(inside && margin > 0.0) {
            return None;
        }
        Self::standard(y, TransformKind::Logit { margin, high })
    }

    /// Returns the name of the transform; `None` for the identity.
    pub(crate) fn name(self) -> Option<&'static str> {
        match self.kind {
            TransformKind::Linear => None,
            TransformKind::Log(_) => Some("log"),
            TransformKind::Logit { .. } => Some("logit"),
        }
    }

    /// Maps a value to transformed units; NaN stays NaN.
    pub(crate) fn forward(self, value: f64) -> f64 {
        let value = match self.kind {
            // `max` and `clamp` would turn NaN into a number.
            _ if value.is_nan() => value,
            TransformKind::Linear => value,
            TransformKind::Log(offset) => (value + offset).max(f64::MIN_POSITIVE).ln(),
            TransformKind::Logit { margin, high } => {
                let value = value.clamp(0.0, high);
                ((value + margin) / (high - value + margin)).ln()
            }
        };
        (value - self.centre) / self.spread
    }

    /// Maps transformed units to a value. The result is finite for finite `z`.
    pub(crate) fn inverse(self, z: f64) -> f64 {
        let value = z * self.spread + self.centre;
        match self.kind {
            TransformKind::Linear => value,
            // 346 ≈ ln(1e150): no forecast overflows.
            TransformKind::Log(offset) => value.min(346.0).exp() - offset,
            TransformKind::Logit { margin, high } => {
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
    fn transforms_invert() {
        let y = [0.0, 3.0, 10.0, 4.0, 7.5];
        for transform in
            [Transform::linear(&y).unwrap(), Transform::log(&y).unwrap(), Transform::logit(&y, 10.0).unwrap()]
        {
            for v in y {
                assert!((transform.inverse(transform.forward(v)) - v).abs() < 1e-9);
            }
            assert!(transform.forward(f64::NAN).is_nan(), "a missing value stays missing");
        }
        assert_eq!(Transform::linear(&[5.0; 9]), None);
        assert_eq!(Transform::log(&[-1.0, 2.0]), None);
        assert_eq!(Transform::log(&[0.0, 0.0]), None);
    }
}
