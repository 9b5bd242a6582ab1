//! The statement families of a workload, parsed once, with their costs.

use sqlparser::ast::{Query, Statement};

use super::{
    finding::{Action, Finding, Need, Pattern, Saving},
    tree::{Refusal, is_printable},
};
use crate::database::{
    Catalogue, ParameterValues, StatementUse, Workload,
    shape::{Shape, shape},
    statement::parse,
};

/// A statement family with its syntax tree.
#[derive(Debug)]
pub(super) struct Known<'a> {
    pub(super) usage: &'a StatementUse,
    pub(super) tree: Statement,
    pub(super) shape: Shape,
}

/// All families of a workload that can be read.
#[derive(Debug)]
pub(super) struct Context<'a> {
    pub(super) catalogue: &'a Catalogue,
    pub(super) seconds: Option<f64>,
    pub(super) families: Vec<Known<'a>>,
    /// Statement time of the whole workload, in milliseconds.
    pub(super) total_ms: f64,
}

/// Least share of the workload's time that a family must take.
const SHARE_MIN: f64 = 0.01;
/// Least statement time a day, in seconds.
const SECONDS_A_DAY_MIN: f64 = 1.0;
/// Least mean time of a statement, in milliseconds.
const MEAN_MS_MIN: f64 = 1.0;

impl<'a> Context<'a> {
    /// Parses the statements of a workload.
    pub(super) fn new(workload: &'a Workload, catalogue: &'a Catalogue) -> Self {
        let families = workload.statements.iter().filter_map(|usage| Known::new(usage, catalogue)).collect();
        let total_ms = workload.statements.iter().map(|usage| usage.total_ms).sum();
        Self { catalogue, seconds: workload.seconds.filter(|seconds| *seconds > 0.0), families, total_ms }
    }

    /// Returns whether a family takes enough time to be worth a change.
    pub(super) fn matters(&self, usage: &StatementUse) -> bool {
        let is_large = self.a_day(usage.total_ms / 1000.0).is_none_or(|seconds| seconds >= SECONDS_A_DAY_MIN);
        is_large && usage.total_ms >= SHARE_MIN * self.total_ms && usage.mean_ms() >= MEAN_MS_MIN
    }

    /// Converts an amount over the span of the workload to one a day.
    pub(super) fn a_day(&self, amount: f64) -> Option<f64> {
        self.seconds.map(|seconds| amount * 86_400.0 / seconds)
    }

    /// Creates an estimate of a saving. The ends are ordered and kept in [0, 1].
    pub(super) fn saving(&self, usage: &StatementUse, [lower, share, upper]: [f64; 3], rests_on: &str) -> Saving {
        let [lower, share, upper] = [lower, share, upper].map(|value| value.clamp(0.0, 1.0));
        let seconds_a_day = self.a_day(usage.total_ms / 1000.0 * share);
        Saving { share, lower: lower.min(share), upper: upper.max(share), seconds_a_day, rests_on: rests_on.to_owned() }
    }

    /// Creates a finding on one family.
    pub(super) fn finding(&self, known: &Known<'_>, pattern: Pattern, action: Action, saving: Saving) -> Finding {
        Finding {
            pattern,
            families: vec![known.usage.family.clone()],
            route: None,
            calls_of_a_loop: None,
            before: known.usage.statement.clone(),
            action,
            alternative: None,
            needs: Vec::new(),
            saving,
            notes: Vec::new(),
        }
    }

    /// Creates a finding without a safe change.
    pub(super) fn kept(&self, known: &Known<'_>, pattern: Pattern, refusal: Refusal) -> Finding {
        let saving = self.saving(known.usage, [0.0; 3], "nothing is changed");
        self.finding(known, pattern, Action::Keep { reason: refusal.0 }, saving)
    }
}

impl<'a> Known<'a> {
    /// Parses a family; none if the parser does not know its syntax or replaces a part of it.
    fn new(usage: &'a StatementUse, catalogue: &Catalogue) -> Option<Self> {
        if !is_printable(&usage.statement) {
            return None;
        }
        let tree = parse(&usage.statement).ok()?;
        let shape = shape(&tree, catalogue);
        Some(Self { usage, tree, shape })
    }

    /// Returns the query of a SELECT.
    pub(super) fn query(&self) -> Option<&Query> {
        match &self.tree {
            Statement::Query(query) => Some(query),
            _ => None,
        }
    }

    /// Returns the mean number of rows of one execution.
    pub(super) fn rows(&self) -> f64 {
        if self.usage.calls > 0.0 { self.usage.rows / self.usage.calls } else { 0.0 }
    }

    /// Returns the values seen for a placeholder.
    pub(super) fn values(&self, number: usize) -> Option<&ParameterValues> {
        self.usage.parameters.iter().find(|known| known.number == number && !known.values.is_empty())
    }
}

impl Finding {
    /// Adds what the change needs.
    pub(super) fn needing(mut self, needs: impl IntoIterator<Item = Need>) -> Self {
        self.needs.extend(needs);
        self
    }

    /// Adds a fact for a reader.
    pub(super) fn noting(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }
}
