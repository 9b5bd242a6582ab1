//! Target: the check of analysts' SQL. The statement is parsed but not run, which is the work of worker processes.

use super::{one_line, store};

/// A statement.
pub(super) fn statement(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Err(error) = store::ingest().store().check_sql(text, &[], &almanac_engine::store::SqlDialect::DuckDb) {
        one_line::check(&error);
    }
}
