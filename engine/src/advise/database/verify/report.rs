//! What a measurement on a copy reports, and whether it confirms a recommendation.

use serde::{Deserialize, Serialize};

use super::{
    Action, Subject,
    compare::{Comparison, Outcome},
};

/// Largest factor between predicted and measured saving of a good prediction.
const GOOD_FACTOR: f64 = 1.5;

/// Result of a measurement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Id of the recommendation.
    pub id: String,
    /// Its target.
    pub target: String,
    /// Statement that was measured.
    pub change: String,
    /// Building of the index; none for an index that is dropped.
    pub build: Option<Build>,
    /// Costs of the planner with a hypothetical index; none without HypoPG.
    pub planner: Option<Planner>,
    /// Measured statements, the heaviest first.
    pub statements: Vec<StatementReport>,
    /// Statements that were not measured.
    pub skipped: Vec<Skipped>,
    /// Comparison of the results of a rewritten statement; none for an index.
    pub results: Option<Results>,
    /// Rows of another statement that answers nearly the same question; none if there is none.
    pub difference: Option<Difference>,
    /// Time of inserted rows; none if it could not be measured.
    pub writes: Option<WriteCost>,
    /// All measured statements together, each with the weight of its executions.
    pub total: Option<Comparison>,
    /// Predicted against measured; none without a prediction or a measured statement.
    pub prediction: Option<Prediction>,
    /// What it means.
    pub conclusion: Conclusion,
    /// What a reader should know, one sentence each.
    pub notes: Vec<String>,
    /// Whether the change was left in the copy.
    pub kept: bool,
}

/// Building of an index on the copy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Build {
    /// Time of CREATE INDEX, in seconds; none if the index existed.
    pub seconds: Option<f64>,
    /// Size of the index in bytes.
    pub bytes: f64,
    /// Extension that was installed for it.
    pub extension: Option<String>,
}

/// What the planner expects of a hypothetical index (HypoPG), over the measured statements.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Planner {
    /// Sum of the costs without the index, each statement once.
    pub cost_before: f64,
    /// Sum of the costs with the index.
    pub cost_after: f64,
    /// Statements whose plan uses the index.
    pub uses: usize,
}

/// Measured times of a statement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StatementReport {
    /// Fingerprint of the family.
    pub family: String,
    /// Normalised statement.
    pub statement: String,
    /// Executions in the observed span.
    pub calls: f64,
    /// Sets of values with which it was run in each round.
    pub values: usize,
    /// Times before and after.
    pub comparison: Comparison,
    /// Plan before.
    pub before: PlanSide,
    /// Plan after.
    pub after: PlanSide,
    /// How the plan changed, in a line.
    pub plan_change: String,
    /// Mean time in production, in milliseconds.
    pub production_ms: f64,
    /// Predicted mean time, in milliseconds.
    pub expected_ms: Option<f64>,
}

/// A plan of one side, with means over the sets of values.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct PlanSide {
    /// How the tables are read, such as `Index Scan tasks_user_id`.
    pub reads: String,
    /// Rows returned or changed.
    pub rows: f64,
    /// Blocks of 8 KiB that were touched.
    pub blocks: f64,
    /// Blocks of 8 KiB that were read from outside shared buffers.
    pub blocks_read: f64,
}

/// Comparison of the results of a rewritten statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Results {
    /// Sets of values that were compared.
    pub compared: usize,
    /// Sets of values whose results differ.
    pub different: usize,
    /// Rows of the statement before, over all sets.
    pub rows: u64,
}

/// Rows of another statement that answers nearly the same question.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Difference {
    /// The other statement.
    pub statement: String,
    /// Sets of values that were compared, each without LIMIT.
    pub compared: usize,
    /// Sets of values whose rows differ.
    pub different: usize,
    /// Rows of the statement before, over all sets.
    pub rows: u64,
    /// Rows of the statement before that the other one does not return.
    pub missing: u64,
    /// Rows of the other statement that the one before does not return.
    pub further: u64,
}

/// A statement that was not measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Skipped {
    /// Fingerprint of the family.
    pub family: String,
    /// Normalised statement.
    pub statement: String,
    /// Reason.
    pub reason: String,
}

/// Time of inserted rows, without triggers and referential checks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WriteCost {
    /// Rows of one round.
    pub rows: usize,
    /// Time of a row before, in microseconds.
    pub before_us: f64,
    /// Time of a row after, in microseconds.
    pub after_us: f64,
    /// Comparison of the rounds.
    pub comparison: Comparison,
}

/// Predicted against measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// Predicted share of the statements' time that is saved.
    pub predicted_share: f64,
    /// Measured share, as ratios of the copy applied to the times of production.
    pub measured_share: f64,
    /// Predicted divided by measured saving; none if nothing was saved.
    pub factor: Option<f64>,
    /// Whether the factor is between 1/1.5 and 1.5.
    pub is_good: bool,
}

/// What a measurement means.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Conclusion {
    /// Whether the recommendation is confirmed.
    pub confirmed: bool,
    /// Comparison of all statements.
    pub outcome: Outcome,
    /// Reason in one sentence.
    pub text: String,
}

/// Concludes on a measurement: an index to create and a rewritten statement must be faster, an index to drop must not make
/// statements slower. Results of a rewritten statement must be equal.
#[must_use]
pub fn conclude(
    subject: &Subject,
    total: Option<&Comparison>,
    statements: &[StatementReport],
    results: Option<Results>,
) -> (Conclusion, Option<Prediction>) {
    let outcome = total.map_or(Outcome::Unclear, |total| total.outcome);
    let times = total.map_or_else(String::new, |total| {
        format!(
            "{} ms before, {} ms after a weighted execution, ratio {:.3} ({:.3} to {:.3})",
            ms(total.before_ms),
            ms(total.after_ms),
            total.ratio,
            total.lower,
            total.upper
        )
    });
    if let Some(results) = results
        && results.different > 0
    {
        let text = format!("the results differ for {} of {} sets of values", results.different, results.compared);
        return (Conclusion { confirmed: false, outcome, text }, prediction(statements));
    }
    if results.is_some_and(|results| results.compared == 0) {
        let text = "the results could not be compared within the time limit".to_owned();
        return (Conclusion { confirmed: false, outcome, text }, prediction(statements));
    }
    let (confirmed, text) = match (&subject.action, total, outcome) {
        (Action::Drop, None, _) => (true, "no plan of a known statement changes without it".to_owned()),
        (Action::Create { .. } | Action::Rewrite(_), None, _) => (false, "no statement could be measured".to_owned()),
        (Action::Create { .. } | Action::Rewrite(_), _, Outcome::Faster) => (true, format!("faster: {times}")),
        (Action::Create { .. } | Action::Rewrite(_), _, other) => (false, format!("{}: {times}", other.as_str())),
        (Action::Drop, _, Outcome::Slower) => (false, format!("slower without the index: {times}")),
        (Action::Drop, Some(_), Outcome::Unclear) if uses(subject, statements) => {
            (false, format!("unclear, and plans use the index: {times}"))
        }
        (Action::Drop, _, _) if uses(subject, statements) => (true, format!("not slower without the index: {times}")),
        (Action::Drop, _, _) => (true, format!("no plan uses the index: {times}")),
    };
    (Conclusion { confirmed, outcome, text }, prediction(statements))
}

/// Whether a plan with the index reads it.
fn uses(subject: &Subject, statements: &[StatementReport]) -> bool {
    statements.iter().any(|statement| statement.before.reads.split([' ', ',']).any(|word| word == subject.index))
}

fn prediction(statements: &[StatementReport]) -> Option<Prediction> {
    let (mut time, mut predicted, mut measured) = (0.0, 0.0, 0.0);
    for statement in statements {
        let Some(expected_ms) = statement.expected_ms else { continue };
        let weight = statement.calls * statement.production_ms;
        time += weight;
        predicted += statement.calls * (statement.production_ms - expected_ms);
        measured += weight * (1.0 - statement.comparison.ratio);
    }
    if !(time > 0.0) {
        return None;
    }
    let factor = (measured > 0.0 && predicted > 0.0).then(|| predicted / measured);
    Some(Prediction {
        predicted_share: predicted / time,
        measured_share: measured / time,
        factor,
        is_good: factor.is_some_and(|factor| (1.0 / GOOD_FACTOR..=GOOD_FACTOR).contains(&factor)),
    })
}

/// Formats milliseconds with three significant digits or so.
fn ms(ms: f64) -> String {
    if ms >= 100.0 {
        format!("{ms:.0}")
    } else if ms >= 1.0 {
        format!("{ms:.2}")
    } else {
        format!("{ms:.3}")
    }
}
