//! Tests of the loaders of public sets, on small files of the same format that the tests write themselves.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::{fs, path::Path};

use almanac_datasets::loaders::{DataDirectory, PublicSet, Split};

fn table(directory: &Path, name: &str, sql: &str) {
    let path = directory.join(name);
    let db = duckdb::Connection::open_in_memory().unwrap();
    db.execute_batch(&format!("COPY ({sql}) TO '{}'", path.display())).unwrap();
}

#[test]
fn labelled_series_are_sorted_and_keep_their_labels() {
    let home = tempfile::tempdir().unwrap();
    let rows = "SELECT * FROM (VALUES ('b', TIMESTAMP '2020-01-01 00:01:00', 2.0, 1::TINYINT),
        ('b', TIMESTAMP '2020-01-01 00:00:00', 1.0, 0::TINYINT), ('a', TIMESTAMP '2020-01-01 00:00:00', NULL, 0::TINYINT))
        AS t(series, timestamp, value, incident)";
    table(home.path(), "kpi.parquet", rows);
    let series = DataDirectory::open(home.path()).unwrap().series(PublicSet::Kpi).unwrap();
    assert_eq!(series.iter().map(|series| series.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert!(series[0].values[0].is_nan());
    assert_eq!(series[1].timestamps, [1_577_836_800_000, 1_577_836_860_000]);
    assert_eq!(series[1].incident.as_deref(), Some([false, true].as_slice()));
}

#[test]
fn series_without_labels_have_none() {
    let home = tempfile::tempdir().unwrap();
    table(home.path(), "load_crane.parquet", "SELECT 'x' AS series, TIMESTAMP '2020-01-01' AS timestamp, 1.5 AS value");
    let series = DataDirectory::open(home.path()).unwrap().series(PublicSet::LoadCrane).unwrap();
    assert_eq!((series.len(), series[0].incident.clone()), (1, None));
}

#[test]
fn smd_rows_are_split_into_train_and_test() {
    let home = tempfile::tempdir().unwrap();
    let rows = "SELECT 'm' AS series, TIMESTAMP '2019-01-01' + to_minutes(i) AS timestamp, i::DOUBLE AS value,
        (i = 4)::TINYINT AS incident, CASE WHEN i < 3 THEN 'train' ELSE 'test' END AS split FROM range(5) t(i)";
    table(home.path(), "smd.parquet", rows);
    let smd = DataDirectory::open(home.path()).unwrap().smd().unwrap();
    assert_eq!((smd[0].n_train, smd[0].split(2), smd[0].split(3)), (3, Split::Train, Split::Test));
    assert!(smd[0].series.incident.as_ref().unwrap()[4]);
}

#[test]
fn m4_joins_train_and_test_values() {
    let home = tempfile::tempdir().unwrap();
    let rows = |n, from| {
        format!(
            "SELECT s AS series, TIMESTAMP '2015-07-01' + to_hours(i + {from}) AS timestamp, i::DOUBLE AS value
             FROM range({n}) t(i), (VALUES ('H1'), ('H3')) names(s)"
        )
    };
    table(home.path(), "m4_hourly_train.parquet", &rows(6, 0));
    table(home.path(), "m4_hourly_test.parquet", &rows(2, 6));
    let directory = DataDirectory::open(home.path()).unwrap();
    let m4 = directory.m4_hourly().unwrap();
    assert_eq!(m4.len(), 2);
    assert_eq!((m4[1].train.len(), m4[1].test.as_slice()), (6, [0.0, 1.0].as_slice()));
    table(home.path(), "m4_hourly_test.parquet", &format!("SELECT * FROM ({}) WHERE series = 'H1'", rows(2, 6)));
    assert!(directory.m4_hourly().unwrap_err().to_string().contains("\"H3\""));
}

#[test]
fn m4_results_and_nab_windows_are_read() {
    let home = tempfile::tempdir().unwrap();
    fs::write(
        home.path().join("m4_hourly_ranks.csv"),
        "method,team,type,sMAPE,MASE,OWA,OWA_rank,MSIS_95,MSIS_rank\n7,\"A, B.\",Hybrid,9.5,0.9,0.44,2,7.9,3\nNaive2,,Benchmark,18.4,2.4,1.0,,,\n",
    )
    .unwrap();
    fs::write(
        home.path().join("nab_windows.json"),
        r#"{"a.csv": [["2014-04-10 07:15:00.000000", "2014-04-11 16:45:00.000000"]], "b.csv": []}"#,
    )
    .unwrap();
    fs::write(
        home.path().join("nab_profiles.json"),
        r#"{"standard": {"tpWeight": 1.0, "fnWeight": 1.0, "fpWeight": 0.11, "tnWeight": 1.0}}"#,
    )
    .unwrap();
    let directory = DataDirectory::open(home.path()).unwrap();
    let ranks = directory.m4_ranks().unwrap();
    assert_eq!((ranks[0].team.as_str(), ranks[0].owa, ranks[1].msis_95), ("A, B.", Some(0.44), None));
    let windows = directory.nab_windows().unwrap();
    assert_eq!((windows["a.csv"][0].start_ms, windows["b.csv"].len()), (1_397_114_100_000, 0));
    assert!((directory.nab_profiles().unwrap()["standard"].fp_weight - 0.11).abs() < 1e-12);
}

#[test]
fn trace_keeps_its_order_and_refuses_unknown_operations() {
    let home = tempfile::tempdir().unwrap();
    let rows = "SELECT * FROM (VALUES (2000::BIGINT, 'disk', 'k2', 'write'), (1000::BIGINT, 'disk', 'k1', 'get'))
        AS t(timestamp, cache, key, op)";
    table(home.path(), "cache_cloudphysics.parquet", rows);
    let directory = DataDirectory::open(home.path()).unwrap();
    let keys: Vec<String> = directory.cache_trace().unwrap().into_iter().map(|event| event.key).collect();
    assert_eq!(keys, ["k2", "k1"]);
    table(home.path(), "cache_cloudphysics.parquet", &rows.replace("'get'", "'peek'"));
    assert!(directory.cache_trace().unwrap_err().to_string().contains("\"peek\" is not a valid cache operation"));
}

#[test]
fn absent_files_and_directories_are_named() {
    let home = tempfile::tempdir().unwrap();
    let absent = DataDirectory::open(home.path()).unwrap().series(PublicSet::Nab).unwrap_err().to_string();
    assert!(absent.contains("nab.parquet does not exist"), "{absent}");
    let none = DataDirectory::find(Some(&home.path().join("nowhere"))).unwrap_err().to_string();
    assert!(none.contains("nowhere is not a directory"), "{none}");
    fs::write(home.path().join("nab.parquet"), "no Parquet").unwrap();
    let broken = DataDirectory::open(home.path()).unwrap().series(PublicSet::Nab).unwrap_err().to_string();
    assert!(broken.contains("nab.parquet could not be read as a table"), "{broken}");
}
