//! Prepares the statements of a measurement and runs them round by round.

use std::{collections::BTreeMap, time::Duration};

use almanac_engine::{
    advise::database::verify::{
        Action, Known, PlanSide, Results, Sample, Skipped, Slot, Subject, Target, draw, functions, literal, prepared,
        sample_statement, values,
    },
    database::{Catalogue, ParameterValues, shape::Verb},
};
use rand::rngs::StdRng;
use serde_json::Value;

use super::{VerifyError, effects, session::Session};

/// Sets of values of a statement in a round.
const SETS: usize = 12;
/// Seed of the sampled rows; the same copy gives the same values.
const SEED: u32 = 15;

/// A prepared statement with its values.
pub(super) struct Run {
    pub(super) target: Target,
    /// `EXECUTE` with each set of values.
    pub(super) executions: Vec<String>,
    /// `EXECUTE` of the statement after the change, if it is another one, with the same values.
    pub(super) after: Option<Vec<String>>,
    /// Statements that return a digest and the number of the rows before and after, for each set of values.
    pub(super) digests: Vec<(String, String)>,
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
    let count = if types.is_empty() { 3 } else { SETS };
    let sets = values(&found, &types, &samples, &Known { values: known, prefix }, count, rng)?;
    let executions = sets.iter().map(|set| execution(&name, set)).collect();
    let mut run = Run { target: target.clone(), executions, after: None, digests: Vec::new() };
    if let Action::Rewrite { statement, parameters, is_ordered } = &subject.action {
        runnable(session, statement.trim().trim_end_matches(';'), &changed).await?;
        rewritten(session, (text, statement, *is_ordered), parameters, &sets, &mut run).await?;
    }
    for execution in run.executions.iter().take(1).chain(run.after.iter().filter_map(|after| after.first())) {
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
fn without_values(error: VerifyError) -> VerifyError {
    match error {
        VerifyError::Statement { what, detail } if ["(22", "(P0"].iter().any(|class| detail.contains(class)) => {
            let code = detail.rsplit_once('(').map_or("", |(_, code)| code.trim_end_matches(')')).to_owned();
            VerifyError::Statement { what, detail: format!("the server rejects a value (SQLSTATE {code})") }
        }
        other => other,
    }
}

/// Prepares the statement after a rewrite, and the statements that compare the results of both.
async fn rewritten(
    session: &Session,
    (before, after, is_ordered): (&str, &str, bool),
    parameters: &[usize],
    sets: &[Vec<String>],
    run: &mut Run,
) -> Result<(), String> {
    let after = after.trim().trim_end_matches(';');
    almanac_engine::database::statement::parse(after).map_err(|error| error.to_string())?;
    let (before, after) = (prepared(before), prepared(after));
    let order = if is_ordered { "" } else { " ORDER BY result::text" };
    let digest = |name: &str, text: &str| {
        format!(
            "PREPARE {name} AS SELECT concat_ws(' ', md5(coalesce(string_agg(result::text, E'\n'{order}), '')), count(*)) \
             FROM ({text}) AS result"
        )
    };
    for sql in [
        format!("PREPARE almanac_after AS {after}"),
        digest("almanac_digest_before", &before),
        digest("almanac_digest_after", &after),
    ] {
        session.run("preparing the statement", &sql).await.map_err(|error| error.to_string())?;
    }
    let mut executions = Vec::new();
    for set in sets {
        let values: Option<Vec<String>> =
            parameters.iter().map(|number| set.get(number.checked_sub(1)?).cloned()).collect();
        let values = values.ok_or_else(|| "a placeholder has no value of the statement before".to_owned())?;
        executions.push(execution("almanac_after", &values));
        run.digests.push((execution("almanac_digest_before", set), execution("almanac_digest_after", &values)));
    }
    run.after = Some(executions);
    Ok(())
}

/// Returns `EXECUTE` with a set of values.
fn execution(name: &str, set: &[String]) -> String {
    let values: Vec<String> = set.iter().map(|value| literal(value)).collect();
    if values.is_empty() { format!("EXECUTE {name}") } else { format!("EXECUTE {name} ({})", values.join(", ")) }
}

/// Compares the results of a rewritten statement with those of the one before, for each set of values.
///
/// # Errors
/// [`VerifyError::Statement`].
pub(super) async fn results(session: &Session, runs: &[Run]) -> Result<Option<Results>, VerifyError> {
    if runs.iter().all(|run| run.digests.is_empty()) {
        return Ok(None);
    }
    // Both statements see the same time, and what their functions change is taken back.
    session.run("a transaction", "BEGIN").await?;
    let results = compared(session, runs).await;
    session.run("a transaction", "ROLLBACK").await?;
    results.map(Some)
}

async fn compared(session: &Session, runs: &[Run]) -> Result<Results, VerifyError> {
    let mut results = Results { compared: 0, different: 0, rows: 0 };
    for (before, after) in runs.iter().flat_map(|run| &run.digests) {
        let before = session.run("the results before", before).await?.unwrap_or_default();
        let after = session.run("the results after", after).await?.unwrap_or_default();
        results.compared += 1;
        results.different += usize::from(before != after);
        results.rows += before.rsplit_once(' ').and_then(|(_, rows)| rows.parse::<u64>().ok()).unwrap_or(0);
    }
    Ok(results)
}

fn json<T: serde::de::DeserializeOwned>(text: Option<&str>) -> Result<T, String> {
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
