//! Middleware that decides which requests reach a handler: names and origins, tokens and scopes, limits, slow bodies,
//! and the audit of what was done.

mod audit;
mod body;
mod browser;
mod held;
mod request;
mod routes;

pub(super) use audit::AuditNote;
pub(crate) use body::time_out_slow_bodies;
pub(super) use request::guard;
pub(super) use routes::scope;
