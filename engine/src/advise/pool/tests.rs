//! Tests of the advisor on a store with the metrics of a simulated pool, as an application exports them.

use std::{cmp::Reverse, collections::BinaryHeap};

use almanac_models::{Timestamp, queue::HoldTimes};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::{
    advise::{Advisor, Sources, Verdict, advise_on, measure_on, picture::assert_sound},
    database::Catalogue,
    ledger::Direction,
    series::{Labels, METRIC_NAME},
    store::{SampleBatch, Store, StoreOptions, rows::RecommendationRow},
};

const SCRAPE_MS: i64 = 15_000;
const HOUR_MS: i64 = 3_600_000;
const BOUNDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// A pool that is simulated event by event, independently of the model.
#[derive(Debug, Clone, Copy)]
struct Simulated {
    connections: usize,
    /// Arrivals per second at the peak of the day; half of them at its low.
    rate: f64,
    /// Mean hold time, seconds.
    hold: f64,
    batch: usize,
    hours: i64,
    seed: u64,
}

/// One checkout: arrival, start and end of its use, seconds.
type Checkout = (f64, f64, f64);

impl Simulated {
    /// Returns the checkouts from hour `first` on.
    fn run(&self, first: i64) -> Vec<Checkout> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let holds = HoldTimes::log_normal(self.hold, 1.2).unwrap();
        let mut free: BinaryHeap<Reverse<u64>> = std::iter::repeat_n(Reverse(0), self.connections).collect();
        let (mut at, end) = (hours(first), hours(first + self.hours));
        let mut checkouts = Vec::new();
        while at < end {
            at += -(1.0 - rng.random::<f64>()).ln() / (self.rate / f64::from(u32::try_from(self.batch).unwrap()));
            // A day is an hour. Thinning gives the course of the day.
            let course = 0.75 + 0.25 * (at / 3_600.0 * std::f64::consts::TAU).sin();
            if rng.random::<f64>() > course {
                continue;
            }
            for _ in 0..self.batch {
                let Reverse(bits) = free.pop().unwrap();
                let start = f64::from_bits(bits).max(at);
                let done = start + holds.sample(&mut rng);
                free.push(Reverse(done.to_bits()));
                checkouts.push((at, start, done));
            }
        }
        checkouts
    }
}

fn hours(hours: i64) -> f64 {
    f64::from(i32::try_from(hours).unwrap()) * 3_600.0
}

struct Scene {
    store: Store,
    _folder: tempfile::TempDir,
}

impl Scene {
    fn empty() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("a.duckdb"), StoreOptions::default()).unwrap();
        Self { store, _folder: folder }
    }

    fn new(pool: &Simulated) -> Self {
        let scene = Self::empty();
        scene.record(pool, 0);
        scene
    }

    fn put(&self, name: &str, le: Option<&str>, samples: &[(i64, f64)]) {
        let labels = [(METRIC_NAME, name), ("pool", "app")].into_iter().chain(le.map(|le| ("le", le)));
        let id = self.store.resolve(&Labels::from_pairs(labels).unwrap()).unwrap();
        let (timestamps, values): (Vec<i64>, Vec<f64>) = samples.iter().copied().unzip();
        let batch = SampleBatch { series: vec![id; values.len()], timestamps, values, histograms: Vec::new() };
        self.store.append(batch).unwrap().wait().unwrap();
    }

    /// Records what the pool exports at each scrape from hour `first` on.
    fn record(&self, pool: &Simulated, first: i64) {
        let checkouts = pool.run(first);
        let mut starts: Vec<f64> = checkouts.iter().map(|c| c.1).collect();
        let mut ends: Vec<(f64, f64)> = checkouts.iter().map(|c| (c.2, c.2 - c.1)).collect();
        starts.sort_by(f64::total_cmp);
        ends.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut waits: Vec<(f64, f64)> = checkouts.iter().map(|c| (c.1, c.1 - c.0)).collect();
        waits.sort_by(|a, b| a.0.total_cmp(&b.0));
        let times: Vec<i64> = (1..=pool.hours * HOUR_MS / SCRAPE_MS).map(|i| first * HOUR_MS + i * SCRAPE_MS).collect();
        let at = |ms: i64| f64::from(i32::try_from(ms / 1_000).unwrap());
        let count = |sorted: &[f64], ms: i64| number(sorted.partition_point(|time| *time <= at(ms)));
        let started: Vec<(i64, f64)> = times.iter().map(|&ms| (ms, count(&starts, ms))).collect();
        self.put("checkouts_total", None, &started);
        let done: Vec<f64> = ends.iter().map(|end| end.0).collect();
        let in_use: Vec<(i64, f64)> = started.iter().map(|&(ms, started)| (ms, started - count(&done, ms))).collect();
        self.put("in_use", None, &in_use);
        for (name, events) in [("hold_seconds", &ends), ("wait_seconds", &waits)] {
            self.histogram(name, events, &times, at);
        }
    }

    fn histogram(&self, name: &str, events: &[(f64, f64)], times: &[i64], at: impl Fn(i64) -> f64) {
        let cumulative = |weight: &dyn Fn(f64) -> f64| -> Vec<(i64, f64)> {
            let (mut next, mut sum) = (0, 0.0);
            times
                .iter()
                .map(|&ms| {
                    while next < events.len() && events[next].0 <= at(ms) {
                        sum += weight(events[next].1);
                        next += 1;
                    }
                    (ms, sum)
                })
                .collect()
        };
        for bound in BOUNDS {
            let bucket = cumulative(&|value| f64::from(u8::from(value <= bound)));
            self.put(&format!("{name}_bucket"), Some(&bound.to_string()), &bucket);
        }
        let all = cumulative(&|_| 1.0);
        self.put(&format!("{name}_bucket"), Some("+Inf"), &all);
        self.put(&format!("{name}_count"), None, &all);
        self.put(&format!("{name}_sum"), None, &cumulative(&|value| value));
    }

    fn advise(&self, spec: &PoolSpec, hour: i64) -> Verdict {
        advise_on::<Pool>(&Sources { store: &self.store }, spec, Timestamp::from_millis(hour * HOUR_MS)).remove(0)
    }

    fn proposed(&self, spec: &PoolSpec, hour: i64) -> RecommendationRow {
        let verdict = self.advise(spec, hour);
        verdict.recommendation().unwrap_or_else(|| panic!("{}", verdict.reason())).clone()
    }
}

fn number(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap())
}

fn spec(size: f64) -> PoolSpec {
    PoolSpec {
        in_use: "sum(in_use)".to_owned(),
        arrivals: "sum(rate(checkouts_total[1m]))".to_owned(),
        hold: "hold_seconds{pool=\"app\"}".to_owned(),
        wait: Some("wait_seconds".to_owned()),
        size: Amount::Number(size),
        wait_max_ms: 10,
        day_ms: HOUR_MS,
        ..PoolSpec::new("app")
    }
}

/// Three of four connections' worth of load at the peak.
const BUSY: Simulated = Simulated { connections: 4, rate: 160.0, hold: 0.02, batch: 1, hours: 3, seed: 1 };
/// A fraction of one connection is used.
const QUIET: Simulated = Simulated { connections: 40, rate: 12.0, hold: 0.03, batch: 1, hours: 3, seed: 2 };

fn connections(row: &RecommendationRow) -> u32 {
    u32::try_from(row.proposed["connections"].as_u64().unwrap()).unwrap()
}

#[test]
fn a_pool_that_is_too_small_is_raised_and_the_promise_is_kept() {
    let scene = Scene::new(&BUSY);
    let row = scene.proposed(&spec(4.0), 3);
    let needed = connections(&row);
    assert!((5..=8).contains(&needed), "{}", row.reason);
    assert_eq!((row.effect.metric.as_str(), row.current["size"].as_u64()), ("pool_wait_p95", Some(4)));
    assert!(row.reason.starts_with("Raise the pool app from 4 connections to "), "{}", row.reason);
    assert!(row.reason.contains("no limit of the database is known"), "{}", row.reason);
    assert_eq!(row.patch.body, format!("{{\"pool\":\"app\",\"pool_size\":{needed}}}"));
    // The wait at the present size is that of an independent simulation.
    let mut waits: Vec<f64> = BUSY.run(0).iter().map(|c| c.1 - c.0).collect();
    waits.sort_by(f64::total_cmp);
    let (measured, predicted) = (waits[waits.len() * 95 / 100], row.evidence["present"]["wait_p95"].as_f64().unwrap());
    assert!((predicted / measured - 1.0).abs() < 0.15, "{predicted} is predicted, {measured} was simulated");
    let pictures = Pool::pictures(&Sources { store: &scene.store }, None, &row, Timestamp::from_millis(0)).unwrap();
    pictures.iter().for_each(assert_sound);
    assert_eq!(pictures[0].name, "wait");

    // The next hours run with the proposed size.
    let then = Simulated { connections: usize::try_from(needed).unwrap(), seed: 7, ..BUSY };
    scene.record(&then, 3);
    let now = Timestamp::from_millis(6 * HOUR_MS);
    let from = Sources { store: &scene.store };
    let applied_at = Timestamp::from_millis(3 * HOUR_MS);
    let changed = spec(f64::from(needed));
    let measured = measure_on::<Pool>(&from, Some(&changed), &row, applied_at, now).unwrap().unwrap();
    assert!(measured.keeps(Direction::Lower, row.effect.lower, row.effect.upper), "{measured:?} {:?}", row.effect);
    let early = Timestamp::from_millis(3 * HOUR_MS + HOUR_MS / 2);
    assert_eq!(measure_on::<Pool>(&from, Some(&changed), &row, applied_at, early).unwrap(), None);
    // Nobody changed the size: the wait is as before.
    let unchanged = Scene::new(&Simulated { hours: 6, ..BUSY });
    let from = Sources { store: &unchanged.store };
    let measured = measure_on::<Pool>(&from, Some(&changed), &row, applied_at, now).unwrap().unwrap();
    assert!(!measured.keeps(Direction::Lower, row.effect.lower, row.effect.upper), "{measured:?}");
}

#[test]
fn without_a_histogram_of_waits_the_time_with_all_in_use_is_promised() {
    let scene = Scene::new(&BUSY);
    let blind = PoolSpec { wait: None, overflow: Some(Amount::Number(0.0)), ..spec(4.0) };
    let row = scene.proposed(&blind, 3);
    assert_eq!(row.effect.metric, "pool_full_share");
    assert!(row.effect.value < row.evidence["before"].as_f64().unwrap(), "{}", row.evidence);
    // The overflow is for rare peaks.
    let (size, overflow) = (row.proposed["size"].as_u64().unwrap(), row.proposed["overflow"].as_u64().unwrap());
    assert!(size >= 4 && size + overflow == u64::from(connections(&row)), "{}", row.proposed);
    assert!(row.patch.body.contains("max_overflow"));
    scene.record(&Simulated { connections: usize::try_from(connections(&row)).unwrap(), seed: 8, ..BUSY }, 3);
    let from = Sources { store: &scene.store };
    let (applied_at, now) = (Timestamp::from_millis(3 * HOUR_MS), Timestamp::from_millis(6 * HOUR_MS));
    let measured = measure_on::<Pool>(&from, Some(&blind), &row, applied_at, now).unwrap().unwrap();
    assert!(measured.keeps(Direction::Lower, row.effect.lower, row.effect.upper), "{measured:?} {:?}", row.effect);
}

#[test]
fn a_pool_that_is_too_large_is_lowered_and_one_that_fits_is_kept() {
    let scene = Scene::new(&QUIET);
    let row = scene.proposed(&spec(40.0), 3);
    assert!((2..=6).contains(&connections(&row)), "{}", row.reason);
    assert_eq!(row.effect.metric, "pool_idle_connections");
    assert!(row.effect.upper < 6.0 && row.evidence["before"].as_f64().unwrap() > 39.0, "{:?}", row.effect);
    assert!(row.reason.starts_with("Lower the pool app from 40 connections to "), "{}", row.reason);
    scene.record(&Simulated { connections: usize::try_from(connections(&row)).unwrap(), seed: 9, ..QUIET }, 3);
    let from = Sources { store: &scene.store };
    let (applied_at, now) = (Timestamp::from_millis(3 * HOUR_MS), Timestamp::from_millis(6 * HOUR_MS));
    let measured = measure_on::<Pool>(&from, Some(&spec(40.0)), &row, applied_at, now).unwrap().unwrap();
    assert!(measured.keeps(Direction::Lower, row.effect.lower, row.effect.upper), "{measured:?} {:?}", row.effect);
    // The same load on few connections is left alone.
    let small = Scene::new(&Simulated { connections: 6, ..QUIET });
    let kept = small.advise(&PoolSpec { overflow: Some(Amount::Number(4.0)), ..spec(6.0) }, 3).reason();
    assert!(kept.starts_with("6 connections and 4 of overflow are kept: "), "{kept}");
    assert!(kept.contains("saves too few connections"), "{kept}");
    // A timeout beyond the caller's limit is named, though the size is kept.
    let slow = PoolSpec { timeout_ms: Some(30_000), deadline_ms: Some(10_000), ..spec(6.0) };
    let kept = small.advise(&slow, 3).reason();
    assert!(kept.contains("lower its timeout from 30 s to "), "{kept}");
}

#[test]
fn the_limit_of_the_database_is_never_exceeded() {
    let scene = Scene::new(&BUSY);
    // Ten instances may start, each with the load of one.
    let crowd = PoolSpec { instances_max: Some(10), connections_max: Some(45), ..spec(4.0) };
    let kept = scene.advise(&crowd, 3).reason();
    assert!(kept.contains("it allows 4 (connections_max is 45)") && kept.contains("hold times of "), "{kept}");
    // More instances than the limit has connections for at the present size.
    let quiet = Scene::new(&Simulated { connections: 8, ..QUIET });
    let many = PoolSpec { instances_max: Some(10), connections_max: Some(60), ..spec(8.0) };
    let row = quiet.proposed(&many, 3);
    assert!(10 * connections(&row) <= 60, "{}", row.reason);
    // The database's own limit: 25 connections, 3 reserved, 15 of others.
    let settings =
        [("max_connections", "25"), ("superuser_reserved_connections", "3"), ("idle_session_timeout", "10min")];
    let catalogue = Catalogue {
        settings: settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        ..Catalogue::default()
    };
    let watched = PoolSpec { database: Some("main".to_owned()), ..spec(4.0) };
    let unknown = scene.advise(&watched, 3).reason();
    assert!(unknown.contains("the limit of the database main is unknown"), "{unknown}");
    put_catalogue(&scene.store, "main", &catalogue);
    let row = scene.proposed(&watched, 3);
    assert!(
        row.reason.contains("of 22 connections: the database main has 25 connections, 3 of them reserved"),
        "{}",
        row.reason
    );
    assert!(row.reason.contains("set its recycle to 300 s, or pre_ping"), "{}", row.reason);
    assert!(row.patch.body.contains("\"pool_recycle\":300"), "{}", row.patch.body);
    let id = scene
        .store
        .resolve(&Labels::from_pairs([(METRIC_NAME, "pg_server_connections"), ("database", "main")]).unwrap());
    let timestamps: Vec<i64> = (1..720).map(|i| i * SCRAPE_MS).collect();
    let batch = SampleBatch {
        series: vec![id.unwrap(); timestamps.len()],
        values: vec![22.0; timestamps.len()],
        timestamps,
        histograms: Vec::new(),
    };
    scene.store.append(batch).unwrap().wait().unwrap();
    let kept = scene.advise(&watched, 3).reason();
    assert!(kept.contains("are kept: a wait of at most 10.0 ms needs "), "{kept}");
    assert!(!kept.contains("idle in a transaction"), "{kept}");
    // Three of four sessions with a transaction wait for the application in it.
    for (state, count) in [("active", 1.0), ("idle in transaction", 3.0), ("idle", 20.0)] {
        let labels = [(METRIC_NAME, "pg_connections"), ("database", "main"), ("state", state)];
        let id = scene.store.resolve(&Labels::from_pairs(labels).unwrap()).unwrap();
        let mut batch = SampleBatch::default();
        (1..720).for_each(|i| batch.push(id, i * SCRAPE_MS, count));
        scene.store.append(batch).unwrap().wait().unwrap();
    }
    let kept = scene.advise(&watched, 3).reason();
    assert!(
        kept.contains("database main together are idle in a transaction for 75 % of the time that they have one"),
        "{kept}"
    );
}

fn put_catalogue(store: &Store, database: &str, catalogue: &Catalogue) {
    let row = crate::store::rows::DatabaseCatalogueRow {
        database: database.to_owned(),
        read_at: Timestamp::from_millis(0),
        catalogue: serde_json::to_value(catalogue).unwrap(),
    };
    store.put_database_catalogue(row).unwrap();
}

#[test]
fn only_a_mean_hold_time_is_enough_for_less_confidence() {
    let scene = Scene::new(&BUSY);
    let mean = "sum(rate(hold_seconds_sum[5m])) / sum(rate(hold_seconds_count[5m]))".to_owned();
    let row = scene.proposed(&PoolSpec { hold: mean.clone(), ..spec(4.0) }, 3);
    assert!(row.reason.contains("a log-normal shape with a variation of 1.5 is assumed"), "{}", row.reason);
    assert!(row.confidence < 0.8 && row.evidence["hold_shape"] == "assumed log-normal");
    // Milliseconds are recognised by Little's law.
    let refused = scene.advise(&PoolSpec { hold: format!("1000 * {mean}"), ..spec(4.0) }, 3).reason();
    assert!(refused.contains("`hold` is in milliseconds"), "{refused}");
    let refused =
        scene.advise(&PoolSpec { arrivals: "60 * sum(rate(checkouts_total[1m]))".to_owned(), ..spec(4.0) }, 3).reason();
    assert!(refused.contains("`arrivals` are per minute"), "{refused}");
    let refused = scene.advise(&PoolSpec { in_use: "sum(in_use) / 5".to_owned(), ..spec(4.0) }, 3).reason();
    assert!(refused.contains("cannot be of the same pool and unit"), "{refused}");
}

#[test]
fn what_is_missing_or_wrong_is_named() {
    let scene = Scene::new(&BUSY);
    let check = |spec: PoolSpec, hour: i64, expected: &str| {
        let verdict = scene.advise(&spec, hour);
        assert!(verdict.recommendation().is_none() && verdict.reason().contains(expected), "{}", verdict.reason());
    };
    let with = |change: fn(&mut PoolSpec)| {
        let mut changed = spec(4.0);
        change(&mut changed);
        changed
    };
    check(with(|s| s.arrivals = "nothing".to_owned()), 3, "`nothing` returns no value over the history");
    check(with(|s| s.in_use = "nothing".to_owned()), 3, "`nothing` returns no value over the history");
    check(with(|s| s.hold = "nothing".to_owned()), 3, "`nothing` is no histogram with samples");
    check(with(|s| s.wait = Some("nothing".to_owned())), 3, "`nothing` returns no value over the history");
    check(with(|s| s.arrivals = "sum(checkouts_total)".to_owned()), 3, "only rises");
    check(with(|s| s.hold = "in_use_total".to_owned()), 3, "is no histogram with samples");
    check(with(|s| s.size = Amount::Number(1.0)), 3, "more than size and overflow allow, which are 1 together");
    check(with(|s| s.size = Amount::Expr("vector(0)".to_owned())), 3, "size is 0, which is no number of connections");
    check(with(|s| s.instances = Amount::Expr("nothing".to_owned())), 3, "`nothing` returns no value over the history");
    check(spec(4.0), 5, "`sum(rate(checkouts_total[1m]))` last returned a value 120 minutes ago");
    let short = Scene::new(&Simulated { hours: 1, rate: 0.3, ..BUSY });
    let refused = short.advise(&spec(4.0), 1).reason();
    assert!(refused.contains("checkouts of an instance in") && refused.contains("are needed"), "{refused}");
}

#[test]
fn checkouts_in_batches_need_more_connections_than_single_ones() {
    // A request that runs four statements at once: the same load, other waits.
    let batches = Simulated { batch: 4, connections: 6, ..BUSY };
    let scene = Scene::new(&batches);
    let row = scene.proposed(&spec(6.0), 3);
    assert!(row.evidence["batch_mean"].as_f64().unwrap() > 1.8, "{}", row.evidence);
    assert!(row.reason.contains("checkouts come in batches of "), "{}", row.reason);
    assert!(connections(&row) > 7, "{}", row.reason);
    let single = Scene::new(&Simulated { batch: 1, ..batches });
    let kept = single.advise(&spec(6.0), 3);
    assert!(kept.recommendation().is_none_or(|row| connections(row) < 8), "{}", kept.reason());
}
