//! Learning: every signal's seasons, forecast with intervals and causal anomaly scores, as rows.
//!
//! A signal is evaluated on its grid. A fit is an owned job (`fit`) that an executor runs, threads of this process by
//! default. What is learned is rows of `signals`, `forecasts` and `anomalies`; only the online state of the scores is in
//! memory, and it is rebuilt from the samples after a restart without a refit. A signal that cannot be fitted has a row
//! with the reason and stops no other. `across` compares several signals: incidents, and instances that differ from
//! their peers. `recorded` does the same for the series of a file.

mod across;
mod choose;
mod error;
mod fit;
mod grid;
mod learner;
mod options;
mod recorded;
mod schedule;
mod scheduler;
mod spec;

#[cfg(test)]
mod tests;

pub use choose::default_signals;
pub use error::LearnError;
pub use fit::{FitError, FitExecutor, FitJob, FitOptions, FitResult, ThreadExecutor};
pub use learner::Learner;
pub use options::{LearnOptions, LearnReport, Progress, ScoreReport};
pub use recorded::{Training, infer_step, regular, score_rows};
pub use scheduler::{CycleReport, LearningScheduler};
pub use spec::SignalSpec;
