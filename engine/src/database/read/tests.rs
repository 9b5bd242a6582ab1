//! Tests of the statements' texts and of what a server lacks.

use super::*;

fn server(version: u32, extension: &str) -> Server {
    let json = format!(
        r#"{{"version": {version}, "database": "app", "role": "almanac", "in_recovery": false, "reads_all_stats": true,
        "extensions": {{"pg_stat_statements": ["My Schema", "{extension}"]}}, "statistics_function": true, "tables": [3, 0]}}"#
    );
    Server::read(&json).unwrap()
}

#[test]
fn each_version_gets_the_columns_that_it_has() {
    let check = |version: u32, has: &[&str], lacks: &[&str]| {
        let server = server(version, "1.10");
        let all = [counters(&server), catalogue(&server, false), statements(&server).unwrap()].concat();
        assert!(has.iter().all(|word| all.contains(word)), "{version}: {all}");
        assert!(!lacks.iter().any(|word| all.contains(word)), "{version}: {all}");
        // Every placeholder was replaced; an empty array of JSON remains.
        assert!(!all.replace("'{}'", "").contains('{'), "{version}: {all}");
    };
    let newest = ["pg_stat_checkpointer", "pg_stat_io", " n_tup_newpage_upd", "waitstart", "pg_stat_wal"];
    check(130_014, &["b.checkpoints_timed", "NULL::timestamptz AS since"], &newest);
    check(150_018, &["b.checkpoints_timed", "waitstart AS since", "pg_stat_wal"], &newest[..3]);
    check(160_004, &["b.checkpoints_timed", "pg_stat_io", " n_tup_newpage_upd"], &newest[..1]);
    check(170_000, &newest, &["b.checkpoints_timed", "read_bytes"]);
    check(180_000, &["read_bytes", "\"My Schema\".pg_stat_statements(false)"], &["b.checkpoints_timed"]);
}

#[test]
fn resets_are_read_where_the_extension_counts_them() {
    let check = |version: &str, expected: bool| {
        let text = statements(&server(150_000, version)).unwrap();
        assert_eq!(text.contains("pg_stat_statements_info"), expected, "{version}");
    };
    check("1.8", false);
    check("1.9", true);
    check("1.12", true);
    assert_eq!(statements(&server(150_000, "1.7")), None, "its columns have other names");
    assert_eq!(statement_texts(&server(150_000, "1.7"), &[1]), None);
    assert_eq!(statements(&Server::default()), None);
}

#[test]
fn what_is_missing_has_the_command_that_supplies_it() {
    let remedies = |server: &Server, literals: bool| {
        server.lacks(literals).into_iter().map(|lack| lack.remedy).collect::<Vec<_>>()
    };
    assert_eq!(remedies(&server(150_000, "1.10"), false), Vec::<String>::new());
    assert!(remedies(&server(150_000, "1.10"), true)[0].starts_with("GRANT pg_read_all_data TO almanac"));
    assert_eq!(remedies(&server(150_000, "1.7"), false), ["ALTER EXTENSION pg_stat_statements UPDATE"]);
    let not_loaded = Server { statements_not_loaded: true, ..server(150_000, "1.10") };
    assert_eq!(statements(&not_loaded), None);
    assert!(remedies(&not_loaded, false)[0].starts_with("set shared_preload_libraries"));
    let bare = Server { version: 150_000, role: "Reader".to_owned(), ..Server::default() };
    let remedies = remedies(&bare, false);
    assert!(remedies[0].contains("CREATE EXTENSION pg_stat_statements"), "{remedies:?}");
    assert_eq!(remedies[1], "GRANT pg_read_all_stats TO \"Reader\"");
    assert!(server(120_004, "1.7").refusal().unwrap().missing.contains("PostgreSQL 12.0"));
}

#[test]
fn the_shipped_script_has_the_statement_of_the_catalogue() {
    let script = include_str!("../../../../docs/advisors/database-export.sql");
    let server = Server { version: 150_000, ..Server::default() };
    for literals in [false, true] {
        let statement = catalogue(&server, literals);
        assert!(script.contains(statement.trim()), "write the statement of {literals} into the script:\n{statement}");
    }
}

#[test]
fn of_values_only_those_of_boolean_columns_are_kept() {
    let server = Server { version: 150_000, ..Server::default() };
    let column = |name: &str, type_name: &str| {
        format!(
            r#"{{"name": "{name}", "type": "{type_name}", "statistics": {{"common_values": ["t", "f"], "common_shares": [0.9, 0.1], "bounds": ["a", "b"]}}}}"#
        )
    };
    let json = format!(
        r#"{{"tables": [{{"schema": "public", "name": "a", "columns": [{}, {}]}}]}}"#,
        column("done", "boolean"),
        column("state", "text")
    );
    let kept = |literals: bool| {
        let found = server.catalogue(&json, literals).unwrap();
        let statistics = found.tables[0].columns.iter().filter_map(|column| column.statistics.as_ref());
        statistics.map(|known| (known.common_values.len(), known.bounds.len())).collect::<Vec<_>>()
    };
    assert_eq!(kept(false), [(2, 0), (0, 0)]);
    assert_eq!(kept(true), [(2, 2), (2, 2)]);
}
