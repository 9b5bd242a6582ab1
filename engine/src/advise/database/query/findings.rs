//! Runs every finder over the statements of a workload.

use super::{
    finding::{Finding, Loop},
    known::{Context, Known},
    loops, paging, predicate, rows, subquery,
};
use crate::database::{Catalogue, Workload};

/// Finders on one family, in the order of their findings.
const FINDERS: [fn(&Known<'_>, &Context<'_>) -> Option<Finding>; 14] = [
    paging::keyset,
    paging::count_every_page,
    paging::missing_limit,
    paging::random_order,
    predicate::text_search,
    predicate::implicit_cast,
    predicate::or_columns,
    subquery::scalar_subqueries,
    subquery::not_in_null,
    subquery::count_as_exists,
    subquery::correlated_subquery,
    subquery::distinct_join,
    rows::find,
    loops::row_by_row_insert,
];

/// Finds patterns in the statements of a workload, and rewrites where the results are known to be equal.
///
/// `loops`: loops that traces show; without traces no N+1 is found. A family is reported for a pattern when it takes at
/// least 1 % of the workload's time, 1 s a day and 1 ms in the mean; loops, inserts of one row and wide rows have limits of
/// their own, since their cost is outside the statement.
///
/// ```
/// use almanac_engine::{advise::database::query::findings, database::{Catalogue, Workload}};
///
/// assert!(findings(&Workload::default(), &Catalogue::default(), &[]).is_empty());
/// ```
#[must_use]
pub fn findings(workload: &Workload, catalogue: &Catalogue, loops: &[Loop]) -> Vec<Finding> {
    let context = Context::new(workload, catalogue);
    let mut found: Vec<Finding> = Vec::new();
    for seen in loops {
        found.extend(loops::n_plus_one(seen, &context));
    }
    for known in &context.families {
        for finder in FINDERS {
            let Some(finding) = finder(known, &context) else { continue };
            // A loop of traces says more about the same inserts.
            let is_known =
                found.iter().any(|other| other.pattern == finding.pattern && other.families == finding.families);
            if !is_known {
                found.push(finding);
            }
        }
    }
    found
}
