//! Prepares the statements of a measurement and runs them round by round.

use std::{collections::BTreeMap, time::Duration};

use almanac_engine::{
    advise::database::verify::{
        Action, Known, PlanSide, Sample, Skipped, Slot, Subject, Target, draw, functions, literal, prepared,
        sample_statement, values,
    },
    database::{Catalogue, ParameterValues, shape::Verb},
};
use rand::rngs::StdRng;
use serde_json::Value;

use super::{
    VerifyError, effects,
    rewritten::{self, Before, Check},
    session::Session,
};

/// Sets of values of a statement in a round.
const SETS: usize = 12;
/// Loops of a statement in a round.
pub(super) const LOOPS: usize = 4;
/// Seed of the sampled rows; the same copy gives the same values.
const SEED: u32 = 15;

/// A prepared statement with its values.
pub(super) struct Run {
    pub(super) target: Target,
    /// `EXECUTE` for each set of values; several for the calls of a loop.
    pub(super) executions: Vec<Vec<String>>,
    /// `EXECUTE` of the statement after the change, if it is another one, for the same sets of values.
    pub(super) after: Option<Vec<Vec<String>>>,
    /// Statements whose results must be equal.
    pub(super) checks: Vec<Check>,
    /// Statements whose rows differ as [`Subject::alternative`] says.
    pub(super) differences: Vec<Check>,
    /// What a reader should know of the values.
    pub(super) notes: Vec<String>,
}

impl Run {
    /// Keeps the first sets of values.
    pub(super) fn truncate(&mut self, count: usize) {
        self.executions.truncate(count);
        self.after.iter_mut().for_each(|after| after.truncate(count));
    }
}

/// One execution.
#[derive(Default, Clone)]
pub(super) struct Execution {
    pub(super) ms: f64,
    pub(super) reads: String,
    pub(super) rows: f64,
    pub(super) hit: f64,
    pub(super) read: f64,
    pub(super) is_cut_off: bool,
}

/// Prepares up to `most` statements, and says which were left out.
pub(super) async fn prepare(
    session: &Session,
    catalogue: &Catalogue,
    subject: &Subject,
    known: &BTreeMap<String, Vec<ParameterValues>>,
    most: usize,
    rng: &mut StdRng,
) -> (Vec<Run>, Vec<Skipped>) {
    let (mut runs, mut skipped) = (Vec::new(), Vec::new());
    for (number, target) in subject.statements.iter().enumerate() {
        let prepared = if runs.len() < most {
            let known = known.get(&target.family).map_or(&[][..], Vec::as_slice);
            // Functions of the statement change nothing while values are sampled.
            match session.run("a transaction", "BEGIN READ ONLY").await {
                Ok(_) => {
                    let run = one(session, catalogue, subject, target, number, known, rng).await;
                    let ended = session.run("a transaction", "ROLLBACK").await;
                    ended.map_err(|error| error.to_string()).and(run)
                }
                Err(error) => Err(error.to_string()),
            }
        } else {
            Err(format!("the {most} heaviest statements are measured"))
        };
        match prepared {
            Ok(run) => runs.push(run),
            Err(reason) => skipped.push(skip(target, reason)),
        }
    }
    (runs, skipped)
}

pub(super) fn skip(target: &Target, reason: String) -> Skipped {
    Skipped { family: target.family.clone(), statement: target.statement.clone(), reason }
}

async fn one(
    session: &Session,
    catalogue: &Catalogue,
    subject: &Subject,
    target: &Target,
    number: usize,
    known: &[ParameterValues],
    rng: &mut StdRng,
) -> Result<Run, String> {
    let text = target.statement.trim().trim_end_matches(';');
    let found = draw(text, catalogue).map_err(|error| error.to_string())?;
    match found.verb {
        Verb::Select | Verb::Update | Verb::Delete => {}
        Verb::Insert => return Err("the time of inserted rows is measured apart".to_owned()),
        Verb::Other => return Err("only SELECT, UPDATE and DELETE are run".to_owned()),
    }
    let name = format!("almanac_verify_{number}");
    let said = |error: VerifyError| without_values(error).to_string();
    let changed: Vec<String> = match found.verb {
        Verb::Select => Vec::new(),
        _ => found.relations.iter().map(|source| source.key.clone()).collect(),
    };
    runnable(session, text, &changed).await?;
    let sql = format!("PREPARE {name} AS {}", prepared(text));
    session.run("preparing the statement", &sql).await.map_err(said)?;
    let types = format!(
        "SELECT coalesce(pg_catalog.json_agg(type::text ORDER BY place), '[]'::json) FROM pg_catalog.pg_prepared_statements, \
         pg_catalog.unnest(parameter_types) WITH ORDINALITY AS parameter (type, place) WHERE name = '{name}'"
    );
    let types: Vec<String> =
        json(session.run("the types of the placeholders", &types).await.map_err(said)?.as_deref())?;
    let mut samples = Vec::new();
    for (idx, source) in found.relations.iter().enumerate() {
        if source.expressions.is_empty() {
            samples.push(Sample::default());
            continue;
        }
        let predicate = match &subject.action {
            Action::Create { predicate, .. } if source.key == subject.table => predicate.as_deref(),
            _ => None,
        };
        let sorted: Vec<usize> = found
            .slots
            .values()
            .filter_map(|slot| match slot {
                Slot::Lower(relation, at) | Slot::Upper(relation, at) if *relation == idx => Some(*at),
                _ => None,
            })
            .collect();
        let (schema, table) = source.key.split_once('.').unwrap_or(("public", &source.key));
        let rows = catalogue.table(Some(schema), table).and_then(|table| table.rows);
        let sql = sample_statement(source, predicate, rows, &sorted, SEED);
        samples.push(json(session.run("sampling rows", &sql).await.map_err(said)?.as_deref())?);
    }
    let prefix = matches!(subject.action, Action::Create { serves_prefixes: true, .. });
    let count = match &subject.action {
        _ if types.is_empty() => 3,
        Action::Rewrite(rewrite) if rewrite.calls > 1 => LOOPS * rewrite.calls * 2,
        _ => SETS,
    };
    let sets = values(&found, &types, &samples, &Known { values: known, prefix }, count, rng)?;
    let executions = sets.iter().map(|set| vec![execution(&name, set)]).collect();
    let mut run = Run {
        target: target.clone(),
        executions,
        after: None,
        checks: Vec::new(),
        differences: Vec::new(),
        notes: Vec::new(),
    };
    let before = Before { name: &name, text, slots: &found.slots, sets: &sets };
    if let Some(alternative) = &subject.alternative {
        // Beside the measurement: what is wrong with it is a remark.
        let alternative = alternative.trim().trim_end_matches(';');
        let compared = match runnable(session, alternative, &changed).await {
            Ok(()) => rewritten::differences(session, &before, alternative).await,
            Err(reason) => Err(reason),
        };
        match compared {
            Ok(differences) => run.differences = differences,
            Err(reason) => run.notes.push(format!("The rows of full-text search are not counted: {reason}.")),
        }
    }
    if let Action::Rewrite(rewrite) = &subject.action {
        for text in [&rewrite.statement].into_iter().chain(rewrite.first.iter().map(|(text, _)| text)) {
            runnable(session, text.trim().trim_end_matches(';'), &changed).await?;
        }
        rewritten::prepare(session, &before, rewrite, &mut run).await?;
    }
    let first = |sets: &Vec<Vec<String>>| sets.first().and_then(|set| set.first()).cloned();
    for execution in first(&run.executions).into_iter().chain(run.after.as_ref().and_then(first)) {
        let plan = session.run("EXPLAIN", &format!("EXPLAIN (FORMAT JSON) {execution}")).await.map_err(said)?;
        if plan.is_some_and(|plan| plan.contains("\"Foreign Scan\"")) {
            return Err("it reads or changes a foreign table, whose server is no copy".to_owned());
        }
    }
    Ok(run)
}

/// Checks that a statement can be run without lasting effects. `changed`: tables that it changes (`schema.name`). The error
/// says why not.
async fn runnable(session: &Session, text: &str, changed: &[String]) -> Result<(), String> {
    // A normalised text has none; what the server reads as two statements is never sent, whatever the parser reads.
    if text.contains(';') {
        return Err("it has a semicolon".to_owned());
    }
    let called = functions(text).map_err(|error| error.to_string())?;
    match effects::lasting(session, &called, changed).await.map_err(|error| error.to_string())? {
        Some(names) => Err(format!("it calls functions whose effects cannot be rolled back: {names}")),
        None => Ok(()),
    }
}

/// Replaces the message of an error about a value, which repeats the value: messages are stored with the recommendation.
pub(super) fn without_values(error: VerifyError) -> VerifyError {
    match error {
        VerifyError::Statement { what, detail } if ["(22", "(P0"].iter().any(|class| detail.contains(class)) => {
            let code = detail.rsplit_once('(').map_or("", |(_, code)| code.trim_end_matches(')')).to_owned();
            VerifyError::Statement { what, detail: format!("the server rejects a value (SQLSTATE {code})") }
        }
        other => other,
    }
}

/// Returns `EXECUTE` with a set of values.
pub(super) fn execution(name: &str, set: &[impl AsRef<str>]) -> String {
    arguments(name, &set.iter().map(|value| Some(value.as_ref().to_owned())).collect::<Vec<_>>())
}

/// Returns `EXECUTE` with values, none of which is NULL by itself.
pub(super) fn arguments(name: &str, set: &[Option<String>]) -> String {
    let values: Vec<String> =
        set.iter().map(|value| value.as_ref().map_or_else(|| "NULL".to_owned(), |text| literal(text))).collect();
    if values.is_empty() { format!("EXECUTE {name}") } else { format!("EXECUTE {name} ({})", values.join(", ")) }
}

pub(super) fn json<T: serde::de::DeserializeOwned>(text: Option<&str>) -> Result<T, String> {
    serde_json::from_str(text.unwrap_or("null"))
        .map_err(|error| format!("an answer of the copy cannot be read: {error}"))
}

/// Runs one execution inside the present transaction and takes back what it changed. A statement that the time limit stops
/// counts with the limit.
///
/// # Errors
/// [`VerifyError::Statement`].
pub(super) async fn execute(session: &Session, sql: &str, timeout: Duration) -> Result<Execution, VerifyError> {
    let explained = format!(
        "SAVEPOINT almanac; EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, SUMMARY ON, FORMAT JSON) {sql}; ROLLBACK TO SAVEPOINT almanac"
    );
    match session.run("the statement", &explained).await {
        Ok(text) => Ok(read(text.as_deref().unwrap_or_default())),
        Err(VerifyError::Statement { detail, .. }) if detail.contains("(57014)") => {
            session.run("the transaction", "ROLLBACK TO SAVEPOINT almanac").await?;
            Ok(Execution { ms: timeout.as_secs_f64() * 1000.0, is_cut_off: true, ..Execution::default() })
        }
        Err(error) => {
            session.run("the transaction", "ROLLBACK TO SAVEPOINT almanac").await?;
            Err(without_values(error))
        }
    }
}

/// Runs the executions of one set of values, those of a loop one after the other, and adds them up.
///
/// # Errors
/// [`VerifyError::Statement`].
pub(super) async fn execute_all(
    session: &Session,
    statements: &[String],
    timeout: Duration,
) -> Result<Execution, VerifyError> {
    let mut all = Execution::default();
    for sql in statements {
        let one = execute(session, sql, timeout).await?;
        all.ms += one.ms;
        all.rows += one.rows;
        all.hit += one.hit;
        all.read += one.read;
        all.is_cut_off |= one.is_cut_off;
        if all.reads.is_empty() {
            all.reads = one.reads;
        }
        // The others would take as long.
        if all.is_cut_off {
            break;
        }
    }
    Ok(all)
}

/// Reads the output of EXPLAIN.
fn read(text: &str) -> Execution {
    let explained: Value = serde_json::from_str(text).unwrap_or_default();
    let plan = &explained[0]["Plan"];
    let mut reads = Vec::new();
    collect(plan, &mut reads, 0);
    let number = |name: &str| plan[name].as_f64().unwrap_or(0.0);
    Execution {
        ms: explained[0]["Execution Time"].as_f64().unwrap_or(0.0),
        reads: reads.join(", "),
        rows: number("Actual Rows"),
        hit: number("Shared Hit Blocks"),
        read: number("Shared Read Blocks"),
        is_cut_off: false,
    }
}

/// Collects how a plan reads its tables.
fn collect(node: &Value, reads: &mut Vec<String>, depth: usize) {
    let kind = node["Node Type"].as_str().unwrap_or_default();
    let found = match (node["Index Name"].as_str(), node["Relation Name"].as_str()) {
        (Some(index), _) => Some(format!("{kind} {index}")),
        (None, Some(relation)) if !matches!(kind, "Bitmap Heap Scan" | "ModifyTable") => {
            Some(format!("{kind} {relation}"))
        }
        _ => None,
    };
    if let Some(found) = found
        && !reads.contains(&found)
    {
        reads.push(found);
    }
    if depth < 64 {
        for input in node["Plans"].as_array().into_iter().flatten() {
            collect(input, reads, depth + 1);
        }
    }
}

/// Joins executions of one statement to a plan: means of the figures, and the most frequent way of reading.
pub(super) fn plan_side(executions: &[Execution]) -> PlanSide {
    let count = executions.len().max(1) as f64;
    let mean = |of: fn(&Execution) -> f64| executions.iter().map(of).sum::<f64>() / count;
    let mut frequent: BTreeMap<&str, usize> = BTreeMap::new();
    for execution in executions {
        *frequent.entry(execution.reads.as_str()).or_default() += 1;
    }
    let reads = frequent.into_iter().max_by_key(|(_, count)| *count).map_or("", |(reads, _)| reads);
    PlanSide {
        reads: reads.to_owned(),
        rows: mean(|execution| execution.rows),
        blocks: mean(|execution| execution.hit + execution.read),
        blocks_read: mean(|execution| execution.read),
    }
}
