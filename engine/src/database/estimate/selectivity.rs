//! Shares of rows that filters keep, as PostgreSQL estimates them (`selfuncs.c`).

use crate::database::{
    ColumnStatistics, Table,
    shape::{Filter, Key, Operand, Pattern, Test},
};

/// Default shares of `selfuncs.h`.
const DEFAULT_EQUAL: f64 = 0.005;
const DEFAULT_RANGE: f64 = 0.333;
const DEFAULT_RANGE_BOTH: f64 = 0.05;
const DEFAULT_PATTERN: f64 = 0.005;
/// Share of rows that a rare text matches.
const RARE_PATTERN: f64 = 0.000_05;
/// Least share that PostgreSQL estimates from a histogram, and distinct values from which a column has a long one.
const MATCHED_LEAST: f64 = 0.000_1;
const MATCHED_DISTINCT: f64 = 200.0;
/// Values in a list whose length is unknown.
pub(super) const LIST: f64 = 10.0;

/// Returns the share of a table's rows that one filter keeps, in [0, 1].
pub(crate) fn share(filter: &Filter, table: &Table, skew: f64) -> f64 {
    let rows = table.rows.unwrap_or(1000.0).max(1.0);
    // The values of an expression over one column are about as many as the column's.
    let column = match &filter.key {
        Key::Column(name) => Some(name.as_str()),
        Key::Expression(text) => only_column(text, table),
    };
    let statistics = column.and_then(|name| table.column(name)?.statistics.as_ref());
    let unique = filter.key.column().is_some_and(|column| is_unique(table, column));
    let found = match &filter.test {
        Test::Equal(operand) => equal(operand, statistics, rows, unique, skew),
        Test::In(count) => {
            let one = equal(&Operand::Computed, statistics, rows, unique, skew);
            #[expect(clippy::cast_precision_loss, reason = "a list has few values")]
            let values = count.map_or(LIST, |count| count as f64);
            (one * values).min(1.0)
        }
        Test::Range { is_upper, operand } => range(*is_upper, operand, statistics),
        Test::IsNull => statistics.map_or(DEFAULT_EQUAL, |statistics| statistics.null_fraction),
        Test::IsNotNull => statistics.map_or(1.0 - DEFAULT_EQUAL, |statistics| 1.0 - statistics.null_fraction),
        Test::Is(wanted) => boolean(*wanted, statistics),
        Test::Like { pattern: Pattern::Prefix, .. } => DEFAULT_PATTERN,
        // A histogram of 100 values or more decides (`matchingsel`), and of many different values few contain one.
        Test::Contains(_) if statistics.is_some_and(|known| known.distinct_values(rows) >= MATCHED_DISTINCT) => {
            MATCHED_LEAST
        }
        Test::Contains(_) => {
            if skew > 1.0 {
                RARE_PATTERN
            } else {
                DEFAULT_PATTERN
            }
        }
        // A rare text has few matches; that values are asked for often says nothing of texts.
        Test::Like { .. } => {
            if skew > 1.0 {
                RARE_PATTERN
            } else {
                DEFAULT_PATTERN * 2.0
            }
        }
        Test::Other => 0.9,
    };
    found.clamp(0.5 / rows, 1.0)
}

/// Returns the only column that an expression names.
fn only_column<'a>(expression: &str, table: &'a Table) -> Option<&'a str> {
    let words: Vec<&str> = expression.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    let mut named = table.columns.iter().filter(|column| words.contains(&column.name.as_str()));
    let first = named.next()?;
    named.next().is_none().then_some(first.name.as_str())
}

/// Returns the joint share of several filters on one table. Two bounds of one column are one range.
pub(super) fn joint<'a>(filters: impl Iterator<Item = &'a Filter>, table: &Table, skew: f64) -> f64 {
    let mut ranged: Vec<&Key> = Vec::new();
    let mut product = 1.0;
    for filter in filters {
        let mut one = share(filter, table, skew);
        if let Test::Range { operand, .. } = &filter.test
            && !matches!(operand, Operand::Literal(_))
        {
            if ranged.contains(&&filter.key) {
                one = DEFAULT_RANGE_BOTH / DEFAULT_RANGE;
            }
            ranged.push(&filter.key);
        }
        product *= one;
    }
    product
}

/// Returns whether a column alone is unique.
pub(super) fn is_unique(table: &Table, column: &str) -> bool {
    table.indexes.iter().any(|index| {
        index.unique
            && index.predicate.is_none()
            && matches!(index.keys.as_slice(), [key] if key.column.as_deref() == Some(column))
    })
}

/// Least number of distinct values whose frequencies are skewed: fewer are states, and statements ask for rare ones as well.
const SKEWED: f64 = 50.0;

fn equal(operand: &Operand, statistics: Option<&ColumnStatistics>, rows: f64, unique: bool, skew: f64) -> f64 {
    if unique {
        return 1.0 / rows;
    }
    let Some(statistics) = statistics else { return DEFAULT_EQUAL };
    let distinct = statistics.distinct_values(rows);
    let common: f64 = statistics.common_shares.iter().sum();
    #[expect(clippy::cast_precision_loss, reason = "at most 10,000 values")]
    let rare = ((1.0 - common - statistics.null_fraction).max(0.0)
        / (distinct - statistics.common_shares.len() as f64).max(1.0))
    .max(0.0);
    match operand {
        Operand::Literal(text) => {
            // Where the values must not leave the database, it is not known which of them this is.
            if statistics.common_values.is_empty() && !statistics.common_shares.is_empty() {
                return (1.0 - statistics.null_fraction) / distinct;
            }
            let text = unquoted(text);
            let at = statistics.common_values.iter().position(|value| value == text);
            at.and_then(|at| statistics.common_shares.get(at).copied()).unwrap_or(rare)
        }
        _ => {
            let mean = (1.0 - statistics.null_fraction) / distinct;
            let most = statistics.common_shares.iter().copied().fold(mean, f64::max);
            if distinct >= SKEWED { (mean * skew).min(most) } else { mean }
        }
    }
}

fn range(is_upper: bool, operand: &Operand, statistics: Option<&ColumnStatistics>) -> f64 {
    let (Operand::Literal(text), Some(statistics)) = (operand, statistics) else { return DEFAULT_RANGE };
    let Some(below) = position(unquoted(text), &statistics.bounds) else { return DEFAULT_RANGE };
    let kept = if is_upper { below } else { 1.0 - below };
    kept * (1.0 - statistics.null_fraction)
}

/// Returns the share of a histogram's values below `text`: bounds that are numbers compare as numbers, others as text,
/// which orders dates in ISO form.
fn position(text: &str, bounds: &[String]) -> Option<f64> {
    if bounds.len() < 2 {
        return None;
    }
    let below = match text.parse::<f64>() {
        Ok(value) => {
            let parsed: Option<Vec<f64>> = bounds.iter().map(|bound| bound.parse().ok()).collect();
            parsed?.iter().filter(|bound| **bound < value).count()
        }
        Err(_) => bounds.iter().filter(|bound| bound.as_str() < text).count(),
    };
    #[expect(clippy::cast_precision_loss, reason = "at most 10,001 bounds")]
    let share = (below as f64 - 0.5).max(0.0) / (bounds.len() - 1) as f64;
    Some(share.min(1.0))
}

fn boolean(wanted: bool, statistics: Option<&ColumnStatistics>) -> f64 {
    let Some(statistics) = statistics else { return 0.5 };
    let value = if wanted { "t" } else { "f" };
    let other = if wanted { "f" } else { "t" };
    let of = |value: &str| {
        let at = statistics.common_values.iter().position(|common| common == value)?;
        statistics.common_shares.get(at).copied()
    };
    of(value).or_else(|| of(other).map(|share| 1.0 - share - statistics.null_fraction)).unwrap_or(0.5)
}

fn unquoted(text: &str) -> &str {
    text.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')).unwrap_or(text)
}
