//! Rows of what is learned, said and reported: the typed face of the store's tables besides samples.
//!
//! All timestamps are UTC milliseconds. Each `put_…` is one committed transaction.

mod advice;
mod event;
mod kind;
mod learned;
mod together;
mod words;

pub use advice::{Effect, OutcomeFilter, OutcomeRow, Patch, RecommendationFilter, RecommendationRow, State};
pub use event::{CacheEvent, CacheOp, Deploy, EventBatch, EventFilter, Incident};
pub use kind::Kind;
pub use learned::{
    AnomalyKind, AnomalyRow, ForecastRow, RowFilter, SignalFilter, SignalOrigin, SignalRow, SignalStatus,
};
pub use together::{PeerOutlierRow, SuspectedIncidentRow};
pub use words::UnknownWord;
