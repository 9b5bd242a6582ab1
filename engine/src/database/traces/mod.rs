//! Statements of requests, from spans: which route repeats which statement, and what a loop of them costs.
//!
//! ```text
//! spans ─► TraceBuffer ─► requests_of ─► Window ─► loops
//!          one trace      calls by       counts by  findings
//!          of batches     family, form   the hour
//! ```
//!
//! Everything here is pure: time is an argument, and nothing depends on the order in which spans arrive. Spans are not
//! stored. A [`Window`] is counts and distributions, which are stored by the hour (`request_statements`).

mod assemble;
mod buffer;
mod counts;
mod evidence;
mod find;
mod finding;
mod many_keys;
mod placeholder;
mod recorder;
mod request;
mod span;
mod statement;
mod window;

#[cfg(test)]
mod tests;

pub use assemble::requests_of;
pub use buffer::{BufferLimits, TraceBuffer};
pub use counts::LogCounts;
pub use evidence::{Growth, ParentEvidence, RouteEvidence, StatementEvidence};
pub use find::{loops, polls};
pub use finding::{
    CacheEvidence, GrowthEvidence, LoopFinding, LoopForm, LoopKind, Orm, Parent, Proposal, Share, Spread,
};
pub use many_keys::any_form;
pub use recorder::{TraceCounts, TraceRecorder};
pub use request::{Group, Request};
pub use span::{Call, Role, TraceSpan};
pub use statement::{Normalise, ReadStatement, Statement, StatementReader, Strings, Verb};
pub use window::{RouteKey, Window, WindowFilter};
