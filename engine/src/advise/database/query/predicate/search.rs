//! LIKE and ILIKE with a pattern that may begin with a wildcard: a trigram index gives the same rows.

use sqlparser::ast::{BinaryOperator, Expr, FunctionArg, FunctionArgExpr, FunctionArguments};

use crate::{
    advise::database::query::{
        finding::{Action, Finding, IndexNeed, Need, Pattern},
        known::{Context, Known},
        tree::{Refusal, Scope, conjuncts, ident, parameters_in, plain, strip},
    },
    database::Table,
};

/// Least rows of a table: a smaller one is read in about a millisecond.
const ROWS_MIN: f64 = 5_000.0;
/// Least mean width of a column, in bytes: codes of a few characters have few trigrams.
const WIDTH_MIN: f64 = 8.0;
/// Most rows that other conditions may leave for the search to matter.
const ROWS_LEFT_MIN: f64 = 2_000.0;

/// What is searched.
struct Searched<'a> {
    /// Place of the table in FROM.
    at: usize,
    table: &'a Table,
    column: String,
    /// Key of the index without its operator class.
    key: String,
    /// The searched column as the statement writes it.
    text: String,
    pattern: &'a Expr,
}

/// Finds searches in text.
pub(crate) fn find(known: &Known<'_>, context: &Context<'_>) -> Option<Finding> {
    let select = plain(known.query()?).ok()?;
    let scope = Scope::of(select, context.catalogue).ok()?;
    let conditions = conjuncts(select.selection.as_ref());
    let (condition, searched) = conditions.iter().find_map(|condition| {
        let searched = searched(condition, &scope);
        (!searched.is_empty()).then_some((*condition, searched))
    })?;
    if !context.matters(known.usage) {
        return None;
    }
    match needs(known, condition, &searched, &conditions, &scope) {
        Err(Outcome::NoFault) => None,
        Err(Outcome::Refused(refusal)) => Some(context.kept(known, Pattern::TextSearch, refusal)),
        Ok(indexes) => {
            let rests_on =
                "an index with three characters or more of the pattern reads few rows; a shorter one reads all";
            let saving = context.saving(known.usage, [0.4, 0.85, 0.99], rests_on);
            let mut needs: Vec<Need> = Vec::new();
            if !context.catalogue.extensions.contains_key("pg_trgm") {
                needs.push(Need::Extension("pg_trgm".to_owned()));
            }
            needs.extend(indexes.into_iter().map(Need::Index));
            let mut finding = context.finding(known, Pattern::TextSearch, Action::Support, saving).needing(needs);
            finding.alternative = full_text(known, condition, &searched);
            let column = searched.first().map(|searched| searched.column.as_str()).unwrap_or_default();
            Some(finding.noting("The rows are the same ones: the index only finds candidates, which are compared again.").noting(
                format!(
                    "Full-text search (`to_tsvector('simple', {0}) @@ plainto_tsquery('simple', …)`) returns other rows: it \
                     finds whole words in any order, and no part of a word.",
                    ident(column)
                ),
            ))
        }
    }
}

/// Returns the statement with full-text search in place of a search by one pattern; none for several.
fn full_text(known: &Known<'_>, condition: &Expr, searched: &[Searched<'_>]) -> Option<String> {
    let [only] = searched else { return None };
    let (text, old) = (known.query()?.to_string(), condition.to_string());
    // Wildcards are no parts of words, so that the pattern serves as it is.
    let new = format!("to_tsvector('simple', {}) @@ plainto_tsquery('simple', ({})::text)", only.text, only.pattern);
    (text.matches(&old).count() == 1).then(|| text.replacen(&old, &new, 1))
}

enum Outcome {
    NoFault,
    Refused(Refusal),
}

fn needs(
    known: &Known<'_>,
    condition: &Expr,
    searched: &[Searched<'_>],
    conditions: &[&Expr],
    scope: &Scope<'_>,
) -> Result<Vec<IndexNeed>, Outcome> {
    let refused = |reason: String| Err(Outcome::Refused(Refusal(reason)));
    if branches(condition) != searched.len() {
        return refused(
            "another side of OR is no search, so that an index on the text alone does not serve it".to_owned(),
        );
    }
    if is_prefix(known, searched) {
        return Err(Outcome::NoFault);
    }
    if searched.iter().any(|other| searched.first().is_some_and(|first| first.at != other.at)) {
        return refused("the sides of OR are of several tables, and no index serves them together".to_owned());
    }
    if searched.iter().all(|searched| has_index(searched)) {
        return Err(Outcome::NoFault);
    }
    let Some(first) = searched.first() else { return Err(Outcome::NoFault) };
    let rows = first.table.rows.unwrap_or(f64::INFINITY);
    if rows < ROWS_MIN {
        return refused(format!("{} has {rows:.0} rows, which are read at once", first.table.name));
    }
    if left_by_others(conditions, scope, rows) < ROWS_LEFT_MIN {
        return Err(Outcome::NoFault);
    }
    for searched in searched {
        let width = searched.table.column(&searched.column).and_then(|column| column.statistics.as_ref());
        if width.is_some_and(|statistics| statistics.width < WIDTH_MIN) {
            return refused(format!("values of {} are a few bytes long and have few trigrams", searched.column));
        }
    }
    Ok(searched
        .iter()
        .filter(|searched| !has_index(searched))
        .map(|searched| IndexNeed {
            table: searched.table.key(),
            method: "gin".to_owned(),
            keys: vec![format!("{} gin_trgm_ops", searched.key)],
        })
        .collect())
}

/// Returns the number of sides of OR.
fn branches(expr: &Expr) -> usize {
    match strip(expr) {
        Expr::BinaryOp { left, op: BinaryOperator::Or, right } => branches(left) + branches(right),
        _ => 1,
    }
}

/// Returns the searches of a conjunct: itself, or the sides of OR that are searches.
fn searched<'a>(condition: &'a Expr, scope: &Scope<'a>) -> Vec<Searched<'a>> {
    match strip(condition) {
        Expr::BinaryOp { left, op: BinaryOperator::Or, right } => {
            let mut found = searched(left, scope);
            found.extend(searched(right, scope));
            found
        }
        Expr::Like { negated: false, any: false, expr, pattern, escape_char: None }
        | Expr::ILike { negated: false, any: false, expr, pattern, escape_char: None } => {
            one(expr, pattern, scope).into_iter().collect()
        }
        Expr::BinaryOp { left, op: BinaryOperator::PGLikeMatch | BinaryOperator::PGILikeMatch, right } => {
            one(left, right, scope).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

fn one<'a>(expr: &'a Expr, pattern: &'a Expr, scope: &Scope<'a>) -> Option<Searched<'a>> {
    let bare = |expr: &'a Expr| -> Option<(usize, String)> {
        let inner = match strip(expr) {
            Expr::Cast { expr, .. } => strip(expr),
            other => other,
        };
        let (at, column) = scope.column(inner)?;
        let is_text = column.type_name == "text" || column.type_name.starts_with("character varying");
        is_text.then(|| (at, column.name.clone()))
    };
    let (at, column, key, text) = match strip(expr) {
        Expr::Function(function) => {
            let name = function.name.to_string().to_lowercase();
            let FunctionArguments::List(list) = &function.args else { return None };
            let [FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))] = list.args.as_slice() else { return None };
            let (at, column) = bare(argument)?;
            if !["lower", "upper"].contains(&name.as_str()) {
                return None;
            }
            let key = format!("{name}({})", ident(&column));
            (at, column, key, argument.to_string())
        }
        other => {
            let (at, column) = bare(other)?;
            let key = ident(&column);
            (at, column, key, other.to_string())
        }
    };
    Some(Searched { at, table: scope.tables.get(at)?.table, column, key, text, pattern })
}

/// Returns whether every search is known to begin with a fixed text, which an ordinary index serves better.
fn is_prefix(known: &Known<'_>, searched: &[Searched<'_>]) -> bool {
    searched.iter().all(|searched| {
        let numbers = parameters_in(searched.pattern);
        let is_plain = matches!(strip(searched.pattern), Expr::Value(_));
        let mut values =
            numbers.iter().filter_map(|number| known.values(*number)).flat_map(|values| &values.values).peekable();
        is_plain && values.peek().is_some() && values.all(|(text, _)| !text.starts_with(['%', '_']))
    })
}

/// Returns whether an index with trigrams exists on the key.
fn has_index(searched: &Searched<'_>) -> bool {
    let plain = |text: &str| text.replace(['(', ')', ' ', '"'], "").replace("::text", "").to_lowercase();
    let wanted = plain(&searched.key);
    searched.table.indexes.iter().any(|index| {
        let has_key = index.keys.iter().any(|key| {
            let own = key.column.as_deref().or(key.expression.as_deref()).unwrap_or_default();
            plain(own) == wanted && key.operator_class.as_deref().is_some_and(|class| class.contains("trgm"))
        });
        // Without its keys an index is known by its definition alone.
        let listed = index.definition.split_once('(').filter(|_| index.keys.is_empty()).map_or("", |(_, list)| list);
        let is_defined = listed.split(',').any(|key| {
            key.split_once(" gin_trgm_ops")
                .or(key.split_once(" gist_trgm_ops"))
                .is_some_and(|(key, _)| plain(key) == wanted)
        });
        index.valid && index.predicate.is_none() && (has_key || is_defined)
    })
}

/// Estimates the rows that equalities with values leave, where an index serves them.
fn left_by_others(conditions: &[&Expr], scope: &Scope<'_>, rows: f64) -> f64 {
    conditions.iter().fold(rows, |left, condition| {
        let Expr::BinaryOp { left: column, op: BinaryOperator::Eq, .. } = strip(condition) else { return left };
        let Some((at, column)) = scope.column(column) else { return left };
        let Some(table) = scope.tables.get(at).map(|named| named.table) else { return left };
        let is_served = table
            .indexes
            .iter()
            .any(|index| index.keys.first().is_some_and(|key| key.column.as_ref() == Some(&column.name)));
        let distinct = column.statistics.as_ref().map_or(1.0, |statistics| statistics.distinct_values(rows));
        if is_served { left.min(rows / distinct) } else { left }
    })
}
