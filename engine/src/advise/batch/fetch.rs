//! Reads the rows and times of statements by steps.

use std::collections::BTreeMap;

use almanac_models::Timestamp;
use sqlparser::ast::{SetExpr, Statement, TableObject};

use super::{BatchSpec, limits::seconds, source::BatchSource};
use crate::{
    advise::{
        FetchError, Need, Sources,
        kit::{HistoryError, one_series},
    },
    database::{StatementUse, shape::shape, statement::parse},
    store::Store,
};

/// Most steps: 14 days of five minutes.
const STEPS_MAX: i64 = 14 * 288;
/// Span of the statements of a database, and the longest of the pairs, in milliseconds.
const SPAN_MS: i64 = 14 * 86_400_000;
/// Least statements of a pair.
const STATEMENTS_MIN: f64 = 3.0;
/// Most families of a table.
const FAMILIES_MAX: usize = 10;

/// Mean rows and time of the statements of one step.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Pair {
    /// Rows of a statement.
    pub rows: f64,
    /// Its time, in seconds.
    pub seconds: f64,
    /// Statements of the step.
    pub statements: f64,
    /// 95th percentile of the time, in seconds; none if unknown.
    pub p95: Option<f64>,
}

/// Facts of a statement that writes several rows.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BatchFacts {
    /// Pairs in the order of time.
    pub pairs: Vec<Pair>,
    /// Rows written in a second, in the mean over the steps with statements.
    pub rows_per_second: f64,
    /// Bind parameters of a row; none: not limited or unknown.
    pub parameters: Option<f64>,
    /// Where the pairs come from.
    pub sources: Vec<BatchSource>,
}

impl BatchFacts {
    /// Reads the pairs of the last 4,032 steps, at most 14 days.
    ///
    /// # Errors
    /// [`FetchError::Missing`] when the table has no INSERT; [`FetchError::History`], [`FetchError::Store`].
    pub fn fetch(from: &Sources<'_>, spec: &BatchSpec, now: Timestamp) -> Result<Self, FetchError> {
        let (sources, parameters) = sources(from.store, spec, now)?;
        let mut facts = Self { sources, parameters, ..Self::default() };
        let mut by_step: BTreeMap<i64, f64> = BTreeMap::new();
        let mut pairs: Vec<(i64, Pair)> = Vec::new();
        for source in &facts.sources {
            for (at, pair) in pairs_of(from.store, source, spec.step_ms, now)? {
                *by_step.entry(at).or_default() += pair.rows * pair.statements;
                pairs.push((at, pair));
            }
        }
        pairs.sort_by_key(|(at, _)| *at);
        facts.pairs = pairs.into_iter().map(|(_, pair)| pair).collect();
        let seconds = seconds(spec.step_ms) * f64::from(u32::try_from(by_step.len()).unwrap_or(u32::MAX));
        facts.rows_per_second = if seconds > 0.0 { by_step.values().sum::<f64>() / seconds } else { 0.0 };
        Ok(facts)
    }
}

fn pairs_of(
    store: &Store,
    source: &BatchSource,
    step_ms: i64,
    now: Timestamp,
) -> Result<Vec<(i64, Pair)>, HistoryError> {
    let span_ms = SPAN_MS.min(STEPS_MAX.saturating_mul(step_ms));
    let series = |expr: String| one_series(store, &expr, step_ms, span_ms, now);
    let range = format!("{step_ms}ms");
    let map = |points: Vec<(i64, f64)>| points.into_iter().collect::<BTreeMap<i64, f64>>();
    let (seconds, statements) = (map(series(source.seconds(&range))?), map(series(source.statements(&range))?));
    let p95 = map(series(source.p95(&range))?);
    let pair = |(at, rows): (i64, f64)| {
        let statements = statements.get(&at).copied().filter(|count| *count >= STATEMENTS_MIN)?;
        let pair = Pair {
            rows: rows / statements,
            seconds: seconds.get(&at)? / statements,
            statements,
            p95: p95.get(&at).copied().filter(|value| value.is_finite() && *value > 0.0),
        };
        (pair.rows > 0.0 && pair.seconds > 0.0).then_some((at, pair))
    };
    Ok(series(source.rows(&range))?.into_iter().filter_map(pair).collect())
}

/// Returns the sources of a specification, and the bind parameters of a row.
fn sources(store: &Store, spec: &BatchSpec, now: Timestamp) -> Result<(Vec<BatchSource>, Option<f64>), FetchError> {
    let columns = spec.columns.map(f64::from);
    if let (Some(rows), Some(seconds)) = (&spec.rows, &spec.seconds) {
        return Ok((vec![BatchSource::Histograms { rows: rows.clone(), seconds: seconds.clone() }], columns));
    }
    let (Some(database), Some(table)) = (&spec.database, &spec.table) else { return Ok((Vec::new(), columns)) };
    let missing = |missing: String, remedy: &str| FetchError::Missing(Need { missing, remedy: remedy.to_owned() });
    let Some((catalogue, _)) = store.database_catalogue(database)? else {
        return Err(missing(
            format!("no snapshot of the database {database} was read yet"),
            "declare it as [[database]], and wait for the first snapshot",
        ));
    };
    let (schema, name) = table.rsplit_once('.').map_or((None, table.as_str()), |(schema, name)| (Some(schema), name));
    let Some(key) = catalogue.table(schema, name).map(crate::database::Table::key) else {
        return Err(missing(
            format!("the database {database} has no table {table}"),
            "write the table like public.tasks",
        ));
    };
    let workload = store.database_workload(database, now.plus_millis(-SPAN_MS), now)?;
    let mut found: Vec<(&StatementUse, Option<f64>)> = workload
        .statements
        .iter()
        .filter_map(|used| Some((used, insert_parameters(used, &key, &catalogue)?)))
        .collect();
    if found.is_empty() {
        return Err(missing(
            format!("no INSERT into {table} was counted in the last 14 days"),
            "wait, or give rows and seconds, the histograms of the application",
        ));
    }
    // The heaviest come first.
    found.truncate(FAMILIES_MAX);
    let parameters = found
        .iter()
        .filter_map(|(_, parameters)| *parameters)
        .fold(None, |known: Option<f64>, next| Some(known.map_or(next, |known| known.max(next))));
    let family = |(used, _): &(&StatementUse, Option<f64>)| BatchSource::Family {
        database: database.clone(),
        family: used.family.clone(),
    };
    Ok((found.iter().map(family).collect(), columns.or(parameters)))
}

/// Returns the bind parameters of a row, if a statement inserts into the table; the inner none: rows are not listed one by one.
fn insert_parameters(used: &StatementUse, table: &str, catalogue: &crate::database::Catalogue) -> Option<Option<f64>> {
    let verb = used.statement.get(..6)?;
    if !verb.eq_ignore_ascii_case("insert") {
        return None;
    }
    let statement = parse(&used.statement).ok()?;
    let written = shape(&statement, catalogue).written?;
    let Statement::Insert(insert) = statement else { return None };
    if written != table || !matches!(insert.table, TableObject::TableName(_)) {
        return None;
    }
    let body = insert.source.as_deref().map(|query| &*query.body);
    Some(match body {
        #[expect(clippy::cast_precision_loss, reason = "a row has few values")]
        Some(SetExpr::Values(values)) => values.rows.first().map(|row| row.content.len() as f64),
        _ => None,
    })
}
