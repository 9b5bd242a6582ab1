//! Writes a store file with this release's schema, which later releases must open, to the given path:
//! `cargo run -p almanac-engine --example store_fixture -- new.duckdb`. A fixture of a release is never changed.
#![expect(clippy::unwrap_used, reason = "a tool for releases, which may panic")]

use almanac_engine::{
    series::Labels,
    store::{
        Compaction, SampleBatch, Store, StoreOptions,
        rows::{
            CacheEvent, CacheOp, Effect, EventBatch, Kind, Patch, RecommendationRow, SignalOrigin, SignalRow,
            SignalStatus, State,
        },
    },
};
use almanac_models::Timestamp;

fn main() {
    let path = std::env::args().nth(1).unwrap();
    let store = Store::open(path.as_ref(), StoreOptions::default()).unwrap();
    let at = Timestamp::from_millis;
    let labels = |pairs: &[(&str, &str)]| Labels::from_pairs(pairs.iter().copied()).unwrap();
    let requests = store.resolve(&labels(&[("__name__", "requests_total"), ("job", "api")])).unwrap();
    let up = store.resolve(&labels(&[("__name__", "up")])).unwrap();
    let append = |samples: &[(almanac_engine::series::SeriesId, i64, f64)]| {
        let mut batch = SampleBatch::default();
        samples.iter().for_each(|&(id, timestamp, value)| batch.push(id, timestamp, value));
        store.append(batch).unwrap().wait().unwrap();
    };
    // The order fills cold, hot and late segments: a compaction, new samples, then a repeated timestamp.
    let ticks: Vec<_> = (0..40_i32).map(|n| (requests, i64::from(n) * 60_000, f64::from(n))).collect();
    append(&ticks[..30]);
    append(&[(up, 0, 5.0)]);
    store.compact(at(0), Compaction::All).unwrap();
    append(&ticks[30..]);
    append(&[(up, 60_000, 6.0)]);
    append(&[(up, 60_000, 7.0)]);
    store
        .put_signals(&[SignalRow {
            signal: "requests".into(),
            expr: "rate(requests_total[5m])".into(),
            origin: SignalOrigin::Configured,
            step_ms: 60_000,
            status: SignalStatus::Ready,
            reason: None,
            seasons_ms: vec![86_400_000],
            model: Some("mstl".into()),
            fitted_at: Some(at(1)),
            points: 40,
            mase: Some(0.5),
            coverage_80: Some(0.8),
            coverage_95: None,
        }])
        .unwrap();
    store
        .put_recommendations(&[RecommendationRow {
            id: "r1".into(),
            kind: Kind::from_static("scaling"),
            target: "api".into(),
            current: serde_json::json!({"replicas": 2}),
            proposed: serde_json::json!({"replicas": 3}),
            valid_from: at(0),
            valid_until: None,
            effect: Effect { metric: "m".into(), unit: "1".into(), value: 1.0, lower: 0.5, upper: 1.5, level: 0.8 },
            confidence: 0.9,
            reason: "demand grows".into(),
            evidence: serde_json::json!({}),
            patch: Patch { format: "text".into(), body: String::new() },
            state: State::Proposed,
            created_at: at(0),
            updated_at: at(0),
            evidence_at: at(0),
            replaces: None,
        }])
        .unwrap();
    let event = CacheEvent {
        timestamp: at(1),
        cache: "c".into(),
        key: "k".into(),
        op: CacheOp::Get,
        bytes: None,
        miss_cost_ms: None,
    };
    store.put_events(EventBatch { cache: vec![event], ..EventBatch::default() }).unwrap();
    store.close().unwrap();
}
