//! Turns a review of indexes into verdicts.

use almanac_models::Timestamp;
use serde_json::{Value, json};

use super::{
    IndexReview, Limits, NewIndex, Surplus, SurplusReason,
    advisor::{INDEX_SIZE, STATEMENT_TIME},
    review,
    terms::{FamilyTerm, IndexTerms},
};
use crate::{
    advise::{
        Outcome, Proposal, Rollback,
        database::{DatabaseFacts, DatabaseSpec},
        kit::{Interval, duration_text},
    },
    database::{Index, IndexKey},
    ledger::NOT_MEASURED,
    store::rows::Patch,
};

/// Span for which a proposal is valid without being renewed, in milliseconds.
const VALID_MS: i64 = 86_400_000;
/// Families in the evidence.
const FAMILIES: usize = 20;
/// Unread statements in the evidence.
const UNREAD: usize = 5;

/// Decides on the database itself and on each index.
pub(super) fn verdicts(
    spec: &DatabaseSpec,
    facts: &DatabaseFacts,
    now: Timestamp,
) -> Vec<(String, Outcome<IndexTerms>)> {
    #[expect(clippy::cast_precision_loss, reason = "a span of days")]
    let unused_after_seconds = spec.unused_after_ms as f64 / 1000.0;
    let limits = Limits { unused_after_seconds, ..Limits::default() };
    let found = review(&facts.catalogue, &facts.workload, &limits);
    let mut all = vec![(spec.name.clone(), Outcome::keep(summary(&found, facts)))];
    for new in &found.create {
        all.push((target(spec, &new.index), create(spec, new, &found, facts, now)));
    }
    for surplus in &found.drop {
        all.push((target(spec, &surplus.index), discard(spec, surplus, facts, now)));
    }
    all
}

fn target(spec: &DatabaseSpec, index: &Index) -> String {
    format!("{}:{}", spec.name, index.name)
}

/// Factor from milliseconds in the span to seconds a day.
fn to_day(facts: &DatabaseFacts) -> f64 {
    86_400.0 / facts.workload.seconds.unwrap_or(86_400.0).max(1.0) / 1000.0
}

fn summary(found: &IndexReview, facts: &DatabaseFacts) -> String {
    let day = to_day(facts);
    let read = facts.workload.statements.len().saturating_sub(found.unread.len());
    let unread = match found.unread.len() {
        0 => String::new(),
        1 => "; 1 statement could not be read".to_owned(),
        count => format!("; {count} statements could not be read"),
    };
    let tables = facts.catalogue.tables.len();
    let advice = match (found.create.len(), found.drop.len()) {
        (0, 0) => "no index would save enough, and none is superfluous".to_owned(),
        (create, drop) => format!("{create} to create and {drop} to drop are recommended, each with its own verdict"),
    };
    // The sum of no times is -0.
    let seconds = (found.total_ms * day).abs();
    let take = if read == 1 { "statement takes" } else { "statements take" };
    format!("{read} {take} {seconds:.0} s a day over {tables} tables{unread}: {advice}.")
}

fn create(
    spec: &DatabaseSpec,
    new: &NewIndex,
    found: &IndexReview,
    facts: &DatabaseFacts,
    now: Timestamp,
) -> Outcome<IndexTerms> {
    let day = to_day(facts);
    let scaled = |interval: Interval| Interval {
        value: interval.value * day,
        lower: interval.lower * day,
        upper: interval.upper * day,
    };
    let effect = scaled(new.net_ms);
    let mut body = String::new();
    if let Some(extension) = &new.extension {
        body.push_str(&format!("CREATE EXTENSION IF NOT EXISTS {extension};\n"));
    }
    body.push_str(&new.script);
    let schema = new.table.split('.').next().unwrap_or("public");
    let drop = format!("{};\n", new.undo);
    let heaviest = new.families.first();
    let reason = match heaviest {
        Some(family) => {
            let calls = new.families.iter().map(|family| family.calls).sum::<f64>() * day * 1000.0;
            let (run, take) = match new.families.len() {
                1 => ("1 statement runs".to_owned(), "takes"),
                count => (format!("{count} statements run"), "take"),
            };
            // Of several statements the heaviest one has the figures.
            let which = if new.families.len() == 1 { "it is" } else { "the heaviest is" };
            format!(
                "{run} {} and {take} {} of database time a day; with the index on {} {which} expected to take {:.2} ms instead of \
                 {:.2} ms ({NOT_MEASURED}).",
                per_day(calls),
                seconds(new.families.iter().map(|family| family.calls * family.before_ms).sum::<f64>() * day),
                columns_text(&new.index),
                family.after_ms,
                family.before_ms
            )
        }
        None => String::new(),
    };
    let terms = IndexTerms {
        database: spec.name.clone(),
        index: format!("{schema}.{}", new.index.name),
        families: new
            .families
            .iter()
            .map(|family| FamilyTerm { family: family.family.clone(), before_ms: family.before_ms })
            .collect(),
        bytes: None,
    };
    let families: Vec<Value> = new
        .families
        .iter()
        .take(FAMILIES)
        .map(|family| {
            json!({"family": family.family, "statement": family.statement, "calls": family.calls,
                "mean_ms": family.before_ms, "expected_ms": family.after_ms, "reads_by": family.present})
        })
        .collect();
    let unread: Vec<Value> = found
        .unread
        .iter()
        .take(UNREAD)
        .map(|unread| json!({"family": unread.family, "total_ms": unread.total_ms, "reason": unread.reason}))
        .collect();
    let evidence = json!({
        "basis": "estimated",
        "observed_seconds": facts.workload.seconds,
        "statements_seconds_per_day": found.total_ms * day,
        "saved_seconds_per_day": new.saved_ms * day,
        "lost_to_writes_seconds_per_day": new.lost_ms * day,
        "expected_bytes": new.bytes,
        "statements": families,
        "makes_superfluous": new.supersedes,
        "not_read": unread,
    });
    Outcome::Propose(Box::new(Proposal {
        current: json!({"table": new.table, "reads_by": heaviest.map(|family| family.present.clone())}),
        proposed: json!({
            "statement": new.statement,
            "table": new.table,
            "columns": new.index.keys.iter().map(column_text).collect::<Vec<_>>(),
            "include": new.index.include,
            "where": new.index.predicate,
            "method": new.index.method,
            "extension": new.extension,
        }),
        valid_until: Some(now.plus_millis(VALID_MS)),
        metric: STATEMENT_TIME,
        effect,
        confidence: confidence(&effect),
        reason,
        evidence,
        terms,
        rollback: Some(Rollback { baseline: 0.0, patch: sql(drop), terms: None }),
        patch: sql(body),
    }))
}

fn discard(spec: &DatabaseSpec, surplus: &Surplus, facts: &DatabaseFacts, now: Timestamp) -> Outcome<IndexTerms> {
    let name = &surplus.index.name;
    let (reason, confidence) = match &surplus.reason {
        SurplusReason::Duplicate { of } => (format!("{name} has the same definition as {of}."), 0.99),
        SurplusReason::Prefix { of } => {
            (format!("The keys of {name} are the first keys of {of}, which serves the same statements."), 0.9)
        }
        SurplusReason::Unused { seconds } => {
            #[expect(clippy::cast_possible_truncation, reason = "`as` saturates")]
            let span = match *seconds {
                seconds if seconds >= 7_200.0 => (seconds / 3600.0).round() as i64 * 3_600_000,
                seconds if seconds >= 120.0 => (seconds / 60.0).round() as i64 * 60_000,
                seconds => seconds.round() as i64 * 1000,
            };
            let span = duration_text(span);
            (
                format!(
                    "No statement has scanned {name} in {span}, the span of the server's statistics. A standby keeps its own count."
                ),
                0.8,
            )
        }
        SurplusReason::Invalid => (
            format!(
                "{name} is invalid: a failed CREATE INDEX CONCURRENTLY left it. Writes maintain it, no statement uses it."
            ),
            0.99,
        ),
    };
    // An index has two pages at least.
    let bytes = surplus.bytes.unwrap_or(surplus.estimated_bytes.max(16_384.0));
    let doubt = if surplus.bytes.is_some() { 0.1 } else { 0.7 };
    let evidence = json!({
        "basis": "catalogue",
        "scans": surplus.index.scans,
        "bytes": surplus.bytes,
        "regained_by_writes_seconds_per_day": surplus.regained_ms * to_day(facts),
        "definition": surplus.index.definition,
    });
    let schema = surplus.table.split('.').next().unwrap_or("public");
    let restore =
        if surplus.index.definition.is_empty() { None } else { Some(concurrently(&surplus.index.definition)) };
    Outcome::Propose(Box::new(Proposal {
        current: json!({"table": surplus.table, "definition": surplus.index.definition}),
        proposed: json!({"statement": surplus.statement, "table": surplus.table,
            "columns": surplus.index.keys.iter().map(column_text).collect::<Vec<_>>(),
            "include": surplus.index.include, "where": surplus.index.predicate, "method": surplus.index.method}),
        valid_until: Some(now.plus_millis(VALID_MS)),
        metric: INDEX_SIZE,
        effect: Interval { value: bytes, lower: bytes * (1.0 - doubt), upper: bytes * (1.0 + doubt) },
        confidence,
        reason,
        evidence,
        terms: IndexTerms {
            database: spec.name.clone(),
            index: format!("{schema}.{name}"),
            families: Vec::new(),
            bytes: Some(bytes),
        },
        rollback: restore.map(|body| Rollback { baseline: 0.0, patch: sql(body), terms: None }),
        patch: sql(format!("{};\n", surplus.statement)),
    }))
}

fn sql(body: String) -> Patch {
    Patch { format: "sql".to_owned(), body }
}

/// Returns the definition of an index as a statement that does not block writes.
fn concurrently(definition: &str) -> String {
    let text = definition.replacen("INDEX ", "INDEX CONCURRENTLY ", 1);
    format!("{};\n", text.trim_end_matches(';'))
}

/// Confidence of an estimate: the part of the promised saving that is left when the estimate is wrong by its whole doubt,
/// at most 0.9.
fn confidence(effect: &Interval) -> f64 {
    if effect.value > 0.0 { (effect.lower / effect.value).clamp(0.0, 0.9) } else { 0.0 }
}

fn column_text(key: &IndexKey) -> String {
    let mut text = key.column.clone().or_else(|| key.expression.clone()).unwrap_or_default();
    if let Some(class) = &key.operator_class {
        text.push_str(&format!(" {class}"));
    }
    if key.descending {
        text.push_str(" DESC");
    }
    text
}

fn columns_text(index: &Index) -> String {
    let keys: Vec<String> = index.keys.iter().map(column_text).collect();
    format!("({})", keys.join(", "))
}

fn per_day(times: f64) -> String {
    if times >= 10.0 { format!("{times:.0} times a day") } else { format!("{times:.1} times a day") }
}

fn seconds(seconds: f64) -> String {
    if seconds >= 10.0 { format!("{seconds:.0} s") } else { format!("{seconds:.2} s") }
}
