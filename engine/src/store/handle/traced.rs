//! The store's methods for statements by the route of their requests.

use super::Store;
use crate::store::{
    StoreError,
    rows::{RequestStatementFilter, RequestStatementRow},
    tables,
};

impl Store {
    /// Writes statements of requests; each replaces the stored one of its hour, service, origin, route and family. Rows
    /// older than 14 days before the newest written one, and the oldest hours above 200,000 rows, are deleted.
    ///
    /// # Errors
    /// `Database`, `DiskFull`, `Closed`.
    pub fn put_request_statements(&self, rows: Vec<RequestStatementRow>) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        self.write(move |connection| tables::put_request_statements(connection, &rows))
    }

    /// Lists statements of requests by hour, service, origin, route and family.
    ///
    /// # Errors
    /// `Database`, `Corrupt`, `Closed`.
    pub fn request_statements(&self, filter: &RequestStatementFilter) -> Result<Vec<RequestStatementRow>, StoreError> {
        self.0.shared.readers.with(|connection| tables::request_statements(connection, filter))
    }
}
