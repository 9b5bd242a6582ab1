//! Types of parameters.

use serde::{Deserialize, Serialize};

/// Kind of a parameter's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ParamKind {
    /// BOOLEAN
    Bool,
    /// SMALLINT
    SmallInt,
    /// INTEGER
    Int,
    /// BIGINT
    BigInt,
    /// UINTEGER: an object identifier
    Oid,
    /// FLOAT
    Real,
    /// DOUBLE
    Double,
    /// DECIMAL with 12 digits after the point
    Numeric,
    /// VARCHAR
    Text,
    /// DATE
    Date,
    /// TIME
    Time,
    /// TIMESTAMP
    Timestamp,
    /// TIMESTAMP of a value that is converted to UTC by its offset
    TimestampTz,
    /// INTERVAL
    Interval,
}

/// Type of a parameter: one value or a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParamType {
    /// Kind of the value, or of the items.
    pub kind: ParamKind,
    /// Whether the value is a list.
    pub is_list: bool,
}

impl ParamType {
    /// Returns the type of one value.
    #[must_use]
    pub const fn one(kind: ParamKind) -> Self {
        Self { kind, is_list: false }
    }

    /// Returns the type in DuckDB.
    #[must_use]
    pub const fn sql(self) -> &'static str {
        match (self.kind, self.is_list) {
            (ParamKind::Bool, false) => "BOOLEAN",
            (ParamKind::Bool, true) => "BOOLEAN[]",
            (ParamKind::SmallInt, false) => "SMALLINT",
            (ParamKind::SmallInt, true) => "SMALLINT[]",
            (ParamKind::Int, false) => "INTEGER",
            (ParamKind::Int, true) => "INTEGER[]",
            (ParamKind::BigInt, false) => "BIGINT",
            (ParamKind::BigInt, true) => "BIGINT[]",
            (ParamKind::Oid, false) => "UINTEGER",
            (ParamKind::Oid, true) => "UINTEGER[]",
            (ParamKind::Real, false) => "FLOAT",
            (ParamKind::Real, true) => "FLOAT[]",
            (ParamKind::Double, false) => "DOUBLE",
            (ParamKind::Double, true) => "DOUBLE[]",
            (ParamKind::Numeric, false) => "DECIMAL(38,12)",
            (ParamKind::Numeric, true) => "DECIMAL(38,12)[]",
            (ParamKind::Text, false) => "VARCHAR",
            (ParamKind::Text, true) => "VARCHAR[]",
            (ParamKind::Date, false) => "DATE",
            (ParamKind::Date, true) => "DATE[]",
            (ParamKind::Time, false) => "TIME",
            (ParamKind::Time, true) => "TIME[]",
            (ParamKind::Timestamp, false) => "TIMESTAMP",
            (ParamKind::Timestamp, true) => "TIMESTAMP[]",
            (ParamKind::TimestampTz, false) => "TIMESTAMPTZ::TIMESTAMP",
            (ParamKind::TimestampTz, true) => "TIMESTAMPTZ[]::TIMESTAMP[]",
            (ParamKind::Interval, false) => "INTERVAL",
            (ParamKind::Interval, true) => "INTERVAL[]",
        }
    }

    /// Returns the type for a type of DuckDB; `None` for one that parameters cannot have.
    #[must_use]
    pub fn of_duckdb(name: &str) -> Option<Self> {
        let (name, is_list) = name.strip_suffix("[]").map_or((name, false), |item| (item, true));
        let kind = match name {
            "BOOLEAN" => ParamKind::Bool,
            "TINYINT" | "UTINYINT" | "SMALLINT" => ParamKind::SmallInt,
            "INTEGER" | "USMALLINT" => ParamKind::Int,
            "BIGINT" | "UINTEGER" | "INTEGER_LITERAL" => ParamKind::BigInt,
            "FLOAT" => ParamKind::Real,
            "DOUBLE" => ParamKind::Double,
            "UBIGINT" | "HUGEINT" | "DECIMAL" => ParamKind::Numeric,
            "VARCHAR" | "STRING_LITERAL" | "JSON" | "UUID" => ParamKind::Text,
            "DATE" => ParamKind::Date,
            "TIME" => ParamKind::Time,
            "TIMESTAMP" | "TIMESTAMP_S" | "TIMESTAMP_MS" | "TIMESTAMP_NS" => ParamKind::Timestamp,
            "TIMESTAMP WITH TIME ZONE" => ParamKind::TimestampTz,
            "INTERVAL" => ParamKind::Interval,
            _ => return None,
        };
        Some(Self { kind, is_list })
    }
}
