//! The condition that selects the rows after the last row of a page.

use crate::advise::database::query::tree::{Refusal, refuse};

/// A key of the order of pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PageKey {
    /// Column as the statement writes it.
    pub(super) text: String,
    /// Column's name.
    pub(super) name: String,
    /// Type for a cast.
    pub(super) type_name: String,
    /// Whether the order is descending.
    pub(super) is_descending: bool,
    /// Whether NULLs come first.
    pub(super) nulls_first: bool,
    /// Whether the column may be NULL in the rows that are read.
    pub(super) is_nullable: bool,
}

/// Returns the condition that selects the rows after the cursor; the value of key `n` is placeholder `first + n`.
///
/// Keys of one direction without NULLs give a row comparison, which an index on the keys finds at once. Others give the
/// expanded form with a bound on the first key.
///
/// # Errors
/// [`Refusal`] when NULLs of the first key come last: no single bound finds the rows after a page then.
pub(super) fn after(keys: &[PageKey], first: usize) -> Result<String, Refusal> {
    let Some(leading) = keys.first() else { return refuse("it has no order") };
    if leading.is_nullable && !leading.nulls_first {
        return refuse(format!(
            "NULLs of {} come after its values, so that no single bound finds the next page; NOT NULL on it, or a condition \
             that excludes NULLs, would allow the rewrite",
            leading.name
        ));
    }
    let is_uniform = keys.iter().all(|key| !key.is_nullable && key.is_descending == leading.is_descending);
    if is_uniform {
        let operator = operator(leading);
        if keys.len() == 1 {
            return Ok(format!("{} {operator} ${first}", leading.text));
        }
        let texts: Vec<&str> = keys.iter().map(|key| key.text.as_str()).collect();
        let values: Vec<String> = (0..keys.len()).map(|nth| format!("${}", first + nth)).collect();
        return Ok(format!("({}) {operator} ({})", texts.join(", "), values.join(", ")));
    }
    Ok(expanded(keys, first))
}

fn operator(key: &PageKey) -> &'static str {
    if key.is_descending { "<" } else { ">" }
}

/// `bound AND (k1 > c1 OR (k1 = c1 AND k2 < c2) OR …)`.
fn expanded(keys: &[PageKey], first: usize) -> String {
    let value = |nth: usize, key: &PageKey| format!("${}::{}", first + nth, key.type_name);
    let mut branches: Vec<String> = Vec::new();
    let mut equal: Vec<String> = Vec::new();
    for (nth, key) in keys.iter().enumerate() {
        let (text, value) = (&key.text, value(nth, key));
        let compared = format!("{text} {} {value}", operator(key));
        let beyond = match (key.is_nullable, key.nulls_first) {
            (false, _) => compared,
            (true, false) => format!("({compared} OR ({text} IS NULL AND {value} IS NOT NULL))"),
            (true, true) => format!("({compared} OR ({text} IS NOT NULL AND {value} IS NULL))"),
        };
        let mut all = equal.clone();
        all.push(beyond);
        branches.push(if all.len() == 1 { all.concat() } else { format!("({})", all.join(" AND ")) });
        equal.push(if key.is_nullable {
            format!("{text} IS NOT DISTINCT FROM {value}")
        } else {
            format!("{text} = {value}")
        });
    }
    let bound = keys.first().map(|key| {
        let (text, value, operator) = (&key.text, value(0, key), operator(key));
        if key.is_nullable {
            format!("({text} {operator}= {value} OR {value} IS NULL)")
        } else {
            format!("{text} {operator}= {value}")
        }
    });
    format!("{} AND ({})", bound.unwrap_or_default(), branches.join(" OR "))
}
