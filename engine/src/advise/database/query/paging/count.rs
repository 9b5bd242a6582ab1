//! A count of all rows beside every page.

use sqlparser::ast::{BinaryOperator, Expr, LimitClause, SelectItem, Value};

use crate::advise::database::query::{
    finding::{Action, Finding, Pattern},
    known::{Context, Known},
    tree::{conjuncts, is_count, parameter, parameters_in, plain, strip},
};

/// Least number of counts for each page, of the families together.
const CALLS_RATIO_MIN: f64 = 0.5;

/// Finds a count with the same conditions as a list that is read in pages about as often.
pub(crate) fn find(known: &Known<'_>, context: &Context<'_>) -> Option<Finding> {
    let select = plain(known.query()?).ok()?;
    let [SelectItem::UnnamedExpr(item) | SelectItem::ExprWithAlias { expr: item, .. }] = select.projection.as_slice()
    else {
        return None;
    };
    if !is_count(item) || select.having.is_some() || !context.matters(known.usage) {
        return None;
    }
    let block = known.shape.blocks.first()?;
    if block.is_grouped {
        return None;
    }
    let meant = conditions(select.selection.as_ref());
    let pages: Vec<&Known<'_>> = context
        .families
        .iter()
        .filter(|other| {
            let other_block = other.shape.blocks.first();
            let has_pages = other_block.is_some_and(|block| block.limit.is_some());
            let tables = |known: &Known<'_>| -> Vec<Option<String>> {
                let relations = known.shape.blocks.first().map(|block| block.relations.as_slice());
                relations.unwrap_or_default().iter().map(|relation| relation.table.clone()).collect()
            };
            let theirs = other.query().and_then(|query| plain(query).ok());
            has_pages
                && tables(other) == tables(known)
                && theirs.is_some_and(|theirs| {
                    let rest: Vec<&Expr> = conjuncts(theirs.selection.as_ref())
                        .into_iter()
                        .filter(|condition| !meant.contains(&masked(condition)))
                        .collect();
                    let theirs = conditions(theirs.selection.as_ref());
                    // A keyset page has a bound on its order besides.
                    meant.iter().all(|condition| theirs.contains(condition))
                        && (rest.is_empty() || matches!(rest.as_slice(), [only] if is_bound(only)))
                })
        })
        .collect();
    let opened: f64 = pages.iter().map(|page| page.usage.calls).sum();
    let page = pages.iter().copied().max_by(|left, right| left.usage.calls.total_cmp(&right.usage.calls))?;
    if known.usage.calls < CALLS_RATIO_MIN * opened || known.usage.calls > 2.0 * opened {
        return None;
    }
    let what =
        "Read one row more than the page shows, which tells whether there is a next page, and leave the count out; \
                where a total is shown, keep it for some minutes or show an estimate."
            .to_owned();
    let action = Action::Change { what, statement: one_more(page) };
    let saving = context.saving(
        known.usage,
        [0.5, 0.95, 1.0],
        "the count is left out; the lower end keeps it for half of the pages",
    );
    let mut finding = context.finding(known, Pattern::CountEveryPage, action, saving);
    finding.families.extend(pages.iter().map(|page| page.usage.family.clone()));
    Some(finding.noting("Whether somebody needs the exact total is not known from the statements."))
}

/// Returns whether a condition is the bound of a keyset page: a row or a column compared with placeholders.
fn is_bound(condition: &Expr) -> bool {
    match strip(condition) {
        Expr::BinaryOp { left, op: BinaryOperator::Lt | BinaryOperator::Gt, right } => {
            matches!(strip(left), Expr::Tuple(_)) || parameter(right).is_some()
        }
        _ => false,
    }
}

/// Returns the conditions with each placeholder as `$`, since two families number theirs differently.
fn conditions(condition: Option<&Expr>) -> Vec<String> {
    let mut found: Vec<String> = conjuncts(condition).into_iter().map(masked).collect();
    found.sort();
    found
}

fn masked(condition: &Expr) -> String {
    let text = condition.to_string();
    let mut parts = text.split('$');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| format!("{text}${}", part.trim_start_matches(|c: char| c.is_ascii_digit())))
}

/// Returns the statement of the page with one row more.
fn one_more(page: &Known<'_>) -> Option<String> {
    let query = page.query()?;
    if parameters_in(query).contains(&0) {
        return None;
    }
    let Some(LimitClause::LimitOffset { limit: Some(limit), .. }) = &query.limit_clause else { return None };
    let is_plain = match strip(limit) {
        Expr::Value(value) => matches!(value.value, Value::Number(..)) || parameter(limit).is_some(),
        Expr::Cast { expr, .. } => parameter(expr).is_some(),
        _ => false,
    };
    if !is_plain {
        return None;
    }
    let text = query.to_string();
    let old = format!("LIMIT {limit}");
    (text.matches(&old).count() == 1).then(|| text.replacen(&old, &format!("LIMIT {limit} + 1"), 1))
}
