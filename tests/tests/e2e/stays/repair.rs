//! `almanac repair` of damaged stores: its messages, its exit status, and the service on what it has saved.

use std::{fs, path::Path};

use tempfile::{TempDir, tempdir};

use crate::harness::{Server, run};

/// A stopped store with four series of a day, merged into blocks.
fn stopped() -> (TempDir, Vec<u8>) {
    let folder = tempdir().unwrap();
    let mut state = 7_u64;
    let lines: String = (0..4 * 8_640_i64)
        .map(|idx| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let value = f64::from((state >> 33) as u32) / 7.0;
            format!("load{{pod=\"{}\"}} {value} {}\n", idx % 4, 1_767_225_600_000 + idx / 4 * 10_000)
        })
        .collect();
    fs::write(folder.path().join("a.prom"), lines).unwrap();
    assert_eq!(run(folder.path(), ["import", "a.prom"]).code, Some(0));
    assert_eq!(run(folder.path(), ["compact"]).code, Some(0));
    let bytes = fs::read(folder.path().join("almanac.duckdb")).unwrap();
    (folder, bytes)
}

/// Returns positions in the blocks of a file, first in those that are most like noise.
fn places(bytes: &[u8]) -> Vec<usize> {
    const BLOCK: usize = 65_536;
    let begins = (12_288..bytes.len().saturating_sub(BLOCK)).step_by(BLOCK);
    let mut all: Vec<(usize, usize)> = begins
        .map(|begin| (bytes[begin..begin + BLOCK].iter().filter(|byte| **byte == 0).count(), begin + 30_000))
        .collect();
    all.sort_unstable();
    all.into_iter().map(|(_, place)| place).collect()
}

fn names(folder: &Path) -> Vec<String> {
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<String> = fs::read_dir(folder).unwrap().map(name).collect();
    names.sort();
    names
}

#[test]
fn a_damaged_store_is_named_repaired_and_served() {
    let (folder, bytes) = stopped();
    let at = |name: &str| folder.path().join(name);
    // The first block whose damage costs samples; others are free, or have the list of tables.
    let is_found = places(&bytes).into_iter().any(|place| {
        let mut damaged = bytes.clone();
        damaged[place..place + 32].fill(0xa5);
        fs::write(at("almanac.duckdb"), &damaged).unwrap();
        let checked = run(folder.path(), ["check"]);
        assert!(checked.code == Some(0) || checked.stderr.contains("almanac repair"), "{checked:?}");
        checked.code == Some(1) && checked.stdout.starts_with("damaged: table cold_")
    });
    assert!(is_found);
    let before = names(folder.path());
    let damaged = fs::read(at("almanac.duckdb")).unwrap();
    let repaired = run(folder.path(), ["repair", "almanac.duckdb", "--db", "new.duckdb"]);
    assert_eq!(repaired.code, Some(3), "{repaired:?}");
    assert!(repaired.stdout.contains("saved: table series, 4 rows\n"), "{repaired:?}");
    assert!(
        repaired.stdout.contains("lost: load{pod=\"") && repaired.stdout.contains(" samples from 2026-01-01T"),
        "{repaired:?}"
    );
    let [line] = repaired.stderr.lines().collect::<Vec<_>>()[..] else { panic!("{repaired:?}") };
    assert!(
        line.starts_with("almanac: new.duckdb: ")
            && line.contains(" samples in 4 series of almanac.duckdb are saved; lost: "),
        "{line}"
    );
    assert_eq!(fs::read(at("almanac.duckdb")).unwrap(), damaged);
    let mut after = names(folder.path());
    after.retain(|name| name != "new.duckdb");
    assert_eq!(after, before);
    // What is counted as saved and lost is everything.
    let number = |text: &str, after: &str| -> i64 {
        text.split(after).nth(1).and_then(|rest| rest.split(' ').next()).and_then(|word| word.parse().ok()).unwrap()
    };
    let (saved, lost) = (number(line, "new.duckdb: "), number(line, "lost: "));
    assert_eq!(saved + lost, 4 * 8_640, "{line}");
    let sound = run(folder.path(), ["check", "--db", "new.duckdb"]);
    assert!(sound.code == Some(0) && sound.stdout.starts_with("sound: "), "{sound:?}");
    let server = Server::start_with(folder.path(), &["--db", "new.duckdb"]);
    assert_eq!(server.sql("SELECT count(*) FROM samples")[0][0], saved);
    let again = run(folder.path(), ["repair", "new.duckdb", "--db", "b.duckdb"]);
    assert!(again.code == Some(1) && again.stderr.contains("is in use by another process"), "{again:?}");
}

#[test]
fn what_a_repair_cannot_do_is_one_line_and_leaves_nothing() {
    let (folder, bytes) = stopped();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("short.duckdb"), &bytes[..5_000]).unwrap();
    fs::write(at("text.duckdb"), "x".repeat(100_000)).unwrap();
    let before = names(folder.path());
    for (file, new, expected) in [
        ("short.duckdb", "new.duckdb", "nothing can be saved of short.duckdb: it has 5000 bytes, less than its header"),
        ("text.duckdb", "new.duckdb", "\"text.duckdb\" is not an Almanac store"),
        ("none.duckdb", "new.duckdb", "none.duckdb"),
        (".", "new.duckdb", "it is not a file"),
        ("almanac.duckdb", "short.duckdb", "short.duckdb exists already; give a new file"),
    ] {
        let refused = run(folder.path(), ["repair", file, "--db", new]);
        assert!(refused.code == Some(1) && refused.stderr.contains(expected), "{file}: {refused:?}");
        assert_eq!(refused.stderr.lines().count(), 1, "{refused:?}");
        assert_eq!(names(folder.path()), before);
    }
    // One bit is corrected.
    let mut flipped = bytes.clone();
    flipped[places(&bytes)[0] / 8 * 8 + 1] ^= 1;
    fs::write(at("almanac.duckdb"), &flipped).unwrap();
    let repaired = run(folder.path(), ["repair", "almanac.duckdb", "--db", "new.duckdb"]);
    assert_eq!(repaired.code, Some(0), "{repaired:?}");
    assert!(
        repaired.stdout.starts_with("corrected: 1 changed bit, found by the checksums of the blocks\n"),
        "{repaired:?}"
    );
    let last = "new.duckdb: 34560 samples in 4 series of almanac.duckdb; nothing is lost\n";
    assert!(repaired.stdout.ends_with(last), "{repaired:?}");
}
