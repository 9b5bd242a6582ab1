//! Estimates when a signal that trends towards its bound passes it. Called by the replay of rule files and for the
//! rules in force; reads no store.

use almanac_models::{
    Level,
    stats::{Trend, median, quantile},
};

use super::{Comparison, Instance};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// Minimum number of points that a trend is fitted to. Daily means are used when there are that many, else hourly
/// means, else the values.
const MEANS_MIN: usize = 7;
/// Level of the trend's interval.
const LEVEL: f64 = 0.95;
/// Share of the whole range by which a fall counts as a reset, such as a clean-up or a renewal. The trend starts after
/// it.
const RESET_SHARE: f64 = 0.4;
/// Quantile of the residuals that is extrapolated to the bound: a daily peak breaches before the mean does.
const SWING_QUANTILE: f64 = 0.95;
/// Longest time ahead that is estimated, milliseconds.
const AHEAD_MAX_MS: f64 = 365.0 * 86_400_000.0;

/// Expected time at which a signal passes its bound.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Breach {
    /// Time at which the peaks around the trend pass the bound, epoch milliseconds; the time of the last value when
    /// they already have.
    pub expected_ms: i64,
    /// The same by the steeper end of the slope's 95 % interval.
    pub earliest_ms: i64,
    /// The same by the flatter end; `None` when more than a year ahead.
    pub latest_ms: Option<i64>,
    /// Change of the signal per day.
    pub slope_per_day: f64,
}

/// Estimates when the signal passes `bound`. Returns `None` unless the slope since the last reset is significantly
/// positive and reaches the bound within a year. A signal that was reset before it reached the bound is expected to be
/// reset again.
///
/// `instance`: evaluations of one element, the last one at the present time. The trend is fitted to daily means, so
/// that the daily pattern does not count as a trend; to hourly means with less than a week of data, and to the values
/// with less than seven hours.
///
/// # Reference
/// Sen (1968) for the slope and its interval.
#[must_use]
pub fn time_to_breach(instance: &Instance<'_>, comparison: Comparison, bound: f64) -> Option<Breach> {
    let sign = if comparison.is_upper() { 1.0 } else { -1.0 };
    let rows: Vec<(i64, f64)> = instance
        .timestamps
        .iter()
        .zip(instance.values)
        .filter(|(_, value)| value.is_finite())
        .map(|(at_ms, value)| (*at_ms, sign * value))
        .collect();
    let (rows, highest_before) = since_reset(&rows);
    if highest_before.is_some_and(|highest| highest < sign * bound) {
        // Every earlier cycle was reset below the bound.
        return None;
    }
    let (now_ms, _) = *rows.last()?;
    let points = means(rows);
    let days = |at_ms: i64| ms(at_ms - now_ms) / ms(DAY_MS);
    let scaled: Vec<(f64, f64)> = points.iter().map(|(at_ms, value)| (days(*at_ms), *value)).collect();
    let trend = Trend::fit(&scaled, Level::try_new(LEVEL).ok()?)?;
    // Sen's interval assumes independent residuals; autocorrelation widens it.
    let wider = widening(&scaled, trend.slope);
    let end = |end: f64| trend.slope + wider * (end - trend.slope);
    let trend = Trend { lower: end(trend.lower), upper: end(trend.upper), ..trend };
    if trend.lower <= 0.0 {
        return None;
    }
    // Level at the present time: the trend is subtracted relative to the last row.
    let rest: Vec<f64> = rows.iter().map(|(at_ms, value)| value - trend.slope * days(*at_ms)).collect();
    let level = quantile(&rest, SWING_QUANTILE)?.max(median(&rest)?);
    let distance = sign * bound - level;
    let after = |slope: f64| {
        let ahead = (distance / slope * ms(DAY_MS)).max(0.0);
        #[expect(clippy::cast_possible_truncation, reason = "at most a year")]
        (ahead <= AHEAD_MAX_MS).then(|| now_ms + ahead.round() as i64)
    };
    Some(Breach {
        expected_ms: after(trend.slope)?,
        earliest_ms: after(trend.upper)?,
        latest_ms: after(trend.lower),
        slope_per_day: sign * trend.slope,
    })
}

/// Returns the rows after the last reset, and the highest value before it. A spike does not count as a reset.
fn since_reset(rows: &[(i64, f64)]) -> (&[(i64, f64)], Option<f64>) {
    let (least, most) =
        rows.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), row| (low.min(row.1), high.max(row.1)));
    let middle = |part: &[(i64, f64)]| median(&part.iter().map(|row| row.1).collect::<Vec<f64>>());
    let is_reset = |idx: &usize| {
        let (high, low) = (rows[*idx].1, rows[idx + 1].1);
        let half = f64::midpoint(high, low);
        // A spike has a low median before it; a reset has a high one before and a low one after.
        let before = middle(&rows[(idx + 1).saturating_sub(MEANS_MIN)..=*idx]);
        let after = middle(&rows[idx + 1..(idx + 1 + MEANS_MIN).min(rows.len())]);
        high - low > RESET_SHARE * (most - least)
            && before.is_some_and(|level| level > half)
            && after.is_some_and(|level| level < half)
    };
    match (0..rows.len().saturating_sub(1)).rev().find(is_reset) {
        Some(idx) => (&rows[idx + 1..], rows[..=idx].iter().map(|row| row.1).reduce(f64::max)),
        None => (rows, None),
    }
}

/// Returns the factor √((1 + ρ)/(1 − ρ)) by which lag-1 autocorrelation ρ of the residuals widens an interval.
fn widening(points: &[(f64, f64)], slope: f64) -> f64 {
    let rest: Vec<f64> = points.iter().map(|(x, y)| y - slope * x).collect();
    let Some(centre) = median(&rest) else { return 1.0 };
    let squares: f64 = rest.iter().map(|value| (value - centre).powi(2)).sum();
    let products: f64 = rest.windows(2).map(|pair| (pair[0] - centre) * (pair[1] - centre)).sum();
    let rho = if squares > 0.0 { (products / squares).clamp(0.0, 0.9) } else { 0.0 };
    ((1.0 + rho) / (1.0 - rho)).sqrt()
}

/// Returns daily means, hourly means, or the rows themselves: the coarsest with at least [`MEANS_MIN`] points.
fn means(rows: &[(i64, f64)]) -> Vec<(i64, f64)> {
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Vec::new() };
    let span_ms = last.0 - first.0;
    let least = i64::try_from(MEANS_MIN).unwrap_or(i64::MAX);
    let Some(width_ms) = [DAY_MS, HOUR_MS].into_iter().find(|width| span_ms / width >= least) else {
        return rows.to_vec();
    };
    // Days are counted back from the last row, so that the newest mean covers a whole day.
    let back = |at_ms: i64| (last.0 - at_ms) / width_ms;
    let mut means: Vec<(i64, f64)> = rows
        .chunk_by(|a, b| back(a.0) == back(b.0))
        .map(|part| {
            let n = f64::from(u32::try_from(part.len()).unwrap_or(u32::MAX));
            let middle_ms = part[0].0 + (part[part.len() - 1].0 - part[0].0) / 2;
            (middle_ms, part.iter().map(|row| row.1).sum::<f64>() / n)
        })
        .collect();
    // The oldest mean covers only part of a day.
    if means.len() > MEANS_MIN {
        means.remove(0);
    }
    means
}

#[expect(clippy::cast_precision_loss, reason = "spans are far below 2^53 ms")]
fn ms(millis: i64) -> f64 {
    millis as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breach(of: impl Fn(f64) -> f64, days: i64, comparison: Comparison, bound: f64) -> Option<Breach> {
        let timestamps: Vec<i64> = (0..days * 96).map(|quarter| quarter * 900_000).collect();
        let values: Vec<f64> = timestamps.iter().map(|at| of(ms(*at) / ms(DAY_MS))).collect();
        time_to_breach(&Instance { timestamps: &timestamps, values: &values }, comparison, bound)
    }

    /// Returns the days between the last value of `days` and the expected breach.
    fn ahead(breach: Breach, days: i64) -> f64 {
        ms(breach.expected_ms - (days * DAY_MS - 900_000)) / ms(DAY_MS)
    }

    #[test]
    fn a_disk_that_fills_and_a_certificate_that_expires() {
        // Starts at 40 % and grows 2 % a day: 90 % after 25 days, 15 days after the last value.
        let disk = breach(|day| 0.4 + 0.02 * day, 10, Comparison::Greater, 0.9).unwrap();
        assert!((ahead(disk, 10) - 15.01).abs() < 0.05, "{}", ahead(disk, 10));
        assert!((disk.slope_per_day - 0.02).abs() < 1e-9 && disk.earliest_ms <= disk.expected_ms);
        // Starts with 30 days left: below 14 days after 16, which is 10 days after the last value.
        let certificate = breach(|day| 86_400.0 * (30.0 - day), 6, Comparison::Less, 14.0 * 86_400.0).unwrap();
        assert!((ahead(certificate, 6) - 10.0).abs() < 0.05, "{}", ahead(certificate, 6));
        assert!((certificate.slope_per_day + 86_400.0).abs() < 1e-6);
    }

    #[test]
    fn the_daily_peak_breaches_first_and_a_reset_restarts_the_trend() {
        let wave = |day: f64| 10.0 * (std::f64::consts::TAU * day).sin();
        let queue = breach(|day| 100.0 + 2.0 * day + wave(day), 14, Comparison::Greater, 160.0).unwrap();
        // The mean passes after 30 days. The peaks, ten above it, pass after 25: 11 days after the last value.
        assert!((ahead(queue, 14) - 11.0).abs() < 0.8, "{}", ahead(queue, 14));
        // Reset at 70 every ten days: it never reaches 90. It passed 60 in earlier cycles, so it will pass 60 again.
        let emptied = |day: f64| 20.0 + 5.0 * (day % 10.0);
        assert_eq!(breach(emptied, 24, Comparison::Greater, 90.0), None);
        let again = breach(emptied, 24, Comparison::Greater, 60.0).unwrap();
        assert!((ahead(again, 24) - 4.0).abs() < 0.2, "{}", ahead(again, 24));
        // A single spike is not a reset.
        let spike = |day: f64| 0.4 + 0.02 * day + if (9.5..9.505).contains(&day) { 5.0 } else { 0.0 };
        let disk = breach(spike, 10, Comparison::Greater, 0.9).unwrap();
        assert!((ahead(disk, 10) - 15.0).abs() < 0.3, "{}", ahead(disk, 10));
    }

    #[test]
    fn a_trend_away_from_the_bound_gives_no_breach() {
        let noise = |day: f64| ((day * 96.0).round() * 7_919.0 % 101.0) / 101.0;
        for (of, bound) in [
            (Box::new(|day: f64| 50.0 - day) as Box<dyn Fn(f64) -> f64>, 90.0),
            (Box::new(move |day: f64| 50.0 + noise(day)), 90.0),
            (Box::new(|_| 50.0), 90.0),
            (Box::new(|day: f64| 50.0 + 1e-3 * day), 90.0),
            (Box::new(|_| f64::NAN), 90.0),
        ] {
            assert_eq!(breach(of, 12, Comparison::Greater, bound), None);
        }
        // A signal beyond its bound has breached at its last value.
        let past = breach(|day| 80.0 + 2.0 * day, 12, Comparison::Greater, 90.0).unwrap();
        assert!(ahead(past, 12).abs() < 1e-9);
    }
}
