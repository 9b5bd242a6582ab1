//! Decides how many dead rows of a large table start a vacuum.

use almanac_models::{Timestamp, stats::mean};
use serde_json::json;

use super::{LARGE, in_force, share_text};
use crate::{
    advise::{
        Outcome,
        database::{
            DatabaseSpec,
            settings::{
                advisor::DEAD_SHARE,
                change::{Case, Change, Scope},
                facts::{HourOfTable, SettingsFacts},
                terms::SettingsTerms,
            },
        },
        kit::Interval,
    },
    database::{Table, TableKind, memory::about},
};

const SCALE_FACTOR: &str = "autovacuum_vacuum_scale_factor";
/// Share of dead rows, at its highest, from which a table is vacuumed too rarely.
const DEAD_MIN: f64 = 0.08;
/// Least hours with changes.
const HOURS_MIN: usize = 24;
/// Shares that are proposed.
const SCALES: [f64; 3] = [0.02, 0.05, 0.1];
/// Least time between two vacuums, in days: each one reads all indexes.
const BETWEEN_MIN_DAYS: f64 = 1.0 / 6.0;
/// Dead rows relative to the trigger above which a vacuum is due and does not come.
const DUE: f64 = 1.3;
/// Share of the hours in which a vacuum is due from which autovacuum does not follow.
const DUE_SHARE: f64 = 0.5;

/// What is known of the dead rows of a table.
struct Dead {
    rows: f64,
    /// Dead rows at which a vacuum starts.
    trigger: f64,
    scale: f64,
    /// Rows that die in a day and that only a vacuum removes.
    a_day: f64,
    peak: f64,
    mean: f64,
    /// Share of the hours in which a vacuum was due.
    due: f64,
}

/// Decides on autovacuum of a table. None: the table is small, or its dead rows are few.
pub(in super::super) fn decide(
    spec: &DatabaseSpec,
    facts: &SettingsFacts,
    table: &Table,
    now: Timestamp,
) -> Option<(String, Outcome<SettingsTerms>)> {
    let hours = facts.tables.get(&table.key())?;
    if table.kind != TableKind::Table || hours.len() < HOURS_MIN {
        return None;
    }
    let dead = dead(facts, table, hours)?;
    if dead.rows < LARGE || dead.peak < DEAD_MIN {
        return None;
    }
    let outcome = if is_off(table) {
        enable(spec, facts, table, &dead, now)
    } else if facts.is_on("autovacuum") == Some(false) {
        // The server's setting is one change, not one for each table.
        return None;
    } else if dead.due >= DUE_SHARE {
        Outcome::keep(late(facts, &dead))
    } else {
        lower(spec, facts, table, &dead, now)?
    };
    let parameter = if is_off(table) { "autovacuum_enabled" } else { SCALE_FACTOR };
    Some((format!("{}:{}:{parameter}", spec.name, table.key()), outcome))
}

fn is_off(table: &Table) -> bool {
    table.options.get("autovacuum_enabled").is_some_and(|value| matches!(value.as_str(), "false" | "off" | "no" | "0"))
}

fn dead(facts: &SettingsFacts, table: &Table, hours: &[HourOfTable]) -> Option<Dead> {
    let rows = hours.last()?.live.max(table.rows.unwrap_or(0.0));
    let scale = in_force(facts, table, SCALE_FACTOR)?;
    let threshold = in_force(facts, table, "autovacuum_vacuum_threshold")?;
    // Version 18 bounds the trigger.
    let most = in_force(facts, table, "autovacuum_vacuum_max_threshold").filter(|most| *most > 0.0);
    let trigger = (threshold + scale * rows).min(most.unwrap_or(f64::INFINITY));
    let shares: Vec<f64> = hours.iter().filter_map(HourOfTable::dead_share).collect();
    #[expect(clippy::cast_precision_loss, reason = "hours of a week")]
    let due = hours.iter().filter(|hour| hour.dead > DUE * trigger).count() as f64 / hours.len() as f64;
    Some(Dead {
        rows,
        trigger,
        scale,
        // Dead rows of HOT updates are removed as their page is read.
        a_day: hours.iter().map(|hour| hour.updated - hour.updated_hot + hour.deleted).sum::<f64>() / facts.days(),
        peak: shares.iter().copied().fold(0.0, f64::max),
        mean: mean(&shares)?,
        due,
    })
}

fn lower(
    spec: &DatabaseSpec,
    facts: &SettingsFacts,
    table: &Table,
    dead: &Dead,
    now: Timestamp,
) -> Option<Outcome<SettingsTerms>> {
    if !(dead.a_day > 0.0) {
        return None;
    }
    let least = dead.a_day * BETWEEN_MIN_DAYS / dead.rows;
    let scale = SCALES.into_iter().find(|scale| *scale >= least)?;
    if scale > 0.55 * dead.trigger / dead.rows {
        return None;
    }
    let between = |trigger: f64| trigger / dead.a_day;
    let trigger = scale * dead.rows;
    let change = Change {
        name: SCALE_FACTOR,
        scope: Scope::Table(table),
        present: Some(share_text(dead.scale)),
        restore: table.options.get(SCALE_FACTOR).cloned(),
        value: share_text(scale),
    };
    // Dead rows rise from none to the trigger between two vacuums.
    let share = trigger / (dead.rows + trigger);
    let case = Case {
        metric: DEAD_SHARE,
        effect: Interval { value: share / 2.0, lower: 0.0, upper: (1.25 * share).min(dead.mean) },
        baseline: dead.mean,
        confidence: if dead.due > 0.1 { 0.6 } else { 0.8 },
        reason: format!(
            "Up to {:.0} % of the rows of {} are dead, {:.0} % in the mean: a vacuum starts at {:.0} dead rows, about every {}; with {} it \
             starts at {:.0}, about every {}.",
            100.0 * dead.peak,
            table.key(),
            100.0 * dead.mean,
            dead.trigger,
            days(between(dead.trigger)),
            share_text(scale),
            trigger,
            days(between(trigger))
        ),
        evidence: evidence(table, dead),
        notes: vec!["Each vacuum reads all indexes of the table; pages that are all-visible are skipped.".to_owned()],
        terms: SettingsTerms::DeadShare { database: spec.name.clone(), table: table.key() },
        terms_before: None,
    };
    Some(change.propose(case, facts, now))
}

fn enable(
    spec: &DatabaseSpec,
    facts: &SettingsFacts,
    table: &Table,
    dead: &Dead,
    now: Timestamp,
) -> Outcome<SettingsTerms> {
    let change = Change {
        name: "autovacuum_enabled",
        scope: Scope::Table(table),
        present: Some("false".to_owned()),
        restore: Some("false".to_owned()),
        value: "true".to_owned(),
    };
    let share = dead.trigger / (dead.rows + dead.trigger);
    let case = Case {
        metric: DEAD_SHARE,
        effect: Interval { value: (share / 2.0).min(dead.mean), lower: 0.0, upper: share.min(dead.mean) },
        baseline: dead.mean,
        confidence: 0.8,
        reason: format!(
            "Autovacuum is off for {}, and up to {:.0} % of its rows are dead ({:.0} % in the mean).",
            table.key(),
            100.0 * dead.peak,
            100.0 * dead.mean
        ),
        evidence: evidence(table, dead),
        notes: vec!["Where a job vacuums the table, let it run more often instead.".to_owned()],
        terms: SettingsTerms::DeadShare { database: spec.name.clone(), table: table.key() },
        terms_before: None,
    };
    change.propose(case, facts, now)
}

/// Returns why a lower trigger would not help.
fn late(facts: &SettingsFacts, dead: &Dead) -> String {
    let oldest = match facts.oldest_transaction {
        Some(seconds) if seconds >= 3_600.0 => {
            format!("; a transaction was open for {:.0} h, and rows that it may see are not removed", seconds / 3_600.0)
        }
        _ => "; its workers are too few or their cost limit is too low (autovacuum_max_workers, autovacuum_vacuum_cost_limit)".to_owned(),
    };
    format!(
        "A vacuum starts at {:.0} dead rows, but there were more in {:.0} % of the hours, up to {:.0} % of all rows: autovacuum does not \
         follow{oldest}. A lower trigger would not change that.",
        dead.trigger,
        100.0 * dead.due,
        100.0 * dead.peak
    )
}

fn evidence(table: &Table, dead: &Dead) -> serde_json::Value {
    json!({
        "rows": dead.rows,
        "bytes": table.bytes.map(about),
        "dead_share_peak": dead.peak,
        "dead_share_mean": dead.mean,
        "trigger_rows": dead.trigger,
        "dead_rows_per_day": dead.a_day,
        "vacuums": table.activity.map(|activity| activity.vacuums),
        "vacuums_seconds": table.activity.and_then(|activity| activity.seconds),
        "hours_due_share": dead.due,
    })
}

/// Writes a span of days.
fn days(days: f64) -> String {
    if days >= 2.0 { format!("{days:.0} days") } else { format!("{:.0} h", (days * 24.0).max(1.0)) }
}
