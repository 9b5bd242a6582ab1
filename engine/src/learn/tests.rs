//! Tests of learning over a real store: when signals are fitted, what is scored, and which series become signals.

use almanac_models::{Horizon, Step, Timestamp};

use super::{
    FitError, FitExecutor, FitJob, FitResult, LearnOptions, LearnReport, Learner, LearningScheduler, SignalSpec,
    default_signals,
};
use crate::{
    series::Labels,
    store::{
        SampleBatch, Store, StoreOptions,
        rows::{EventFilter, RowFilter, SignalFilter, SignalOrigin, SignalRow, SignalStatus},
    },
};

const MINUTE: i64 = 60_000;
const DAY: i64 = 86_400_000;
/// 2026-01-05T00:00:00Z, a Monday.
const START: i64 = 1_767_571_200_000;

struct Fixture {
    store: Store,
    _folder: tempfile::TempDir,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("learn.duckdb"), StoreOptions::default()).unwrap();
        Self { store, _folder: folder }
    }

    fn put(&self, labels: &[(&str, &str)], samples: impl Iterator<Item = (i64, f64)>) {
        let labels = Labels::from_pairs(labels.iter().copied()).unwrap();
        let id = self.store.resolve(&labels).unwrap();
        let mut batch = SampleBatch::default();
        for (t, v) in samples {
            batch.push(id, t, v);
        }
        self.store.append(batch).unwrap().wait().unwrap();
    }

    fn signal(&self, name: &str) -> SignalRow {
        let filter = SignalFilter { signals: vec![name.to_owned()], ..SignalFilter::default() };
        self.store.signals(&filter).unwrap().remove(0)
    }
}

/// Returns a daily season at five-minute steps plus deterministic noise.
fn load(i: i64) -> f64 {
    let noise = ((i * 7_919) % 101) as f64 / 20.0;
    100.0 + 40.0 * (i as f64 / 288.0 * std::f64::consts::TAU).sin() + noise
}

fn daily(from: i64, to: i64) -> impl Iterator<Item = (i64, f64)> {
    (from..to).map(|i| (START + i * 5 * MINUTE, load(i)))
}

fn at(i: i64) -> Timestamp {
    Timestamp::from_millis(START + i * 5 * MINUTE)
}

fn spec(name: &str, expr: &str) -> SignalSpec {
    SignalSpec {
        name: name.into(),
        expr: expr.into(),
        step: Step::from_millis(5 * MINUTE).unwrap(),
        seasons: None,
        horizon: Horizon::try_new(144).unwrap(),
        origin: SignalOrigin::Configured,
    }
}

fn learn(learner: &mut Learner, specs: &[SignalSpec], now: Timestamp) -> LearnReport {
    learner.learn_due(specs, now, &|_| {}).unwrap()
}

#[test]
fn a_daily_gauge_is_fitted_once_and_then_scored() {
    let fixture = Fixture::new();
    fixture.put(&[("__name__", "load")], daily(0, 1_440));
    let specs = [spec("load", "load")];
    let mut learner = Learner::new(fixture.store.clone(), LearnOptions::default());
    let reported = std::cell::RefCell::new(Vec::new());
    let report = learner.learn_due(&specs, at(1_439), &|p| reported.borrow_mut().push(p)).unwrap();
    assert_eq!((report.fitted, reported.borrow().len(), reported.borrow()[0].total), (1, 1, 1), "{report:?}");

    let row = fixture.signal("load");
    assert_eq!((row.status, row.seasons_ms.clone(), row.points), (SignalStatus::Ready, vec![DAY], 1_440));
    assert!(row.mase.unwrap() < 1.5 && row.coverage_95.unwrap() > 0.8, "{row:?}");
    let forecasts = fixture.store.forecasts(&RowFilter::default()).unwrap();
    assert_eq!(forecasts.len(), 144);
    assert_eq!(forecasts[0].timestamp, at(1_440));
    for (k, f) in forecasts.iter().enumerate() {
        assert!(f.yhat_lower_95 <= f.yhat_lower_80 && f.yhat_lower_80 <= f.yhat && f.yhat <= f.yhat_upper_80, "{f:?}");
        assert!((f.yhat - load(1_440 + i64::try_from(k).unwrap())).abs() < 15.0, "{f:?}");
    }
    let scored = fixture.store.anomalies(&RowFilter::default()).unwrap().len();
    assert!(scored > 1_000, "{scored}");

    // Nothing is due now, and nothing is due after a restart.
    assert_eq!(learn(&mut learner, &specs, at(1_440)).current, 1);
    let mut learner = Learner::new(fixture.store.clone(), LearnOptions::default());
    assert_eq!(learn(&mut learner, &specs, at(1_440)).current, 1);

    // New values are scored once, and a spike is an anomaly.
    fixture.put(
        &[("__name__", "load")],
        daily(1_440, 1_446).map(|(t, v)| (t, if t == at(1_445).millis() { 900.0 } else { v })),
    );
    let report = learner.score_new(at(1_445)).unwrap();
    assert_eq!((report.values, report.anomalies), (6, 1), "{report:?}");
    assert_eq!(learner.score_new(at(1_445)).unwrap().values, 0);
    let rows = fixture.store.anomalies(&RowFilter { min_score: Some(1.0), ..RowFilter::default() }).unwrap();
    assert_eq!(rows.last().unwrap().timestamp, at(1_445));
    assert_eq!(fixture.store.anomalies(&RowFilter::default()).unwrap().len(), scored + 6);

    // After the refit interval the signal is due again.
    assert_eq!(learn(&mut learner, &specs, Timestamp::from_millis(at(1_445).millis() + 7 * 3_600_000)).fitted, 1);
}

#[test]
fn a_failed_signal_has_a_reason_and_does_not_affect_others() {
    let fixture = Fixture::new();
    fixture.put(&[("__name__", "load"), ("host", "a")], daily(0, 400));
    fixture.put(&[("__name__", "load"), ("host", "b")], daily(0, 400));
    fixture.put(&[("__name__", "young")], daily(395, 400));
    let specs = [
        spec("wrong", "sum(load"),
        spec("several", "load"),
        spec("young", "young"),
        spec("absent", "nothing_here"),
        spec("good", "sum(load)"),
    ];
    let mut learner = Learner::new(fixture.store.clone(), LearnOptions::default());
    let report = learn(&mut learner, &specs, at(399));
    assert_eq!((report.fitted, report.waiting, report.failed.len()), (1, 2, 2), "{report:?}");
    let reason = |name: &str| fixture.signal(name).reason.unwrap_or_default();
    assert!(reason("several").contains("2 series"), "{}", reason("several"));
    assert!(reason("young").contains("5 values so far, 30 are needed"), "{}", reason("young"));
    assert!(reason("wrong").starts_with("the expression could not be evaluated"), "{}", reason("wrong"));
    assert_eq!(fixture.signal("absent").status, SignalStatus::Learning);
    assert_eq!(fixture.signal("good").status, SignalStatus::Ready);
    // A failed signal is tried again after the retry interval, not immediately.
    assert_eq!(learn(&mut learner, &specs, at(399)).current, 5);
    assert_eq!(learn(&mut learner, &specs, at(401)).current, 1);
}

#[test]
fn a_drifted_forecast_is_refitted() {
    let fixture = Fixture::new();
    fixture.put(&[("__name__", "load")], daily(0, 864));
    let specs = [spec("load", "load")];
    let mut learner = Learner::new(fixture.store.clone(), LearnOptions::default());
    assert_eq!(learn(&mut learner, &specs, at(863)).fitted, 1);
    fixture.put(&[("__name__", "load")], daily(864, 900).map(|(t, v)| (t, v + 300.0)));
    let report = learner.score_new(at(899)).unwrap();
    assert_eq!(report.drifted, vec!["load".to_owned()]);
    assert_eq!(learn(&mut learner, &specs, at(899)).fitted, 1);
}

#[test]
fn informative_series_become_signals_and_others_do_not() {
    let fixture = Fixture::new();
    let series = |name: &'static str, f: &dyn Fn(i64) -> f64| {
        fixture.put(&[("__name__", name), ("job", "api")], (0..240).map(|i| (START + i * 15_000, f(i))));
    };
    let wave = |i: i64| 50.0 + 30.0 * (i as f64 / 40.0).sin() + ((i * 37) % 11) as f64 * 0.1;
    let total = |i: i64| (0..=i).map(wave).sum::<f64>();
    series("queue_depth", &wave);
    series("queue_depth_copy", &wave);
    series("requests_total", &|i| total(i) + (i * i % 7) as f64);
    series("limit", &|_| 100.0);
    series("latency_seconds_sum", &|i| total(i) * 0.2 + ((i * 31) % 17) as f64 * 0.01 * i as f64);
    series("latency_seconds_count", &|i| (i * 20 + (i * i) % 13) as f64);
    series("build_info", &wave);
    // What the service reports of its own signals, stored by a scrape of itself.
    for name in ["value", "expected", "lower", "upper", "anomaly_score"] {
        fixture.put(
            &[("__name__", &format!("almanac_signal_{name}")), ("job", "almanac"), ("signal", "api.rate")],
            (0..240).map(|i| (START + i * 15_000, wave(i) * wave(i))),
        );
    }
    series("almanac_recommended_replicas", &|i| wave(i) * wave(i + 3));
    series("almanac_breach_expected_timestamp_seconds", &|i| wave(i) * wave(i + 5));
    series("almanac_store_file_bytes", &|i| wave(i) * wave(i + 7));
    fixture.put(
        &[("__name__", "latency_seconds_bucket"), ("job", "api"), ("le", "0.1")],
        (0..240).map(|i| (START + i * 15_000, total(i))),
    );
    let now = Timestamp::from_millis(START + 239 * 15_000);
    let exprs: Vec<String> = default_signals(&fixture.store, now, 200).unwrap().into_iter().map(|s| s.expr).collect();
    let has = |part: &str| exprs.iter().filter(|e| e.contains(part)).count();
    assert_eq!(has("queue_depth"), 1, "{exprs:?}");
    assert_eq!((has("almanac_"), has("almanac_store_file_bytes")), (1, 1), "{exprs:?}");
    assert_eq!(
        (has("rate(requests_total{job=\"api\"}[60s])"), has("limit"), has("_bucket"), has("_info")),
        (1, 0, 0, 0),
        "{exprs:?}"
    );
    assert_eq!(
        has("rate(latency_seconds_sum{job=\"api\"}[60s]) / rate(latency_seconds_count{job=\"api\"}[60s])"),
        1,
        "{exprs:?}"
    );
    assert!(default_signals(&fixture.store, now, 1).unwrap().len() == 1);
    for signal in default_signals(&fixture.store, now, 200).unwrap() {
        assert_eq!(signal.step, Step::from_millis(15_000).unwrap());
        crate::signal::parse(&signal.expr).unwrap();
    }
    assert!(default_signals(&fixture.store, Timestamp::from_millis(START + 20 * DAY), 200).unwrap().is_empty());
}

/// One of five instances deviates and errors follow: one incident with its first mover, and one peer outlier.
#[test]
fn incidents_and_peer_outliers_are_stored() {
    let fixture = Fixture::new();
    for (instance, offset) in [("a", 0.0), ("b", 1.0), ("c", -1.0), ("d", 0.5), ("e", -0.5)] {
        let own = move |(t, v): (i64, f64)| {
            let odd = instance == "c" && (at(1_400).millis()..at(1_420).millis()).contains(&t);
            (t, v + offset + if odd { 150.0 } else { 0.0 })
        };
        fixture.put(&[("__name__", "load"), ("instance", instance)], daily(0, 1_440).map(own));
    }
    let late = at(1_402).millis()..at(1_425).millis();
    let errors = daily(0, 1_440).map(|(t, v)| (t, 0.01 * v + if late.contains(&t) { 40.0 } else { 0.0 }));
    fixture.put(&[("__name__", "errors")], errors);
    let specs = vec![spec("load_c", r#"load{instance="c"}"#), spec("errors", "errors")];
    let mut scheduler = LearningScheduler::new(fixture.store.clone(), specs, 0, LearnOptions::default());
    let report = scheduler.run_cycle(at(1_439), &|_| {}).unwrap();
    assert_eq!((report.learned.fitted, report.peers), (2, Some(1)), "{report:?}");
    assert!(report.suspected.is_some_and(|count| count >= 1), "{report:?}");
    let incidents = fixture.store.suspected_incidents(&EventFilter::default()).unwrap();
    let largest = incidents.iter().max_by_key(|incident| incident.signals.len()).unwrap();
    assert_eq!(largest.signals, ["load_c", "errors"], "{incidents:?}");
    assert_eq!((largest.first_mover.as_str(), largest.started_at), ("load_c", at(1_400)), "{incidents:?}");
    let outliers = fixture.store.peer_outliers(&EventFilter::default()).unwrap();
    assert_eq!(outliers.len(), 1, "{outliers:?}");
    assert_eq!((outliers[0].series.as_str(), outliers[0].peers), (r#"load{instance="c"}"#, 5));
    assert_eq!((outliers[0].started_at, outliers[0].ended_at), (at(1_400), at(1_419)));
    // A second cycle with the same data changes nothing.
    scheduler.run_cycle(Timestamp::from_millis(at(1_439).millis() + 60_000), &|_| {}).unwrap();
    assert_eq!(fixture.store.suspected_incidents(&EventFilter::default()).unwrap(), incidents);
    assert_eq!(fixture.store.peer_outliers(&EventFilter::default()).unwrap(), outliers);
}

/// Runs each job through JSON in both directions, as another process would. Returns no outcome for the signal `lost`.
#[derive(Debug)]
struct JsonExecutor;

impl FitExecutor for JsonExecutor {
    fn execute(&self, jobs: &[FitJob], done: &mut dyn FnMut(usize, Result<FitResult, FitError>)) {
        for (idx, job) in jobs.iter().enumerate().rev() {
            if job.spec.name == "lost" {
                continue;
            }
            let sent: FitJob = serde_json::from_str(&serde_json::to_string(job).unwrap()).unwrap();
            let answered = serde_json::to_string(&sent.run()).unwrap();
            done(idx, serde_json::from_str(&answered).unwrap());
        }
    }
}

#[test]
fn a_fit_gives_the_same_rows_in_another_process() {
    let (here, there) = (Fixture::new(), Fixture::new());
    let gap = |range: &i64| !(700..705).contains(range);
    let specs = [spec("load", "load"), spec("young", "young"), spec("lost", "load * 2")];
    let now = at(1_439);
    let learners = [(&here, false), (&there, true)].map(|(fixture, in_json)| {
        fixture.put(&[("__name__", "load")], (0..1_440).filter(gap).map(|i| (at(i).millis(), load(i))));
        fixture.put(&[("__name__", "young")], daily(1_435, 1_440));
        let learner = Learner::new(fixture.store.clone(), LearnOptions::default());
        let mut learner = if in_json { learner.with_executor(std::sync::Arc::new(JsonExecutor)) } else { learner };
        let report = learn(&mut learner, &specs, now);
        assert_eq!(report.waiting, 1, "{report:?}");
        if in_json {
            assert_eq!(report.failed.len(), 1, "{report:?}");
            assert!(report.failed[0].1.contains("\"lost\" ended without a result"), "{report:?}");
        }
        learner
    });
    let rows = |fixture: &Fixture| {
        let of_load = RowFilter { signals: vec!["load".to_owned()], ..RowFilter::default() };
        (fixture.signal("load"), fixture.store.forecasts(&of_load).unwrap(), fixture.store.anomalies(&of_load).unwrap())
    };
    assert_eq!(rows(&here), rows(&there));
    // The detector state is rebuilt if the result did not contain it.
    for (mut learner, fixture) in learners.into_iter().zip([&here, &there]) {
        fixture.put(&[("__name__", "load")], daily(1_440, 1_446));
        learner.score_new(at(1_445)).unwrap();
    }
    assert_eq!(rows(&here), rows(&there));
}

#[test]
fn a_series_of_a_configured_signal_is_not_a_default_signal() {
    let fixture = Fixture::new();
    let wave = |i: i64| 50.0 + 30.0 * (i as f64 / 40.0).sin() + ((i * 37) % 11) as f64 * 0.1;
    let now = Timestamp::from_millis(START + 239 * 15_000);
    let put = |labels: &[(&str, &str)], f: &dyn Fn(i64) -> f64| {
        fixture.put(labels, (0..240).map(|i| (START + i * 15_000, f(i))));
    };
    put(&[("__name__", "queue_depth"), ("job", "api")], &wave);
    put(&[("__name__", "requests_total"), ("job", "api")], &|i| (0..=i).map(wave).sum::<f64>() + (i * i % 7) as f64);
    put(&[("__name__", "errors"), ("job", "a")], &|i| wave(i * 3) + 1.0);
    put(&[("__name__", "errors"), ("job", "b")], &|i| wave(i * 5) * 2.0);
    let chosen = |configured: &[&str]| {
        let specs = configured.iter().map(|expr| spec(&format!("named {expr}"), expr)).collect();
        let mut scheduler = LearningScheduler::new(fixture.store.clone(), specs, 50, LearnOptions::default());
        scheduler.choose(now).unwrap();
        let of = |origin| scheduler.signals().into_iter().filter(|s| s.origin == origin).map(|s| s.expr).collect();
        let (own, default): (Vec<String>, Vec<String>) = (of(SignalOrigin::Configured), of(SignalOrigin::Default));
        assert_eq!(own, configured);
        ["queue_depth", "requests_total", "errors"].map(|name| default.iter().filter(|e| e.contains(name)).count())
    };
    assert_eq!(chosen(&[]), [1, 1, 2]);
    assert_eq!(chosen(&["sum(queue_depth)", "sum by (job) (rate(requests_total[5m])) * 60"]), [0, 0, 2]);
    assert_eq!(chosen(&[r#"max_over_time(queue_depth{job=~"a.*"}[1m])"#]), [0, 1, 2]);
    // These are other quantities: a slope, a sum of two series, a ratio to the day before.
    assert_eq!(chosen(&["deriv(queue_depth[5m])", "sum(errors)", "queue_depth / queue_depth offset 1d"]), [1, 1, 2]);
}
