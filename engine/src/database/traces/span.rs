//! A span, reduced to what the search for loops reads.

use std::sync::Arc;

use super::Statement;
use crate::store::rows::RequestOrigin;

/// A span of any service.
#[derive(Debug, Clone, PartialEq)]
pub struct TraceSpan {
    /// Identifier of the trace.
    pub trace: u128,
    /// Identifier of the span within the trace.
    pub id: u64,
    /// Identifier of the parent; 0 = none.
    pub parent: u64,
    /// Name of the service.
    pub service: Arc<str>,
    /// Name of the instrumentation scope, by which the ORM is recognised.
    pub scope: Arc<str>,
    /// Start in nanoseconds since 1970.
    pub start_ns: u64,
    /// End in nanoseconds since 1970, not before the start.
    pub end_ns: u64,
    /// Whether its status is an error.
    pub failed: bool,
    /// What it is.
    pub role: Role,
}

/// What a span is.
#[derive(Debug, Clone, PartialEq)]
pub enum Role {
    /// A request or a message that the service handles.
    Entry {
        /// Server or consumer.
        origin: RequestOrigin,
        /// Method and route, or the name of the span.
        route: Arc<str>,
    },
    /// A call of the database.
    Call(Call),
    /// A read of a cache, such as `GET` of Redis.
    Lookup,
    /// Anything else, with its name.
    Inner {
        /// Name of the span.
        name: Arc<str>,
    },
}

/// A call of the database.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// The statement without literals.
    pub statement: Arc<Statement>,
    /// Hash of the text as it was sent, by which equal texts are recognised. The text itself is not kept.
    pub raw: u64,
    /// Whether the text that was sent has placeholders, so that equal texts may have different parameters.
    pub has_placeholders: bool,
    /// Whether the text computes an aggregate, such as `count(*)`: its result is rarely a list over which a loop runs.
    pub is_aggregate: bool,
    /// Whether the text handles many rows at once, or a part of chosen size: repeating it is no loop over single rows.
    pub takes_many: bool,
    /// Rows that were returned, if the span says so.
    pub rows: Option<u64>,
}

impl TraceSpan {
    /// Returns the duration in nanoseconds.
    #[must_use]
    pub fn duration_ns(&self) -> u64 {
        self.end_ns.saturating_sub(self.start_ns)
    }

    /// Returns the memory that the span takes, in bytes, as if it did not share its texts.
    #[must_use]
    pub fn memory(&self) -> usize {
        let texts = match &self.role {
            Role::Entry { route, .. } => route.len(),
            Role::Call(Call { statement, .. }) => {
                size_of::<Statement>() + statement.text.len() + statement.family.len() + statement.database.len()
            }
            Role::Inner { name } => name.len(),
            Role::Lookup => 0,
        };
        size_of::<Self>() + self.service.len() + self.scope.len() + texts
    }
}
