//! Targets: messages of PostgreSQL's clients, and the translation and check of their statements.

use almanac_engine::store::SqlDialect;

use super::{one_line, store};

/// Messages of a client, as its first ones and as those of a session.
pub(super) fn messages(data: &[u8]) {
    let _ = almanac_api::postgres::probe_start(data);
    let _ = almanac_api::postgres::probe(data);
}

/// A statement in PostgreSQL's dialect.
pub(super) fn statement(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let dialect = SqlDialect::Postgres { types: Vec::new() };
    if let Err(error) = store::ingest().store().check_sql(text, &[], &dialect) {
        one_line::check(&error);
    }
}
