//! For any input, every kernel returns an error or a plausible result and never panics.

#![expect(clippy::unwrap_used, reason = "a test")]

use almanac_models::{
    Horizon, Level, Step,
    anomaly::{DetectorOptions, OnlineDetector, detect_offline},
    forecast::{AutoForecaster, Fit, OnlineForecaster, OnlineOptions, Predict},
    seasons::SeasonDetector,
};
use proptest::prelude::*;

fn step() -> Step {
    Step::from_millis(60_000).unwrap()
}

fn levels() -> [Level; 2] {
    [Level::from_percent(80.0).unwrap(), Level::from_percent(95.0).unwrap()]
}

/// Usual and unusual values of telemetry.
fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        10 => -100.0..100.0f64,
        3 => 0.0..1.0f64,
        2 => Just(0.0),
        2 => Just(f64::NAN),
        1 => Just(f64::INFINITY),
        1 => Just(f64::NEG_INFINITY),
        1 => 1e11..1e13f64,
        1 => 1e-13..1e-11f64,
        1 => Just(f64::MAX),
        1 => Just(-f64::MIN_POSITIVE),
    ]
}

fn series() -> impl Strategy<Value = Vec<f64>> {
    prop_oneof![
        prop::collection::vec(value(), 0..160),
        // An infinite value is an error at once, so most series have none.
        prop::collection::vec(
            prop_oneof![9 => -1e3..1e3f64, 3 => Just(f64::NAN), 1 => Just(1e12), 1 => Just(1e-12)],
            0..200
        ),
        prop::collection::vec(prop_oneof![5 => 0.0..50.0f64, 5 => Just(0.0), 1 => Just(f64::NAN)], 0..200),
        (value(), 0..160usize).prop_map(|(v, n)| vec![v; n]),
        (prop::collection::vec(value(), 1..13), 1..20usize).prop_map(|(cycle, n)| cycle.repeat(n)),
    ]
}

/// A forecastable series: a season, a trend and noise.
fn ordinary() -> impl Strategy<Value = Vec<f64>> {
    (prop::collection::vec(-1.0..1.0f64, 60..200), 1.0..20.0f64, -0.1..0.1f64).prop_map(|(noise, amplitude, slope)| {
        let wave = |t: usize| amplitude * (t as f64 / 12.0 * std::f64::consts::TAU).sin();
        noise.iter().enumerate().map(|(t, e)| wave(t) + slope * t as f64 + e).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn forecasts_are_errors_or_plausible(y in series(), seasons in prop::option::of(prop::collection::vec(2..40i64, 0..3)), h in 1..80usize) {
        let mut forecaster = AutoForecaster::new(step());
        if let Some(seasons) = seasons {
            forecaster = forecaster.with_seasons(seasons.iter().map(|m| Step::from_millis(m * 60_000).unwrap()).collect());
        }
        let Ok(fitted) = forecaster.fit(&y) else { return Ok(()) };
        let forecast = fitted.predict(Horizon::try_new(h).unwrap(), &levels()).unwrap();
        prop_assert_eq!(forecast.point.len(), h);
        let non_negative = y.iter().all(|v| v.is_nan() || *v >= 0.0);
        let (narrow, wide) = (&forecast.intervals[0], &forecast.intervals[1]);
        for k in 0..h {
            let p = forecast.point[k];
            prop_assert!(p.is_finite() && (!non_negative || p >= 0.0), "{p}");
            prop_assert!(narrow.lower[k] <= p && p <= narrow.upper[k], "{narrow:?}");
            prop_assert!(wide.lower[k] <= narrow.lower[k] && narrow.upper[k] <= wide.upper[k]);
            prop_assert!(!non_negative || wide.lower[k] >= 0.0);
        }
    }

    #[test]
    fn scores_are_finite_and_not_negative(y in series()) {
        let mut detector = OnlineDetector::new(DetectorOptions::default());
        for v in &y {
            let scored = detector.push(*v);
            prop_assert!(scored.score >= 0.0 && scored.score.is_finite());
            prop_assert!(scored.lower.is_nan() || scored.lower <= scored.upper);
        }
        prop_assert_eq!(detect_offline(&y, &DetectorOptions::default()).len(), y.len());
    }

    #[test]
    fn online_forecasts_survive(y in series(), detect in any::<bool>()) {
        let options = if detect { OnlineOptions::detecting(Some(step()), 5) } else { OnlineOptions::new(vec![7], 5) };
        let mut online = OnlineForecaster::new(options);
        for v in &y {
            online.push(*v);
            prop_assert!(online.point(5).is_none_or(f64::is_finite));
            if let (Some(low), Some(high)) = (online.quantile(3, 0.1), online.quantile(3, 0.9)) {
                prop_assert!(low <= high);
            }
        }
    }

    #[test]
    fn seasons_are_within_the_series(y in series()) {
        for season in SeasonDetector::default().with_step(step()).detect(&y) {
            prop_assert!(season.period >= 2 && season.period <= y.len());
            prop_assert!((0.0..=1.0).contains(&season.strength));
        }
    }

    #[test]
    fn scale_and_shift_of_the_input_are_those_of_the_forecast(y in ordinary(), scale in 1e-6..1e6f64, shift in -50.0..50.0f64) {
        let h = Horizon::try_new(12).unwrap();
        // A negative value prevents the ratio scale, which is not equivariant to shifts.
        let mut y = y;
        y[0] = -1e4;
        let fit = |y: &[f64]| {
            let season = Step::from_millis(12 * 60_000).unwrap();
            AutoForecaster::new(step()).with_seasons(vec![season]).fit(y).unwrap().predict(h, &levels()).unwrap()
        };
        let plain = fit(&y);
        let moved = fit(&y.iter().map(|v| v * scale + shift * scale).collect::<Vec<_>>());
        let size = y.iter().skip(1).fold(1.0f64, |a, v| a.max(v.abs()));
        for k in 0..12 {
            let expected = (plain.point[k] + shift) * scale;
            prop_assert!((moved.point[k] - expected).abs() <= 1e-5 * scale * (size + shift.abs()), "{} {expected}", moved.point[k]);
            let expected = (plain.intervals[0].upper[k] + shift) * scale;
            prop_assert!((moved.intervals[0].upper[k] - expected).abs() <= 1e-4 * scale * (size + shift.abs()));
        }
    }
}
