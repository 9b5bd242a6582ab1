//! A short part of `make faults`: calls to the disk that fail, and power cuts.

#![cfg(target_os = "linux")]

use std::{path::PathBuf, time::Instant};

use almanac_tests::faults::{Options, SCENARIOS, count, fail};

/// The program under test.
const ALMANAC: &str = env!("CARGO_BIN_EXE_almanac-under-test");
/// Seed of the batches.
const SEED: u64 = 3;

#[test]
fn a_write_or_a_sync_that_fails_loses_nothing_and_the_service_works_again() {
    let almanac = PathBuf::from(ALMANAC);
    let calls = count(&almanac, SEED).unwrap();
    assert!(calls > 100, "{calls}: a run writes the schema, batches, compactions and a checkpoint");
    let mut refusals = 0;
    // Input/output errors and full disks, in the creation, in the work and in the stop.
    for (number, errno) in
        [(1, 5), (4, 28), (5, 5), (calls / 3, 28), (calls / 2, 5), (calls * 2 / 3, 28), (calls * 4 / 5, 5)]
    {
        let (outcome, samples) =
            fail(&almanac, SEED, number, errno).unwrap_or_else(|what| panic!("call {number} with {errno}: {what}"));
        assert!(outcome.is_reached && samples > 100, "call {number} of {calls}: {outcome:?}, {samples} samples");
        refusals += outcome.refusals + outcome.restarts;
    }
    assert!(refusals > 0, "none of the faults was noticed");
}

#[test]
fn a_power_cut_that_keeps_only_what_was_synced_loses_nothing() {
    let kept = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("faults-kept");
    // The time is over at once: one recording and a few cuts of it.
    let options =
        Options { almanac: ALMANAC.into(), kills: 0, end: Instant::now(), seed: SEED, kept, is_verbose: false };
    let scenario = SCENARIOS.iter().find(|scenario| scenario.name == "power-cuts").unwrap();
    (scenario.run)(&options).unwrap_or_else(|what| panic!("{what}"));
}
