//! Functions of single values such as `abs`, `round` and `clamp`, and the quantile of a set of values.

use crate::signal::{
    EvalLimits, SignalError,
    frame::{ABSENT, Frame},
};

/// Applies a function to every value.
pub(super) fn unary(change: fn(f64) -> f64, mut frame: Frame) -> Result<Frame, SignalError> {
    frame.map(change);
    frame.drop_names()
}

/// `round`: rounds to multiples of `nearest`, one for each step. Ties are rounded up.
pub(super) fn round(nearest: &[f64], mut frame: Frame) -> Result<Frame, SignalError> {
    // The inverse first, as in Prometheus, so that results are equal to the last bit.
    frame.map_steps(|step, value| {
        let inverse = 1.0 / nearest[step];
        (value * inverse + 0.5).floor() / inverse
    });
    frame.drop_names()
}

/// `clamp`: limits values to the bounds of each step. Removes values where the lower bound exceeds the upper one.
pub(super) fn clamp(lower: &[f64], upper: &[f64], mut frame: Frame) -> Result<Frame, SignalError> {
    frame.map_steps(
        |step, value| {
            if upper[step] < lower[step] { ABSENT } else { greater(lower[step], lesser(upper[step], value)) }
        },
    );
    frame.compact().drop_names()
}

/// Returns the greater of two values; NaN if either is NaN.
fn greater(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::NAN } else { a.max(b) }
}

/// Returns the lesser of two values; NaN if either is NaN.
fn lesser(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::NAN } else { a.min(b) }
}

/// Warns of quantiles that are not between 0 and 1. `at`: their position in the text of the query.
pub(in crate::signal) fn check_levels(levels: &[f64], at: usize, limits: &EvalLimits) {
    for level in levels.iter().filter(|level| !(0.0..=1.0).contains(*level)) {
        limits.notes.warn(at, format!("a quantile is between 0 and 1, this one is {level}"));
    }
}

/// Returns a quantile by linear interpolation between neighbours. `level` below 0 returns −∞, above 1 +∞; no values
/// return NaN.
///
/// `values`: in any order; reordered. NaN sorts before every number.
#[expect(clippy::cast_precision_loss, reason = "vectors hold fewer than 2^53 values")]
#[expect(clippy::cast_possible_truncation, reason = "rank is between 0 and the number of values")]
#[expect(clippy::cast_sign_loss, reason = "rank is between 0 and the number of values")]
pub(in crate::signal) fn quantile(level: f64, values: &mut [f64]) -> f64 {
    if values.is_empty() || level.is_nan() {
        return f64::NAN;
    }
    if level < 0.0 {
        return f64::NEG_INFINITY;
    }
    if level > 1.0 {
        return f64::INFINITY;
    }
    let order = |a: &f64, b: &f64| b.is_nan().cmp(&a.is_nan()).then(a.total_cmp(b));
    // Partial selection: linear in the number of values.
    let rank = level * (values.len() - 1) as f64;
    let (lower, weight) = (rank.floor() as usize, rank - rank.floor());
    let (_, low, above) = values.select_nth_unstable_by(lower, order);
    let low = *low;
    let high = above.iter().copied().min_by(order).unwrap_or(low);
    low * (1.0 - weight) + high * weight
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "these results are exact")]
mod tests {
    use super::*;

    #[test]
    fn quantiles_interpolate() {
        let check = |level: f64, values: &[f64], expected: f64| {
            let found = quantile(level, &mut values.to_vec());
            assert!(found == expected || (found.is_nan() && expected.is_nan()), "{level} of {values:?}: {found}");
        };
        check(0.5, &[3.0, 1.0, 2.0], 2.0);
        check(0.5, &[4.0, 1.0, 2.0, 3.0], 2.5);
        check(0.0, &[3.0, 1.0], 1.0);
        check(1.0, &[3.0, 1.0], 3.0);
        check(0.75, &[0.0, 1.0, 2.0], 1.5);
        check(-0.1, &[1.0], f64::NEG_INFINITY);
        check(1.1, &[1.0], f64::INFINITY);
        check(f64::NAN, &[1.0], f64::NAN);
        check(0.5, &[], f64::NAN);
        check(1.0, &[f64::NAN, 1.0, 2.0], 2.0);
        check(0.0, &[1.0, f64::NAN], f64::NAN);
    }
}
