//! Tests of reading logs, on entries as PostgreSQL 15 writes them.

use super::*;

/// Reads a log in portions of a length.
fn read(format: LogFormat, text: &str, portion: usize) -> Vec<Timed> {
    let mut reader = LogReader::new(format);
    let mut found: Vec<Timed> = text.as_bytes().chunks(portion).flat_map(|bytes| reader.push(bytes)).collect();
    found.extend(reader.finish());
    found
}

const TEXT: &str = "2026-11-20 10:00:00.123 UTC [77] app@shop LOG:  duration: 12.5 ms  statement: SELECT 1\n\
    \tFROM tasks\n\
    2026-11-20 10:00:00.124 UTC [77] app@shop LOG:  duration: 0.5 ms  parse <unnamed>: SELECT 2\n\
    2026-11-20 10:00:01.000 UTC [78] app@shop LOG:  duration: 250.25 ms  execute s1: SELECT * FROM tasks WHERE id = $1 AND t = $2\n\
    2026-11-20 10:00:01.000 UTC [78] app@shop DETAIL:  parameters: $1 = '7', $2 = NULL\n\
    2026-11-20 10:00:02.000 UTC [79] app@shop ERROR:  relation \"x\" does not exist at character 15\n\
    2026-11-20 10:00:02.000 UTC [79] app@shop STATEMENT:  SELECT * FROM x\n\
    2026-11-20 10:00:03.000 UTC [79] app@shop LOG:  duration: 30.0 ms  plan:\n\
    \t{\n\
    \t  \"Query Text\": \"SELECT * FROM tasks WHERE status = 'open'\",\n\
    \t  \"Plan\": {\"Node Type\": \"Seq Scan\", \"Relation Name\": \"tasks\", \"Total Cost\": 10.5, \"Plan Rows\": 5, \"Actual Rows\": 900, \"Actual Loops\": 1, \"Filter\": \"(status = 'open'::text)\"}\n\
    \t}\n";

#[test]
fn entries_of_text_are_read_whatever_the_portions() {
    for portion in [1, 7, 100_000] {
        let found = read(LogFormat::Text, TEXT, portion);
        let durations: Vec<f64> = found.iter().map(|timed| timed.duration_ms).collect();
        assert_eq!(durations, [12.5, 250.25, 30.0], "{portion}");
        assert_eq!(found[0].text, "SELECT 1\nFROM tasks");
        assert_eq!(found[1].parameters, [Some("7".to_owned()), None]);
        let plan = found[2].plan(false).unwrap();
        assert_eq!(plan.root.filter.as_deref(), Some("(status = $1::text)"));
        assert_eq!((plan.root.rows, plan.root.actual_rows), (5.0, Some(900.0)));
        assert_eq!(found[2].plan(true).unwrap().root.filter.as_deref(), Some("(status = 'open'::text)"));
        assert_eq!(found[2].statement(false).parameters, []);
        assert_eq!(found[2].statement(true).parameters[0].values, [("open".to_owned(), 1.0)]);
    }
}

#[test]
fn csv_and_json_have_the_database() {
    let csv = "2026-11-20 10:00:01 UTC,\"app\",\"shop\",78,\"[local]\",a.1,1,\"SELECT\",2026-11-20 10:00:00 UTC,3/2,0,LOG,00000,\
        \"duration: 5.5 ms  execute s1: SELECT \"\"a\"\"\n FROM t WHERE b = $1\",\"parameters: $1 = 'it''s'\",,,,,,,,\"psql\",\"client backend\",,0\n";
    let json = r#"{"timestamp":"2026-11-20","dbname":"shop","error_severity":"LOG","message":"duration: 5.5 ms  execute s1: SELECT \"a\"\n FROM t WHERE b = $1","detail":"Parameters: $1 = 'it''s'"}"#;
    for (format, text) in [(LogFormat::Csv, csv), (LogFormat::Json, json)] {
        let found = read(format, text, 10);
        let [timed] = &found[..] else { panic!("{found:?}") };
        assert_eq!(timed.database.as_deref(), Some("shop"));
        assert_eq!((timed.text.as_str(), timed.duration_ms), ("SELECT \"a\"\n FROM t WHERE b = $1", 5.5));
        assert_eq!(timed.parameters, [Some("it's".to_owned())]);
    }
}

#[test]
fn parameters_stop_at_an_unknown_form() {
    let check = |text: &str, expected: &[Option<&str>]| {
        let found = parameters(text);
        assert_eq!(found.iter().map(Option::as_deref).collect::<Vec<_>>(), expected, "{text}");
    };
    check("$1 = 'a, $2 = ''b''', $2 = '5'", &[Some("a, $2 = 'b'"), Some("5")]);
    check("$1 = NULL, $2 = 7", &[None, Some("7")]);
    check("$2 = 'a'", &[]);
    check("$1 = 'open", &[]);
    check("", &[]);
}

#[test]
fn a_csv_log_whose_quotes_are_broken_is_read_again() {
    let record = "2026-11-20 10:00:01 UTC,\"app\",\"shop\",78,\"[local]\",a.1,1,\"SELECT\",2026-11-20 10:00:00 UTC,3/2,0,LOG,00000,\
        \"duration: 5.5 ms  statement: SELECT 1\",,,,,,,,,\"psql\",\"client backend\",,0\n";
    let mut reader = LogReader::new(LogFormat::Csv);
    let mut found = reader.push(b"a record that a crash \"cut\n");
    let broken = record.repeat((18 << 20) / record.len());
    found.extend(reader.push(broken.as_bytes()));
    assert!(!found.is_empty(), "the quotes are right again after 17 MiB");
}

#[test]
fn an_entry_that_is_too_long_is_left_out_and_the_next_is_read() {
    let mut reader = LogReader::new(LogFormat::Text);
    let long = format!("LOG:  duration: 1 ms  statement: SELECT '{}'\n", "x".repeat(2 << 20));
    let mut found = reader.push(long.as_bytes());
    found.extend(reader.push(b"LOG:  duration: 2 ms  statement: SELECT 1\n"));
    found.extend(reader.finish());
    assert_eq!((found.len(), found[0].duration_ms, reader.left_out()), (1, 2.0, 1));
}
