//! Measures a recommendation on a copy of the database: which statements are run with which values, and what times before
//! and after mean.
//!
//! Pure. `subject` reads what is measured from a recommendation, `rewrite` from one of another statement, `draw` finds what each placeholder of a statement is
//! compared with, `functions` lists what a statement calls, `values` turns sampled rows into values, `compare` judges times, `report` is the result. The caller runs
//! the statements (`almanac verify database`).

mod compare;
mod draw;
mod functions;
mod report;
mod rewrite;
mod subject;
mod values;

pub use compare::{Comparison, LEAST_EFFECT, Outcome, compare, median};
pub use draw::{Draw, Slot, Source, draw, prepared};
pub use functions::functions;
pub use report::{
    Build, Conclusion, Difference, PlanSide, Planner, Prediction, Report, Results, Skipped, StatementReport, WriteCost,
    conclude,
};
pub use rewrite::Rewrite;
pub use subject::{Action, Subject, SubjectError, Target, subject};
pub use values::{Known, Sample, Samples, literal, sample_statement, values};

#[cfg(test)]
mod tests;
