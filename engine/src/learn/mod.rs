//! Learning: every signal's seasons, forecast with intervals and causal anomaly scores, as rows.
//!
//! What several signals say together, incidents and outliers among peers, is `across`.
//!
//! A signal is evaluated on its grid, several of one step laid into one frame; each is then fitted by
//! itself, on a bounded number of threads. What is learned is rows of `signals`, `forecasts` and
//! `anomalies`; only the cheap online state of the scores lives in memory, and is rebuilt from the
//! samples after a restart without a refit. A signal that cannot be fitted says why and stops nobody.

mod across;
mod candidates;
mod curriculum;
mod error;
mod fit;
mod frame;
mod learner;
mod options;
mod recorded;
mod schedule;
mod score;
mod spec;

#[cfg(test)]
mod tests;

pub use candidates::default_signals;
pub use curriculum::{Curriculum, Round};
pub use error::LearnError;
pub use learner::Learner;
pub use options::{LearnOptions, LearnReport, Progress, ScoreReport};
pub use recorded::{Training, infer_step, regular, score_rows};
pub use spec::SignalSpec;
