//! Creates the views that analysts see from the table descriptions.

use duckdb::Connection;

use super::functions::create_functions;
use crate::store::{
    StoreError,
    error::failed_to,
    rows::{Column, TABLES, Table, descriptor::Source},
    segment::{Segment, SegmentKind, SegmentLayout, fine_buckets},
};

/// Returns the `SELECT` of a view; `None` for the views that depend on the segments.
pub(in crate::store) fn select_of(table: &Table) -> Option<String> {
    let columns = || table.columns.iter().map(Column::select).collect::<Vec<_>>().join(", ");
    match table.source {
        Source::Segments | Source::FineBuckets => None,
        Source::Select(select) => Some(select.to_owned()),
        Source::Rows => Some(format!("SELECT {} FROM store.{}", columns(), table.name)),
        Source::Table(name) => Some(format!("SELECT {} FROM store.{name}", columns())),
    }
}

/// Returns the statements that create a view with its comments.
fn create(table: &Table, select: &str) -> String {
    let quoted = |text: &str| text.replace('\'', "''");
    let name = table.name;
    let mut sql = format!("CREATE OR REPLACE VIEW main.{name} AS {select};\n");
    sql.push_str(&format!("COMMENT ON VIEW main.{name} IS '{}';\n", quoted(table.comment)));
    for column in table.columns {
        let comment = quoted(&column.description());
        sql.push_str(&format!("COMMENT ON COLUMN main.{name}.\"{}\" IS '{comment}';\n", column.name));
    }
    sql
}

/// Macros that replace DuckDB's clock functions, which return instants with a time zone: those cannot be compared with
/// the column `timestamp`.
const CLOCK_MACROS: &str = "
    CREATE OR REPLACE MACRO main.now() AS transaction_timestamp()::TIMESTAMP;
    CREATE OR REPLACE MACRO main.get_current_timestamp() AS transaction_timestamp()::TIMESTAMP;
    CREATE OR REPLACE MACRO main.to_timestamp(seconds) AS make_timestamp((seconds::DOUBLE * 1000000)::BIGINT);";

/// Creates the views that do not depend on segments, and the functions. They belong to the release, so they are recreated at every
/// opening.
pub(in crate::store) fn create_static_views(connection: &Connection) -> Result<(), StoreError> {
    let statements: Vec<String> =
        TABLES.iter().filter_map(|table| select_of(table).map(|select| create(table, &select))).collect();
    connection
        .execute_batch(&format!(
            "BEGIN TRANSACTION; {}{CLOCK_MACROS} {} COMMIT",
            statements.concat(),
            create_functions()
        ))
        .map_err(failed_to("create the views"))
}

/// Recreates the views of samples over the present segments, within the caller's transaction.
pub(in crate::store) fn create_sample_views(connection: &Connection, layout: &SegmentLayout) -> Result<(), StoreError> {
    let mut relations = SampleRelations::default();
    for segment in layout.all() {
        relations.add(segment, segment.table());
    }
    connection.execute_batch(&sample_views(&relations)).map_err(failed_to("create the view of samples"))
}

/// Recreates the view of samples in its own transaction.
pub(in crate::store) fn refresh_sample_view(connection: &Connection, layout: &SegmentLayout) -> Result<(), StoreError> {
    let failed = failed_to("create the view of samples");
    connection.execute_batch("BEGIN TRANSACTION").map_err(&failed)?;
    let made = create_sample_views(connection, layout);
    connection.execute_batch(if made.is_ok() { "COMMIT" } else { "ROLLBACK" }).map_err(&failed)?;
    made
}

/// The relations of samples that the views read.
#[derive(Debug, Default)]
pub(in crate::store) struct SampleRelations {
    cold: Vec<String>,
    /// Buckets of 5 minutes of the cold samples.
    buckets: Vec<String>,
    hot: Vec<String>,
    late: Vec<String>,
}

impl SampleRelations {
    /// Adds a segment whose rows are in the relation `source`.
    pub(in crate::store) fn add(&mut self, segment: &Segment, source: String) {
        match segment.kind {
            SegmentKind::Cold | SegmentKind::Rows => {
                self.cold.push(segment.relation(&source));
                self.buckets.push(segment.buckets(&source));
            }
            SegmentKind::Hot => self.hot.push(source),
            SegmentKind::Late => self.late.push(source),
        }
    }
}

/// Returns the statements that create the views of samples and of their buckets of 5 minutes.
///
/// Samples are the hot and cold rows without a late version, and the last late row of each series and timestamp. Stale
/// markers (NULL) are hidden.
pub(in crate::store) fn sample_views(of: &SampleRelations) -> String {
    let union = |columns: &str, relations: &[String]| {
        relations.iter().map(|from| format!("SELECT {columns} FROM {from}")).collect::<Vec<_>>().join(" UNION ALL ")
    };
    let mut base = [of.cold.as_slice(), of.hot.as_slice()].concat();
    if base.is_empty() {
        base.push(format!("({NO_SAMPLES})"));
    }
    let base = union("series_id, timestamp, value", &base);
    let samples = if of.late.is_empty() {
        format!("SELECT series_id, timestamp, value FROM ({base}) WHERE value IS NOT NULL")
    } else {
        format!(
            "WITH base AS NOT MATERIALIZED ({base}), late AS NOT MATERIALIZED (SELECT series_id, timestamp, value FROM ({})
                QUALIFY row_number() OVER (PARTITION BY series_id, timestamp ORDER BY seq DESC) = 1)
            SELECT series_id, timestamp, value FROM (
                FROM base ANTI JOIN late USING (series_id, timestamp) UNION ALL FROM late) WHERE value IS NOT NULL",
            union("series_id, timestamp, value, seq", &of.late)
        )
    };
    let select = |table: &Table| match table.source {
        Source::Segments => Some(samples.clone()),
        Source::FineBuckets => Some(fine_buckets(&of.buckets)),
        Source::Select(_) | Source::Rows | Source::Table(_) => None,
    };
    TABLES.iter().filter_map(|table| select(table).map(|select| create(table, &select))).collect()
}

/// A relation with the columns of samples and no row.
const NO_SAMPLES: &str = "SELECT 0::UINTEGER AS series_id, TIMESTAMP_MS '1970-01-01' AS timestamp, \
    0::DOUBLE AS value WHERE false";
