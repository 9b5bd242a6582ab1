//! Repairs of write-ahead logs: what is before the damage is saved, and what only inserts rows after it.

use std::fs;

use almanac_engine::store::{Compaction, Store, StoreError, StoreOptions};
use almanac_models::Timestamp;

use super::{Repaired, Samples, append, listing, noise, samples};

/// A store that was killed with ten transactions of samples in its log.
struct Killed {
    folder: tempfile::TempDir,
    samples: Samples,
    log: Vec<u8>,
    /// Length of the log after each transaction.
    ends: Vec<usize>,
}

impl Killed {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("used.duckdb");
        let store = Store::open(&path, StoreOptions::default()).unwrap();
        append(&store, 0..4, 0..500, 1);
        store.compact(Timestamp::from_millis(0), Compaction::All).unwrap();
        let mut ends = Vec::new();
        for part in 0..10 {
            append(&store, 0..4, 500 + part * 100..600 + part * 100, 2 + part.unsigned_abs());
            ends.push(usize::try_from(store.stats().wal_bytes).unwrap());
        }
        let samples = samples(&store);
        let killed = tempfile::tempdir().unwrap();
        for end in ["", ".wal", ".state"] {
            let to = killed.path().join(format!("damaged.duckdb{end}"));
            fs::copy(format!("{}{end}", path.display()), to).unwrap();
        }
        let log = fs::read(killed.path().join("damaged.duckdb.wal")).unwrap();
        Self { folder: killed, samples, log, ends }
    }

    fn repaired(&self, log: Option<&[u8]>) -> Result<Repaired, StoreError> {
        let at = |name: &str| self.folder.path().join(name);
        for end in ["", ".wal", ".state"] {
            let _ = fs::remove_file(at(&format!("new.duckdb{end}")));
        }
        match log {
            Some(log) => fs::write(at("damaged.duckdb.wal"), log).unwrap(),
            None => fs::remove_file(at("damaged.duckdb.wal")).unwrap(),
        }
        let before = listing(self.folder.path());
        let path = at("new.duckdb");
        let report = Store::repair(&at("damaged.duckdb"), &path, &StoreOptions::default(), &mut |_, _, _| ());
        let mut after = listing(self.folder.path());
        after.retain(|(name, _)| name != "new.duckdb");
        assert_eq!(after, before);
        assert!(log.is_none_or(|log| fs::read(at("damaged.duckdb.wal")).unwrap() == log));
        let report = report?;
        let store = Store::open(&path, StoreOptions::default()).unwrap();
        assert_eq!(store.check(|_, _| ()).unwrap().damaged, []);
        let samples = samples(&store);
        store.close().unwrap();
        Ok(Repaired { report, samples, path })
    }
}

#[test]
fn a_sound_log_is_replayed_and_a_torn_end_is_dropped() {
    let killed = Killed::new();
    for tail in [&[][..], &[0; 3_000], &killed.log[8..100]] {
        let repaired = killed.repaired(Some(&[&killed.log, tail].concat())).unwrap();
        assert_eq!((repaired.check(&killed.samples, "tail"), repaired.report.lost.as_slice()), (0, [].as_slice()));
    }
}

#[test]
fn a_changed_bit_of_the_log_is_corrected() {
    let killed = Killed::new();
    let (first, second) = (killed.ends[2], killed.ends[3]);
    let mut corrected = 0;
    for step in 0..12 {
        let mut log = killed.log.clone();
        let at = first + (second - first) * step / 12;
        log[at] ^= 1 << (step % 8);
        let repaired = killed.repaired(Some(&log)).unwrap();
        let missing = repaired.check(&killed.samples, &format!("byte {at}"));
        assert!(missing == 0 || missing == 400, "{missing}");
        corrected += u32::from(missing == 0 && repaired.report.corrected == 1);
    }
    assert!(corrected >= 2, "{corrected}");
}

#[test]
fn damage_costs_its_transaction_and_the_later_ones_are_saved() {
    let killed = Killed::new();
    let mut log = killed.log.clone();
    let at = killed.ends[4] + 200;
    log[at..at + 40].fill(0xa5);
    let repaired = killed.repaired(Some(&log)).unwrap();
    assert_eq!(repaired.check(&killed.samples, "fifth"), 400);
    let [lost] = repaired.report.lost.as_slice() else { panic!("{:?}", repaired.report.lost) };
    assert_eq!(lost.what, "write-ahead log");
    assert!(lost.reason.contains("transactions lost: 1, saved after them, since they only insert rows: 4"), "{lost:?}");
}

#[test]
fn a_log_that_is_missing_or_cut_is_told() {
    let killed = Killed::new();
    let check = |log: Option<&[u8]>, missing: usize, reason: &str| {
        let repaired = killed.repaired(log).unwrap();
        assert_eq!(repaired.check(&killed.samples, reason), missing);
        let [lost] = repaired.report.lost.as_slice() else { panic!("{:?}", repaired.report.lost) };
        assert!(lost.reason.contains(reason) && lost.reason.contains(&format!("{missing} samples more")), "{lost:?}");
    };
    check(None, 4_000, "is missing");
    check(Some(&killed.log[..killed.ends[6] + 30]), 1_200, "ends early");
}

#[test]
fn no_damage_of_the_log_makes_a_wrong_sample() {
    let killed = Killed::new();
    let mut next = noise(5);
    for round in 0..16 {
        let mut log = killed.log.clone();
        for _ in 0..=round % 3 {
            let at = usize::try_from(next()).unwrap() % (log.len() - 64);
            match round % 4 {
                0 => log[at] ^= 1 << (next() % 8),
                1 => log[at..at + 24].iter_mut().for_each(|byte| *byte = next().to_le_bytes()[0]),
                2 => log.truncate(at),
                _ => drop(log.drain(at..at + 5)),
            }
            if log.len() < 128 {
                break;
            }
        }
        let repaired = killed.repaired(Some(&log)).unwrap();
        repaired.check(&killed.samples, &format!("round {round}"));
        assert!(repaired.samples.len() >= 2_000, "the file is sound");
    }
}
