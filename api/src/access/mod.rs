//! Who may do what: tokens with scopes, limits per token, and the audit of state changes.
//!
//! Nothing here knows HTTP: every door of the service (HTTP and others) passes the token that it received to
//! [`Auth::identify`], asks the [`Caller`] for the scope that its work needs, and holds the caller's [`Permit`] while it
//! works.

mod audit;
mod auth;
mod caller;
mod file;
mod hash;
mod proof;
mod scope;
mod scram;
mod session;
mod wrong;

pub use audit::{Audit, AuditError, AuditRecord};
pub use auth::{AccessError, Auth, Refusal};
pub use caller::{Caller, LimitReached, Limits, Permit, ScopeMissing};
pub use file::{NewToken, TokensFileError, append_token};
pub use proof::ScramOffer;
pub use scope::{Scope, Scopes};
pub use session::{SESSION_TIME, Sessions};
