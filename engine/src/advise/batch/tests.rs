//! Tests of the choice of a size on simulated statements whose costs are known.

use almanac_models::Timestamp;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use super::{BatchFacts, BatchSource, BatchSpec, BatchTerms, Batches, FitRefusal, Pair, fit};
use crate::advise::{Advisor, Outcome, Proposal, read_specs};

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
    let good = json!({"name": "a", "rows": "r{x=\"y\"}", "seconds": "s", "latency_max": "200ms", "lock_max": "50ms"});
    let specs = read_specs::<BatchSpec>(&[good], None).unwrap();
    assert_eq!((specs[0].latency_max_ms, specs[0].lock_max_ms), (200, Some(50)));
}
