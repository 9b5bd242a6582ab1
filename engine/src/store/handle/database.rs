//! The store's methods for watched databases.

use almanac_models::Timestamp;

use super::Store;
use crate::{
    database::{Catalogue, Workload},
    store::{
        StoreError,
        rows::{
            DatabaseCatalogueRow, DatabaseFilter, DatabaseHourRow, DatabaseIndexUseRow, DatabaseStatementRow,
            DatabaseStatementUseRow, DatabaseTableUseRow, DatabaseUse,
        },
        tables,
    },
};

/// Start of the hour that contains an instant.
fn hour_of(at: Timestamp) -> Timestamp {
    const HOUR_MS: i64 = 3_600_000;
    Timestamp::from_millis(at.millis().div_euclid(HOUR_MS) * HOUR_MS)
}

impl Store {
    /// Writes what a snapshot of a database found; rows of hours replace those of the same hour. Above 50,000 families
    /// of a database those that were not seen for longest are deleted.
    ///
    /// # Errors
    /// `Database`, `DiskFull`, `Closed`.
    pub fn put_database_use(&self, found: DatabaseUse) -> Result<(), StoreError> {
        self.write(move |connection| tables::put_database_use(connection, &found))
    }

    /// Replaces the catalogue of a database.
    ///
    /// # Errors
    /// `Database`, `DiskFull`, `Closed`.
    pub fn put_database_catalogue(&self, row: DatabaseCatalogueRow) -> Result<(), StoreError> {
        self.write(move |connection| tables::put_database_catalogue(connection, &row))
    }

    /// Returns the newest catalogue of a database and when it was read.
    ///
    /// # Errors
    /// `Database`, `Corrupt`, `Closed`.
    pub fn database_catalogue(&self, name: &str) -> Result<Option<(Catalogue, Timestamp)>, StoreError> {
        let row = self.0.shared.readers.with(|connection| tables::database_catalogue(connection, name))?;
        let Some(row) = row else { return Ok(None) };
        let at = row.read_at;
        tables::catalogue_of(row).map(|catalogue| Some((catalogue, at)))
    }

    /// Returns the statements, writes and scans of a database from the hour that contains `from` up to the hour that
    /// starts before `until`, the heaviest statement first.
    ///
    /// # Errors
    /// `Database`, `Closed`.
    pub fn database_workload(&self, name: &str, from: Timestamp, until: Timestamp) -> Result<Workload, StoreError> {
        let filter = DatabaseFilter { database: name.to_owned(), from: Some(hour_of(from)), until: Some(until) };
        self.0.shared.readers.with(|connection| tables::database_workload(connection, &filter))
    }

    /// Lists the statement families of a database by fingerprint.
    ///
    /// # Errors
    /// `Database`, `Corrupt`, `Closed`.
    pub fn database_statements(&self, name: &str) -> Result<Vec<DatabaseStatementRow>, StoreError> {
        self.0.shared.readers.with(|connection| tables::database_statements(connection, name))
    }

    /// Lists the costs of statement families by hour.
    ///
    /// # Errors
    /// `Database`, `Corrupt`, `Closed`.
    pub fn database_statement_use(&self, filter: &DatabaseFilter) -> Result<Vec<DatabaseStatementUseRow>, StoreError> {
        self.0.shared.readers.with(|connection| tables::database_rows(connection, filter))
    }

    /// Lists what was done to tables by hour.
    ///
    /// # Errors
    /// `Database`, `Corrupt`, `Closed`.
    pub fn database_table_use(&self, filter: &DatabaseFilter) -> Result<Vec<DatabaseTableUseRow>, StoreError> {
        self.0.shared.readers.with(|connection| tables::database_rows(connection, filter))
    }

    /// Lists the scans of indexes by hour.
    ///
    /// # Errors
    /// `Database`, `Corrupt`, `Closed`.
    pub fn database_index_use(&self, filter: &DatabaseFilter) -> Result<Vec<DatabaseIndexUseRow>, StoreError> {
        self.0.shared.readers.with(|connection| tables::database_rows(connection, filter))
    }

    /// Lists how much of the hours was observed.
    ///
    /// # Errors
    /// `Database`, `Corrupt`, `Closed`.
    pub fn database_hours(&self, filter: &DatabaseFilter) -> Result<Vec<DatabaseHourRow>, StoreError> {
        self.0.shared.readers.with(|connection| tables::database_hours(connection, filter))
    }

    /// Returns the sums over all hours by family, table and index. The hour of each row is the epoch.
    ///
    /// # Errors
    /// `Database`, `Closed`.
    #[expect(clippy::type_complexity, reason = "three lists of rows")]
    pub fn database_sums(
        &self,
        name: &str,
    ) -> Result<(Vec<DatabaseStatementUseRow>, Vec<DatabaseTableUseRow>, Vec<DatabaseIndexUseRow>), StoreError> {
        self.0.shared.readers.with(|connection| tables::database_sums(connection, name))
    }
}
