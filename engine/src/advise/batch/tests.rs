//! Tests of the choice of a size on simulated statements whose costs are known.

use almanac_models::Timestamp;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use super::{BatchFacts, BatchSource, BatchSpec, BatchTerms, Batches, FitRefusal, Pair, fit, pictures::draw};
use crate::{
    advise::{Advisor, Outcome, Proposal, Sources, picture::assert_sound, read_specs},
    series::Labels,
    store::{SampleBatch, Store, StoreOptions},
};

/// Returns pairs of statements that take `fixed` + `each`·rows seconds with a noise of 10 %, of sizes from 1 to `largest`.
fn pairs(fixed: f64, each: f64, largest: f64) -> Vec<Pair> {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    (0..200)
        .map(|_| {
            let rows = largest.powf(rng.random_range(0.0..1.0));
            let seconds = (fixed + each * rows) * rng.random_range(0.9..1.1);
            Pair { rows, seconds, statements: 100.0, p95: Some(1.5 * seconds) }
        })
        .collect()
}

fn facts(pairs: Vec<Pair>) -> BatchFacts {
    let sources = vec![BatchSource::Histograms { rows: "r".to_owned(), seconds: "s".to_owned() }];
    BatchFacts { pairs, rows_per_second: 500.0, parameters: None, sources }
}

fn spec() -> BatchSpec {
    BatchSpec {
        name: "tasks".to_owned(),
        rows: Some("r".to_owned()),
        seconds: Some("s".to_owned()),
        size: Some(10.0),
        ..BatchSpec::default()
    }
}

fn decided(spec: &BatchSpec, facts: &BatchFacts) -> Outcome<BatchTerms> {
    Batches::decide(spec, &spec.name, facts, Timestamp::from_millis(0))
}

fn proposal(spec: &BatchSpec, facts: &BatchFacts) -> Proposal<BatchTerms> {
    match decided(spec, facts) {
        Outcome::Propose(proposal) => *proposal,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_fixed_cost_is_shared_by_enough_rows() {
    // Nine times 2 ms / 50 µs are 360 rows.
    let facts = facts(pairs(0.002, 50e-6, 1_000.0));
    let made = proposal(&spec(), &facts);
    assert_eq!(made.proposed, json!({"rows": 500.0}));
    let expected = 0.002 / 500.0 + 50e-6;
    assert!((made.effect.value / expected - 1.0).abs() < 0.05, "{made:?}");
    assert!(made.effect.lower < expected && expected < made.effect.upper, "{made:?}");
    assert!((made.rollback.as_ref().unwrap().baseline / (0.0002 + 50e-6) - 1.0).abs() < 0.1, "{made:?}");
    assert!(made.confidence > 0.7, "{made:?}");
    // A size near the best one is kept, with its figures.
    let near = BatchSpec { size: Some(300.0), ..spec() };
    assert!(
        matches!(decided(&near, &facts), Outcome::Keep { reason } if reason.contains("statements of 300 rows take"))
    );
}

#[test]
fn the_picture_has_the_present_and_the_proposed_size() {
    let made = proposal(&spec(), &facts(pairs(0.002, 50e-6, 1_000.0)));
    let picture = draw(&made.evidence, &made.current, &made.proposed).unwrap();
    assert_sound(&picture);
    let marks: Vec<f64> = picture.marks.iter().map(|mark| mark.at).collect();
    assert_eq!(marks, [10.0, 500.0]);
    let of = |rows: f64| {
        let at = picture.x.values.iter().position(|size| (size - rows).abs() < 0.5).unwrap();
        let value = |line: usize| picture.lines[line].values[at].unwrap();
        assert!(value(1) <= value(0) && value(0) <= value(2), "{picture:?}");
        value(0)
    };
    assert!((of(500.0) / made.effect.value - 1.0).abs() < 1e-4 && of(1.0) > 30.0 * of(500.0), "{picture:?}");
    assert_eq!(draw(&json!({}), &made.current, &made.proposed), None);
}

#[test]
fn pairs_are_read_by_the_step_of_the_section() {
    // Bursts of 4 statements of 5 and of 50 rows alternate every 40 s: within 5 minutes all means are alike.
    const SCRAPE_MS: i64 = 5_000;
    const START_MS: i64 = 1_700_000_000_000 / 60_000 * 60_000;
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("almanac.duckdb"), StoreOptions::default()).unwrap();
    let id = |name: &str| {
        let labels = Labels::from_pairs([("__name__".to_owned(), name.to_owned())]).unwrap();
        store.resolve(&labels).unwrap()
    };
    let ids = ["r_sum", "r_count", "s_sum", "s_count"].map(id);
    let (mut batch, mut sums, scrapes) = (SampleBatch::default(), [0.0; 4], 1_440);
    for scrape in 0..scrapes {
        let rows = if scrape / 8 % 2 == 0 { 5.0 } else { 50.0 };
        let added = [4.0 * rows, 4.0, 4.0 * (0.002 + 50e-6 * rows), 4.0];
        for ((sum, added), id) in sums.iter_mut().zip(added).zip(ids) {
            *sum += added;
            batch.push(id, START_MS + scrape * SCRAPE_MS, *sum);
        }
    }
    store.append(batch).unwrap().wait().unwrap();
    let now = Timestamp::from_millis(START_MS + scrapes * SCRAPE_MS);
    let read = |step_ms: i64| {
        let spec = BatchSpec { step_ms, ..spec() };
        BatchFacts::fetch(&Sources { store: &store }, &spec, now).unwrap()
    };
    let sizes = |facts: &BatchFacts| {
        let rows = || facts.pairs.iter().map(|pair| pair.rows);
        (rows().fold(f64::INFINITY, f64::min), rows().fold(0.0, f64::max))
    };
    let (small, large) = sizes(&read(20_000));
    assert!(small < 10.0 && large > 45.0, "{small} to {large}");
    let found = fit(&read(20_000).pairs).unwrap();
    assert!(
        (found.line.intercept / 0.002 - 1.0).abs() < 0.01 && (found.line.slope / 50e-6 - 1.0).abs() < 0.01,
        "{found:?}"
    );
    let (small, large) = sizes(&read(300_000));
    assert!(large < 1.5 * small, "{small} to {large}");
    store.close().unwrap();
}

#[test]
fn each_limit_bounds_the_size() {
    let data = facts(pairs(0.002, 50e-6, 1_000.0));
    let check = |spec: BatchSpec, facts: &BatchFacts, limit: &str, most: f64| {
        let made = proposal(&spec, facts);
        let rows = made.proposed["rows"].as_f64().unwrap();
        assert!(rows <= most * 1.1 && rows >= 0.5 * most, "{limit}: {rows}");
        assert_eq!(made.evidence["limits"][0]["limit"], limit, "{}", made.evidence);
    };
    // (15 ms / 1.5 - 2 ms) / 50 µs are 160 rows.
    check(BatchSpec { latency_max_ms: 15, ..spec() }, &data, "latency", 160.0);
    check(BatchSpec { lock_max_ms: Some(9), ..spec() }, &data, "lock", 80.0);
    check(BatchSpec { wait_max_ms: Some(200), ..spec() }, &data, "wait", 100.0);
    check(spec(), &BatchFacts { parameters: Some(600.0), ..data.clone() }, "parameters", 109.0);
    // The line is not extended beyond twice the largest size.
    let small = facts(pairs(0.002, 50e-6, 40.0));
    let made = proposal(&BatchSpec { size: Some(5.0), ..spec() }, &small);
    assert!(made.proposed["rows"].as_f64().unwrap() <= 80.0, "{made:?}");
    assert_eq!(made.evidence["limits"][0]["limit"], "seen");
}

#[test]
fn a_size_beyond_the_latency_limit_is_reduced() {
    let data = facts(pairs(0.002, 50e-6, 5_000.0));
    let made = proposal(&BatchSpec { size: Some(4_000.0), latency_max_ms: 100, ..spec() }, &data);
    let rows = made.proposed["rows"].as_f64().unwrap();
    assert!(rows <= 1_300.0, "{made:?}");
    assert!(made.reason.contains("instead of 4000"), "{}", made.reason);
    let none = decided(&BatchSpec { latency_max_ms: 1, ..spec() }, &data);
    assert!(matches!(none, Outcome::Keep { reason } if reason.starts_with("no size keeps the limits")));
}

#[test]
fn what_is_not_identifiable_is_refused_with_what_would_help() {
    let alike: Vec<Pair> =
        pairs(0.002, 50e-6, 1.5).into_iter().map(|pair| Pair { rows: pair.rows + 99.0, ..pair }).collect();
    let Outcome::Lacks { needs } = decided(&spec(), &facts(alike)) else { panic!() };
    assert!(needs[0].remedy.contains("at least 3 times"), "{needs:?}");
    let Outcome::Lacks { needs } = decided(&spec(), &facts(pairs(0.002, 50e-6, 1_000.0)[..10].to_vec())) else {
        panic!()
    };
    assert!(needs[0].missing.contains("10 steps"), "{needs:?}");
    // The time of a row grows with the size.
    let bent: Vec<Pair> = pairs(0.002, 50e-6, 1_000.0)
        .into_iter()
        .map(|pair| Pair { seconds: 1e-6 * pair.rows * pair.rows, ..pair })
        .collect();
    assert!(matches!(fit(&bent), Err(FitRefusal::Bent { .. } | FitRefusal::Scattered { .. })), "{:?}", fit(&bent));
    assert!(matches!(decided(&spec(), &facts(bent)), Outcome::Keep { .. }));
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let scattered: Vec<Pair> = pairs(0.002, 50e-6, 1_000.0)
        .into_iter()
        .map(|pair| Pair { seconds: 10_f64.powf(rng.random_range(-4.0..0.0)), ..pair })
        .collect();
    assert!(fit(&scattered).is_err());
}

#[test]
fn a_section_says_what_is_wrong() {
    let check = |table: serde_json::Value, expected: &str| {
        let message = read_specs::<BatchSpec>(&[table], None).unwrap_err().message;
        assert!(message.contains(expected), "{message}");
    };
    check(json!({"name": "a"}), "either rows and seconds");
    check(json!({"name": "a", "rows": "r", "seconds": "s", "database": "app"}), "either rows and seconds");
    check(json!({"name": "a", "rows": "sum(r)", "seconds": "s"}), "write the name of a histogram");
    check(json!({"name": "a", "rows": "r", "seconds": "s", "size": 0}), "at least 1 row");
    check(json!({"name": "a", "rows": "r", "seconds": "s", "columns": 0}), "at least 1 bind parameter");
    check(json!({"name": "a", "rows": "r", "seconds": "s", "step": "1s"}), "step is 1s; write at least two scrapes");
    let good = json!({"name": "a", "rows": "r{x=\"y\"}", "seconds": "s", "latency_max": "200ms", "lock_max": "50ms"});
    let specs = read_specs::<BatchSpec>(&[good], None).unwrap();
    assert_eq!((specs[0].latency_max_ms, specs[0].lock_max_ms, specs[0].step_ms), (200, Some(50), 300_000));
}
