//! Description of a table: name, columns, types, units and comments. The DDL, reading, writing, the view, flat rows and
//! `docs/tables.md` are derived from it.

use almanac_models::Timestamp;
use serde_json::Value;

use crate::store::StoreError;

/// Description of a table or view of the store.
#[derive(Debug)]
pub struct Table {
    /// Name of the view, and of the table behind it where `source` is `Rows`.
    pub name: &'static str,
    /// Contents of the table, in one sentence without a full stop.
    pub comment: &'static str,
    /// Columns that analysts see, in order.
    pub columns: &'static [Column],
    /// Relation that the view selects from.
    pub(in crate::store) source: Source,
    /// Columns of the table that the view leaves out.
    pub(in crate::store) hidden: &'static [(&'static str, ColumnType)],
    /// Schema version that added the table.
    pub(in crate::store) since: u32,
}

/// Relation that a view selects from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Source {
    /// The table of the same name.
    Rows,
    /// A table of another name.
    Table(&'static str),
    /// The given `SELECT`.
    Select(&'static str),
    /// The segments, which change while the store is open.
    Segments,
    /// The buckets of 5 minutes of the cold segments, and of the table of those whose samples have expired.
    FineBuckets,
}

/// One column.
#[derive(Debug)]
pub struct Column {
    /// Name in SQL.
    pub name: &'static str,
    /// Type.
    pub column_type: ColumnType,
    /// Whether the value may be NULL.
    pub nullable: bool,
    /// Contents of the column.
    pub comment: &'static str,
    /// Unit, range or time zone; empty if none applies.
    pub unit: &'static str,
    /// Name in flat rows (HTTP and Grafana); empty = not part of flat rows.
    pub flat: &'static str,
    /// Schema version that added the column; 0 = the version of the table.
    pub(in crate::store) added: u32,
    /// SQL literal that replaces NULL, for rows of releases without the column. Empty = none.
    pub(in crate::store) default: &'static str,
    /// SQL expression of a column that the view computes; empty = the table stores the column.
    pub(in crate::store) computed: &'static str,
}

/// Type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    /// Text.
    Text,
    /// JSON, stored as text.
    Json,
    /// An instant in UTC milliseconds.
    Time,
    /// A floating-point number.
    Float,
    /// A signed integer.
    Int,
    /// An unsigned integer.
    Count,
    /// An unsigned integer of 32 bits.
    Small,
    /// True or false.
    Flag,
    /// A list of integers.
    Ints,
    /// A list of texts.
    Texts,
    /// A map from text to text.
    Map,
    /// A list of buckets of a histogram.
    Buckets,
}

/// Value of one column of one row.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell<'a> {
    /// No value.
    Null,
    /// Text.
    Text(&'a str),
    /// JSON.
    Json(&'a Value),
    /// An instant.
    Time(Timestamp),
    /// A floating-point number.
    Float(f64),
    /// A signed integer.
    Int(i64),
    /// An unsigned integer.
    Count(u64),
    /// True or false.
    Flag(bool),
    /// A list of integers.
    Ints(&'a [i64]),
    /// A list of texts.
    Texts(&'a [String]),
}

/// A row of a described table.
pub trait TableRow: Sized {
    /// Description of the table.
    const TABLE: &'static Table;

    /// Returns the value of a column by its position in [`Table::columns`].
    fn cell(&self, column: usize) -> Cell<'_>;
}

/// A row that can be read from its table.
pub(in crate::store) trait StoredRow: TableRow {
    /// Builds a row from the stored columns, in the order of [`Table::columns`].
    fn read(cells: &dyn Cells) -> Result<Self, StoreError>;
}

/// Access to the stored values of one row by position; `None` is NULL.
pub(in crate::store) trait Cells {
    fn text(&self, column: usize) -> Result<Option<String>, StoreError>;
    fn time(&self, column: usize) -> Result<Option<Timestamp>, StoreError>;
    fn float(&self, column: usize) -> Result<Option<f64>, StoreError>;
    fn int(&self, column: usize) -> Result<Option<i64>, StoreError>;
    fn count(&self, column: usize) -> Result<Option<u64>, StoreError>;
    fn ints(&self, column: usize) -> Result<Option<Vec<i64>>, StoreError>;
    fn texts(&self, column: usize) -> Result<Option<Vec<String>>, StoreError>;
    /// Returns the error for a column whose value is invalid; `what` continues "column x …".
    fn corrupt(&self, column: usize, what: &str) -> StoreError;
}

/// A Rust type that a column can hold.
pub(in crate::store) trait CellType: Sized {
    const TYPE: ColumnType;
    const NULLABLE: bool = false;

    fn cell(&self) -> Cell<'_>;

    /// Reads the value, `None` for NULL.
    fn read_nullable(cells: &dyn Cells, column: usize) -> Result<Option<Self>, StoreError>;

    /// Reads the value; NULL is an error.
    fn read(cells: &dyn Cells, column: usize) -> Result<Self, StoreError> {
        Self::read_nullable(cells, column)?.ok_or_else(|| cells.corrupt(column, "is NULL"))
    }
}

impl<T: CellType> CellType for Option<T> {
    const TYPE: ColumnType = T::TYPE;
    const NULLABLE: bool = true;

    fn cell(&self) -> Cell<'_> {
        self.as_ref().map_or(Cell::Null, T::cell)
    }

    fn read_nullable(cells: &dyn Cells, column: usize) -> Result<Option<Self>, StoreError> {
        T::read_nullable(cells, column).map(Some)
    }
}

/// Implements [`CellType`] for a Rust type: column type, method of [`Cells`] that reads it, and cell.
macro_rules! cell_types {
    ($($type:ty => $kind:ident, $read:ident, |$value:ident| $cell:expr;)+) => {$(
        impl CellType for $type {
            const TYPE: ColumnType = ColumnType::$kind;

            fn cell(&self) -> Cell<'_> {
                let $value = self;
                $cell
            }

            fn read_nullable(cells: &dyn Cells, column: usize) -> Result<Option<Self>, StoreError> {
                cells.$read(column)
            }
        }
    )+};
}

cell_types! {
    String => Text, text, |value| Cell::Text(value);
    Timestamp => Time, time, |value| Cell::Time(*value);
    f64 => Float, float, |value| Cell::Float(*value);
    i64 => Int, int, |value| Cell::Int(*value);
    u64 => Count, count, |value| Cell::Count(*value);
    Vec<i64> => Ints, ints, |value| Cell::Ints(value);
    Vec<String> => Texts, texts, |value| Cell::Texts(value);
}

impl CellType for Value {
    const TYPE: ColumnType = ColumnType::Json;

    fn cell(&self) -> Cell<'_> {
        Cell::Json(self)
    }

    fn read_nullable(cells: &dyn Cells, column: usize) -> Result<Option<Self>, StoreError> {
        let text = cells.text(column)?;
        text.map(|text| serde_json::from_str(&text))
            .transpose()
            .map_err(|error| cells.corrupt(column, &format!("is not JSON: {error}")))
    }
}

impl ColumnType {
    /// Returns the name of the type in SQL.
    #[must_use]
    pub const fn sql(self) -> &'static str {
        match self {
            Self::Text | Self::Json => "VARCHAR",
            Self::Time => "TIMESTAMP_MS",
            Self::Float => "DOUBLE",
            Self::Int => "BIGINT",
            Self::Count => "UBIGINT",
            Self::Small => "UINTEGER",
            Self::Flag => "BOOLEAN",
            Self::Ints => "BIGINT[]",
            Self::Texts => "VARCHAR[]",
            Self::Map => "MAP(VARCHAR, VARCHAR)",
            Self::Buckets => "STRUCT(lower DOUBLE, upper DOUBLE, count DOUBLE)[]",
        }
    }
}

impl Column {
    /// Returns the comment with the unit.
    #[must_use]
    pub fn description(&self) -> String {
        if self.unit.is_empty() { self.comment.to_owned() } else { format!("{}, {}", self.comment, self.unit) }
    }

    /// Returns whether the table stores the column.
    pub(in crate::store) const fn is_stored(&self) -> bool {
        self.computed.is_empty()
    }

    /// Returns the SELECT expression of the column in views and reads.
    pub(in crate::store) fn select(&self) -> String {
        let name = self.name;
        match (self.computed, self.default) {
            ("", "") => format!("\"{name}\""),
            ("", default) => format!("coalesce(\"{name}\", {default}) AS \"{name}\""),
            (computed, _) => format!("{computed} AS \"{name}\""),
        }
    }
}

impl Table {
    /// Returns the stored columns that the view shows, in order.
    pub(in crate::store) fn stored(&self) -> impl Iterator<Item = &'static Column> {
        self.columns.iter().filter(|column| column.is_stored())
    }

    /// Returns the columns of flat rows with their positions: `time`, `time_end`, then the others in order.
    pub fn flat(&self) -> impl Iterator<Item = (usize, &'static Column)> {
        let all = || self.columns.iter().enumerate();
        let first =
            ["time", "time_end"].into_iter().filter_map(move |name| all().find(|(_, column)| column.flat == name));
        first.chain(all().filter(|(_, column)| !["", "time", "time_end"].contains(&column.flat)))
    }
}
