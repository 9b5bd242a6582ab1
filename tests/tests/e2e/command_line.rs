//! Errors of the command line and of the configuration file.

use tempfile::tempdir;

use crate::harness::run;

#[test]
fn an_invalid_command_exits_with_2_and_names_the_reason() {
    let folder = tempdir().unwrap();
    let ended = run(folder.path(), ["serv"]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.stdout.is_empty());
    assert!(ended.stderr.contains("similar subcommand exists: 'serve'"), "{}", ended.stderr);
}

#[test]
fn an_unknown_configuration_key_names_line_column_and_the_nearest_known() {
    let folder = tempdir().unwrap();
    std::fs::write(folder.path().join("almanac.toml"), "[server]\nlistne = \"127.0.0.1:1\"\n").unwrap();
    let ended = run(folder.path(), ["serve"]);
    assert_eq!(ended.code, Some(2));
    assert_eq!(
        ended.stderr,
        "almanac: almanac.toml line 2, column 1: unknown key \"listne\"; did you mean \"listen\"?\n"
    );
    assert!(!folder.path().join("almanac.duckdb").exists());
}
