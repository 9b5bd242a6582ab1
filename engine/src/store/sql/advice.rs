//! What to write in place of something that analysts may not use, and operators as people write them.

/// Statements that are refused, with what answers the same question.
const STATEMENTS: &[(&str, &str)] = &[
    ("PIVOT", "write an aggregate for each column, such as sum(value) FILTER (WHERE name = 'up')"),
    ("PIVOT_WIDER", "write an aggregate for each column, such as sum(value) FILTER (WHERE name = 'up')"),
    ("UNPIVOT", "join the columns with UNION ALL"),
    ("COPY", "ask for the rows with SELECT; `almanac sql --format parquet` and `almanac export` write files"),
    ("EXPORT", "`almanac export` writes all samples as files"),
    ("ATTACH", "only this store can be asked"),
    ("PRAGMA", "SHOW TABLES and DESCRIBE tell what there is"),
    ("CALL", "SHOW TABLES and DESCRIBE tell what there is"),
    ("SET", "settings are fixed; the deadline and the limit of rows are part of the request"),
    ("CREATE", "name an intermediate result with WITH"),
    ("DELETE", "`almanac delete` deletes series and samples"),
    ("INSERT", "samples are written through ingest or `almanac import`"),
    ("EXECUTE", "pass values as parameters"),
    ("PREPARE", "pass values as parameters"),
];

/// Functions that are refused, by how their names begin, with what answers the same question.
const FUNCTIONS: &[(&str, &str)] = &[
    ("read_", "files are not open to queries; `almanac import` takes them in"),
    ("parquet_", "files are not open to queries; `almanac import` takes them in"),
    ("sniff_csv", "files are not open to queries; `almanac import` takes them in"),
    ("glob", "files are not open to queries; `almanac import` takes them in"),
    ("duckdb_", "SHOW TABLES, DESCRIBE and information_schema.columns tell what there is"),
    ("pragma_", "SHOW TABLES, DESCRIBE and information_schema.columns tell what there is"),
    ("show_", "SHOW TABLES, DESCRIBE and information_schema.columns tell what there is"),
    ("query", "write the statement itself"),
    ("json_execute_serialized_sql", "write the statement itself"),
    ("list_transform", "unnest the list in a subquery and compute on its rows"),
    ("list_apply", "this is also what [x FOR x IN list] means; unnest the list in a subquery"),
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

/// Functions that operators and clauses are to the parser.
const WRITTEN: &[(&str, &str)] = &[
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

/// What to write in place of a statement that begins with this word.
pub(super) fn instead_of_statement(word: &str) -> Option<&'static str> {
    STATEMENTS.iter().find(|(known, _)| *known == word).map(|(_, instead)| *instead)
}

/// What to write in place of a function.
pub(super) fn instead_of_function(name: &str) -> Option<&'static str> {
    FUNCTIONS.iter().find(|(known, _)| name.starts_with(known)).map(|(_, instead)| *instead)
}

/// A function as people write it.
pub(super) fn written(name: &str) -> &str {
    WRITTEN.iter().find(|(function, _)| *function == name).map_or(name, |(_, written)| written)
}
