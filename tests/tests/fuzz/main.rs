//! Every target of fuzzing on its corpus and on a fixed number of mutations of it; `make fuzz` runs them longer.

#![expect(clippy::unwrap_used, reason = "a test whose set-up fails should fail there")]

use std::{collections::BTreeSet, fs, path::Path};

use almanac_tests::fuzz::{
    TARGETS, corpus,
    mutator::Mutator,
    remove_store,
    run::{checked, peak_mib},
    target,
};

/// Bound on the memory of a target's process in MiB: a store, and some inputs of at most 64 KiB.
const MEMORY_MIB: u64 = 1024;

/// Runs a target on its corpus and on `mutations` of it.
fn check(name: &str, mutations: usize) {
    let target = target(name).unwrap();
    let corpus = corpus::read(name).unwrap();
    for (file, data) in &corpus {
        checked(target, data).unwrap_or_else(|message| panic!("{name}, file {file}: {message}"));
    }
    let mut mutator = Mutator::new(20_261_123, corpus.into_iter().map(|(_, data)| data).collect());
    for number in 0..mutations {
        let input = mutator.input();
        checked(target, &input)
            .unwrap_or_else(|message| panic!("{name}, mutation {number}: {message}\n{}", input.escape_ascii()));
    }
    remove_store();
    // A process of several tests has the memory of all of them.
    if std::env::var_os("NEXTEST").is_some() {
        let peak = peak_mib().unwrap();
        assert!(peak < MEMORY_MIB, "{name}: {peak} MiB");
    }
}

macro_rules! targets {
    ($($name:ident: $mutations:expr,)*) => {
        /// Names of the targets that have a test.
        const TESTED: &[&str] = &[$(stringify!($name)),*];
        $(#[test] fn $name() { check(stringify!($name), $mutations); })*
    };
}

// The numbers give each target about a second.
targets! {
    actions: 150,
    config: 1_500,
    csv: 300,
    database_plans: 150,
    database_schema: 150,
    database_statements: 300,
    events: 5_000,
    grafana: 150,
    ndjson: 300,
    openmetrics: 1_000,
    otlp_json: 300,
    otlp_protobuf: 300,
    parameters: 60,
    parquet: 40,
    postgres: 2_000,
    postgres_sql: 300,
    prometheus_text: 1_000,
    promql: 3_000,
    remote_write_1: 2_000,
    remote_write_2: 2_000,
    rules: 1_500,
    scrape_protobuf: 500,
    sql: 400,
    remote_read: 300,
    sql_body: 200,
    tables: 150,
    tokens: 500,
    traces: 100,
}

#[test]
fn every_target_has_a_test_a_corpus_and_a_file_for_cargo_fuzz() {
    let names: BTreeSet<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, TESTED.iter().copied().collect());
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let manifest = fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
    let mut bytes = 0;
    for name in names {
        bytes += corpus::read(name).unwrap().iter().map(|(_, data)| data.len()).sum::<usize>();
        let source = fs::read_to_string(fuzz.join("fuzz_targets").join(format!("{name}.rs"))).unwrap();
        assert!(source.contains(&format!("target(\"{name}\")")), "{source}");
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name} is not in the manifest of cargo fuzz");
    }
    assert!(bytes < 200_000, "the corpora have {bytes} bytes");
}

#[test]
fn a_failing_target_is_reported_with_its_message() {
    let broken: fn(&[u8]) = |data| assert!(!data.contains(&b'x'), "x at last");
    assert_eq!(checked(broken, b"abc"), Ok(()));
    assert_eq!(checked(broken, b"axc"), Err("x at last".to_owned()));
}
