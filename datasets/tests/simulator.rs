//! Tests of the simulator: its stated means and percentiles, labels, ground truth, and the same data from the same
//! seed.
#![expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index of a slice")]

use almanac_datasets::simulator::{
    Driver, IncidentKind, Shape, SimulatorOptions, alerts, catalogue, objectives, replay_rules_yaml, rules_yaml,
    simulate, write_simulation,
};

fn quantile(values: &[f64], q: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[((sorted.len() - 1) as f64 * q) as usize]
}

#[test]
fn signals_have_the_stated_mean_and_99th_percentile() {
    let options =
        SimulatorOptions { weeks: 2, incidents: false, growth_per_week: 0.0, cache_hours: 0.0, ..Default::default() };
    let run = simulate(&options).unwrap();
    for row in catalogue() {
        match row.shape {
            Shape::Gauge { .. } => {
                let values = &run.signal(row.name).unwrap().values;
                let mean = values.iter().sum::<f64>() / values.len() as f64;
                let p99 = quantile(values, 0.99);
                assert!((mean / row.mean - 1.0).abs() < 0.02, "{}: mean {mean} of {}", row.name, row.mean);
                assert!((p99 / row.p99 - 1.0).abs() < 0.06, "{}: p99 {p99} of {}", row.name, row.p99);
            }
            Shape::Latency => {
                let mean = &run.signal(&format!("{}_mean_seconds", row.name)).unwrap().values;
                let mean = mean.iter().sum::<f64>() / mean.len() as f64;
                assert!((mean / row.mean - 1.0).abs() < 0.02, "{}: mean {mean} of {}", row.name, row.mean);
                // The stated percentile is one of single requests; each minute's own percentile is near it.
                let p99 = &run.signal(&format!("{}_p99_seconds", row.name)).unwrap().values;
                let typical = p99.iter().sum::<f64>() / p99.len() as f64;
                assert!((0.75..1.1).contains(&(typical / row.p99)), "{}: p99 {typical} of {}", row.name, row.p99);
            }
            Shape::Constant => {}
        }
    }
}

#[test]
fn the_same_options_give_the_same_data_and_another_seed_does_not() {
    let options = SimulatorOptions { weeks: 1, cache_hours: 1.0, ..Default::default() };
    let (first, second) = (simulate(&options).unwrap(), simulate(&options).unwrap());
    assert_eq!(first.series, second.series);
    assert_eq!(first.cache_events, second.cache_events);
    assert_eq!(first.truth, second.truth);
    let other = simulate(&SimulatorOptions { seed: 2, ..options }).unwrap();
    assert_ne!(first.series, other.series);
}

#[test]
fn every_week_has_each_incident_and_it_changes_its_signals() {
    let options = SimulatorOptions { weeks: 2, quiet_days: 0, cache_hours: 0.0, ..Default::default() };
    let run = simulate(&options).unwrap();
    let calm = simulate(&SimulatorOptions { incidents: false, ..options }).unwrap();
    assert_eq!(run.truth.incidents.len(), 14);
    for kind in IncidentKind::ALL {
        assert_eq!(run.truth.incidents.iter().filter(|incident| incident.kind == kind).count(), 2, "{kind:?}");
    }
    for incident in &run.truth.incidents {
        assert!(!incident.signals.is_empty());
        for name in &incident.signals {
            let (with, without) = (run.signal(name).unwrap(), calm.signal(name).unwrap());
            let inside = |at: i64| (incident.started_at_ms..=incident.ended_at_ms).contains(&at);
            let moved = run.timestamps.iter().zip(with.values.iter().zip(&without.values));
            let n = moved.filter(|(at, (a, b))| inside(**at) && (*a - *b).abs() > 1e-9).count();
            assert!(n > 0, "{:?} does not move {name}", incident.kind);
        }
    }
    for (signal, quiet) in run.signals.iter().zip(&calm.signals) {
        for t in (0..run.timestamps.len()).filter(|t| !signal.incident[*t]) {
            assert!(
                (signal.values[t] - quiet.values[t]).abs() < 1e-9 || signal.unit == "requests/s",
                "{}",
                signal.name
            );
        }
    }
}

#[test]
fn every_alert_of_an_incident_can_fire_and_harmless_minutes_fire_some() {
    let run = simulate(&SimulatorOptions { cache_hours: 0.0, ..Default::default() }).unwrap();
    let mut false_minutes = 0;
    for alert in alerts() {
        let signal = run.signal(alert.signal).unwrap();
        let broken = |t: &usize| alert.bound.broken_by(signal.values[*t]);
        let (inside, outside): (Vec<_>, Vec<_>) =
            (0..signal.values.len()).filter(broken).partition(|t| signal.incident[*t]);
        assert!(!inside.is_empty() || alert.signal == "bundle_growth_ratio", "{} never sees its incident", alert.alert);
        false_minutes += outside.len();
    }
    assert!(false_minutes > 100, "the present bounds leave nothing to improve: {false_minutes}");
}

#[test]
fn every_objective_and_driver_has_a_signal() {
    let run = simulate(&SimulatorOptions { weeks: 1, cache_hours: 0.0, ..Default::default() }).unwrap();
    for objective in objectives() {
        assert!(run.signal(objective.signal).is_some(), "{}", objective.objective);
    }
    assert!(catalogue().iter().any(|row| row.driver == Driver::Nightly));
    assert_eq!(rules_yaml(&run).matches("alert:").count(), replay_rules_yaml().matches("alert:").count());
}

#[test]
fn files_are_written_and_read_back() {
    let directory = tempfile::tempdir().unwrap();
    let options = SimulatorOptions { weeks: 1, cache_hours: 0.5, ..Default::default() };
    let run = simulate(&options).unwrap();
    write_simulation(&run, directory.path()).unwrap();
    let db = duckdb::Connection::open_in_memory().unwrap();
    let count = |sql: &str| -> i64 {
        db.query_row(&sql.replace("DIR", directory.path().to_str().unwrap()), [], |row| row.get(0)).unwrap()
    };
    let n = i64::try_from(run.timestamps.len()).unwrap();
    assert_eq!(count("SELECT count(*) FROM 'DIR/signals.parquet' WHERE series = 'api_cpu'"), n);
    assert_eq!(count("SELECT epoch_ms(min(timestamp)) FROM 'DIR/telemetry.parquet'"), run.timestamps[0]);
    assert_eq!(
        count("SELECT count(*) FROM 'DIR/cache_events.parquet'"),
        i64::try_from(run.cache_events.len()).unwrap()
    );
    let truth = std::fs::read_to_string(directory.path().join("truth.json")).unwrap();
    assert_eq!(serde_json::from_str::<almanac_datasets::simulator::Truth>(&truth).unwrap(), run.truth);
}

#[test]
fn impossible_options_are_refused_by_name() {
    let refused = |options: SimulatorOptions| simulate(&options).unwrap_err().to_string();
    assert!(refused(SimulatorOptions { weeks: 0, ..Default::default() }).contains("0 weeks"));
    assert!(refused(SimulatorOptions { growth_per_week: f64::NAN, ..Default::default() }).contains("NaN"));
    assert!(refused(SimulatorOptions { cache_hours: -1.0, ..Default::default() }).contains("-1 hours"));
}
