//! Decides on `shared_buffers`, where reads from outside take time and the data that is used would fit.

use std::collections::BTreeSet;

use almanac_models::Timestamp;
use serde_json::json;

use crate::{
    advise::{
        Outcome,
        database::{
            DatabaseSpec,
            settings::{
                advisor::STATEMENT_TIME,
                change::{Case, Change, Scope},
                facts::{Reads, SettingsFacts},
                terms::SettingsTerms,
            },
        },
        kit::Interval,
    },
    database::memory::{about, text},
};

const MIB: f64 = 1_048_576.0;
/// Share of blocks found in shared buffers above which reads do not matter.
const HIT_MAX: f64 = 0.99;
/// Least blocks read a day: 4 GiB.
const READ_A_DAY_MIN: f64 = 524_288.0;
/// Least share of the statements' time that reading takes.
const SHARE_MIN: f64 = 0.1;
/// Mean time of a read below which blocks come from the operating system's cache, in milliseconds: a copy of 8 KiB and a
/// call take a few microseconds, the fastest drives some 20 µs and more.
const CACHED_MS: f64 = 0.02;
/// Most of the memory that shared buffers should have: PostgreSQL's manual (19.4.1).
const MEMORY_SHARE_MAX: f64 = 0.4;
/// Room for what is needed beside the tables and indexes.
const ROOM: f64 = 1.15;

/// Decides on `shared_buffers`. None: it does not matter, or nothing is known of reads.
pub(in super::super) fn decide(
    spec: &DatabaseSpec,
    facts: &SettingsFacts,
    now: Timestamp,
) -> Option<(String, Outcome<SettingsTerms>)> {
    let present = facts.bytes("shared_buffers", 8_192.0)?;
    let reads = facts.reads?;
    let asked = reads.hit + reads.read;
    let hit = if asked > 0.0 { reads.hit / asked } else { 1.0 };
    let a_day = reads.read / facts.days();
    let used = used_bytes(facts);
    if hit >= HIT_MAX || a_day < READ_A_DAY_MIN || used <= present {
        return None;
    }
    let outcome = match timed(facts, &reads, hit, a_day) {
        Timing::Unknown(outcome) | Timing::Small(outcome) => outcome,
        Timing::Large { share, mean_ms } => {
            let read = Read { hit, a_day, share, mean_ms, used, present };
            decide_timed(spec, facts, &reads, &read, now)
        }
    };
    Some((format!("{}:shared_buffers", spec.name), outcome))
}

/// What reading costs.
enum Timing {
    Unknown(Outcome<SettingsTerms>),
    Small(Outcome<SettingsTerms>),
    Large { share: f64, mean_ms: f64 },
}

struct Read {
    hit: f64,
    a_day: f64,
    share: f64,
    mean_ms: f64,
    used: f64,
    present: f64,
}

fn timed(facts: &SettingsFacts, reads: &Reads, hit: f64, a_day: f64) -> Timing {
    let blocks = format!("{:.1} % of blocks are found in shared buffers, and {a_day:.0} a day are read", 100.0 * hit);
    if facts.is_on("track_io_timing") != Some(true) || !(reads.ms > 0.0) {
        return Timing::Unknown(Outcome::lacks(
            format!(
                "{blocks}; whether that takes time is not known, since the operating system may have them in memory"
            ),
            "ALTER SYSTEM SET track_io_timing = on; SELECT pg_reload_conf() (check its cost with pg_test_timing)",
        ));
    }
    let mean_ms = reads.ms / reads.read;
    let workload = &facts.database.workload;
    let total: f64 = workload.statements.iter().map(|used| used.total_ms).sum::<f64>() + workload.other_ms;
    let share = if total > 0.0 { (reads.ms / total).min(1.0) } else { 0.0 };
    if mean_ms < CACHED_MS || share < SHARE_MIN {
        return Timing::Small(Outcome::keep(format!(
            "{blocks}, each in {:.0} µs, {:.1} % of the statements' time: the operating system's memory has most of them, and a larger \
             cache would save little.",
            1_000.0 * mean_ms,
            100.0 * share
        )));
    }
    Timing::Large { share, mean_ms }
}

fn decide_timed(
    spec: &DatabaseSpec,
    facts: &SettingsFacts,
    reads: &Reads,
    read: &Read,
    now: Timestamp,
) -> Outcome<SettingsTerms> {
    let Some(memory) = facts.memory else {
        return Outcome::lacks(
            format!(
                "reads take {:.0} % of the statements' time and the data in use is {}, but the memory of the server is not known",
                100.0 * read.share,
                about(read.used)
            ),
            "state memory in [[database]]",
        );
    };
    let wanted = (ROOM * read.used / (64.0 * MIB)).ceil() * 64.0 * MIB;
    if wanted > MEMORY_SHARE_MAX * memory {
        return Outcome::keep(format!(
            "Reads take {:.0} % of the statements' time. The tables and indexes in use have {}, more than 40 % of the memory of {}; what a \
             cache of a part of them would save is not known from counters.",
            100.0 * read.share,
            about(read.used),
            about(memory)
        ));
    }
    let seconds_a_day = reads.ms / 1_000.0 / facts.days();
    let change = Change {
        name: "shared_buffers",
        scope: Scope::Restart,
        present: Some(text(read.present)),
        restore: Some(text(read.present)),
        value: text(wanted),
    };
    let case = Case {
        metric: STATEMENT_TIME,
        effect: Interval { value: 0.8 * seconds_a_day, lower: 0.5 * seconds_a_day, upper: seconds_a_day },
        baseline: 0.0,
        confidence: 0.6,
        reason: format!(
            "Reading blocks takes {seconds_a_day:.0} s a day, {:.0} % of the statements' time, at {:.2} ms each; the tables and indexes in \
             use have {} and fit into shared_buffers = {}, which has {} at present.",
            100.0 * read.share,
            read.mean_ms,
            about(read.used),
            text(wanted),
            text(read.present)
        ),
        evidence: json!({
            "hit_share": read.hit,
            "blocks_read_per_day": read.a_day,
            "read_ms_mean": read.mean_ms,
            "read_share_of_statement_time": read.share,
            "bytes_in_use": read.used,
            "memory_bytes": memory,
        }),
        notes: vec![
            "The cache is filled by the first reads after the restart; pg_prewarm can fill it.".to_owned(),
            "Other databases of the server share it, and their data is not counted here.".to_owned(),
        ],
        terms: SettingsTerms::ReadTime {
            database: spec.name.clone(),
            before_ms: reads.ms / (reads.hit + reads.read).max(1.0),
        },
        terms_before: None,
    };
    change.propose(case, facts, now)
}

/// Returns the bytes of tables and indexes that statements used: those that were scanned in the span.
fn used_bytes(facts: &SettingsFacts) -> f64 {
    let database = &facts.database;
    let scanned: BTreeSet<&str> = database
        .workload
        .index_scans
        .iter()
        .filter(|(_, scans)| **scans > 0.0)
        .map(|(name, _)| name.as_str())
        .collect();
    let mut sum = 0.0;
    for table in &database.catalogue.tables {
        let indexes =
            table.indexes.iter().filter(|index| scanned.contains(format!("{}.{}", table.schema, index.name).as_str()));
        let own: f64 = indexes.filter_map(|index| index.bytes).sum();
        let is_read = own > 0.0 || table.activity.is_some_and(|activity| activity.sequential_scans > 0.0);
        sum += own + if is_read { table.bytes.unwrap_or(0.0) } else { 0.0 };
    }
    sum
}
