//! The sections of the file that are not the store's: one file for each subject.

mod advice;
mod learning;
mod notify;
mod postgres;
mod promql;
mod server;
mod sql;
mod target;
mod telemetry;

pub use advice::{Alerts, kept_rules};
pub use learning::{Learn, Signal};
pub use notify::{Stream, Webhook};
pub use postgres::Postgres;
pub use promql::Promql;
pub use server::Server;
pub use sql::Sql;
pub use target::Target;
pub use telemetry::{Grpc, Otlp};
