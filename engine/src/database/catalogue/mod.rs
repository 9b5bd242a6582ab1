//! Tables, columns, indexes and statistics of a database, as one snapshot of PostgreSQL's catalogue.
//!
//! The JSON form of these types is the file that the export script writes and `almanac review database` reads.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

mod width;

/// Snapshot of a database's catalogue.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Catalogue {
    /// `server_version_num`, such as 150018; 0 if unknown.
    pub version: u32,
    /// Name of the database; empty if unknown.
    pub database: String,
    /// Settings by name, with their units as `current_setting` shows them.
    pub settings: BTreeMap<String, String>,
    /// Settings of this database, of roles, and of roles in this database, which new sessions have.
    pub overrides: Vec<SettingOverride>,
    /// Installed extensions with their versions.
    pub extensions: BTreeMap<String, String>,
    /// Tables, partitions and materialized views outside the system's schemas.
    pub tables: Vec<Table>,
    /// What could not be read, each with its remedy.
    pub lacks: Vec<Lack>,
}

/// A setting by `ALTER DATABASE … SET` or `ALTER ROLE … SET`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SettingOverride {
    /// Role; none: all roles.
    pub role: Option<String>,
    /// Whether it is of this database alone.
    pub in_database: bool,
    /// Name of the setting.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// Something that could not be read of a database.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Lack {
    /// What is missing, as a sentence without a full stop.
    pub missing: String,
    /// The command or setting that supplies it.
    pub remedy: String,
}

impl Lack {
    /// Creates a lack.
    #[must_use]
    pub fn new(missing: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { missing: missing.into(), remedy: remedy.into() }
    }
}

/// Kind of a relation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TableKind {
    /// An ordinary table or a partition.
    #[default]
    Table,
    /// A partitioned table; its partitions hold the rows.
    Partitioned,
    /// A materialized view.
    MaterializedView,
    /// A foreign table; it has no indexes here.
    Foreign,
    /// A view; it has no rows of its own.
    View,
}

/// A table with its columns, indexes and activity.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Table {
    /// Schema.
    pub schema: String,
    /// Name.
    pub name: String,
    /// Kind of relation.
    pub kind: TableKind,
    /// Partitioned table that this is a partition of, as `schema.name`.
    pub parent: Option<String>,
    /// Estimated rows (`reltuples`); none if never analysed.
    pub rows: Option<f64>,
    /// Pages of 8 KiB (`relpages`, or from the size).
    pub pages: Option<f64>,
    /// Bytes of the heap, without indexes and TOAST.
    pub bytes: Option<f64>,
    /// Bytes of values that are stored out of line (TOAST); none if unknown.
    pub out_of_line_bytes: Option<f64>,
    /// Fill factor in percent; none: the default of 100.
    pub fill_factor: Option<u32>,
    /// Storage parameters by name, such as `autovacuum_vacuum_scale_factor`.
    pub options: BTreeMap<String, String>,
    /// Share of pages that are all-visible, in [0, 1]; none if unknown.
    pub all_visible: Option<f64>,
    /// Columns in their order.
    pub columns: Vec<Column>,
    /// Indexes.
    pub indexes: Vec<Index>,
    /// Foreign keys of this table.
    pub foreign_keys: Vec<ForeignKey>,
    /// Counters since the last reset of the statistics; none if unknown.
    pub activity: Option<TableActivity>,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Column {
    /// Name.
    pub name: String,
    /// Type as `format_type` prints it, such as `timestamp with time zone`.
    #[serde(rename = "type")]
    pub type_name: String,
    /// Whether NULL is refused.
    pub not_null: bool,
    /// Statistics of `ANALYZE`; none if never analysed or not readable.
    pub statistics: Option<ColumnStatistics>,
}

/// Statistics of a column or of an expression (a row of `pg_stats`).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ColumnStatistics {
    /// Share of NULLs, in [0, 1].
    pub null_fraction: f64,
    /// `n_distinct`: a number of values, or minus their share of the rows.
    pub distinct: f64,
    /// Mean width in bytes. A value that is stored out of line counts as its pointer of 18 bytes
    /// ([`Table::value_bytes`] has the whole value).
    pub width: f64,
    /// Most common values as text. Empty when values must not leave the database.
    pub common_values: Vec<String>,
    /// Shares of the most common values, in [0, 1].
    pub common_shares: Vec<f64>,
    /// Bounds of the histogram as text. Empty when values must not leave the database.
    pub bounds: Vec<String>,
    /// Correlation of physical and logical order, in [-1, 1]; none if the type has no order.
    pub correlation: Option<f64>,
}

/// An index.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Index {
    /// Name.
    pub name: String,
    /// Access method, such as `btree` or `gin`.
    pub method: String,
    /// Key columns in their order.
    pub keys: Vec<IndexKey>,
    /// Columns of INCLUDE.
    pub include: Vec<String>,
    /// Predicate of a partial index, as `pg_get_expr` prints it.
    pub predicate: Option<String>,
    /// Whether the index enforces uniqueness.
    pub unique: bool,
    /// Whether it is the primary key's.
    pub primary: bool,
    /// Whether it can be used; false after a failed `CREATE INDEX CONCURRENTLY`.
    #[serde(default = "yes")]
    pub valid: bool,
    /// Constraint that rests on the index: a primary key, UNIQUE or EXCLUDE constraint, or a foreign key that refers to it.
    pub constraint: Option<String>,
    /// Whether logical replication identifies rows by it.
    pub replica_identity: bool,
    /// Partitioned index that this is attached to.
    pub parent: Option<String>,
    /// Size in bytes.
    pub bytes: Option<f64>,
    /// Scans since the last reset of the statistics; none if unknown.
    pub scans: Option<f64>,
    /// Time of the last scan (PostgreSQL 16), as the server prints it.
    pub last_scan: Option<String>,
    /// Complete definition, as `pg_get_indexdef` prints it.
    pub definition: String,
}

fn yes() -> bool {
    true
}

/// One key of an index.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct IndexKey {
    /// Column; none for an expression.
    pub column: Option<String>,
    /// Expression; none for a column.
    pub expression: Option<String>,
    /// Whether the order is descending.
    pub descending: bool,
    /// Whether NULLs come first; the default for a descending key.
    pub nulls_first: bool,
    /// Operator class, if it is not the type's default.
    pub operator_class: Option<String>,
}

/// A foreign key.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ForeignKey {
    /// Name of the constraint.
    pub name: String,
    /// Columns of this table.
    pub columns: Vec<String>,
    /// Table that is referred to, as `schema.name`.
    pub references: String,
    /// Columns of that table.
    pub referred: Vec<String>,
}

/// Counters of a table (`pg_stat_user_tables`) since the last reset of the statistics.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TableActivity {
    /// Sequential scans.
    pub sequential_scans: f64,
    /// Rows read by sequential scans.
    pub sequential_rows: f64,
    /// Index scans.
    pub index_scans: f64,
    /// Rows fetched by index scans.
    pub index_rows: f64,
    /// Rows inserted.
    pub inserted: f64,
    /// Rows updated.
    pub updated: f64,
    /// Rows updated without a new index entry (HOT).
    pub updated_hot: f64,
    /// Rows updated to a new page (PostgreSQL 16); none if unknown.
    pub updated_new_page: Option<f64>,
    /// Rows deleted.
    pub deleted: f64,
    /// Live rows, estimated.
    pub live: f64,
    /// Dead rows, estimated.
    pub dead: f64,
    /// Rows changed since the last ANALYZE.
    pub changed_since_analyze: f64,
    /// Vacuums, by hand and automatic.
    pub vacuums: f64,
    /// Analyzes, by hand and automatic.
    pub analyzes: f64,
    /// Seconds over which the counters were collected; none if unknown.
    pub seconds: Option<f64>,
}

impl Catalogue {
    /// Returns the table that a statement means by `name`, and `schema` if it is qualified. Without a schema, `public`
    /// comes first, then a table that is the only one of this name.
    #[must_use]
    pub fn table(&self, schema: Option<&str>, name: &str) -> Option<&Table> {
        let mut named = self.tables.iter().filter(|table| table.name == name);
        match schema {
            Some(schema) => named.find(|table| table.schema == schema),
            None => {
                let all: Vec<&Table> = named.collect();
                match all.iter().find(|table| table.schema == "public") {
                    Some(table) => Some(table),
                    None if all.len() == 1 => all.first().copied(),
                    None => None,
                }
            }
        }
    }
}

impl Catalogue {
    /// Returns the value of a setting that a new session of this database has, the setting of a role left aside; none if
    /// it is unknown.
    #[must_use]
    pub fn setting(&self, name: &str) -> Option<&str> {
        self.database_setting(name).or_else(|| self.settings.get(name).map(String::as_str))
    }

    /// Returns the value that `ALTER DATABASE … SET` gave a setting.
    #[must_use]
    pub fn database_setting(&self, name: &str) -> Option<&str> {
        let own = |found: &&SettingOverride| found.in_database && found.role.is_none() && found.name == name;
        self.overrides.iter().find(own).map(|found| found.value.as_str())
    }

    /// Gives partitioned tables the rows, pages and bytes of their partitions, since their own are not counted.
    pub fn sum_partitions(&mut self) {
        let sums: Vec<(usize, [f64; 4])> = self
            .tables
            .iter()
            .enumerate()
            .filter(|(_, table)| table.kind == TableKind::Partitioned)
            .map(|(at, table)| {
                let key = table.key();
                let parts = self.tables.iter().filter(|part| part.parent.as_deref() == Some(&key));
                let sum = parts.fold([0.0; 4], |sum, part| {
                    let own = [part.rows, part.pages, part.bytes, part.out_of_line_bytes];
                    std::array::from_fn(|idx| sum[idx] + own[idx].unwrap_or(0.0).max(0.0))
                });
                (at, sum)
            })
            .collect();
        for (at, [rows, pages, bytes, out_of_line]) in sums {
            if let Some(table) = self.tables.get_mut(at).filter(|_| rows > 0.0) {
                (table.rows, table.pages, table.bytes) = (Some(rows), Some(pages), Some(bytes));
                table.out_of_line_bytes = Some(out_of_line);
            }
        }
    }
}

impl Table {
    /// Returns the column of this name.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// Returns `schema.name`, or the name alone in schema `public`, each quoted where PostgreSQL needs it.
    #[must_use]
    pub fn qualified(&self) -> String {
        if self.schema == "public" || self.schema.is_empty() {
            crate::database::statement::quote(&self.name)
        } else {
            format!(
                "{}.{}",
                crate::database::statement::quote(&self.schema),
                crate::database::statement::quote(&self.name)
            )
        }
    }

    /// Returns `schema.name` without quotes, as facts name a table.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}.{}", self.schema, self.name)
    }
}

impl ColumnStatistics {
    /// Returns the number of distinct values in a table of `rows` rows.
    #[must_use]
    pub fn distinct_values(&self, rows: f64) -> f64 {
        let distinct = if self.distinct < 0.0 { -self.distinct * rows } else { self.distinct };
        distinct.clamp(1.0, rows.max(1.0))
    }
}
