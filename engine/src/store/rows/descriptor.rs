//! Describes a table once: name, columns, types, units and comments. The DDL, reading, writing, the view, flat rows and
//! the documents follow from it.

use almanac_models::Timestamp;
use serde_json::Value;

use crate::store::StoreError;

/// A table or view of the store.
#[derive(Debug)]
pub struct Table {
    /// Name of the view, and of the table behind it where `source` is `Rows`.
    pub name: &'static str,
    /// What it holds, in one sentence without a full stop.
    pub comment: &'static str,
    /// The columns that analysts see, in order.
    pub columns: &'static [Column],
    /// What the view selects from.
    pub(in crate::store) source: Source,
    /// Columns of the table that the view leaves out.
    pub(in crate::store) hidden: &'static [(&'static str, ColumnType)],
    /// The schema version that added the table.
    pub(in crate::store) since: u32,
}

/// What a view selects from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Source {
    /// The table of the same name.
    Rows,
    /// A table of another name.
    Table(&'static str),
    /// A `SELECT` of its own.
    Select(&'static str),
    /// The segments, which change while the store runs.
    Segments,
}

/// One column.
#[derive(Debug)]
pub struct Column {
    /// Its name in SQL.
    pub name: &'static str,
    /// Its type.
    pub column_type: ColumnType,
    /// Whether it may be NULL.
    pub nullable: bool,
    /// What it holds.
    pub comment: &'static str,
    /// Its unit, range or time zone; empty where it has none.
    pub unit: &'static str,
    /// Its name in flat rows (HTTP and Grafana); empty where they leave it out.
    pub flat: &'static str,
    /// The schema version that added it to the table; 0 = with the table.
    pub(in crate::store) added: u32,
    /// SQL literal read in place of NULL: what rows of older releases mean. Empty where there is none.
    pub(in crate::store) default: &'static str,
    /// SQL expression where the view computes the column; empty where the table stores it.
    pub(in crate::store) computed: &'static str,
}

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    /// Text.
    Text,
    /// JSON, stored as text.
    Json,
    /// An instant, UTC, in milliseconds.
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
    /// Texts by text.
    Map,
}

/// The value of one column of one row.
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
    /// The table's description.
    const TABLE: &'static Table;

    /// The value of a column, by its position in [`Table::columns`].
    fn cell(&self, column: usize) -> Cell<'_>;
}

/// A row that can be read back.
pub(in crate::store) trait StoredRow: TableRow {
    /// Reads the stored columns, in the order of [`Table::columns`].
    fn read(cells: &dyn Cells) -> Result<Self, StoreError>;
}

/// The stored values of one row, by position; `None` is NULL.
pub(in crate::store) trait Cells {
    fn text(&self, column: usize) -> Result<Option<String>, StoreError>;
    fn time(&self, column: usize) -> Result<Option<Timestamp>, StoreError>;
    fn float(&self, column: usize) -> Result<Option<f64>, StoreError>;
    fn int(&self, column: usize) -> Result<Option<i64>, StoreError>;
    fn count(&self, column: usize) -> Result<Option<u64>, StoreError>;
    fn ints(&self, column: usize) -> Result<Option<Vec<i64>>, StoreError>;
    fn texts(&self, column: usize) -> Result<Option<Vec<String>>, StoreError>;
    /// The error for a column that holds `what`.
    fn corrupt(&self, column: usize, what: &str) -> StoreError;
}

/// A Rust type that a column can hold.
pub(in crate::store) trait CellType: Sized {
    const TYPE: ColumnType;
    const NULLABLE: bool = false;

    fn cell(&self) -> Cell<'_>;

    /// The value, or `None` for NULL.
    fn read_nullable(cells: &dyn Cells, column: usize) -> Result<Option<Self>, StoreError>;

    /// The value; NULL is an error.
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

/// Gives a Rust type its column type, its cell and the method of [`Cells`] that reads it.
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
    /// The type in SQL.
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
        }
    }
}

impl Column {
    /// The comment with the unit.
    #[must_use]
    pub fn description(&self) -> String {
        if self.unit.is_empty() { self.comment.to_owned() } else { format!("{}, {}", self.comment, self.unit) }
    }

    /// Whether the table stores it.
    pub(in crate::store) const fn is_stored(&self) -> bool {
        self.computed.is_empty()
    }

    /// The column as a view or a read selects it.
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
    /// The columns that the table stores, those that the view shows first.
    pub(in crate::store) fn stored(&self) -> impl Iterator<Item = &'static Column> {
        self.columns.iter().filter(|column| column.is_stored())
    }

    /// The columns of flat rows with their positions: the instant, the end of the span, then the others in order.
    pub fn flat(&self) -> impl Iterator<Item = (usize, &'static Column)> {
        let all = || self.columns.iter().enumerate();
        let first =
            ["time", "time_end"].into_iter().filter_map(move |name| all().find(|(_, column)| column.flat == name));
        first.chain(all().filter(|(_, column)| !["", "time", "time_end"].contains(&column.flat)))
    }
}
