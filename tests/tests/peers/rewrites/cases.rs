//! Asks the advisor for the finding on one statement, and gives values for the rewritten one.

use almanac_engine::{
    advise::database::query::{Action, Finding, Loop, Parameter, Pattern, Rewrite, findings},
    database::{Catalogue, ParameterValues, StatementUse, Workload, statement::family},
};
use rand::Rng as _;
use rand_chacha::ChaCha8Rng;

use super::{
    database::array,
    tables::{NAMES, STATES, pick, time},
};

/// Kind of the values of a placeholder.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value {
    /// A number that occurs as a key of users and owners, at times another one or NULL.
    Key,
    /// A state of tasks.
    State,
    /// A name.
    Name,
    /// A small whole number.
    Small,
    /// A number of rows, from 1.
    Limit,
    /// A time.
    Time,
    /// A day.
    Day,
    /// A number of `code`.
    Code,
}

impl Value {
    /// Draws a value.
    pub(super) fn draw(self, rng: &mut ChaCha8Rng) -> Option<String> {
        match self {
            Self::Key if rng.random_bool(0.1) => None,
            Self::Key => Some(rng.random_range(0..8).to_string()),
            Self::State => Some(pick(rng, &STATES)),
            Self::Name => Some(pick(rng, &NAMES)),
            Self::Small => Some(rng.random_range(-2..4).to_string()),
            Self::Limit => Some(rng.random_range(1..6).to_string()),
            Self::Time => Some(time(rng)),
            Self::Day => Some(format!("2026-03-{:02}", rng.random_range(1..6))),
            Self::Code => Some(pick(rng, &["1", "2", "15"])),
        }
    }
}

/// Draws a value for each placeholder.
pub(super) fn draw(of: &[Value], rng: &mut ChaCha8Rng) -> Vec<Option<String>> {
    of.iter().map(|value| value.draw(rng)).collect()
}

/// Returns the finding of a pattern on a statement that takes all of the workload's time.
pub(super) fn finding(statement: &str, pattern: Pattern, catalogue: &Catalogue) -> Option<Finding> {
    with_values(statement, pattern, catalogue, Vec::new())
}

/// Returns the finding with values known for placeholders.
pub(super) fn with_values(
    statement: &str,
    pattern: Pattern,
    catalogue: &Catalogue,
    parameters: Vec<ParameterValues>,
) -> Option<Finding> {
    let usage = StatementUse {
        family: family(statement),
        statement: statement.to_owned(),
        calls: 1_000.0,
        total_ms: 1_000_000.0,
        rows: 1_000_000.0,
        parameters,
        ..StatementUse::default()
    };
    let workload = Workload { seconds: Some(3_600.0), statements: vec![usage], ..Workload::default() };
    findings(&workload, catalogue, &[]).into_iter().find(|finding| finding.pattern == pattern)
}

/// Returns the finding on a statement that a loop repeats.
pub(super) fn looped(statement: &str, catalogue: &Catalogue) -> Finding {
    let usage = StatementUse {
        family: family(statement),
        statement: statement.to_owned(),
        calls: 10_000.0,
        total_ms: 500.0,
        rows: 10_000.0,
        ..StatementUse::default()
    };
    let workload = Workload { seconds: Some(3_600.0), statements: vec![usage], ..Workload::default() };
    let seen = Loop {
        route: Some("GET /list".to_owned()),
        family: family(statement),
        statement: statement.to_owned(),
        calls: 20.0,
        loop_ms: Some(12.0),
        form: "serial".to_owned(),
    };
    let found = findings(&workload, catalogue, &[seen]);
    found.into_iter().next().unwrap_or_else(|| panic!("no finding on {statement}"))
}

/// Returns the rewrite of a finding.
pub(super) fn rewrite(finding: Option<Finding>, statement: &str) -> Rewrite {
    match finding.map(|finding| finding.action) {
        Some(Action::Rewrite(rewrite)) => rewrite,
        other => panic!("no rewrite of {statement}: {other:?}"),
    }
}

/// Returns the values of a rewritten statement: those of the statement before, arrays of those of the calls of a loop, or
/// values of the last row of a page.
pub(super) fn values(
    parameters: &[Parameter],
    calls: &[Vec<Option<String>>],
    last: &dyn Fn(&str) -> Option<String>,
) -> Vec<Option<String>> {
    parameters
        .iter()
        .map(|parameter| match parameter {
            Parameter::Same(number) => calls[0][number - 1].clone(),
            Parameter::Array(number) => {
                let all: Vec<Option<String>> = calls.iter().map(|values| values[number - 1].clone()).collect();
                array(&all)
            }
            Parameter::Last(name) => last(name),
        })
        .collect()
}
