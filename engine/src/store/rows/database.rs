//! Rows of watched databases: statements, what they cost by the hour, tables, indexes, the newest catalogue.

use almanac_models::Timestamp;
use serde_json::Value;

use super::table::table;

table! {
    /// A statement family of a watched database. `database` and `family` are the key.
    pub struct DatabaseStatementRow in "database_statements" since 7, "Statement families of watched databases, without their values: the last seen 50,000 of each database";
    database: String = "name of the database in the configuration";
    family: String = "fingerprint of the statement";
    statement: String = "normalised text; empty if texts may not leave the database";
    first_seen: Timestamp = "when it was first counted" unit "UTC";
    last_seen: Timestamp = "when it was last counted" unit "UTC";
    parameters: Value = "values seen for its placeholders; empty unless values may leave the database" unit "JSON" flat "";
    plans: Value = "its newest and its slowest plan from the server's log" unit "JSON" flat "";
}

table! {
    /// What a statement family cost in one hour.
    pub struct DatabaseStatementUseRow in "database_statement_use" since 7, "What the statement families of watched databases cost, by the hour; family other sums those that are not counted one by one";
    hour in timestamp: Timestamp = "start of the hour" unit "UTC" flat "time";
    database: String = "name of the database in the configuration";
    family: String = "fingerprint of the statement, or other";
    calls: f64 = "executions";
    total_ms: f64 = "execution time" unit "ms";
    squares: f64 = "sum of the squared execution times" unit "ms²";
    longest_ms: f64 = "longest execution of the hour, 0 if a longer one came before" unit "ms";
    planning_ms: f64 = "planning time, 0 if it is not tracked" unit "ms";
    rows: f64 = "rows returned or changed";
    blocks_hit: f64 = "blocks found in shared buffers" unit "8 KiB";
    blocks_read: f64 = "blocks read from outside shared buffers" unit "8 KiB";
    blocks_temporary: f64 = "blocks read from or written to temporary files" unit "8 KiB";
    wal_bytes: f64 = "write-ahead log" unit "bytes";
}

table! {
    /// What was done to a table in one hour.
    pub struct DatabaseTableUseRow in "database_table_use" since 7, "What was done to the tables of watched databases, by the hour";
    hour in timestamp: Timestamp = "start of the hour" unit "UTC" flat "time";
    database: String = "name of the database in the configuration";
    relation: String = "the table, with its schema";
    sequential_scans: f64 = "sequential scans";
    sequential_rows: f64 = "rows read by sequential scans";
    index_scans: f64 = "index scans";
    index_rows: f64 = "rows fetched by index scans";
    inserted: f64 = "rows inserted";
    updated: f64 = "rows updated";
    updated_hot: f64 = "rows updated without a new index entry";
    deleted: f64 = "rows deleted";
    live: f64 = "live rows at the end of the hour, estimated";
    dead: f64 = "dead rows at the end of the hour, estimated";
}

table! {
    /// Scans of an index in one hour.
    pub struct DatabaseIndexUseRow in "database_index_use" since 7, "Scans of the indexes of watched databases, by the hour";
    hour in timestamp: Timestamp = "start of the hour" unit "UTC" flat "time";
    database: String = "name of the database in the configuration";
    relation: String = "the table, with its schema";
    index_name: String = "the index, with its schema";
    scans: f64 = "scans";
    rows_read: f64 = "entries read";
    rows_fetched: f64 = "rows fetched by plain index scans";
}

table! {
    /// How much of an hour was observed.
    pub struct DatabaseHourRow in "database_hours" since 7, "How much of each hour watched databases were observed";
    hour in timestamp: Timestamp = "start of the hour" unit "UTC" flat "time";
    database: String = "name of the database in the configuration";
    seconds: f64 = "observed time" unit "s";
    snapshots: u64 = "snapshots";
    interruptions: u64 = "resets, evictions and restarts, after which counters may be incomplete";
}

table! {
    /// The newest catalogue of a watched database. `database` is the key.
    pub struct DatabaseCatalogueRow in "database_catalogues" since 7, "The newest catalogue of each watched database";
    database: String = "name of the database in the configuration";
    read_at: Timestamp = "when it was read" unit "UTC";
    catalogue: Value = "settings, extensions, tables with columns, indexes and statistics, and what could not be read" unit "JSON" flat "";
}

/// What is written after a snapshot. Rows of hours replace those of the same hour.
#[derive(Debug, Clone, Default)]
pub struct DatabaseUse {
    /// Statement families; those that are stored keep `first_seen`.
    pub statements: Vec<DatabaseStatementRow>,
    /// Costs of families.
    pub statement_use: Vec<DatabaseStatementUseRow>,
    /// What was done to tables.
    pub table_use: Vec<DatabaseTableUseRow>,
    /// Scans of indexes.
    pub index_use: Vec<DatabaseIndexUseRow>,
    /// How much was observed.
    pub hours: Vec<DatabaseHourRow>,
}

/// Selects rows of one database in a span of hours.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DatabaseFilter {
    /// Name of the database.
    pub database: String,
    /// First hour; none: the oldest.
    pub from: Option<Timestamp>,
    /// End of the span, exclusive; none: the newest hour.
    pub until: Option<Timestamp>,
}
