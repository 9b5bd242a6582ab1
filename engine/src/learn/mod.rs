//! Learning: computes the seasons, the forecast with intervals and the causal anomaly scores of every signal.
//!
//! `scheduler` decides what runs in a cycle, `learner` fits and scores signals, and `choose` selects default signals. A
//! fit is an owned job (`fit`) that an executor runs, by default on threads of this process. Results are rows of
//! `signals`, `forecasts` and `anomalies`. Only the online detector state is in memory; after a restart it is rebuilt
//! from samples without a refit. A signal that cannot be fitted gets a row with the reason and does not affect other
//! signals. `across` compares signals: incidents, peer outliers and correlations. `recorded` scores the series of a
//! file.

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
mod series;
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
pub use series::LearnedSource;
pub use spec::SignalSpec;
