//! The offline detector: bands and ranks of all values of a series.

use std::rc::Rc;

use super::departure::Departures;
use super::lasting::{Shift, shift_sizes, shifts, stuck, usual_change};
use super::season::{of_scales, of_values, profile};
use super::smooth::{add_exponential, level, moving_mean};
use crate::anomaly::{DetectorOptions, Kind, Scored};
use crate::seasons::SeasonDetector;
use crate::stats::{mad, mean, median};
use crate::units::LocalGrid;

/// Smallest number of finite values that are scored.
const LEAST_VALUES: usize = 60;
/// A day in milliseconds.
const DAY_MS: i64 = 86_400_000;
/// Largest absolute value that is learned; larger ones count as infinite.
const LARGEST_VALUE: f64 = 1e150;
/// Widths, in steps, of the means that values are compared with. Tried values: `docs/tuning/anomaly.md`.
const NARROW: [usize; 2] = [3, 9];
const MIDDLE: usize = 27;
const WIDE: usize = 243;
/// Weight of a shift of the level relative to a single value: neighbours share it, so that shifts of a noisy level form
/// runs. Tried values: `docs/tuning/anomaly.md`.
const SHIFT: f64 = 0.7;
/// Spans, in steps, over which evidence spreads to both sides, and weight of each relative to the value's own evidence.
/// Tried values: `docs/tuning/anomaly.md`.
const SPANS: [f64; 4] = [3.0, 10.0, 30.0, 100.0];
const SPAN_WEIGHT: f64 = 1.5;
/// Factor of bands relative to the exponential tail. Tried values: `docs/tuning/anomaly.md`.
const REACH: f64 = 1.25;
/// Smallest bound of departures from the level, in median changes between neighbours. On a ramp without noise a spike
/// moves the median of its neighbours by half of its length.
const LEAST_CHANGES: f64 = 5.0;
/// Smallest bound of the level's departure from the season, and of a shift, in bounds of single values.
const LEAST_LASTING: f64 = 0.5;
/// Number of first values of a new level that are called.
const ONSET: usize = 9;

/// Scores a complete series, each value against all others; NaN is a missing value and scores 0.
///
/// `y`: evenly spaced, any unit, any length. With fewer than 60 finite values, or if all are equal, every score is 0.
/// The result has one score per value. `options.window` has no effect, since the series is the window.
///
/// **Bands.** There are two expected values: the median of the value's phase over all cycles of the season, and the
/// same shifted to the median of the 27 values around it. Each has a band; ordinary values leave at least one of the
/// two with probability `options.risk`. The bands come from an exponential tail through the median and the 99th
/// percentile of all departures, scaled by phase. A value outside of a band scores above 1: its distance from the
/// expected value in half bands.
///
/// **Rank.** A value inside both bands scores below 1, by evidence: the largest of its departures from the season, from
/// the means over 3, 9 and 27 values, and of the mean over 27 from that over 243, each in units of its own bound.
/// Evidence spreads to both sides, since incidents start before and end after the values that show them. A value in a
/// cluster thus ranks before an isolated one.
///
/// Accuracy beside the causal detector: `docs/tuning/anomaly.md`.
///
/// ```
/// use almanac_models::anomaly::{DetectorOptions, detect_offline};
/// let mut y: Vec<f64> = (0..600).map(|t| f64::from(t % 24) + 0.1 * f64::from(t * 7 % 5)).collect();
/// y[5] = 60.0;
/// let scored = detect_offline(&y, &DetectorOptions::default());
/// assert!(scored[5].score > 1.0 && scored[6].score < 1.0);
/// ```
///
/// # Reference
/// Aggarwal (2017), Outlier Analysis, chapters 9 (departures from expected values of a series) and 6 (ensembles: the
/// largest of standardised scores). Hampel (1974) for the moving median. Paparrizos et al. (2022), Volume under the
/// surface, PVLDB 15, for the measure, which credits scores beside an incident. Deviates from the z-scores of the first
/// by bounds from an exponential tail, which a few incidents do not widen.
#[must_use]
pub fn detect_offline(y: &[f64], options: &DetectorOptions) -> Vec<Scored> {
    let seasons = || found_seasons(y, options);
    detect(y, options, (0..y.len()).collect(), seasons)
}

/// Scores a series whose days and weeks follow local time, as [`detect_offline`] does otherwise: a pattern at eight
/// o'clock stays at eight across daylight saving.
///
/// `clocks`: local time of `y`, see [`UtcOffsets::local`](crate::units::UtcOffsets::local). `options.seasons` are in
/// steps of local time.
///
/// ```
/// use almanac_models::anomaly::{DetectorOptions, detect_offline_by_clocks};
/// use almanac_models::{Step, Timestamp, units::UtcOffsets};
/// let hour = 3_600_000;
/// let (step, start) = (Step::from_millis(hour)?, Timestamp::from_millis(0));
/// // Nine o'clock comes an hour early from the 20th day on.
/// let clocks = UtcOffsets::new(0, vec![(Timestamp::from_millis(480 * hour), hour)]);
/// let at = |t: u32| (t + u32::from(t >= 480)) % 24;
/// let y: Vec<f64> = (0..960).map(|t| if at(t) == 9 { 50.0 } else { 0.1 * f64::from(t * 7 % 5) }).collect();
/// let options = DetectorOptions { seasons: Some(vec![24]), ..DetectorOptions::default() };
/// let scored = detect_offline_by_clocks(&y, &options, &clocks.local(start, step));
/// assert!(scored.iter().all(|s| !s.is_anomaly()));
/// # Ok::<(), almanac_models::UnitError>(())
/// ```
#[must_use]
pub fn detect_offline_by_clocks(y: &[f64], options: &DetectorOptions, clocks: &LocalGrid<'_>) -> Vec<Scored> {
    let local: Vec<i64> = (0..y.len()).map(|t| clocks.index(t)).collect();
    let first = local.iter().copied().min().unwrap_or(0);
    let places = local.iter().map(|place| usize::try_from(place - first).unwrap_or(0)).collect();
    detect(y, options, places, || found_seasons(&clocks.series(y), options))
}

/// Scores values at `places`, their positions modulo the seasons; `found` returns the seasons where none are given.
fn detect(
    y: &[f64],
    options: &DetectorOptions,
    places: Rc<[usize]>,
    found: impl FnOnce() -> Vec<usize>,
) -> Vec<Scored> {
    let Some(series) = Standardised::new(y) else { return all_ordinary(y) };
    let seasons = options.seasons.clone().unwrap_or_else(found);
    let risk = if options.risk > 0.0 && options.risk < 0.02 { options.risk } else { 1e-4 };
    let model = SeriesModel::new(&series, places, &seasons, day(options), risk);
    let mut bands: Vec<Scored> = y.iter().enumerate().map(|(t, v)| model.band(&series, t, *v)).collect();
    // The moving level follows a shift, so that the first values after it are compared with the level before.
    for shift in &model.shifts {
        for (t, v) in y.iter().enumerate().skip(shift.at).take(ONSET) {
            let onset = model.onset(&series, shift, t, *v);
            if bands[t].score <= 1.0 && onset.score > 1.0 {
                bands[t] = onset;
            }
        }
    }
    if y.iter().all(|v| v.is_nan() || *v >= 0.0) {
        // A series without negative values is never expected below 0.
        for band in &mut bands {
            band.lower = band.lower.max(0.0);
            band.expected = band.expected.max(0.0);
        }
    }
    let evidence: Vec<f64> =
        bands.iter().enumerate().map(|(t, band)| model.evidence(t).max(band.score).min(Scored::LARGEST)).collect();
    let mut spread = evidence.clone();
    for span in SPANS {
        add_exponential(&mut spread, &evidence, span, SPAN_WEIGHT);
    }
    let unit = 1.0 / (1.0 + SPAN_WEIGHT * SPANS.len() as f64);
    let mut scored: Vec<Scored> =
        y.iter().zip(bands).zip(spread).map(|((v, band), spread)| final_score(*v, band, spread * unit)).collect();
    for (start, end, score) in stuck(y) {
        for one in scored[start..end].iter_mut().filter(|one| one.score <= 1.0) {
            // The band is empty: no single value would be ordinary.
            let expected = one.expected;
            *one = Scored {
                lower: expected,
                upper: expected,
                score: score.max(1.0 + 1e-6),
                kind: Kind::FlatLine,
                expected,
            };
        }
    }
    scored
}

/// Returns the final score of a value: that of the band outside of it, otherwise its rank by the evidence `spread`.
fn final_score(value: f64, band: Scored, spread: f64) -> Scored {
    if value.is_nan() {
        return Scored { lower: f64::NAN, upper: f64::NAN, score: 0.0, ..band };
    }
    let outside = value < band.lower || value > band.upper;
    // Scores are printed with six digits, of which the last must show an anomaly.
    let score = if outside { band.score.max(1.0 + 1e-6) } else { spread / (1.0 + spread) };
    Scored { score, ..band }
}

/// Scores a series that is too short or constant: every value is ordinary.
fn all_ordinary(y: &[f64]) -> Vec<Scored> {
    let (lower, upper) = y
        .iter()
        .filter(|v| v.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(*v), high.max(*v)));
    let expected = median(y).unwrap_or(f64::NAN);
    y.iter()
        .map(|v| match v.is_finite() {
            true => Scored { lower, upper, ..Scored::unknown(expected) },
            false => Scored::unknown(expected),
        })
        .collect()
}

fn found_seasons(y: &[f64], options: &DetectorOptions) -> Vec<usize> {
    let detector = SeasonDetector::default();
    let detector = match options.step {
        Some(step) => detector.with_step(step),
        None => detector,
    };
    detector.detect(y).iter().map(|s| s.period).collect()
}

/// Returns the steps of a day, if that is a whole number.
fn day(options: &DetectorOptions) -> Option<usize> {
    let step = options.step?.millis();
    usize::try_from(DAY_MS / step).ok().filter(|_| DAY_MS % step == 0)
}

/// A series minus its median, in units of its spread; NaN where missing or infinite.
#[derive(Debug)]
struct Standardised {
    z: Vec<f64>,
    centre: f64,
    spread: f64,
    /// Smallest departure above rounding.
    least: f64,
}

impl Standardised {
    /// Returns `None` for too few values or a constant series.
    fn new(y: &[f64]) -> Option<Self> {
        let kept: Vec<f64> = y.iter().map(|v| if v.abs() <= LARGEST_VALUE { *v } else { f64::NAN }).collect();
        if kept.iter().filter(|v| v.is_finite()).count() < LEAST_VALUES {
            return None;
        }
        let centre = median(&kept)?;
        let spread = mad(&kept).filter(|spread| *spread > 0.0).or_else(|| {
            let distances: Vec<f64> = kept.iter().map(|v| (v - centre).abs()).collect();
            mean(&distances)
        })?;
        if !(spread > 0.0 && spread.is_finite()) {
            return None;
        }
        // A larger value would cancel the digits of all others in a sum.
        let z = kept.iter().map(|v| ((v - centre) / spread).clamp(-Scored::LARGEST, Scored::LARGEST)).collect();
        Some(Self { z, centre, spread, least: 1e-6 + 1e-12 * (centre / spread).abs() })
    }

    /// Converts a standardised value back to the unit of the series.
    fn value(&self, z: f64) -> f64 {
        self.centre + self.spread * z
    }
}

/// Expected values of a series and the departures from them, standardised.
#[derive(Debug)]
struct SeriesModel {
    /// Position of each value, modulo the seasons.
    places: Rc<[usize]>,
    profile: Vec<f64>,
    /// Median of the residuals around each value.
    level: Vec<f64>,
    from_season: Departures,
    from_level: Departures,
    /// Of the level from the season: moved by an outage of hours, not by single values.
    lasting: Departures,
    /// Distance of the levels before and after each step.
    jumps: Departures,
    shifts: Vec<Shift>,
    /// Further evidence for the rank, with its weight.
    others: Vec<(Departures, f64)>,
}

impl SeriesModel {
    fn new(series: &Standardised, places: Rc<[usize]>, seasons: &[usize], day: Option<usize>, risk: f64) -> Self {
        let z = &series.z;
        let profile = profile(z, &places, of_values(seasons, z.len()));
        let base = |place: &usize| profile[place % profile.len()];
        let rest: Vec<f64> = z.iter().zip(places.iter()).map(|(v, place)| v - base(place)).collect();
        let level = level(&rest, MIDDLE / 2);
        let season = of_scales(seasons, z.len(), day);
        // A value may leave either of the two bands, so that each has half of the risk.
        let departures = |sizes: Vec<f64>| Departures::new(sizes, Rc::clone(&places), season, 0.5 * risk, series.least);
        let least_level = LEAST_CHANGES * usual_change(&rest);
        let apart = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).collect::<Vec<f64>>();
        let from_season = departures(rest.iter().map(|r| r.abs()).collect());
        let least_lasting = least_level.max(LEAST_LASTING * from_season.bound());
        let lasting = departures(level.iter().map(|l| l.abs()).collect()).at_least(least_lasting);
        let from_level = departures(apart(&rest, &level)).at_least(least_level);
        // Values after a lasting shift would widen the bound of departures from the season, and so hide the shift.
        let least_jump = least_level.max(LEAST_LASTING * from_level.bound().min(from_season.bound()));
        let jumps = departures(shift_sizes(&level, MIDDLE)).at_least(least_jump);
        let shifts = shifts(&rest, &level, MIDDLE, |t| jumps.ratio(t) > REACH);
        let middle = moving_mean(&rest, MIDDLE);
        let wide = moving_mean(&rest, WIDE.min(z.len() / 2));
        let mut others: Vec<(Departures, f64)> =
            NARROW.iter().map(|width| (departures(apart(z, &moving_mean(z, *width))), 1.0)).collect();
        others.push((departures(apart(&rest, &middle)), 1.0));
        others.push((departures(apart(&middle, &wide)), SHIFT));
        Self { from_season, from_level, lasting, jumps, shifts, places, profile, level, others }
    }

    /// Returns the band that the value exceeds most or, inside both, the narrower one; the score is the distance from
    /// the expected value in half bands.
    fn band(&self, series: &Standardised, t: usize, value: f64) -> Scored {
        let base = self.profile[self.places[t] % self.profile.len()];
        let around = |expected: f64, departures: &Departures, kind: Kind| {
            let half = REACH * departures.bound_at(t) * series.spread;
            let expected = series.value(expected);
            let band = Scored { lower: expected - half, upper: expected + half, kind, ..Scored::unknown(expected) };
            band.for_value(value)
        };
        // While the level itself departs from the season, values are scored by the band of levels.
        let lasts = self.lasting.ratio(t) > REACH && self.lasting.bound() < self.from_season.bound();
        let season = around(base, if lasts { &self.lasting } else { &self.from_season }, Kind::Level);
        if self.level[t].is_nan() {
            return season;
        }
        let level = around(base + self.level[t], &self.from_level, Kind::Value);
        let narrower = if self.from_level.bound() <= self.from_season.bound() { level } else { season };
        let further = if season.score > level.score { season } else { level };
        if further.score > 1.0 { further } else { narrower }
    }

    /// Scores a value after a shift against the level before it.
    fn onset(&self, series: &Standardised, shift: &Shift, t: usize, value: f64) -> Scored {
        let half = REACH * self.jumps.bound_at(t) * series.spread;
        let expected = series.value(self.profile[self.places[t] % self.profile.len()] + shift.before);
        let band =
            Scored { lower: expected - half, upper: expected + half, kind: Kind::Level, ..Scored::unknown(expected) };
        band.for_value(value)
    }

    /// Returns the largest departure of all kinds, in bounds.
    fn evidence(&self, t: usize) -> f64 {
        let others = self.others.iter().map(|(departures, weight)| weight * departures.ratio(t));
        others.fold(self.from_season.ratio(t), f64::max)
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_distr::StandardNormal;

    use super::*;

    const N: usize = 3_000;
    const DAY: usize = 48;

    /// Days of 48 steps, with noise that is stronger at noon.
    fn ordinary() -> Vec<f64> {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(3);
        (0..N)
            .map(|t| {
                let sun = (t as f64 / DAY as f64 * std::f64::consts::TAU).sin();
                100.0 + 40.0 * sun + (2.0 + sun) * rng.sample::<f64, _>(StandardNormal)
            })
            .collect()
    }

    fn scores(y: &[f64]) -> Vec<Scored> {
        detect_offline(y, &DetectorOptions::default())
    }

    /// Asserts that a score in `incident` is above 1 and above all scores more than 20 steps away.
    fn check(name: &str, incident: std::ops::Range<usize>, spoil: impl Fn(usize, f64) -> f64) {
        let mut y = ordinary();
        incident.clone().for_each(|t| y[t] = spoil(t, y[t]));
        let scored = scores(&y);
        let far = |t: usize| t + 20 < incident.start || t > incident.end + 20;
        let rest = (0..N).filter(|&t| far(t)).map(|t| scored[t].score).fold(0.0, f64::max);
        let found = incident.clone().map(|t| scored[t].score).fold(0.0, f64::max);
        assert!(found > 1.0 && found > rest, "{name}: {found}, {rest} elsewhere");
        let called = (0..N).filter(|&t| far(t) && scored[t].score > 1.0).count();
        assert!(called <= 3, "{name}: {called} elsewhere");
    }

    #[test]
    fn incidents_rank_before_all_other_values() {
        check("spike", 1_500..1_501, |_, v| v + 60.0);
        check("dip", 1_500..1_503, |_, v| v - 60.0);
        check("outage", 1_500..1_520, |_, _| 0.0);
        check("level", 1_500..1_596, |_, v| v + 50.0);
        check("lost season", 1_488..1_536, |t, _| 100.0 + (t % 3) as f64);
        check("flat line", 1_500..1_530, |_, _| 140.0);
        check("first", 0..1, |_, v| v + 60.0);
        check("beginning", 5..6, |_, v| v - 60.0);
        check("end", N - 1..N, |_, v| v + 60.0);
    }

    #[test]
    fn noise_alone_is_called_at_most_at_the_rate_of_the_risk() {
        let count = |risk: f64| {
            let options = DetectorOptions { risk, ..DetectorOptions::default() };
            detect_offline(&ordinary(), &options).iter().filter(|s| s.is_anomaly()).count()
        };
        assert_eq!(count(1e-4), 0);
        assert!(count(0.019) <= 57 && count(0.019) >= count(1e-3));
    }

    #[test]
    fn neighbours_of_an_incident_rank_before_others_and_are_not_called() {
        let mut y = ordinary();
        y[1_500] += 300.0;
        let scored = scores(&y);
        for (near, far) in [(1_499, 1_480), (1_501, 1_520), (1_510, 1_700)] {
            assert!(scored[near].score > scored[far].score, "{near} {far}");
            assert!(scored[near].score < 1.0, "{:?}", scored[near]);
        }
    }

    #[test]
    fn backwards_is_the_same() {
        let mut y: Vec<f64> = ordinary()[..1_001].iter().enumerate().map(|(t, v)| v + t as f64).collect();
        y[700] += 90.0;
        let options = DetectorOptions { seasons: Some(vec![]), ..DetectorOptions::default() };
        let there = detect_offline(&y, &options);
        y.reverse();
        let back = detect_offline(&y, &options);
        for (a, b) in there.iter().zip(back.iter().rev()) {
            assert!((a.score - b.score).abs() < 1e-9, "{a:?} {b:?}");
        }
    }

    #[test]
    fn the_band_agrees_with_the_score() {
        let mut y = ordinary();
        y[10] = f64::INFINITY;
        y[20] = -1e200;
        y[30] = f64::NAN;
        (2_000..2_100).for_each(|t| y[t] = 7.0);
        let scored = scores(&y);
        for (t, (v, s)) in y.iter().zip(&scored).enumerate() {
            if v.is_nan() {
                assert!(s.score == 0.0 && s.lower.is_nan() && s.upper.is_nan());
                continue;
            }
            assert!(s.expected.is_finite() && s.lower < s.expected && s.expected < s.upper, "step {t}: {s:?}");
            assert_eq!(s.score > 1.0, *v < s.lower || *v > s.upper, "step {t}: {v} {s:?}");
            if s.score > 1.0 {
                assert!((s.for_value(*v).score / s.score - 1.0).abs() < 1e-5, "step {t}: {v} {s:?}");
            }
        }
        assert!(scored[10].score > 1e5 && scored[20].score > 1e5 && scored[2_050].score > 1.0);
    }

    #[test]
    fn shift_and_scale_change_no_score_and_move_the_band() {
        let mut y = ordinary();
        y[1_000] = 0.0;
        let plain = scores(&y);
        for (scale, shift) in [(1e-12, 0.0), (1e12, 0.0), (3.0, -1e5), (-1.0, 1e4)] {
            let moved = scores(&y.iter().map(|v| v * scale + shift).collect::<Vec<_>>());
            for (t, (a, b)) in plain.iter().zip(&moved).enumerate() {
                assert!((a.score - b.score).abs() < 1e-5 * (1.0 + a.score), "step {t}, {scale}: {a:?} {b:?}");
                let upper = if scale > 0.0 { b.upper } else { b.lower };
                let expected = a.upper * scale + shift;
                assert!((upper - expected).abs() < 1e-5 * f64::abs(100.0 * scale), "step {t}: {upper} {expected}");
            }
        }
    }

    #[test]
    fn short_constant_and_empty_series_score_nothing() {
        for y in
            [vec![], vec![1.0], vec![5.0; 500], vec![f64::NAN; 90], vec![f64::INFINITY; 90], ordinary()[..59].to_vec()]
        {
            let scored = scores(&y);
            assert_eq!(scored.len(), y.len());
            for (v, s) in y.iter().zip(&scored) {
                assert!(s.score == 0.0 && (!v.is_finite() || (s.lower <= *v && *v <= s.upper)), "{v} {s:?}");
            }
        }
    }

    #[test]
    fn a_flag_that_falls_once_in_a_while_stands_out() {
        let y: Vec<f64> = (0..N).map(|t| if t % 700 == 699 { 0.0 } else { 1.0 }).collect();
        for (t, s) in scores(&y).iter().enumerate() {
            assert_eq!(s.score > 1.0, t % 700 == 699, "step {t}: {s:?}");
        }
    }

    #[test]
    fn gaps_and_repetition_without_noise_are_sane() {
        let mut y: Vec<f64> = (0..N).map(|t| (t % DAY) as f64).collect();
        assert!(scores(&y).iter().all(|s| s.score < 1.0));
        y[1_000] += 1.0;
        (1_500..1_900).for_each(|t| y[t] = f64::NAN);
        let scored = scores(&y);
        assert!(scored[1_000].score > 1.0 && scored.iter().all(|s| s.score >= 0.0 && s.score.is_finite()));
        assert_eq!(scored.iter().filter(|s| s.score > 1.0).count(), 1);
    }
}
