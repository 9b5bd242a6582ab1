//! Reads and writes metric metadata and the state of scrape targets.

use duckdb::Connection;

use super::{
    frame::{RowQuery, StagedRows},
    learned::last_of_each,
};
use crate::store::{
    StoreError,
    rows::{MetadataRow, ScrapeTargetRow},
};

pub(in crate::store) fn put_metadata(connection: &Connection, rows: &[MetadataRow]) -> Result<(), StoreError> {
    let statements = [
        "DELETE FROM store.metadata WHERE metric IN (SELECT metric FROM {stage})",
        "INSERT INTO store.metadata BY NAME FROM {stage}",
    ];
    StagedRows::new(&last_of_each(rows, |row| &row.metric)).run(connection, &statements).map(drop)
}

pub(in crate::store) fn metadata(connection: &Connection) -> Result<Vec<MetadataRow>, StoreError> {
    RowQuery::default().read(connection, "ORDER BY metric")
}

/// Replaces all stored scrape targets.
pub(in crate::store) fn put_scrape_targets(
    connection: &Connection,
    rows: &[ScrapeTargetRow],
) -> Result<(), StoreError> {
    let statements = ["DELETE FROM store.scrape_targets", "INSERT INTO store.scrape_targets BY NAME FROM {stage}"];
    StagedRows::new(&last_of_each(rows, |row| (&row.job, &row.url))).run(connection, &statements).map(drop)
}

pub(in crate::store) fn scrape_targets(connection: &Connection) -> Result<Vec<ScrapeTargetRow>, StoreError> {
    RowQuery::default().read(connection, "ORDER BY job, url")
}
