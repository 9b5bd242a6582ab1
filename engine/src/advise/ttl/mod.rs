//! Time-to-live advice. From the reads and writes of each key it predicts hit ratio, stale share and number of resident
//! keys at every time-to-live, and chooses the best one.
//!
//! The prediction replays the keys' own accesses instead of a fitted distribution, because real keys are bursty. Its
//! interval comes from the variance between keys and between blocks of time. A quantity that the events do not
//! determine is reported as bounds with the words "not identifiable".

mod advise;
mod advisor;
mod choose;
mod describe;
mod error;
mod figures;
mod findings;
mod gains;
mod measure;
mod pictures;
mod predict;
mod replay;
mod spec;
mod split;
mod terms;
mod trace;

pub use advisor::Ttl;
pub use error::TtlError;
pub use figures::{CacheReplay, Figure, Predicted, TtlFigures};
pub use findings::{Finding, FindingKind};
pub use gains::{DaySchedule, EarlyRefresh, Gains, Invalidation, PartOfDay};
pub use replay::{CacheAccess, replay_caches, replay_caches_counted};
pub use spec::{CacheSpec, TtlCosts, TtlOptions, default_grid};
pub use terms::TtlTerms;
pub use trace::KeyTraces;
