//! For any input, every forecasting model returns an error or a plausible forecast.

#![expect(clippy::unwrap_used, reason = "a test")]

use almanac_models::{
    Horizon, Level, Step,
    forecast::{AutoForecaster, Ets, Fit, Forecast, HoltWinters, Mstl, Predict, SeasonalNaive},
};
use proptest::prelude::*;

fn levels() -> [Level; 2] {
    [Level::from_percent(80.0).unwrap(), Level::from_percent(95.0).unwrap()]
}

fn minute() -> Step {
    Step::from_millis(60_000).unwrap()
}

/// Returns the forecasts of all models that fit `y`, with their names.
fn all(y: &[f64], h: Horizon) -> Vec<(&'static str, Forecast)> {
    let season = Step::from_millis(12 * 60_000).unwrap();
    let auto = AutoForecaster::new(minute()).with_horizon(h);
    let (late, early) = (7, 5);
    let holidays = vec![3..15, y.len() + 2..y.len() + 9, late..early];
    let mut out = Vec::new();
    take(&mut out, "auto", &auto, y, h);
    take(&mut out, "seasonal", &auto.clone().with_seasons(vec![season]), y, h);
    take(&mut out, "holidays", &auto.clone().with_holidays(holidays), y, h);
    take(&mut out, "holt_winters", &HoltWinters::new(vec![12]), y, h);
    take(&mut out, "seasonal_naive", &SeasonalNaive::new(12), y, h);
    take(&mut out, "ets", &Ets, y, h);
    take(&mut out, "mstl", &Mstl::new(vec![12]), y, h);
    out
}

fn take<M: Fit>(out: &mut Vec<(&'static str, Forecast)>, name: &'static str, model: &M, y: &[f64], h: Horizon) {
    out.extend(model.fit(y).and_then(|fitted| fitted.predict(h, &levels())).ok().map(|forecast| (name, forecast)));
}

fn check(y: &[f64], steps: usize) {
    for (name, forecast) in all(y, Horizon::try_new(steps).unwrap()) {
        assert_eq!(forecast.point.len(), steps, "{name}");
        for (k, p) in forecast.point.iter().enumerate() {
            assert!(p.is_finite(), "{name} {k}: {p}");
            for interval in &forecast.intervals {
                assert!(interval.lower[k] <= *p && *p <= interval.upper[k], "{name} {k}: {p} {interval:?}");
            }
            assert!(forecast.intervals[1].lower[k] <= forecast.intervals[0].lower[k], "{name} {k}");
            assert!(forecast.intervals[0].upper[k] <= forecast.intervals[1].upper[k], "{name} {k}");
        }
    }
}

fn noise(t: usize) -> f64 {
    ((t * 7_919 + t * t * 31) % 101) as f64 / 101.0
}

fn wave(t: usize, m: usize) -> f64 {
    (t as f64 / m as f64 * std::f64::consts::TAU).sin()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn anything(y in prop::collection::vec(
        prop_oneof![8 => -100.0..100.0f64, 2 => Just(0.0), 2 => Just(f64::NAN), 1 => Just(1e12), 1 => Just(1e-12)],
        0..150,
    ), steps in 1..40usize) {
        check(&y, steps);
    }

    #[test]
    fn sizes(exponent in -12..13i32, offset in -1e3..1e3f64) {
        let size = 10f64.powi(exponent);
        let y: Vec<f64> = (0..240).map(|t| (offset + 3.0 * wave(t, 12) + noise(t)) * size).collect();
        check(&y, 24);
    }

    #[test]
    fn smoothing_and_decomposition_move_with_their_input(scale in 1e-6..1e6f64, shift in -50.0..50.0f64) {
        let h = Horizon::try_new(12).unwrap();
        let mut y: Vec<f64> = (0..200).map(|t| 3.0 * wave(t, 12) + noise(t)).collect();
        // A negative value prevents the ratio scale, which is not equivariant to shifts; and a gap.
        y[0] = -100.0;
        y[90..95].fill(f64::NAN);
        let moved: Vec<f64> = y.iter().map(|v| (v + shift) * scale).collect();
        let both = |y: &[f64]| [
            HoltWinters::new(vec![12]).fit(y).unwrap().predict(h, &levels()).unwrap(),
            Mstl::new(vec![12]).fit(y).unwrap().predict(h, &levels()).unwrap(),
        ];
        for (plain, moved) in both(&y).iter().zip(&both(&moved)) {
            for k in 0..12 {
                let close = |found: f64, plain: f64| {
                    (found - (plain + shift) * scale).abs() <= 1e-6 * scale * (4.0 + shift.abs())
                };
                prop_assert!(close(moved.point[k], plain.point[k]));
                prop_assert!(close(moved.intervals[1].upper[k], plain.intervals[1].upper[k]));
            }
        }
    }
}

#[test]
fn infinite_values_and_too_few_points_are_errors() {
    for y in [vec![], vec![1.0], vec![f64::NAN; 50], vec![f64::INFINITY; 50], vec![f64::MAX; 50]] {
        assert!(AutoForecaster::new(minute()).fit(&y).is_err());
        assert!(HoltWinters::new(vec![12]).fit(&y).is_err());
        assert!(Ets.fit(&y).is_err());
        assert!(Mstl::new(vec![12]).fit(&y).is_err());
    }
}

#[test]
fn ten_years_of_hours() {
    let y: Vec<f64> = (0..87_600).map(|t| 100.0 + 20.0 * wave(t, 24) + 10.0 * wave(t, 168) + noise(t)).collect();
    let h = Horizon::try_new(48).unwrap();
    let hour = Step::from_millis(3_600_000).unwrap();
    let fitted = AutoForecaster::new(hour).with_horizon(h).fit(&y).unwrap();
    let forecast = fitted.predict(h, &levels()).unwrap();
    for (k, p) in forecast.point.iter().enumerate() {
        let truth = 100.5 + 20.0 * wave(y.len() + k, 24) + 10.0 * wave(y.len() + k, 168);
        assert!((p - truth).abs() < 2.0, "step {k}: {p} for {truth}");
    }
    let smoothed = HoltWinters::new(vec![24, 168]).fit(&y).unwrap().predict(h, &levels()).unwrap();
    let truth = 100.5 + 20.0 * wave(y.len(), 24) + 10.0 * wave(y.len(), 168);
    let decomposed = Mstl::new(vec![24, 168]).fit(&y).unwrap().predict(h, &levels()).unwrap();
    assert!((decomposed.point[0] - truth).abs() < 1.0, "{} for {truth}", decomposed.point[0]);
    // Half the noise, plus a seventh of both amplitudes, by which initial seasons are shrunk to 0.
    assert!((smoothed.point[0] - truth).abs() < 0.5 + 30.0 / 7.0, "{} for {truth}", smoothed.point[0]);
}

/// The growth of a counter without seasons is extrapolated.
#[test]
fn a_line_is_extrapolated() {
    let h = Horizon::try_new(144).unwrap();
    let step = Step::from_millis(600_000).unwrap();
    let y: Vec<f64> = (0..144 * 6).map(|t| 1e6 + 3.0 * t as f64 + 40.0 * noise(t)).collect();
    let fit = |y: &[f64]| AutoForecaster::new(step).with_horizon(h).fit(y).unwrap().predict(h, &levels()).unwrap();
    let forecast = fit(&y);
    for (k, p) in forecast.point.iter().enumerate() {
        let truth = 1e6 + 20.0 + 3.0 * (y.len() + k) as f64;
        assert!((p - truth).abs() < 60.0, "step {k}: off by {}", p - truth);
        assert!(forecast.intervals[1].lower[k] <= truth && truth <= forecast.intervals[1].upper[k], "step {k}");
    }
}

#[test]
fn forecasts_stay_in_the_range_of_the_series() {
    let h = Horizon::try_new(60).unwrap();
    let fit = |y: &[f64]| AutoForecaster::new(minute()).with_horizon(h).fit(y).unwrap().predict(h, &levels()).unwrap();
    // A ratio close to 1 stays within 0 and 1.
    let ratio: Vec<f64> = (0..600).map(|t| (0.97 + 0.02 * wave(t, 60) + 0.05 * (noise(t) - 0.5)).min(1.0)).collect();
    let forecast = fit(&ratio);
    assert!(forecast.intervals[1].upper.iter().chain(&forecast.point).all(|v| (0.0..=1.0).contains(v)));
    assert!(forecast.point.iter().all(|v| *v > 0.9));
    // Counts that are mostly 0: interval ends are whole and not negative, and the forecast is small.
    let counts: Vec<f64> = (0..600).map(|t| if noise(t) > 0.9 { (noise(t + 7) * 5.0).floor() } else { 0.0 }).collect();
    let forecast = fit(&counts);
    for interval in &forecast.intervals {
        assert!(interval.lower.iter().chain(&interval.upper).all(|v| v.fract() == 0.0 && *v >= 0.0));
    }
    // The pattern repeats after 101 steps with bursts of up to 4: the forecast does not exceed them.
    assert!(forecast.point.iter().all(|v| *v <= 4.0 + 1e-9));
    assert!(forecast.intervals[1].upper.iter().all(|v| *v <= 10.0));
    // A level that shifted two days ago is followed.
    let shifted: Vec<f64> =
        (0..24 * 21).map(|t| if t < 24 * 19 { 50.0 } else { 120.0 } + 10.0 * wave(t, 24) + 2.0 * noise(t)).collect();
    let hour = Step::from_millis(3_600_000).unwrap();
    let day = Horizon::try_new(24).unwrap();
    let point = AutoForecaster::new(hour).with_horizon(day).fit(&shifted).unwrap().predict(day, &[]).unwrap().point;
    for (k, p) in point.iter().enumerate() {
        let truth = 121.0 + 10.0 * wave(24 * 21 + k, 24);
        assert!((p - truth).abs() < 15.0, "step {k}: {p} for {truth}");
    }
}
