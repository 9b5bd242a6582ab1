//! Holidays: excluded from training, and forecast from the effect of past holidays.

use std::ops::Range;

use crate::forecast::combine::Quantiles;

/// The effect of holidays on a series, by phase of the day.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::forecast) struct Holidays {
    /// Steps of holidays, counted from the start of the fitted values.
    ranges: Vec<Range<usize>>,
    /// Length of a day in steps.
    day: usize,
    effect: Effect,
}

/// How the value of a holiday is derived.
#[derive(Debug, Clone, PartialEq)]
enum Effect {
    /// Mean departure of past holidays from an ordinary day.
    Departure(Vec<f64>),
    /// Course of the lowest weekday, when there is no past holiday.
    Lowest(Vec<f64>),
    /// Neither a past holiday nor a week of data: no effect.
    Unknown,
}

impl Holidays {
    /// Fits the effect on `y` (NaN where missing). `ordinary`: the expected values without holidays; `ranges`: steps of
    /// holidays, which may lie after the end of `y`; `day`: length of a day in steps.
    pub(in crate::forecast) fn new(y: &[f64], ordinary: &[f64], ranges: &[Range<usize>], day: usize) -> Self {
        let effect = departure(y, ordinary, ranges, day)
            .map(Effect::Departure)
            .or_else(|| lowest_day(ordinary, day).map(Effect::Lowest))
            .unwrap_or(Effect::Unknown);
        Self { ranges: ranges.to_vec(), day, effect }
    }

    fn holds(&self, step: usize) -> bool {
        self.ranges.iter().any(|r| r.contains(&step))
    }

    /// Returns the shift of the point and its quantiles at `step`; 0 outside of holidays.
    pub(in crate::forecast) fn shift(&self, step: usize, point: f64) -> f64 {
        if !self.holds(step) {
            return 0.0;
        }
        match &self.effect {
            Effect::Departure(mean) => mean[step % self.day],
            Effect::Lowest(course) => course[step % self.day] - point,
            Effect::Unknown => 0.0,
        }
    }
}

/// Adds `shift` to all quantiles.
pub(in crate::forecast) fn shifted(quantiles: Quantiles, shift: f64) -> Quantiles {
    quantiles.map(|q| q + shift)
}

/// Returns `y` with holidays set to NaN.
pub(in crate::forecast) fn without(y: &[f64], ranges: &[Range<usize>]) -> Vec<f64> {
    let mut out = y.to_vec();
    for range in ranges {
        let (start, end) = (range.start.min(out.len()), range.end.min(out.len()));
        if start < end {
            out[start..end].fill(f64::NAN);
        }
    }
    out
}

/// Returns the mean departure by phase, smoothed over a 24th of a day; `None` without a past holiday.
fn departure(y: &[f64], ordinary: &[f64], ranges: &[Range<usize>], day: usize) -> Option<Vec<f64>> {
    let (mut sum, mut count) = (vec![0.0; day], vec![0.0f64; day]);
    for range in ranges {
        for t in range.start.min(y.len())..range.end.min(y.len()) {
            if y[t].is_finite() {
                sum[t % day] += y[t] - ordinary[t];
                count[t % day] += 1.0;
            }
        }
    }
    let half = day / 48;
    // Phases without an observed holiday get the mean of all phases.
    let (total, n): (f64, f64) = (sum.iter().sum(), count.iter().sum());
    (n > 0.0).then(|| {
        (0..day)
            .map(|phase| {
                let near = (0..=2 * half).map(|k| (phase + day + k - half) % day);
                let (s, c) = near.fold((0.0, 0.0), |(s, c), i| (s + sum[i], c + count[i]));
                if c > 0.0 { s / c } else { total / n }
            })
            .collect()
    })
}

/// Returns the mean course, by phase, of the weekday with the lowest values; `None` with less than a week.
fn lowest_day(ordinary: &[f64], day: usize) -> Option<Vec<f64>> {
    let n = ordinary.len();
    if day == 0 || n < 7 * day {
        return None;
    }
    let weeks = (n / (7 * day)).min(4);
    let course = |weekday: usize| -> Vec<f64> {
        let mut out = vec![0.0; day];
        for week in 0..weeks {
            let start = n - (7 * week + weekday + 1) * day;
            for (t, v) in ordinary[start..start + day].iter().enumerate() {
                out[(start + t) % day] += v / weeks as f64;
            }
        }
        out
    };
    (0..7).map(course).min_by(|a, b| a.iter().sum::<f64>().total_cmp(&b.iter().sum::<f64>()))
}

#[cfg(test)]
mod tests {
    use crate::forecast::{AutoForecaster, Fit, Predict};
    use crate::{Horizon, Step};

    /// Three weeks of hours: 100 by day, 40 by night, less on the seventh day.
    fn hours() -> Vec<f64> {
        (0..24 * 21)
            .map(|t: usize| {
                let busy = if (8..20).contains(&(t % 24)) { 100.0 } else { 40.0 };
                let ripple = (t * 7_919 % 13) as f64 / 4.0;
                if (t / 24) % 7 == 6 { 0.5 * busy + ripple } else { busy + ripple }
            })
            .collect()
    }

    #[test]
    fn a_holiday_is_forecast_from_past_ones_or_the_lowest_day() {
        let hour = Step::from_millis(3_600_000).unwrap();
        let h = Horizon::try_new(48).unwrap();
        let n = hours().len();
        // Without a past holiday: like the seventh day.
        let ahead = n + 24..n + 48;
        let plain = AutoForecaster::new(hour).with_holidays(vec![ahead.clone()]).fit(&hours()).unwrap();
        let point = plain.predict(h, &[]).unwrap().point;
        assert!((point[12] - 101.5).abs() < 5.0 && (point[36] - 51.5).abs() < 5.0, "{} {}", point[12], point[36]);
        // With a past holiday of low values, nine days before the end: like that one, and other days are not lowered.
        let mut y = hours();
        y[n - 9 * 24..n - 8 * 24].fill(5.0);
        let taught = AutoForecaster::new(hour).with_holidays(vec![n - 9 * 24..n - 8 * 24, ahead]);
        let point = taught.fit(&y).unwrap().predict(h, &[]).unwrap().point;
        assert!((point[12] - 101.5).abs() < 5.0 && (point[36] - 5.0).abs() < 8.0, "{} {}", point[12], point[36]);
    }
}
