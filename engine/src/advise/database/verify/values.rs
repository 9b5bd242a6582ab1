//! Turns sampled rows of a copy into values of placeholders.

use std::collections::BTreeMap;

use rand::{Rng, seq::IndexedRandom};
use serde::Deserialize;

use super::{Draw, Slot, draw::Source};
use crate::database::ParameterValues;

/// Rows that are sampled of a relation.
const SAMPLE: usize = 400;
/// Least executions whose OFFSET was seen to tell how deep pages are.
const OFFSETS_SEEN: f64 = 20.0;
/// Values of an array.
const ARRAY: usize = 10;
/// Share of the sampled rows between two bounds of one expression.
const SPAN: usize = 20;

/// Sampled rows of a relation.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub struct Sample {
    /// Values of the expressions as text, by row.
    pub rows: Vec<Vec<Option<String>>>,
    /// Values of each expression in ascending order; empty for a type without an order.
    pub sorted: Vec<Vec<Option<String>>>,
}

/// Samples by relation of a [`Draw`].
pub type Samples = Vec<Sample>;

/// Returns the statement that samples rows of a relation as one JSON document. `predicate`: condition of a partial index
/// that the rows satisfy, without qualifiers; `rows`: estimated rows of the table; `sorted`: expressions with bounds.
#[must_use]
pub fn sample_statement(
    source: &Source,
    predicate: Option<&str>,
    rows: Option<f64>,
    sorted: &[usize],
    seed: u32,
) -> String {
    let columns: Vec<String> =
        source.expressions.iter().enumerate().map(|(idx, text)| format!("({text}) AS e{idx}")).collect();
    let percent = match (predicate, rows) {
        (None, Some(rows)) if rows > 20_000.0 => Some((100.0 * 8_000.0 / rows).max(0.01)),
        _ => None,
    };
    let sampled = percent.map(|percent| format!(" TABLESAMPLE SYSTEM ({percent:.4}) REPEATABLE ({seed})"));
    let condition = predicate.map(|predicate| format!(" WHERE {predicate}")).unwrap_or_default();
    let texts: Vec<String> = (0..source.expressions.len()).map(|idx| format!("e{idx}::text")).collect();
    let ordered: Vec<String> = (0..source.expressions.len())
        .map(|idx| {
            if sorted.contains(&idx) {
                format!("(SELECT json_agg(e{idx}::text ORDER BY e{idx}) FROM s WHERE e{idx} IS NOT NULL)")
            } else {
                "'[]'::json".to_owned()
            }
        })
        .collect();
    format!(
        "WITH s AS MATERIALIZED (SELECT {} FROM {}{}{condition} ORDER BY md5({}.ctid::text || '{seed}') LIMIT {SAMPLE}) \
         SELECT json_build_object('rows', coalesce((SELECT json_agg(json_build_array({})) FROM s), '[]'::json), 'sorted', json_build_array({}))",
        columns.join(", "),
        source.from(),
        sampled.unwrap_or_default(),
        crate::database::statement::quote(&source.alias),
        texts.join(", "),
        ordered.join(", ")
    )
}

/// What is known of the executions of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Known<'a> {
    /// Values that were seen in plans or the log.
    pub values: &'a [ParameterValues],
    /// Whether patterns begin with a fixed text.
    pub prefix: bool,
}

/// Draws `count` sets of values. `types`: those of the placeholders, as the server resolved them. Values of one relation come
/// from one row, so that they occur together.
///
/// # Errors
/// A sentence without a full stop that says which placeholder has no value.
pub fn values(
    draw: &Draw,
    types: &[String],
    samples: &[Sample],
    known: &Known<'_>,
    count: usize,
    rng: &mut impl Rng,
) -> Result<Vec<Vec<String>>, String> {
    let Known { values: known, prefix } = *known;
    let mut sets = Vec::with_capacity(count);
    for _ in 0..count {
        let rows: Vec<Option<&Vec<Option<String>>>> =
            (0..draw.relations.len()).map(|relation| row(draw, relation, samples.get(relation)?, known, rng)).collect();
        let mut bounds: BTreeMap<(usize, usize), (String, String)> = BTreeMap::new();
        let mut set = Vec::with_capacity(types.len());
        for (idx, type_name) in types.iter().enumerate() {
            let number = idx + 1;
            let slot = draw.slots.get(&number);
            let seen = known.iter().find(|known| known.number == number).filter(|known| !known.values.is_empty());
            if let Some(seen) = seen
                && !(matches!(slot, Some(Slot::Equal(relation, _)) if equals(draw, *relation) > 1))
                // A few logged pages are mostly first ones, which say nothing of the deep pages that take the time.
                && !(matches!(slot, Some(Slot::Offset)) && seen.seen < OFFSETS_SEEN)
                && let Ok((value, _)) = seen.values.choose_weighted(rng, |(_, count)| count.max(0.0))
            {
                set.push(value.clone());
                continue;
            }
            let none = || {
                let of = match slot {
                    Some(
                        Slot::Equal(r, e)
                        | Slot::Set(r, e)
                        | Slot::Lower(r, e)
                        | Slot::Upper(r, e)
                        | Slot::Pattern(r, e)
                        | Slot::Word(r, e)
                        | Slot::Assigned(r, e),
                    ) => draw.relations.get(*r).and_then(|source| source.expressions.get(*e)).map_or("", |text| text),
                    _ => "",
                };
                if of.is_empty() {
                    format!("${number} of type {type_name} has no column to take a value from")
                } else {
                    format!("no row of the copy has a value of {of} for ${number}")
                }
            };
            let own =
                |relation: usize, expression: usize| rows.get(relation).copied().flatten()?.get(expression)?.clone();
            let value = match slot {
                Some(Slot::Equal(r, e)) => own(*r, *e),
                Some(Slot::Assigned(r, e)) => {
                    samples.get(*r).and_then(|sample| sample.rows.choose(rng)).and_then(|row| row.get(*e)?.clone())
                }
                Some(Slot::Set(r, e)) => samples.get(*r).and_then(|sample| array(sample, *e, rng)),
                Some(slot @ (Slot::Lower(r, e) | Slot::Upper(r, e))) => {
                    let is_lower = matches!(slot, Slot::Lower(..));
                    if let Some((low, high)) = bounds.get(&(*r, *e)) {
                        Some(if is_lower { low.clone() } else { high.clone() })
                    } else {
                        let pair = samples.get(*r).and_then(|sample| range(draw, sample, (*r, *e), rng));
                        pair.map(|(low, high)| {
                            let value = if is_lower { low.clone() } else { high.clone() };
                            bounds.insert((*r, *e), (low, high));
                            value
                        })
                    }
                }
                Some(Slot::Pattern(r, e)) => own(*r, *e)
                    .and_then(|text| if prefix { beginning(&text) } else { word(&text, rng) })
                    .map(|word| if prefix { format!("{word}%") } else { format!("%{word}%") }),
                Some(Slot::Word(_, _)) if type_name == "regconfig" => Some("simple".to_owned()),
                Some(Slot::Word(r, e)) => own(*r, *e).and_then(|text| word(&text, rng)),
                Some(Slot::Wildcard) => Some("%".to_owned()),
                Some(Slot::Limit) => Some("20".to_owned()),
                Some(Slot::Offset) => [0, 20, 200, 1_000].choose(rng).map(ToString::to_string),
                Some(Slot::Field) => Some("day".to_owned()),
                None => by_type(type_name).map(str::to_owned),
            };
            set.push(value.ok_or_else(none)?);
        }
        sets.push(set);
    }
    Ok(sets)
}

/// Returns a row whose compared values are no NULLs.
/// Rows with values that were seen come first.
fn row<'a>(
    draw: &Draw,
    relation: usize,
    sample: &'a Sample,
    known: &[ParameterValues],
    rng: &mut impl Rng,
) -> Option<&'a Vec<Option<String>>> {
    let needed: Vec<usize> = draw
        .slots
        .values()
        .filter_map(|slot| match slot {
            Slot::Equal(r, e) | Slot::Pattern(r, e) | Slot::Word(r, e) if *r == relation => Some(*e),
            _ => None,
        })
        .collect();
    let fit = |row: &&Vec<Option<String>>| {
        needed.iter().all(|e| row.get(*e).is_some_and(|value| value.as_ref().is_some_and(|text| !text.is_empty())))
    };
    let rows: Vec<&Vec<Option<String>>> = sample.rows.iter().filter(fit).collect();
    let seen: Vec<(usize, &ParameterValues)> = known
        .iter()
        .filter_map(|values| match draw.slots.get(&values.number) {
            Some(Slot::Equal(r, e)) if *r == relation => Some((*e, values)),
            _ => None,
        })
        .collect();
    let is_seen = |row: &&&Vec<Option<String>>| {
        seen.iter().all(|(e, known)| {
            let own = row.get(*e).and_then(Option::as_deref);
            known.values.iter().any(|(value, _)| Some(value.as_str()) == own)
        })
    };
    let with: Vec<&Vec<Option<String>>> = rows.iter().filter(is_seen).copied().collect();
    if with.is_empty() { &rows } else { &with }.choose(rng).copied()
}

/// Returns the number of expressions of a relation that placeholders must equal.
fn equals(draw: &Draw, relation: usize) -> usize {
    draw.slots.values().filter(|slot| matches!(slot, Slot::Equal(r, _) if *r == relation)).count()
}

/// Returns two bounds. Both bounds given: a twentieth of the rows lies between them. One alone: it is among the newest
/// fifth of the values, as bounds of times and pages mostly are.
fn range(draw: &Draw, sample: &Sample, of: (usize, usize), rng: &mut impl Rng) -> Option<(String, String)> {
    let sorted: Vec<&String> = sample.sorted.get(of.1)?.iter().flatten().collect();
    let last = sorted.len().checked_sub(1)?;
    let is = |slot: &Slot| (*slot == Slot::Lower(of.0, of.1), *slot == Slot::Upper(of.0, of.1));
    let has_lower = draw.slots.values().any(|slot| is(slot).0);
    let has_upper = draw.slots.values().any(|slot| is(slot).1);
    if has_lower && has_upper {
        let span = (sorted.len() / SPAN).max(1);
        let low = rng.random_range(0..=last.saturating_sub(span));
        Some(((*sorted.get(low)?).clone(), (*sorted.get((low + span).min(last))?).clone()))
    } else {
        let at = (*sorted.get(rng.random_range(last - last / 5..=last))?).clone();
        Some((at.clone(), at))
    }
}

fn array(sample: &Sample, expression: usize, rng: &mut impl Rng) -> Option<String> {
    let all: Vec<&String> = sample.rows.iter().filter_map(|row| row.get(expression)?.as_ref()).collect();
    let quoted: Vec<String> = (0..ARRAY)
        .filter_map(|_| all.choose(rng))
        .map(|text| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")))
        .collect();
    (!quoted.is_empty()).then(|| format!("{{{}}}", quoted.join(",")))
}

/// Returns a word of a text, at most eight characters of it.
fn word(text: &str, rng: &mut impl Rng) -> Option<String> {
    let words: Vec<&str> =
        text.split(|c: char| !c.is_alphanumeric()).filter(|word| word.chars().count() >= 3).collect();
    words.choose(rng).map(|word| word.chars().take(8).collect())
}

/// Returns the first characters of a text, at most eight and none that a pattern reads otherwise.
fn beginning(text: &str) -> Option<String> {
    let start: String = text.chars().take_while(|c| !matches!(c, '%' | '_' | '\\')).take(8).collect();
    (!start.trim().is_empty()).then_some(start)
}

/// Returns a value of a placeholder that no column is compared with.
fn by_type(type_name: &str) -> Option<&'static str> {
    Some(match type_name {
        "interval" => "7 days",
        "boolean" => "true",
        "regconfig" => "simple",
        "smallint" | "integer" | "bigint" | "numeric" | "real" | "double precision" | "text" | "character varying" => {
            "1"
        }
        "timestamp with time zone" | "timestamp without time zone" | "date" => "now",
        _ => return None,
    })
}

/// Returns a text as an SQL literal of unknown type.
#[must_use]
pub fn literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if quoted.contains('\\') { format!("E'{}'", quoted.replace('\\', "\\\\")) } else { format!("'{quoted}'") }
}
