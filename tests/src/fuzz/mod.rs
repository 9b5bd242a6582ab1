//! Fuzzing of every decoder of bytes from outside: targets, corpora, the mutator, and the runner of `make fuzz`.
//!
//! ```text
//! corpus ─► mutator ─► run ─► targets ─► the public entry points of engine and api
//! ```
//!
//! A target feeds bytes to a decoder and asserts what holds for any bytes: no panic, no answer 500, an error in one
//! line. The ordinary tests run every target on its corpus and on a fixed number of mutations of it, `make fuzz` for a given
//! time, and `cargo fuzz` prefers inputs that reach new code (`tests/fuzz`).

mod database;
mod files;
mod http;
mod one_line;
mod otlp;
mod postgres;
mod promql;
mod samples;
mod settings;
mod sql;
mod store;

pub mod corpus;
pub mod mutator;
pub mod run;

pub use store::remove_store;

/// A target: it panics when the bytes show a defect.
pub type Run = fn(&[u8]);

/// Every target: the name of its corpus and the function.
pub const TARGETS: &[(&str, Run)] = &[
    ("actions", http::actions),
    ("config", settings::config),
    ("csv", files::csv),
    ("database_plans", database::plans),
    ("database_schema", database::schema),
    ("database_statements", database::statements),
    ("events", samples::events),
    ("grafana", http::grafana),
    ("ndjson", files::ndjson),
    ("openmetrics", samples::openmetrics),
    ("otlp_json", otlp::json),
    ("otlp_protobuf", otlp::protobuf),
    ("parameters", http::parameters),
    ("parquet", files::parquet),
    ("postgres", postgres::messages),
    ("postgres_sql", postgres::statement),
    ("prometheus_text", samples::prometheus_text),
    ("promql", promql::promql),
    ("remote_read", http::remote_read),
    ("remote_write_1", samples::remote_write_1),
    ("remote_write_2", samples::remote_write_2),
    ("rules", settings::rules),
    ("scrape_protobuf", samples::scrape_protobuf),
    ("sql", sql::statement),
    ("sql_body", http::sql_body),
    ("tables", files::tables),
    ("tokens", settings::tokens),
    ("traces", otlp::traces),
];

/// Returns the function of a target.
#[must_use]
pub fn target(name: &str) -> Option<Run> {
    TARGETS.iter().find(|(known, _)| *known == name).map(|(_, run)| *run)
}
