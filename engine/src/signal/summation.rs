//! Compensated sums, and means that do not overflow. Used by aggregations and functions of a range.

/// A compensated sum: the rounding errors of additions are summed separately.
///
/// # Reference
/// Neumaier (1974), the variant of Kahan summation that Prometheus uses.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::signal) struct Kahan {
    sum: f64,
    error: f64,
}

impl Kahan {
    pub(in crate::signal) fn new(sum: f64) -> Self {
        Self { sum, error: 0.0 }
    }

    pub(in crate::signal) fn add(&mut self, value: f64) {
        let sum = self.sum + value;
        // An infinite sum has no meaningful error, which would turn the total into NaN.
        if sum.is_infinite() {
            self.error = 0.0;
        } else if self.sum.abs() >= value.abs() {
            self.error += (self.sum - sum) + value;
        } else {
            self.error += (value - sum) + self.sum;
        }
        self.sum = sum;
    }

    /// Returns the sum.
    pub(in crate::signal) fn total(self) -> f64 {
        if self.sum.is_infinite() { self.sum } else { self.sum + self.error }
    }

    /// Returns the sum divided by `count`; `None` if the sum overflowed.
    pub(in crate::signal) fn over(self, count: f64) -> Option<f64> {
        (!self.sum.is_infinite()).then(|| self.sum / count + self.error / count)
    }

    /// Returns sum plus error without a check for infinities, as some functions of Prometheus do.
    pub(in crate::signal) fn plain(self) -> f64 {
        self.sum + self.error
    }

    /// Returns the sum and its error multiplied by a number.
    pub(in crate::signal) fn scaled(self, by: f64) -> Self {
        Self { sum: self.sum * by, error: self.error * by }
    }
}

/// An arithmetic mean: sum divided by count, and an incremental mean once the sum would overflow.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::signal) struct Mean {
    /// The sum; the mean if `incremental`.
    state: Kahan,
    count: f64,
    incremental: bool,
}

impl Mean {
    pub(in crate::signal) fn add(&mut self, value: f64) {
        if self.count == 0.0 {
            *self = Self { state: Kahan::new(value), count: 1.0, incremental: false };
            return;
        }
        let before = self.count;
        self.count += 1.0;
        if !self.incremental {
            let mut sum = self.state;
            sum.add(value);
            if !sum.sum.is_infinite() {
                self.state = sum;
                return;
            }
            // The sum would overflow: switch to the incremental mean.
            self.incremental = true;
            self.state = Kahan { sum: self.state.sum / before, error: self.state.error / before };
        }
        self.state = self.state.scaled(before / self.count);
        self.state.add(value / self.count);
    }

    /// Returns the mean; NaN if nothing was added.
    pub(in crate::signal) fn value(self) -> f64 {
        if self.incremental {
            self.state.sum + self.state.error
        } else {
            self.state.sum / self.count + self.state.error / self.count
        }
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "these results are exact")]
mod tests {
    use super::*;

    fn sum(values: &[f64]) -> f64 {
        let mut sum = Kahan::default();
        values.iter().for_each(|value| sum.add(*value));
        sum.total()
    }

    fn mean(values: &[f64]) -> f64 {
        let mut mean = Mean::default();
        values.iter().for_each(|value| mean.add(*value));
        mean.value()
    }

    #[test]
    fn sums_are_exact_where_plain_addition_is_not() {
        assert_eq!(sum(&[1.0, 1e100, 1.0, -1e100]), 2.0);
        assert_eq!(sum(&[5e300, 1e308, 1e308]), f64::INFINITY);
        assert_eq!(sum(&[f64::INFINITY, 1.0]), f64::INFINITY);
        assert!(sum(&[f64::INFINITY, f64::NEG_INFINITY]).is_nan());
    }

    #[test]
    fn means_do_not_overflow() {
        assert_eq!(mean(&[1e308, 1e308, 1e308, 1e308]), 1e308);
        assert_eq!(mean(&[1.0, 2.0, 6.0]), 3.0);
        assert_eq!(mean(&[f64::INFINITY, 1.0]), f64::INFINITY);
        assert!(mean(&[f64::NAN, 1.0]).is_nan());
    }
}
