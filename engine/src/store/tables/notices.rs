//! Reads and writes notices, the state of webhooks, dead letters and cursors of streams.

use duckdb::Connection;

use super::frame::{RowQuery, StagedRows, limited};
use crate::store::{
    StoreError,
    error::failed_to,
    rows::{DeadLetterRow, NoticeRow, NoticeType, StreamCursorRow, TableRow, WebhookRow, descriptor::StoredRow},
};

/// Notices that are kept.
const NOTICES_MAX: usize = 20_000;
/// Dead letters of a webhook that are kept.
const DEAD_LETTERS_MAX: usize = 1_000;

/// Numbers and writes notices; returns the number of the newest one.
pub(in crate::store) fn put_notices(connection: &Connection, mut rows: Vec<NoticeRow>) -> Result<i64, StoreError> {
    let mut newest: i64 = connection
        .query_row("SELECT coalesce(max(seq), 0) FROM store.notices", [], |row| row.get(0))
        .map_err(failed_to("number the notices"))?;
    for row in &mut rows {
        newest += 1;
        row.seq = newest;
    }
    insert(&rows, connection, &[])?;
    connection
        .execute(&format!("DELETE FROM store.notices WHERE seq <= {newest} - {NOTICES_MAX}"), [])
        .map_err(failed_to("delete old notices"))?;
    Ok(newest)
}

/// Returns the notices behind a number, ascending.
pub(in crate::store) fn notices(
    connection: &Connection,
    after: i64,
    types: &[NoticeType],
    limit: Option<usize>,
) -> Result<Vec<NoticeRow>, StoreError> {
    let then = format!("ORDER BY seq {}", limited(limit));
    #[expect(clippy::cast_precision_loss, reason = "numbers of notices are far below 2^53")]
    let query = RowQuery::default().number("seq > ?", Some(after as f64));
    query.any_of("type", types.iter().map(|one| one.as_str())).read(connection, &then)
}

/// Returns the numbers of the oldest and the newest notice.
pub(in crate::store) fn notice_span(connection: &Connection) -> Result<Option<(i64, i64)>, StoreError> {
    connection
        .query_row("SELECT min(seq), max(seq) FROM store.notices", [], |row| Ok((row.get(0)?, row.get(1)?)))
        .map(|(oldest, newest): (Option<i64>, Option<i64>)| oldest.zip(newest))
        .map_err(failed_to("read the span of the notices"))
}

pub(in crate::store) fn put_webhook(connection: &Connection, row: &WebhookRow) -> Result<(), StoreError> {
    insert(
        std::slice::from_ref(row),
        connection,
        &["DELETE FROM store.webhooks AS old USING {stage} AS new WHERE old.webhook = new.webhook"],
    )
}

pub(in crate::store) fn webhooks(connection: &Connection) -> Result<Vec<WebhookRow>, StoreError> {
    RowQuery::default().read(connection, "ORDER BY webhook")
}

pub(in crate::store) fn retain_webhooks(connection: &Connection, names: &[String]) -> Result<(), StoreError> {
    let failed = failed_to("delete webhooks");
    for row in webhooks(connection)?.into_iter().filter(|row| !names.contains(&row.webhook)) {
        connection.execute("DELETE FROM store.webhooks WHERE webhook = ?", [row.webhook]).map_err(&failed)?;
    }
    Ok(())
}

pub(in crate::store) fn put_dead_letter(connection: &Connection, row: &DeadLetterRow) -> Result<(), StoreError> {
    insert(std::slice::from_ref(row), connection, &[])?;
    let old = format!(
        "DELETE FROM store.dead_letters WHERE webhook = ? AND seq NOT IN
         (SELECT seq FROM store.dead_letters WHERE webhook = ? ORDER BY seq DESC LIMIT {DEAD_LETTERS_MAX})"
    );
    connection.execute(&old, [&row.webhook, &row.webhook]).map_err(failed_to("delete old dead letters")).map(drop)
}

pub(in crate::store) fn dead_letters(
    connection: &Connection,
    limit: Option<usize>,
) -> Result<Vec<DeadLetterRow>, StoreError> {
    RowQuery::default().read(connection, &format!("ORDER BY timestamp DESC, seq DESC {}", limited(limit)))
}

pub(in crate::store) fn put_stream_cursor(connection: &Connection, row: &StreamCursorRow) -> Result<(), StoreError> {
    let replaced = "DELETE FROM store.stream_cursors AS old USING {stage} AS new WHERE old.stream = new.stream";
    insert(std::slice::from_ref(row), connection, &[replaced])
}

pub(in crate::store) fn stream_cursors(connection: &Connection) -> Result<Vec<StreamCursorRow>, StoreError> {
    RowQuery::default().read(connection, "ORDER BY stream")
}

/// Runs the statements, then inserts the rows.
fn insert<R: TableRow + StoredRow>(rows: &[R], connection: &Connection, before: &[&str]) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    let insert = format!("INSERT INTO store.{} BY NAME FROM {{stage}}", R::TABLE.name);
    let statements: Vec<&str> = before.iter().copied().chain([insert.as_str()]).collect();
    StagedRows::new(&rows.iter().collect::<Vec<_>>()).run(connection, &statements).map(drop)
}
