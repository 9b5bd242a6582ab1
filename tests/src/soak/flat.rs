//! Judges whether a quantity is flat over the second half of a run.

use almanac_models::{Level, UnitError, stats::Trend};

use super::probe::{QUANTITIES, Quantity, Sample};

/// Level of the interval of the growth.
const LEVEL: f64 = 0.95;
/// Length of the second half, in seconds, from which on a growth above the bound counts although the interval is wide: noise does not
/// explain it any more.
const LONG: f64 = 900.0;

/// What the growth says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The whole interval is at or below the bound.
    Flat,
    /// The interval has the bound inside: a longer run decides.
    Undecided,
    /// The growth is above the bound.
    Grows,
}

impl Verdict {
    pub(super) fn describe(self) -> &'static str {
        match self {
            Self::Flat => "flat",
            Self::Undecided => "undecided, the run is too short",
            Self::Grows => "**grows**",
        }
    }
}

/// Growth of a quantity.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Growth {
    pub(super) quantity: Quantity,
    /// Median over the second half.
    pub(super) median: f64,
    /// Growth per hour with its interval; `None` with too few samples.
    pub(super) per_hour: Option<Trend>,
    /// Largest growth per hour that counts as flat.
    pub(super) bound: f64,
    pub(super) verdict: Verdict,
}

/// Judges all quantities over the second half of the samples. `settled_s`: seconds after which the service holds as much as it ever will.
///
/// # Errors
/// Never: the level is valid.
pub(super) fn judge(samples: &[Sample], settled_s: f64) -> Result<Vec<Growth>, UnitError> {
    let level = Level::try_new(LEVEL)?;
    let end = samples.last().map_or(0.0, |sample| sample.seconds);
    let half: Vec<&Sample> = samples.iter().filter(|sample| sample.seconds >= end / 2.0).collect();
    let of = |(idx, quantity): (usize, Quantity)| {
        let points: Vec<(f64, f64)> = half.iter().map(|sample| (sample.seconds / 3600.0, sample.values[idx])).collect();
        let median = median(points.iter().map(|(_, value)| *value));
        let bound = quantity.bound.per_hour(median);
        let per_hour = Trend::fit(&points, level);
        // While the service fills up, growth says nothing.
        let verdict = if end / 2.0 < settled_s { Verdict::Undecided } else { verdict(per_hour, bound, end / 2.0) };
        Growth { quantity, median, per_hour, bound, verdict }
    };
    Ok(QUANTITIES.into_iter().enumerate().map(of).collect())
}

fn verdict(per_hour: Option<Trend>, bound: f64, half_seconds: f64) -> Verdict {
    match per_hour {
        Some(trend) if trend.lower > bound || trend.slope > bound && half_seconds >= LONG => Verdict::Grows,
        Some(trend) if trend.upper <= bound => Verdict::Flat,
        // In a long run the growth itself is known to be below the bound.
        Some(trend) if trend.slope <= bound && half_seconds >= LONG => Verdict::Flat,
        _ => Verdict::Undecided,
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.filter(|value| value.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Samples over an hour, of which the first quantity grows by `per_hour` in a saw tooth of 20.
    fn samples(per_hour: f64, minutes: u32) -> Vec<Sample> {
        let of = |number: u32| {
            let seconds = f64::from(number) * 10.0;
            let mut values = [100.0; QUANTITIES.len()];
            values[0] += per_hour * seconds / 3600.0 + f64::from(number * 7 % 20);
            Sample { seconds, values, errors: 0 }
        };
        (0..minutes * 6).map(of).collect()
    }

    #[test]
    fn growth_is_told_from_noise() {
        let check = |per_hour: f64, minutes: u32, expected: Verdict| {
            let growth = judge(&samples(per_hour, minutes), 100.0).unwrap()[0];
            assert_eq!(growth.verdict, expected, "{per_hour} per hour in {minutes} minutes: {growth:?}");
        };
        // The bound is 16 per hour.
        check(0.0, 60, Verdict::Flat);
        check(8.0, 60, Verdict::Flat);
        check(40.0, 60, Verdict::Grows);
        check(1_000.0, 10, Verdict::Grows);
        check(0.0, 2, Verdict::Undecided);
        check(1_000_000.0, 3, Verdict::Undecided);
        check(-500.0, 60, Verdict::Flat);
    }

    #[test]
    fn the_first_half_does_not_count() {
        let mut samples = samples(0.0, 60);
        for sample in samples.iter_mut().filter(|sample| sample.seconds < 1_700.0) {
            sample.values[0] = sample.seconds / 20.0;
        }
        assert_eq!(judge(&samples, 100.0).unwrap()[0].verdict, Verdict::Flat);
    }

    #[test]
    fn too_few_samples_decide_nothing() {
        assert!(judge(&[], 0.0).unwrap().iter().all(|growth| growth.verdict == Verdict::Undecided));
    }
}
