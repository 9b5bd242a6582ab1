//! Hints for rejected statements and functions, and the SQL spelling of operators.

/// Rejected statements with alternatives.
const STATEMENTS: &[(&str, &str)] = &[
    ("PIVOT", "write an aggregate for each column, such as sum(value) FILTER (WHERE name = 'up')"),
    ("PIVOT_WIDER", "write an aggregate for each column, such as sum(value) FILTER (WHERE name = 'up')"),
    ("UNPIVOT", "join the columns with UNION ALL"),
    ("COPY", "use SELECT; `almanac sql --format parquet` and `almanac export` write files"),
    ("EXPORT", "`almanac export` writes all samples as files"),
    ("ATTACH", "queries can read this store only"),
    ("PRAGMA", "use SHOW TABLES and DESCRIBE"),
    ("CALL", "use SHOW TABLES and DESCRIBE"),
    ("SET", "settings are fixed; deadline and row limit are part of the request"),
    ("CREATE", "name an intermediate result with WITH"),
    ("DELETE", "`almanac delete` deletes series and samples"),
    ("INSERT", "samples are written through ingest or `almanac import`"),
    ("EXECUTE", "pass values as parameters"),
    ("PREPARE", "pass values as parameters"),
];

/// Rejected functions, by prefix of their names, with alternatives.
const FUNCTIONS: &[(&str, &str)] = &[
    ("read_", "queries cannot read files; load them with `almanac import`"),
    ("parquet_", "queries cannot read files; load them with `almanac import`"),
    ("sniff_csv", "queries cannot read files; load them with `almanac import`"),
    ("glob", "queries cannot read files; load them with `almanac import`"),
    ("duckdb_", "use SHOW TABLES, DESCRIBE or information_schema.columns"),
    ("pragma_", "use SHOW TABLES, DESCRIBE or information_schema.columns"),
    ("show_", "use SHOW TABLES, DESCRIBE or information_schema.columns"),
    ("query", "write the statement itself"),
    ("json_execute_serialized_sql", "write the statement itself"),
    ("list_transform", "unnest the list in a subquery and compute on its rows"),
    ("list_apply", "unnest the list in a subquery; [x FOR x IN list] calls list_apply as well"),
    ("list_filter", "unnest the list in a subquery and use WHERE"),
    ("list_reduce", "unnest the list in a subquery and aggregate"),
    ("array_transform", "unnest the list in a subquery and compute on its rows"),
    ("array_apply", "unnest the list in a subquery and compute on its rows"),
    ("array_filter", "unnest the list in a subquery and use WHERE"),
    ("array_reduce", "unnest the list in a subquery and aggregate"),
    ("apply", "unnest the list in a subquery and compute on its rows"),
    ("filter", "unnest the list in a subquery and use WHERE"),
    ("reduce", "unnest the list in a subquery and aggregate"),
    ("format", "join texts with || or concat"),
    ("printf", "join texts with || or concat"),
    ("repeat", "join texts with || or concat"),
    ("lpad", "join texts with || or concat"),
    ("rpad", "join texts with || or concat"),
    ("json_structure", "use json_type and json_keys"),
    ("json_transform", "use json_extract_string and a cast"),
    ("from_json", "use json_extract_string and a cast"),
    ("json_contains", "use json_extract and a comparison"),
    ("levenshtein", "use starts_with, contains or regexp_matches"),
    ("editdist", "use starts_with, contains or regexp_matches"),
    ("damerau", "use starts_with, contains or regexp_matches"),
    ("jaccard", "use starts_with, contains or regexp_matches"),
    ("jaro", "use starts_with, contains or regexp_matches"),
    ("flatten", "unnest both levels"),
];

/// Operators and clauses by the function names that DuckDB's parser gives them.
const OPERATORS: &[(&str, &str)] = &[
    ("~~", "LIKE"),
    ("!~~", "NOT LIKE"),
    ("~~*", "ILIKE"),
    ("!~~*", "NOT ILIKE"),
    ("~~~", "GLOB"),
    ("like_escape", "LIKE … ESCAPE"),
    ("not_like_escape", "NOT LIKE … ESCAPE"),
    ("ilike_escape", "ILIKE … ESCAPE"),
    ("not_ilike_escape", "NOT ILIKE … ESCAPE"),
];

/// Returns the hint for a statement that starts with this word.
pub(super) fn instead_of_statement(word: &str) -> Option<&'static str> {
    STATEMENTS.iter().find(|(known, _)| *known == word).map(|(_, instead)| *instead)
}

/// Returns the hint for a function.
pub(super) fn instead_of_function(name: &str) -> Option<&'static str> {
    FUNCTIONS.iter().find(|(known, _)| name.starts_with(known)).map(|(_, instead)| *instead)
}

/// Returns a function as written in SQL: `LIKE` for `~~`.
pub(super) fn sql_spelling(name: &str) -> &str {
    OPERATORS.iter().find(|(function, _)| *function == name).map_or(name, |(_, spelling)| spelling)
}
