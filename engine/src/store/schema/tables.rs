//! DDL of the tables: the texts of schema versions 1 and 2, and later additions derived from the table descriptions.

use crate::store::rows::{TABLES, Table, descriptor::Source};

/// DDL of schema version 1, with the first hot and late segment.
///
/// Names in the schema `store` may change with a migration; analysts see the views in `main`.
pub(super) const VERSION_1: &str = "
CREATE SCHEMA store;
CREATE TABLE store.meta (key VARCHAR NOT NULL, value VARCHAR NOT NULL);
INSERT INTO store.meta VALUES ('format', 'almanac'), ('schema_version', '1');
CREATE TABLE store.series (series_id UINTEGER NOT NULL, labels MAP(VARCHAR, VARCHAR) NOT NULL);
CREATE TABLE store.segments (
    segment_id UBIGINT NOT NULL, kind VARCHAR NOT NULL, frozen BOOLEAN NOT NULL,
    rows UBIGINT, min_ms BIGINT, max_ms BIGINT, since_ms BIGINT);
CREATE TABLE store.spans (series_id UINTEGER NOT NULL, min_ms BIGINT NOT NULL, max_ms BIGINT NOT NULL);
CREATE TABLE store.hot_1 (series_id UINTEGER NOT NULL, timestamp TIMESTAMP_MS NOT NULL, value DOUBLE);
CREATE TABLE store.late_2 (series_id UINTEGER NOT NULL, timestamp TIMESTAMP_MS NOT NULL, value DOUBLE, seq BIGINT NOT NULL);
INSERT INTO store.segments (segment_id, kind, frozen) VALUES (1, 'hot', false), (2, 'late', false);
CREATE TABLE store.rollup_5m (
    series_id UINTEGER NOT NULL, timestamp TIMESTAMP_MS NOT NULL, count UBIGINT NOT NULL,
    sum DOUBLE NOT NULL, min DOUBLE NOT NULL, max DOUBLE NOT NULL, last DOUBLE NOT NULL);
CREATE TABLE store.rollup_1h (
    series_id UINTEGER NOT NULL, timestamp TIMESTAMP_MS NOT NULL, count UBIGINT NOT NULL,
    sum DOUBLE NOT NULL, min DOUBLE NOT NULL, max DOUBLE NOT NULL, last DOUBLE NOT NULL);
CREATE TABLE store.signals (
    signal VARCHAR NOT NULL, expr VARCHAR NOT NULL, origin VARCHAR NOT NULL, step_ms BIGINT NOT NULL,
    status VARCHAR NOT NULL, reason VARCHAR, seasons_ms BIGINT[] NOT NULL, model VARCHAR, fitted_at TIMESTAMP_MS,
    points UBIGINT NOT NULL, mase DOUBLE, coverage_80 DOUBLE, coverage_95 DOUBLE);
CREATE TABLE store.forecasts (
    signal VARCHAR NOT NULL, made_at TIMESTAMP_MS NOT NULL, timestamp TIMESTAMP_MS NOT NULL, yhat DOUBLE NOT NULL,
    yhat_lower_80 DOUBLE NOT NULL, yhat_upper_80 DOUBLE NOT NULL, yhat_lower_95 DOUBLE NOT NULL,
    yhat_upper_95 DOUBLE NOT NULL, model VARCHAR NOT NULL);
CREATE TABLE store.anomalies (
    signal VARCHAR NOT NULL, timestamp TIMESTAMP_MS NOT NULL, value DOUBLE NOT NULL, yhat DOUBLE NOT NULL,
    yhat_lower DOUBLE NOT NULL, yhat_upper DOUBLE NOT NULL, score DOUBLE NOT NULL);
CREATE TABLE store.recommendations (
    id VARCHAR NOT NULL, kind VARCHAR NOT NULL, target VARCHAR NOT NULL, current VARCHAR NOT NULL,
    proposed VARCHAR NOT NULL, valid_from TIMESTAMP_MS NOT NULL, valid_until TIMESTAMP_MS,
    effect_metric VARCHAR NOT NULL, effect_unit VARCHAR NOT NULL, effect_value DOUBLE NOT NULL,
    effect_lower DOUBLE NOT NULL, effect_upper DOUBLE NOT NULL, effect_level DOUBLE NOT NULL,
    confidence DOUBLE NOT NULL, reason VARCHAR NOT NULL, evidence VARCHAR NOT NULL, patch_format VARCHAR NOT NULL,
    patch_body VARCHAR NOT NULL, state VARCHAR NOT NULL, created_at TIMESTAMP_MS NOT NULL,
    updated_at TIMESTAMP_MS NOT NULL, replaces VARCHAR);
CREATE TABLE store.outcomes (
    seq BIGINT NOT NULL, recommendation VARCHAR NOT NULL, timestamp TIMESTAMP_MS NOT NULL, from_state VARCHAR,
    to_state VARCHAR NOT NULL, actor VARCHAR NOT NULL, note VARCHAR, predicted DOUBLE, predicted_lower DOUBLE,
    predicted_upper DOUBLE, realised DOUBLE, realised_lower DOUBLE, realised_upper DOUBLE);
CREATE TABLE store.cache_events (
    seq BIGINT NOT NULL, timestamp TIMESTAMP_MS NOT NULL, cache VARCHAR NOT NULL, key VARCHAR NOT NULL,
    op VARCHAR NOT NULL, bytes UBIGINT, miss_cost_ms DOUBLE, ordinal UINTEGER NOT NULL);
CREATE TABLE store.deploys (seq BIGINT NOT NULL, timestamp TIMESTAMP_MS NOT NULL, service VARCHAR NOT NULL, version VARCHAR);
CREATE TABLE store.incidents (
    seq BIGINT NOT NULL, started_at TIMESTAMP_MS NOT NULL, ended_at TIMESTAMP_MS, title VARCHAR NOT NULL,
    target VARCHAR, source VARCHAR NOT NULL);
";

/// DDL that version 2 adds: suspected incidents, peer outliers, and the kind of an anomaly.
pub(super) const VERSION_2: &str = "
ALTER TABLE store.anomalies ADD COLUMN kind VARCHAR;
CREATE TABLE store.suspected_incidents (
    started_at TIMESTAMP_MS NOT NULL, ended_at TIMESTAMP_MS NOT NULL, first_mover VARCHAR NOT NULL,
    confidence DOUBLE NOT NULL, signals VARCHAR[] NOT NULL, peak DOUBLE NOT NULL);
CREATE TABLE store.peer_outliers (
    expr VARCHAR NOT NULL, series VARCHAR NOT NULL, started_at TIMESTAMP_MS NOT NULL, ended_at TIMESTAMP_MS NOT NULL,
    peak DOUBLE NOT NULL, peers UBIGINT NOT NULL);
";

/// Returns the statements that migrate the described tables from the previous version to this one.
pub(super) fn additions(version: u32) -> String {
    let tables = TABLES.iter().filter(|table| table.source == Source::Rows && table.since <= version);
    tables.map(|table| if table.since == version { create(table) } else { add_columns(table, version) }).collect()
}

/// Returns `CREATE TABLE` with the columns of the table's first version.
fn create(table: &Table) -> String {
    let hidden = table.hidden.iter().map(|(name, column_type)| format!("\"{name}\" {} NOT NULL", column_type.sql()));
    let stored = table.stored().filter(|column| column.added == 0).map(|column| {
        let constraint = if column.nullable { "" } else { " NOT NULL" };
        format!("\"{}\" {}{constraint}", column.name, column.column_type.sql())
    });
    format!("CREATE TABLE store.{} ({});\n", table.name, hidden.chain(stored).collect::<Vec<_>>().join(", "))
}

/// Returns `ALTER TABLE` for each column that this version adds. Existing rows contain NULL in it, which is read as the
/// description's default.
fn add_columns(table: &Table, version: u32) -> String {
    let added = table.stored().filter(|column| column.added == version);
    added
        .map(|column| {
            format!("ALTER TABLE store.{} ADD COLUMN \"{}\" {};\n", table.name, column.name, column.column_type.sql())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use duckdb::Connection;

    use super::*;

    /// Returns (table, column, type, nullable) of every table after all migration steps.
    fn found(connection: &Connection) -> BTreeSet<(String, String, String, bool)> {
        let mut statement = connection
            .prepare(
                "SELECT table_name, column_name, data_type, is_nullable FROM duckdb_columns() WHERE schema_name = 'store'",
            )
            .unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))).unwrap();
        rows.map(|row| row.unwrap()).collect()
    }

    #[test]
    fn the_migration_steps_create_the_described_tables() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(&[VERSION_1, VERSION_2].concat()).unwrap();
        for version in 3..=super::super::migrate::SCHEMA_VERSION {
            connection.execute_batch(&additions(version)).unwrap();
        }
        let found = found(&connection);
        let entry = |table: &Table, name: &str, sql: &str, nullable: bool| {
            (table.name.to_owned(), name.to_owned(), sql.to_owned(), nullable)
        };
        for table in TABLES.iter().filter(|table| table.source == Source::Rows) {
            let hidden = table.hidden.iter().map(|(name, ty)| entry(table, name, ty.sql(), false));
            let stored = table
                .stored()
                .map(|column| entry(table, column.name, column.column_type.sql(), column.nullable || column.added > 0));
            let expected: BTreeSet<_> = hidden.chain(stored).collect();
            let of_table: BTreeSet<_> = found.iter().filter(|row| row.0 == table.name).cloned().collect();
            assert_eq!(of_table, expected);
        }
    }

    #[test]
    fn a_column_added_after_its_table_is_created_in_its_version() {
        assert_eq!(additions(2).matches("CREATE TABLE").count(), 2);
        assert!(additions(2).contains("ALTER TABLE store.anomalies ADD COLUMN \"kind\" VARCHAR;"));
        assert!(!additions(1).contains("\"kind\" VARCHAR NOT NULL, \"is_anomaly\""));
    }
}
