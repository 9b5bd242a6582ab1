//! Prepares another statement in place of the one before, with the same values, and compares the results of both.

use std::collections::{BTreeMap, BTreeSet};

use almanac_engine::{
    advise::database::{
        query::{Check as Rule, Parameter},
        verify::{Difference, Results, Rewrite, Slot, literal, prepared},
    },
    database::statement::parse,
};

use super::{
    VerifyError,
    rounds::{LOOPS, Run, arguments, json, without_values},
    session::Session,
};

/// Pages that are read in a round.
const PAGES: usize = 8;
/// Sets of values for which all pages together are compared.
const WHOLE: usize = 2;

/// The statement before, as it is prepared.
pub(super) struct Before<'a> {
    /// Name of the prepared statement.
    pub(super) name: &'a str,
    /// Its text.
    pub(super) text: &'a str,
    /// What each placeholder is for.
    pub(super) slots: &'a BTreeMap<usize, Slot>,
    /// Sets of values.
    pub(super) sets: &'a [Vec<String>],
}

/// Statements whose results must be equal: each returns its rows as a JSON array of digests, the rows of all statements of a
/// side together.
pub(super) struct Check {
    before: Vec<String>,
    after: Vec<String>,
    /// Whether the rows must have the same order.
    is_ordered: bool,
}

type Values = Vec<Option<String>>;

/// Prepares the statement after a rewrite with the values of both sides, and the statements that compare the results.
/// The error says why it cannot be run.
pub(super) async fn prepare(
    session: &Session,
    before: &Before<'_>,
    rewrite: &Rewrite,
    run: &mut Run,
) -> Result<(), String> {
    let after = trimmed(&rewrite.statement);
    parse(after).map_err(|error| error.to_string())?;
    prepare_one(session, "almanac_after", &prepared(after)).await?;
    let form = Form { keyed: !rewrite.added.is_empty(), left_out: &[] };
    let without = Form { left_out: &rewrite.added, ..form };
    prepare_one(session, "almanac_rows_before", &rows(&prepared(before.text), form)).await?;
    prepare_one(session, "almanac_rows_after", &rows(&prepared(after), without)).await?;
    match rewrite.check {
        Rule::Pages => pages(session, before, rewrite, run).await,
        Rule::Loop => loops(before, rewrite, run),
        Rule::Multiset | Rule::Ordered => {
            let mut executions = Vec::new();
            for set in before.sets {
                let values = own(&rewrite.parameters, set)?;
                executions.push(vec![arguments("almanac_after", &values)]);
                run.checks.push(Check {
                    before: vec![arguments("almanac_rows_before", &some(set))],
                    after: vec![arguments("almanac_rows_after", &values)],
                    is_ordered: rewrite.check == Rule::Ordered,
                });
            }
            run.after = Some(executions);
            Ok(())
        }
        Rule::Written | Rule::Difference => Err("its results are not compared".to_owned()),
    }
}

/// The calls of a loop, with different values each, against one execution over the arrays of them.
fn loops(before: &Before<'_>, rewrite: &Rewrite, run: &mut Run) -> Result<(), String> {
    let arrays: Vec<usize> = rewrite
        .parameters
        .iter()
        .filter_map(|from| match from {
            Parameter::Array(number) => Some(*number),
            _ => None,
        })
        .collect();
    if arrays.is_empty() {
        return Err("no placeholder of it has the values of the loop".to_owned());
    }
    let key = |set: &Vec<String>| -> Values { arrays.iter().map(|number| at(set, *number)).collect() };
    let (mut executions, mut after) = (Vec::new(), Vec::new());
    let per_loop = (before.sets.len() / LOOPS).max(1);
    for sets in before.sets.chunks(per_loop).take(LOOPS) {
        let mut seen = BTreeSet::new();
        let calls: Vec<&Vec<String>> = sets.iter().filter(|set| seen.insert(key(set))).take(rewrite.calls).collect();
        let Some(first) = calls.first().filter(|_| calls.len() > 1) else { continue };
        // A placeholder outside of the arrays has one value in all calls.
        let calls: Vec<Values> = calls
            .iter()
            .map(|set| {
                let number = |idx: usize| if arrays.contains(&(idx + 1)) { set.get(idx) } else { first.get(idx) };
                (0..set.len()).map(|idx| number(idx).cloned()).collect()
            })
            .collect();
        let mut values = Vec::with_capacity(rewrite.parameters.len());
        for from in &rewrite.parameters {
            values.push(match from {
                Parameter::Same(number) => at(first, *number),
                Parameter::Array(number) => {
                    let all: Option<Vec<&str>> =
                        calls.iter().map(|call| call.get(number.checked_sub(1)?)?.as_deref()).collect();
                    all.map(|all| array(&all))
                }
                Parameter::Last(_) => None,
            });
        }
        if values.iter().any(Option::is_none) {
            return Err("a placeholder has no value of the statement before".to_owned());
        }
        executions.push(calls.iter().map(|call| arguments(before.name, call)).collect());
        after.push(vec![arguments("almanac_after", &values)]);
        run.checks.push(Check {
            before: calls.iter().map(|call| arguments("almanac_rows_before", call)).collect(),
            after: vec![arguments("almanac_rows_after", &values)],
            is_ordered: false,
        });
    }
    if executions.is_empty() {
        return Err("the rows of the copy have too few different values for a loop".to_owned());
    }
    let calls = executions.iter().map(Vec::len).max().unwrap_or(0);
    run.notes.push(format!(
        "A time before is that of the {calls} executions of a loop, with different values; round trips are not in it."
    ));
    (run.executions, run.after) = (executions, Some(after));
    Ok(())
}

/// Pages by their offset against the same pages behind the last row before them.
async fn pages(session: &Session, before: &Before<'_>, rewrite: &Rewrite, run: &mut Run) -> Result<(), String> {
    let Some((first, first_parameters)) = &rewrite.first else {
        return Err("it has no statement of the first page".to_owned());
    };
    let slot = |wanted: &Slot| before.slots.iter().find(|(_, slot)| *slot == wanted).map(|(number, _)| *number);
    let Some(offset) = slot(&Slot::Offset) else {
        return Err("its OFFSET is no placeholder alone".to_owned());
    };
    let first = prepared(trimmed(first));
    parse(&first).map_err(|error| error.to_string())?;
    let behind = first_parameters.len() + 1;
    let columns: Vec<String> = rewrite
        .parameters
        .iter()
        .filter_map(|from| match from {
            Parameter::Last(name) => Some(format!("page.{}::text", almanac_engine::database::statement::quote(name))),
            _ => None,
        })
        .collect();
    prepare_one(session, "almanac_first", &first).await?;
    let page = format!("{first} OFFSET ${behind}::bigint");
    let form = Form { keyed: !rewrite.added.is_empty(), left_out: &[] };
    prepare_one(session, "almanac_rows_first", &rows(&page, form)).await?;
    let last = format!("SELECT json_build_array({}) FROM ({page}) AS page LIMIT 1", columns.join(", "));
    prepare_one(session, "almanac_last", &last).await?;
    prepare_one(session, "almanac_rows_page", &rows(&prepared(trimmed(&rewrite.statement)), form)).await?;
    prepare_one(session, "almanac_rows_whole", &rows(&first, Form { left_out: &rewrite.added, ..form })).await?;
    let (mut executions, mut after, mut offsets) = (Vec::new(), Vec::new(), Vec::new());
    for set in before.sets.iter().take(PAGES) {
        let same = own(first_parameters, set)?;
        let mut skipped: u64 = at(set, offset).and_then(|text| text.parse().ok()).unwrap_or(0);
        let mut cursor: Values = Vec::new();
        // Nobody opens a page behind the last row.
        while skipped > 0 {
            let mut values = same.clone();
            values.push(Some((skipped - 1).to_string()));
            let read = session.run("the last row of a page", &arguments("almanac_last", &values)).await;
            if let Some(text) = read.map_err(|error| without_values(error).to_string())? {
                cursor = json(Some(&text))?;
                break;
            }
            skipped /= 2;
        }
        let mut set = some(set);
        if let Some(value) = set.get_mut(offset - 1) {
            *value = Some(skipped.to_string());
        }
        executions.push(vec![arguments(before.name, &set)]);
        offsets.push(skipped);
        let mut all = same.clone();
        all.push(Some(skipped.to_string()));
        let (timed, rows) = if skipped == 0 {
            ("almanac_first", None)
        } else {
            let mut cursor = cursor.into_iter();
            let mut values: Values = Vec::new();
            for from in &rewrite.parameters {
                values.push(match from {
                    Parameter::Same(number) => set.get(number.wrapping_sub(1)).cloned().flatten(),
                    Parameter::Last(_) => cursor.next().flatten(),
                    Parameter::Array(_) => return Err("a placeholder of a page is an array".to_owned()),
                });
            }
            ("almanac_after", Some(values))
        };
        let values = rows.clone().unwrap_or_else(|| same.clone());
        after.push(vec![arguments(timed, &values)]);
        if let Some(values) = rows {
            // The page is that of the same order with its tie-breaker.
            run.checks.push(Check {
                before: vec![arguments("almanac_rows_first", &all)],
                after: vec![arguments("almanac_rows_page", &values)],
                is_ordered: true,
            });
        }
        if let Some(limit) = slot(&Slot::Limit)
            && executions.len() <= WHOLE
        {
            // All pages together have the same rows as before, in whatever order rows that are equal in it come.
            let mut whole = set.clone();
            let place = first_parameters.iter().position(|from| *from == Parameter::Same(limit));
            let mut one = same;
            if let (Some(limit), Some(own)) = (whole.get_mut(limit - 1), place.and_then(|place| one.get_mut(place))) {
                (*limit, *own) = (None, None);
                if let Some(offset) = whole.get_mut(offset - 1) {
                    *offset = Some("0".to_owned());
                }
                run.checks.push(Check {
                    before: vec![arguments("almanac_rows_before", &whole)],
                    after: vec![arguments("almanac_rows_whole", &one)],
                    is_ordered: false,
                });
            }
        }
    }
    let texts: Vec<String> = offsets.iter().map(ToString::to_string).collect();
    run.notes.push(format!("Pages behind {} rows were read.", texts.join(", ")));
    (run.executions, run.after) = (executions, Some(after));
    Ok(())
}

/// Prepares the comparison of the rows of another statement, which has the placeholders of the one before. A LIMIT that is a
/// placeholder is left out, since it would cut other rows off.
pub(super) async fn differences(
    session: &Session,
    before: &Before<'_>,
    alternative: &str,
) -> Result<Vec<Check>, String> {
    let other = trimmed(alternative);
    parse(other).map_err(|error| error.to_string())?;
    let form = Form { keyed: false, left_out: &[] };
    prepare_one(session, "almanac_rows_one", &rows(&prepared(before.text), form)).await?;
    prepare_one(session, "almanac_rows_other", &rows(&prepared(other), form)).await?;
    let check = |set: &Vec<String>| {
        let mut values = some(set);
        for (number, slot) in before.slots {
            if matches!(slot, Slot::Limit | Slot::Offset)
                && let Some(value) = values.get_mut(number.wrapping_sub(1))
            {
                *value = None;
            }
        }
        Check {
            before: vec![arguments("almanac_rows_one", &values)],
            after: vec![arguments("almanac_rows_other", &values)],
            is_ordered: false,
        }
    };
    Ok(before.sets.iter().map(check).collect())
}

/// Counts the rows in which another statement differs, for each set of values that the time limit allows.
///
/// # Errors
/// [`VerifyError::Statement`].
pub(super) async fn difference(session: &Session, runs: &[Run], alternative: &str) -> Result<Difference, VerifyError> {
    let mut found = Difference { statement: alternative.to_owned(), ..Difference::default() };
    session.run("a transaction", "BEGIN").await?;
    for check in runs.iter().flat_map(|run| &run.differences) {
        let Ok(Some((before, after))) = sides(session, check).await else { continue };
        found.compared += 1;
        found.different += usize::from(before != after);
        found.rows += before.len() as u64;
        found.missing += missing(&before, &after);
        found.further += missing(&after, &before);
    }
    session.run("a transaction", "ROLLBACK").await?;
    Ok(found)
}

/// Returns how many elements of a sorted list another one has not.
fn missing(of: &[String], other: &[String]) -> u64 {
    let mut rest = other.iter().peekable();
    let mut count = 0;
    for own in of {
        while rest.next_if(|next| *next < own).is_some() {}
        if rest.next_if(|next| *next == own).is_none() {
            count += 1;
        }
    }
    count
}

/// Compares the results of a rewritten statement with those of the one before, for each set of values.
///
/// # Errors
/// [`VerifyError::Statement`].
pub(super) async fn results(session: &Session, runs: &[Run]) -> Result<Option<Results>, VerifyError> {
    if runs.iter().all(|run| run.checks.is_empty()) {
        return Ok(None);
    }
    // Both statements see the same time, and what their functions change is taken back.
    session.run("a transaction", "BEGIN").await?;
    let results = compared(session, runs).await;
    session.run("a transaction", "ROLLBACK").await?;
    results.map(Some).map_err(without_values)
}

async fn compared(session: &Session, runs: &[Run]) -> Result<Results, VerifyError> {
    let mut results = Results { compared: 0, different: 0, rows: 0 };
    for check in runs.iter().flat_map(|run| &run.checks) {
        let Some((before, after)) = sides(session, check).await? else { continue };
        results.compared += 1;
        results.different += usize::from(before != after);
        results.rows += before.len() as u64;
    }
    Ok(results)
}

/// Returns the digests of both sides, sorted where their order does not count; none if the time limit stopped the
/// comparison.
async fn sides(session: &Session, check: &Check) -> Result<Option<(Vec<String>, Vec<String>)>, VerifyError> {
    session.run("a transaction", "SAVEPOINT almanac").await?;
    let sides = async {
        let before = digests(session, "the results before", &check.before).await?;
        let after = digests(session, "the results after", &check.after).await?;
        Ok::<_, VerifyError>((before, after))
    };
    match sides.await {
        Err(VerifyError::Statement { detail, .. }) if detail.contains("(57014)") => {
            session.run("a transaction", "ROLLBACK TO SAVEPOINT almanac").await?;
            Ok(None)
        }
        Err(error) => {
            session.run("a transaction", "ROLLBACK TO SAVEPOINT almanac").await?;
            Err(error)
        }
        Ok((mut before, mut after)) => {
            if !check.is_ordered {
                before.sort_unstable();
                after.sort_unstable();
            }
            Ok(Some((before, after)))
        }
    }
}

/// Returns the digests of the rows of several statements, one after the other.
async fn digests(session: &Session, what: &str, statements: &[String]) -> Result<Vec<String>, VerifyError> {
    let mut all = Vec::new();
    for sql in statements {
        let text = session.run(what, sql).await?;
        let rows: Vec<String> = json(text.as_deref()).map_err(VerifyError::Refused)?;
        all.extend(rows);
    }
    Ok(all)
}

/// How rows become texts that are compared.
#[derive(Clone, Copy)]
struct Form<'a> {
    /// By the names of their columns, so that columns can be left out; of columns with one name the last counts. Else in their
    /// order.
    keyed: bool,
    /// Columns that do not count.
    left_out: &'a [String],
}

/// Returns a statement that returns the digests of another one's rows as a JSON array, in their order.
fn rows(text: &str, form: Form<'_>) -> String {
    let names: Vec<String> = form.left_out.iter().map(|name| literal(name)).collect();
    let row = match (form.keyed, names.is_empty()) {
        (false, _) => "row_to_json(result)".to_owned(),
        (true, true) => "to_jsonb(result)".to_owned(),
        (true, false) => format!("to_jsonb(result) - ARRAY[{}]::text[]", names.join(", ")),
    };
    format!("SELECT coalesce(json_agg(md5(({row})::text)), '[]'::json) FROM ({text}) AS result")
}

async fn prepare_one(session: &Session, name: &str, text: &str) -> Result<(), String> {
    let sql = format!("PREPARE {name} AS {text}");
    session.run("preparing the statement", &sql).await.map(|_| ()).map_err(|error| error.to_string())
}

/// Returns the values of placeholders that are those of the statement before.
fn own(parameters: &[Parameter], set: &[String]) -> Result<Values, String> {
    let value = |from: &Parameter| match from {
        Parameter::Same(number) => at(set, *number).map(Some),
        _ => None,
    };
    let values: Option<Values> = parameters.iter().map(value).collect();
    values.ok_or_else(|| "a placeholder has no value of the statement before".to_owned())
}

fn at(set: &[String], number: usize) -> Option<String> {
    set.get(number.checked_sub(1)?).cloned()
}

fn some(set: &[String]) -> Values {
    set.iter().cloned().map(Some).collect()
}

fn trimmed(text: &str) -> &str {
    text.trim().trim_end_matches(';')
}

/// Returns values as the text of an array.
fn array(values: &[&str]) -> String {
    let quoted: Vec<String> =
        values.iter().map(|text| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))).collect();
    format!("{{{}}}", quoted.join(","))
}
