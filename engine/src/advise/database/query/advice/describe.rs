//! Says in a sentence what was found and what the change does.

use crate::advise::database::query::{Action, Equality, Finding, Pattern};

/// Returns the reason of a proposal: what the statement does, and what the change saves.
pub(super) fn reason(finding: &Finding, seconds_a_day: f64) -> String {
    let saved = amount(seconds_a_day * finding.saving.share);
    let route = finding.route.as_ref().map(|route| format!("{route} ")).unwrap_or_default();
    let what = match finding.pattern {
        Pattern::NPlusOne => format!("{route}runs one statement for each row of a list; one statement for all of them would do"),
        Pattern::Keyset => "pages by OFFSET read all rows of the pages before; a page that begins after the last row reads its own rows alone".to_owned(),
        Pattern::CountEveryPage => "every page counts all rows of its list; one row more than the page shows whether there is a next one".to_owned(),
        Pattern::TextSearch => "the search reads every row, since no index finds a part of a text; a trigram index does, with the same rows".to_owned(),
        Pattern::ScalarSubqueries => "its subqueries read the same rows several times; one pass with FILTER gives all of them".to_owned(),
        Pattern::SelectStar => "the list reads wide columns that other statements on the table leave out".to_owned(),
        Pattern::MissingLimit => "the list returns all rows".to_owned(),
        Pattern::ImplicitCast => "the condition changes the column, so that no index on it is used; the value can be changed instead".to_owned(),
        Pattern::NotInNull => "NOT IN compares each row with the whole subquery; NOT EXISTS allows an anti join".to_owned(),
        Pattern::OrColumns => "no single index serves the OR; each of its sides has one, or would have".to_owned(),
        Pattern::CorrelatedSubquery => "a subquery runs once for each row; one grouped subquery gives all its values".to_owned(),
        Pattern::CountAsExists => "it counts rows to know whether there is one; EXISTS ends at the first".to_owned(),
        Pattern::DistinctJoin => "the join repeats rows that DISTINCT removes again; EXISTS repeats none".to_owned(),
        Pattern::RandomOrder => "ORDER BY random() reads and sorts all rows for a few".to_owned(),
        Pattern::RowByRowInsert => format!("{route}inserts one row a statement; one statement can insert many"),
    };
    format!(
        "{}, and saves about {saved} of {} of database time a day (estimated).",
        capital(&what),
        amount(seconds_a_day)
    )
}

/// Returns the reason of a statement that stays.
pub(super) fn kept(finding: &Finding, reason: &str) -> String {
    format!("{} was found and no change is known to be safe: {reason}.", finding.pattern.name())
}

/// Returns when the results are equal, in a sentence.
pub(super) fn equality(finding: &Finding) -> String {
    match &finding.action {
        Action::Rewrite(rewrite) => match &rewrite.equality {
            Equality::Always if is_limited(&rewrite.statement) => {
                "The results are equal; of rows that the order leaves equal at the LIMIT, each statement may return any."
                    .to_owned()
            }
            Equality::Always => "The results are equal.".to_owned(),
            Equality::When(condition) => format!("The results are equal when {condition}."),
            Equality::Different(what) => format!("The results differ: {what}."),
        },
        Action::Support => "The statement and its results stay.".to_owned(),
        Action::Change { .. } => "The results differ as the change says.".to_owned(),
        Action::Keep { .. } => String::new(),
    }
}

/// Returns whether a printed statement has LIMIT, in a subquery or outside.
fn is_limited(statement: &str) -> bool {
    statement.contains(" LIMIT ")
}

fn amount(seconds: f64) -> String {
    if seconds >= 90.0 { format!("{:.1} min", seconds / 60.0) } else { format!("{seconds:.1} s") }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().collect::<String>() + chars.as_str()).unwrap_or_default()
}
