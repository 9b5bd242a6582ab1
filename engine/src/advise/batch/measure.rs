//! Measures the effect of an applied size.

use std::collections::BTreeMap;

use almanac_models::Timestamp;

use super::terms::BatchTerms;
use crate::{
    advise::{
        FetchError,
        kit::{duration_text, one_series, one_value},
    },
    ledger::Measured,
    store::Store,
};

/// Least whole hours with statements since the application.
const LEAST_HOURS: usize = 6;
/// Normal quantile of the two-sided interval at [`LEVEL`](crate::advise::kit::LEVEL).
const Z: f64 = 1.2816;
const HOUR_MS: i64 = 3_600_000;
/// Excess of the time limit that breaks a promise; the estimate of a percentile has an error of this order.
const EXCESS: f64 = 1.1;

/// Measures the time of statements for each row since `applied_at`, in seconds, by whole hours. The hour of the application is
/// left out. None while fewer than six hours have statements. A 95th percentile above the limit breaks the promise.
///
/// # Errors
/// [`FetchError::History`].
pub(super) fn measure(
    store: &Store,
    terms: &BatchTerms,
    applied_at: Timestamp,
    now: Timestamp,
) -> Result<Option<Measured>, FetchError> {
    let first = (applied_at.millis().div_euclid(HOUR_MS) + 1) * HOUR_MS;
    let end = now.millis().div_euclid(HOUR_MS) * HOUR_MS;
    let span = end - first;
    if span < HOUR_MS {
        return Ok(None);
    }
    let mut hours: BTreeMap<i64, (f64, f64)> = BTreeMap::new();
    let end = Timestamp::from_millis(end);
    for source in &terms.sources {
        // The value at an hour's end is of the hour before it.
        let read = |expr: String| one_series(store, &expr, HOUR_MS, span - HOUR_MS, end);
        for (at, rows) in read(source.rows("1h"))? {
            hours.entry(at).or_default().0 += rows;
        }
        for (at, seconds) in read(source.seconds("1h"))? {
            hours.entry(at).or_default().1 += seconds;
        }
    }
    let values: Vec<(f64, f64)> = hours.into_values().filter(|(rows, _)| *rows >= 1.0).collect();
    let Some(mut measured) = per_row(&values) else { return Ok(None) };
    let range = format!("{}h", span / HOUR_MS);
    for source in &terms.sources {
        let p95 = one_value(store, &source.p95(&range), end)?;
        if let Some(p95) = p95.filter(|p95| *p95 > EXCESS * terms.latency_max) {
            #[expect(clippy::cast_possible_truncation, reason = "`as` saturates")]
            let limit = duration_text((terms.latency_max * 1_000.0).round() as i64);
            measured.broken =
                Some(format!("the 95th percentile of a statement is {:.0} ms, the limit is {limit}", 1_000.0 * p95));
        }
    }
    Ok(Some(measured))
}

/// Returns the time of a row over all hours, with an interval from the differences between hours.
fn per_row(hours: &[(f64, f64)]) -> Option<Measured> {
    if hours.len() < LEAST_HOURS {
        return None;
    }
    let (rows, seconds) = hours.iter().fold((0.0, 0.0), |sum, hour| (sum.0 + hour.0, sum.1 + hour.1));
    let value = seconds / rows;
    let count = f64::from(u32::try_from(hours.len()).unwrap_or(u32::MAX));
    // Variance of a ratio of sums (Cochran 1977, Sampling techniques, 6.4).
    let spread = hours.iter().map(|(rows, seconds)| (seconds - value * rows).powi(2)).sum::<f64>() / (count - 1.0);
    let margin = Z * (spread * count).sqrt() / rows;
    Some(Measured { value, lower: value - margin, upper: value + margin, broken: None })
}

#[cfg(test)]
mod tests {
    use super::per_row;

    #[test]
    fn the_time_of_a_row_is_weighted_by_the_rows() {
        let measured =
            per_row(&[(100.0, 0.1), (900.0, 0.9), (100.0, 0.2), (900.0, 0.8), (1.0, 0.001), (1.0, 0.001)]).unwrap();
        assert!((measured.value - 0.001).abs() < 1e-4, "{measured:?}");
        assert!(measured.lower < measured.value && measured.value < measured.upper);
        assert_eq!(per_row(&[(1.0, 1.0); 5]), None);
    }
}
