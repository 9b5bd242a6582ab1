//! When a signal that trends towards its bound passes it.

use almanac_models::{
    Level,
    stats::{Trend, median, quantile},
};

use super::{Comparison, Instance};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// Means that a trend is fitted to at least, of days where there are so many, else of hours, else of the values.
const LEAST_MEANS: usize = 7;
/// What the interval promises.
const LEVEL: f64 = 0.95;
/// A fall back by so much of the whole range is a cleaning up or a renewal: the trend begins after it.
const RESET: f64 = 0.4;
/// Of what the signal swings about its trend, the share that has to lie inside the bound: a daily peak breaches before the mean.
const SWING: f64 = 0.95;
/// Further ahead nothing is said.
const FAR_MS: f64 = 365.0 * 86_400_000.0;

/// When a signal that trends towards its bound passes it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Breach {
    /// When its upper swing passes the bound, epoch milliseconds; the last value's time where it has.
    pub expected_ms: i64,
    /// By the steeper end of the trend's 95 % interval.
    pub earliest_ms: i64,
    /// By the flatter end; none where that is more than a year ahead.
    pub latest_ms: Option<i64>,
    /// Change of the signal a day.
    pub slope_per_day: f64,
}

/// When the signal passes `bound`, if its trend since the last reset leads there for sure and within a year. Where it was reset before
/// it came to the bound, it is taken to be so again.
///
/// `instance`: evaluations of one element, the last of them now. The trend is that of daily means, so that a day's course is none;
/// of hourly ones, or of values, where there is less than a week, or less than seven hours.
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
        // It is emptied before it is full, as it was before.
        return None;
    }
    let (now_ms, _) = *rows.last()?;
    let points = means(rows);
    let days = |at_ms: i64| ms(at_ms - now_ms) / ms(DAY_MS);
    let scaled: Vec<(f64, f64)> = points.iter().map(|(at_ms, value)| (days(*at_ms), *value)).collect();
    let trend = Trend::fit(&scaled, Level::try_new(LEVEL).ok()?)?;
    let wider = widening(&scaled, trend.slope);
    let end = |end: f64| trend.slope + wider * (end - trend.slope);
    let trend = Trend { lower: end(trend.lower), upper: end(trend.upper), ..trend };
    if trend.lower <= 0.0 {
        return None;
    }
    let rest: Vec<f64> = rows.iter().map(|(at_ms, value)| value - trend.slope * days(*at_ms)).collect();
    let level = quantile(&rest, SWING)?.max(median(&rest)?);
    let room = sign * bound - level;
    let after = |slope: f64| {
        let ahead = (room / slope * ms(DAY_MS)).max(0.0);
        #[expect(clippy::cast_possible_truncation, reason = "at most a year")]
        (ahead <= FAR_MS).then(|| now_ms + ahead.round() as i64)
    };
    Some(Breach {
        expected_ms: after(trend.slope)?,
        earliest_ms: after(trend.upper)?,
        latest_ms: after(trend.lower),
        slope_per_day: sign * trend.slope,
    })
}

/// What comes after the last fall by a large part of the range that was no spike, and the highest value before it.
fn since_reset(rows: &[(i64, f64)]) -> (&[(i64, f64)], Option<f64>) {
    let (least, most) =
        rows.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), row| (low.min(row.1), high.max(row.1)));
    let middle = |part: &[(i64, f64)]| median(&part.iter().map(|row| row.1).collect::<Vec<f64>>());
    let is_reset = |idx: &usize| {
        let (high, low) = (rows[*idx].1, rows[idx + 1].1);
        let half = f64::midpoint(high, low);
        // The level has to be there before and to stay away after, which tells it from a spike.
        let before = middle(&rows[(idx + 1).saturating_sub(LEAST_MEANS)..=*idx]);
        let after = middle(&rows[idx + 1..(idx + 1 + LEAST_MEANS).min(rows.len())]);
        high - low > RESET * (most - least)
            && before.is_some_and(|level| level > half)
            && after.is_some_and(|level| level < half)
    };
    match (0..rows.len().saturating_sub(1)).rev().find(is_reset) {
        Some(idx) => (&rows[idx + 1..], rows[..=idx].iter().map(|row| row.1).reduce(f64::max)),
        None => (rows, None),
    }
}

/// How much wider an interval is where what is left over goes on from one mean to the next: √((1 + ρ)/(1 − ρ)).
fn widening(points: &[(f64, f64)], slope: f64) -> f64 {
    let rest: Vec<f64> = points.iter().map(|(x, y)| y - slope * x).collect();
    let Some(centre) = median(&rest) else { return 1.0 };
    let squares: f64 = rest.iter().map(|value| (value - centre).powi(2)).sum();
    let products: f64 = rest.windows(2).map(|pair| (pair[0] - centre) * (pair[1] - centre)).sum();
    let rho = if squares > 0.0 { (products / squares).clamp(0.0, 0.9) } else { 0.0 };
    ((1.0 + rho) / (1.0 - rho)).sqrt()
}

/// Means of whole days, hours, or the rows themselves: the longest of which there are enough.
fn means(rows: &[(i64, f64)]) -> Vec<(i64, f64)> {
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Vec::new() };
    let span_ms = last.0 - first.0;
    let least = i64::try_from(LEAST_MEANS).unwrap_or(i64::MAX);
    let Some(width_ms) = [DAY_MS, HOUR_MS].into_iter().find(|width| span_ms / width >= least) else {
        return rows.to_vec();
    };
    // Counted back from the last row, so that the newest mean is of a whole day.
    let back = |at_ms: i64| (last.0 - at_ms) / width_ms;
    let mut means: Vec<(i64, f64)> = rows
        .chunk_by(|a, b| back(a.0) == back(b.0))
        .map(|part| {
            let n = f64::from(u32::try_from(part.len()).unwrap_or(u32::MAX));
            let middle_ms = part[0].0 + (part[part.len() - 1].0 - part[0].0) / 2;
            (middle_ms, part.iter().map(|row| row.1).sum::<f64>() / n)
        })
        .collect();
    // The first is of a day in part.
    if means.len() > LEAST_MEANS {
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

    /// Days ahead of the last of `days`.
    fn ahead(breach: Breach, days: i64) -> f64 {
        ms(breach.expected_ms - (days * DAY_MS - 900_000)) / ms(DAY_MS)
    }

    #[test]
    fn a_disk_that_fills_and_a_certificate_that_runs_out() {
        // 40 % and 2 % a day for ten days: 90 % after 25 days, 15 from the last value.
        let disk = breach(|day| 0.4 + 0.02 * day, 10, Comparison::Greater, 0.9).unwrap();
        assert!((ahead(disk, 10) - 15.01).abs() < 0.05, "{}", ahead(disk, 10));
        assert!((disk.slope_per_day - 0.02).abs() < 1e-9 && disk.earliest_ms <= disk.expected_ms);
        // 30 days left and one gone a day: below 14 days after 16, 10 from the last value.
        let certificate = breach(|day| 86_400.0 * (30.0 - day), 6, Comparison::Less, 14.0 * 86_400.0).unwrap();
        assert!((ahead(certificate, 6) - 10.0).abs() < 0.05, "{}", ahead(certificate, 6));
        assert!((certificate.slope_per_day + 86_400.0).abs() < 1e-6);
    }

    #[test]
    fn the_daily_peak_breaches_first_and_a_cleaning_up_begins_anew() {
        let wave = |day: f64| 10.0 * (std::f64::consts::TAU * day).sin();
        let queue = breach(|day| 100.0 + 2.0 * day + wave(day), 14, Comparison::Greater, 160.0).unwrap();
        // The mean passes after 30 days, the peaks, ten above, after 25: 11 from the last value.
        assert!((ahead(queue, 14) - 11.0).abs() < 0.8, "{}", ahead(queue, 14));
        // Emptied each ten days at 70: it never comes to 90. Where it did pass 60 before, it will again, by the trend since the last
        // time.
        let emptied = |day: f64| 20.0 + 5.0 * (day % 10.0);
        assert_eq!(breach(emptied, 24, Comparison::Greater, 90.0), None);
        let again = breach(emptied, 24, Comparison::Greater, 60.0).unwrap();
        assert!((ahead(again, 24) - 4.0).abs() < 0.2, "{}", ahead(again, 24));
        // A lone spike is no beginning.
        let spike = |day: f64| 0.4 + 0.02 * day + if (9.5..9.505).contains(&day) { 5.0 } else { 0.0 };
        let disk = breach(spike, 10, Comparison::Greater, 0.9).unwrap();
        assert!((ahead(disk, 10) - 15.0).abs() < 0.3, "{}", ahead(disk, 10));
    }

    #[test]
    fn what_does_not_lead_there_says_nothing() {
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
        // One that has passed it has no time left.
        let past = breach(|day| 80.0 + 2.0 * day, 12, Comparison::Greater, 90.0).unwrap();
        assert!(ahead(past, 12).abs() < 1e-9);
    }
}
