//! The types of PostgreSQL in the catalogue, and the one that clients get for each type of DuckDB.

/// A row of `pg_type`.
#[derive(Debug, Clone, Copy)]
pub(super) struct TypeRow {
    pub(super) oid: u32,
    pub(super) name: &'static str,
    /// Name as `format_type` returns it.
    pub(super) display: &'static str,
    /// Size in bytes, -1 if it varies.
    pub(super) size: i16,
    pub(super) category: char,
    /// Type of the elements of an array, else 0.
    pub(super) element: u32,
    /// Type of arrays of this type, else 0.
    pub(super) array: u32,
}

const fn base(oid: u32, name: &'static str, display: &'static str, size: i16, category: char, array: u32) -> TypeRow {
    TypeRow { oid, name, display, size, category, element: 0, array }
}

/// The types that are no arrays, with their object identifiers in PostgreSQL.
const BASE: &[TypeRow] = &[
    base(16, "bool", "boolean", 1, 'B', 1000),
    base(17, "bytea", "bytea", -1, 'U', 1001),
    base(18, "char", "\"char\"", 1, 'Z', 1002),
    base(19, "name", "name", 64, 'S', 1003),
    base(20, "int8", "bigint", 8, 'N', 1016),
    base(21, "int2", "smallint", 2, 'N', 1005),
    base(23, "int4", "integer", 4, 'N', 1007),
    base(24, "regproc", "regproc", 4, 'N', 1008),
    base(25, "text", "text", -1, 'S', 1009),
    base(26, "oid", "oid", 4, 'N', 1028),
    base(114, "json", "json", -1, 'U', 199),
    base(700, "float4", "real", 4, 'N', 1021),
    base(701, "float8", "double precision", 8, 'N', 1022),
    base(705, "unknown", "unknown", -2, 'X', 0),
    base(1042, "bpchar", "character", -1, 'S', 1014),
    base(1043, "varchar", "character varying", -1, 'S', 1015),
    base(1082, "date", "date", 4, 'D', 1182),
    base(1083, "time", "time without time zone", 8, 'D', 1183),
    base(1114, "timestamp", "timestamp without time zone", 8, 'D', 1115),
    base(1184, "timestamptz", "timestamp with time zone", 8, 'D', 1185),
    base(1186, "interval", "interval", 16, 'T', 1187),
    base(1700, "numeric", "numeric", -1, 'N', 1231),
    base(2205, "regclass", "regclass", 4, 'N', 2210),
    base(2206, "regtype", "regtype", 4, 'N', 2211),
    base(2950, "uuid", "uuid", 16, 'U', 2951),
    base(3802, "jsonb", "jsonb", -1, 'U', 3807),
];

/// Returns all types, arrays after the others, each with its name and display name.
pub(super) fn types() -> impl Iterator<Item = (TypeRow, String, String)> {
    let one = |row: &TypeRow| (*row, row.name.to_owned(), row.display.to_owned());
    let array = |row: &TypeRow| {
        let of = TypeRow { oid: row.array, size: -1, category: 'A', element: row.oid, array: 0, ..*row };
        (of, format!("_{}", row.name), format!("{}[]", row.display))
    };
    BASE.iter().map(one).chain(BASE.iter().filter(|row| row.array > 0).map(array))
}

/// Returns the object identifier of the PostgreSQL type that a column of this DuckDB type has for clients.
///
/// Unsigned and 128-bit integers become the next larger type, up to `numeric`; maps, structs and nested lists become
/// `json`; everything without a counterpart becomes `text`. `OID` is what a worker calls `UINTEGER` in an answer about the
/// catalogue, whose integers without a sign are object identifiers.
#[must_use]
pub fn pg_type_oid(duckdb: &str) -> u32 {
    let scalar = |name: &str| match name {
        "OID" => 26,
        "BOOLEAN" => 16,
        "BLOB" => 17,
        "BIGINT" | "UINTEGER" => 20,
        "TINYINT" | "UTINYINT" | "SMALLINT" => 21,
        "INTEGER" | "USMALLINT" => 23,
        "FLOAT" => 700,
        "DOUBLE" => 701,
        "DATE" => 1082,
        "TIME" => 1083,
        "TIMESTAMP" | "TIMESTAMP_S" | "TIMESTAMP_MS" | "TIMESTAMP_NS" => 1114,
        "TIMESTAMP WITH TIME ZONE" => 1184,
        "INTERVAL" => 1186,
        "UBIGINT" | "HUGEINT" | "UHUGEINT" => 1700,
        name if is_char(name) => 18,
        name if name.starts_with("DECIMAL(") && name.ends_with(')') => 1700,
        _ => 25,
    };
    if duckdb.starts_with("MAP(") || duckdb.starts_with("STRUCT(") || duckdb.starts_with("UNION(") {
        return 114;
    }
    match duckdb.strip_suffix(']').and_then(|rest| rest.rsplit_once('[')) {
        None => scalar(duckdb),
        Some((item, _)) if item.ends_with(']') || item.ends_with(')') && !item.starts_with("DECIMAL(") => 114,
        Some((item, _)) => {
            let item = scalar(item);
            BASE.iter().find(|row| row.oid == item).map_or(1009, |row| row.array)
        }
    }
}

/// Whether a type is an enumeration of single letters, as `"char"` is in the catalogue.
fn is_char(duckdb: &str) -> bool {
    let letters = duckdb.strip_prefix("ENUM(").and_then(|rest| rest.strip_suffix(')'));
    letters.is_some_and(|letters| {
        letters.split(',').all(|letter| {
            let inner = letter.trim().strip_prefix('\'').and_then(|letter| letter.strip_suffix('\''));
            inner.is_some_and(|inner| inner.len() == 1 && inner != "'")
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_type_has_a_counterpart() {
        for (duckdb, oid) in [
            ("VARCHAR", 25),
            ("UINTEGER", 20),
            ("OID", 26),
            ("OID[]", 1028),
            ("UBIGINT", 1700),
            ("DECIMAL(18,3)", 1700),
            ("TIMESTAMP_MS", 1114),
            ("MAP(VARCHAR, VARCHAR)", 114),
            ("STRUCT(a INTEGER[])", 114),
            ("BIGINT[]", 1016),
            ("VARCHAR[]", 1009),
            ("DECIMAL(18,3)[]", 1231),
            ("INTEGER[3]", 1007),
            ("INTEGER[][]", 114),
            ("MAP(VARCHAR, VARCHAR)[]", 114),
            ("UUID", 25),
            ("JSON", 25),
            ("ENUM('a', 'b')", 18),
            ("ENUM('up', 'b')", 25),
            ("ENUM(',', 'b')", 25),
        ] {
            assert_eq!(pg_type_oid(duckdb), oid, "{duckdb}");
        }
    }
}
