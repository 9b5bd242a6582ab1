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
            query::{Action, Equality, Finding, Need, findings},
        },
        kit::Interval,
    },
    database::statement::family,
    store::rows::Patch,
};

/// Span for which a proposal is valid without being renewed, in milliseconds.
const VALID_MS: i64 = 86_400_000;

/// Decides on the database itself and on each finding.
pub(super) fn verdicts(spec: &DatabaseSpec, facts: &QueryFacts, now: Timestamp) -> Vec<(String, Outcome<QueryTerms>)> {
    let database = &facts.database;
    let found = findings(&database.workload, &database.catalogue, &facts.loops);
    let is_kept = |finding: &&Finding| matches!(finding.action, Action::Keep { .. });
    let kept_count = found.iter().filter(is_kept).count();
    let summary = format!(
        "{} statements were read; {} changes are recommended and {kept_count} are refused, each with its own verdict.",
        database.workload.statements.len(),
        found.len() - kept_count,
    );
    let mut all = vec![(spec.name.clone(), Outcome::keep(summary))];
    for finding in &found {
        let target = target(spec, finding);
        // A loop of several routes over one family is one change.
        if all.iter().all(|(known, _)| *known != target) {
            all.push((target, outcome(spec, finding, facts, now)));
        }
    }
    all
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
    // The first family is the one that changes; the others only show the pattern.
    let families: Vec<TermOfFamily> = finding
        .families
        .iter()
        .take(1)
        .filter_map(|name| used(name))
        .map(|known| TermOfFamily {
            family: known.family.clone(),
            mean_ms: known.mean_ms(),
            hourly_ms: known.total_ms / hours,
        })
        .collect();
    let after: Vec<String> = after.iter().map(|text| family(text)).collect();
    let is_own = |name: &String| finding.families.contains(name) || after.contains(name);
    let others: f64 = workload.statements.iter().filter(|known| !is_own(&known.family)).map(|known| known.calls).sum();
    let seconds_a_day = families.iter().map(|term| term.hourly_ms).sum::<f64>() * 24.0 / 1_000.0;
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
        "families": finding.families,
        "observed_seconds": workload.seconds,
        "calls_per_day": before.map(|known| known.calls / hours * 24.0),
        "mean_ms": before.map(|known| known.mean_ms()),
        "rests_on": saving.rests_on,
        "results": equality(finding),
        "notes": notes,
    });
    let terms = QueryTerms { database: spec.name.clone(), families, after, others_per_hour: others / hours };
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
        patch: patch(finding, statement.as_ref()),
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
fn patch(finding: &Finding, statement: Option<&String>) -> Patch {
    if finding.action == Action::Support {
        let lines = finding.needs.iter().map(|need| match need {
            Need::Extension(name) => format!("CREATE EXTENSION IF NOT EXISTS {name};\n"),
            Need::Index(index) => {
                let table = index.table.strip_prefix("public.").unwrap_or(&index.table);
                format!("CREATE INDEX CONCURRENTLY ON {table} USING {} ({});\n", index.method, index.keys.join(", "))
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
