//! Targets: files that a person exported from a database, logs of its server, statements.

use almanac_engine::database::{
    export::{read_plans, read_schema, read_statements},
    log::{LogFormat, LogReader},
};

use super::one_line;

/// An export of statements, as CSV or JSON.
pub(super) fn statements(data: &[u8]) {
    match read_statements("statements.csv", data) {
        Ok(file) => {
            file.notes.iter().for_each(|note| one_line::check_text(note));
            for statement in &file.workload.statements {
                assert!(statement.calls >= 0.0 && statement.total_ms >= 0.0, "{statement:?}");
            }
        }
        Err(error) => one_line::check(&error),
    }
}

/// A schema, as JSON or SQL.
pub(super) fn schema(data: &[u8]) {
    match read_schema("schema.sql", data) {
        Ok(file) => file.notes.iter().for_each(|note| one_line::check_text(note)),
        Err(error) => one_line::check(&error),
    }
}

/// Plans as JSON, or a log with them; a log gives the same in one portion and byte by byte.
pub(super) fn plans(data: &[u8]) {
    for literals in [false, true] {
        match read_plans("plans.json", data, literals) {
            Ok(file) => file.notes.iter().for_each(|note| one_line::check_text(note)),
            Err(error) => one_line::check(&error),
        }
    }
    for format in [LogFormat::Text, LogFormat::Csv, LogFormat::Json] {
        let read = |portion: usize| {
            let mut reader = LogReader::new(format);
            let mut found: Vec<_> = data.chunks(portion).flat_map(|bytes| reader.push(bytes)).collect();
            found.extend(reader.finish());
            found
        };
        assert_eq!(read(1), read(data.len().max(1)));
    }
}
