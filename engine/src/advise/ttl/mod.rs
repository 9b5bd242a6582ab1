//! Time-to-live advice: from the reads and writes of each key, what hit ratio, stale share and
//! number of resident keys every time-to-live would have, and which one serves best.
//!
//! The prediction replays the keys' own accesses rather than a fitted law, because real keys are
//! bursty; its interval comes from how keys and stretches of time differ. What the events cannot
//! tell is said as bounds with the words "not identifiable".

mod advise;
mod advisor;
mod choose;
mod describe;
mod error;
mod figures;
mod findings;
mod gains;
mod measure;
mod predict;
mod replay;
mod spec;
mod terms;
mod trace;

pub use advisor::Ttl;
pub use error::TtlError;
pub use figures::{CacheReplay, Figure, Predicted, TtlFigures};
pub use findings::{Finding, FindingKind};
pub use gains::{DaySchedule, EarlyRefresh, Gains, Invalidation, PartOfDay};
pub use replay::{CacheAccess, replay_caches};
pub use spec::{CacheSpec, TtlCosts, TtlOptions, default_grid};
pub use terms::TtlTerms;
pub use trace::KeyTraces;
