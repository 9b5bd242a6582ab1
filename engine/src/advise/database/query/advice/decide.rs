//! Turns findings into verdicts.

use almanac_models::Timestamp;
use serde_json::{Value, json};

use super::{
    advisor::STATEMENT_TIME,
    describe::{equality, kept, reason},
    facts::QueryFacts,
    terms::{QueryTerms, TermOfFamily},
};
use crate::{
    advise::{
        Outcome, Proposal,
        database::{
            DatabaseSpec,
            query::{Action, Equality, Finding, IndexNeed, Need, Pattern, findings},
        },
        kit::Interval,
    },
    database::{
        Catalogue, Table, TableKind,
        statement::{family, quote},
    },
    store::rows::Patch,
};

/// Span for which a proposal is valid without being renewed, in milliseconds.
const VALID_MS: i64 = 86_400_000;
/// Most levels of partitions whose indexes are built one by one.
const LEVELS_MAX: usize = 4;

/// Decides on the database itself and on each finding.
pub(super) fn verdicts(spec: &DatabaseSpec, facts: &QueryFacts, now: Timestamp) -> Vec<(String, Outcome<QueryTerms>)> {
    let database = &facts.database;
    let found = findings(&database.workload, &database.catalogue, &facts.loops);
    let mut each: Vec<(String, Outcome<QueryTerms>)> = Vec::new();
    for finding in &found {
        let target = target(spec, finding);
        // A loop of several routes over one family is one change.
        if each.iter().all(|(known, _)| *known != target) {
            each.push((target, outcome(spec, finding, facts, now)));
        }
    }
    let proposed = each.iter().filter(|(_, outcome)| matches!(outcome, Outcome::Propose(_))).count();
    let summary = format!(
        "{} statements were read; {proposed} changes are recommended and {} are refused, each with its own verdict.",
        database.workload.statements.len(),
        each.len() - proposed,
    );
    std::iter::once((spec.name.clone(), Outcome::keep(summary))).chain(each).collect()
}

/// Returns `database:pattern/family`.
fn target(spec: &DatabaseSpec, finding: &Finding) -> String {
    let family = finding.families.first().map(String::as_str).unwrap_or_default();
    format!("{}:{}/{family}", spec.name, finding.pattern.name())
}

fn outcome(spec: &DatabaseSpec, finding: &Finding, facts: &QueryFacts, now: Timestamp) -> Outcome<QueryTerms> {
    let (statement, after, sure) = match &finding.action {
        Action::Keep { reason } => return Outcome::keep(kept(finding, reason)),
        Action::Rewrite(rewrite) => {
            let sure = if rewrite.equality == Equality::Always { 0.85 } else { 0.7 };
            let first = rewrite.first.as_ref().map(|first| first.statement.clone());
            (Some(rewrite.statement.clone()), first.into_iter().chain([rewrite.statement.clone()]).collect(), sure)
        }
        Action::Support => (Some(finding.before.clone()), Vec::new(), 0.8),
        Action::Change { statement, .. } => (statement.clone(), statement.iter().cloned().collect::<Vec<_>>(), 0.5),
    };
    let workload = &facts.database.workload;
    let hours = workload.seconds.unwrap_or(86_400.0).max(1.0) / 3_600.0;
    let used = |name: &str| workload.statements.iter().find(|known| known.family == name);
    let is_replacement_unknown = matches!(&finding.action, Action::Change { statement: None, .. });
    // The first family is the one that changes; the others only show the pattern, but for pages that take over their count:
    // their own time is in that of the statements afterwards.
    let is_taken_over = finding.pattern == Pattern::CountEveryPage;
    let changed = if is_taken_over { finding.families.len() } else { 1 };
    let families: Vec<TermOfFamily> = finding
        .families
        .iter()
        .take(changed)
        .filter_map(|name| used(name))
        .map(|known| TermOfFamily {
            family: known.family.clone(),
            mean_ms: known.mean_ms(),
            hourly_ms: known.total_ms / hours,
        })
        .collect();
    let mut after: Vec<String> = after.iter().map(|text| family(text)).collect();
    after.extend(finding.families.iter().skip(1).filter(|_| is_taken_over).cloned());
    let is_own = |name: &String| finding.families.contains(name) || after.contains(name);
    let others: f64 = workload.statements.iter().filter(|known| !is_own(&known.family)).map(|known| known.calls).sum();
    let seconds_a_day = families.first().map_or(0.0, |term| term.hourly_ms) * 24.0 / 1_000.0;
    let saving = &finding.saving;
    let effect = Interval {
        value: seconds_a_day * saving.share,
        lower: seconds_a_day * saving.lower,
        upper: seconds_a_day * saving.upper,
    };
    let before = finding.families.first().and_then(|name| used(name));
    let mut notes = finding.notes.clone();
    if matches!(finding.action, Action::Support) {
        notes
            .push("The index is recommended on its own as well (kind index); both promise the same saving.".to_owned());
    }
    let evidence = json!({
        "basis": "estimated",
        "pattern": finding.pattern.name(),
        "route": finding.route,
        "calls_of_a_loop": finding.calls_of_a_loop,
        "families": finding.families,
        "observed_seconds": workload.seconds,
        "calls_per_day": before.map(|known| known.calls / hours * 24.0),
        "mean_ms": before.map(|known| known.mean_ms()),
        "rests_on": saving.rests_on,
        "results": equality(finding),
        "notes": notes,
    });
    let terms = QueryTerms {
        database: spec.name.clone(),
        families,
        is_replacement_unknown: is_replacement_unknown && after.is_empty(),
        after,
        others_per_hour: others / hours,
    };
    Outcome::Propose(Box::new(Proposal {
        current: json!({"statement": finding.before}),
        proposed: proposed(finding, statement.as_ref()),
        valid_until: Some(now.plus_millis(VALID_MS)),
        metric: STATEMENT_TIME,
        effect,
        confidence: sure,
        reason: reason(finding, seconds_a_day),
        evidence,
        terms,
        rollback: None,
        patch: patch(finding, statement.as_ref(), &facts.database.catalogue),
    }))
}

fn proposed(finding: &Finding, statement: Option<&String>) -> Value {
    let needs: Vec<Value> = finding
        .needs
        .iter()
        .map(|need| match need {
            Need::Extension(name) => json!({"extension": name}),
            Need::Index(index) => json!({"table": index.table, "columns": index.keys, "method": index.method}),
        })
        .collect();
    let mut value = json!({"statement": statement, "needs": needs});
    let Some(fields) = value.as_object_mut() else { return value };
    if let Some(alternative) = &finding.alternative {
        fields.insert("alternative".to_owned(), json!({"statement": alternative, "check": "difference"}));
    }
    match &finding.action {
        Action::Rewrite(rewrite) => {
            fields.insert("parameters".to_owned(), json!(rewrite.parameters));
            fields.insert("check".to_owned(), json!(rewrite.check));
            fields.insert("added_columns".to_owned(), json!(rewrite.added));
            if let Some(first) = &rewrite.first {
                fields.insert("first_page".to_owned(), json!(first));
            }
        }
        Action::Change { what, .. } => {
            fields.insert("change".to_owned(), json!(what));
        }
        Action::Support | Action::Keep { .. } => {}
    }
    value
}

/// Returns what a machine can apply: extension and index of a statement that stays. A rewrite is text for a person.
fn patch(finding: &Finding, statement: Option<&String>, catalogue: &Catalogue) -> Patch {
    if finding.action == Action::Support {
        let lines = finding.needs.iter().map(|need| match need {
            Need::Extension(name) => format!("CREATE EXTENSION IF NOT EXISTS {};\n", quote(name)),
            Need::Index(index) => {
                let table = catalogue.tables.iter().find(|table| table.key() == index.table);
                table.map(|table| index_lines(index, table, catalogue, LEVELS_MAX)).unwrap_or_default()
            }
        });
        return Patch { format: "sql".to_owned(), body: lines.collect() };
    }
    let mut body = format!("-- before\n{};\n", finding.before);
    match &finding.action {
        Action::Rewrite(rewrite) => {
            if let Some(first) = &rewrite.first {
                body.push_str(&format!("-- after, first page\n{};\n-- after, next page\n", first.statement));
            } else {
                body.push_str("-- after\n");
            }
            body.push_str(&format!("{};\n", rewrite.statement));
        }
        Action::Change { what, .. } => {
            body.push_str(&format!("-- {what}\n"));
            if let Some(statement) = statement {
                body.push_str(&format!("{statement};\n"));
            }
        }
        Action::Support | Action::Keep { .. } => {}
    }
    Patch { format: "text".to_owned(), body }
}

/// Returns the statements that create an index, one a line.
///
/// PostgreSQL builds no index on a partitioned table concurrently. Those of its partitions are built first, and the index of
/// the table takes them over without reading their rows.
fn index_lines(index: &IndexNeed, table: &Table, catalogue: &Catalogue, levels: usize) -> String {
    let definition = format!("{} USING {} ({});\n", table.qualified(), index.method, index.keys.join(", "));
    if table.kind != TableKind::Partitioned {
        return format!("CREATE INDEX CONCURRENTLY ON {definition}");
    }
    let key = table.key();
    let parts = catalogue.tables.iter().filter(|part| levels > 0 && part.parent.as_ref() == Some(&key));
    let mut text: String = parts.map(|part| index_lines(index, part, catalogue, levels - 1)).collect();
    text.push_str(&format!("CREATE INDEX ON {definition}"));
    text
}
