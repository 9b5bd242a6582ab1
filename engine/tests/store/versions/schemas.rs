//! Stores that earlier releases wrote open with every row, and get the columns and tables of later schemas.

use std::{fs, path::Path};

use almanac_engine::store::{
    Compaction, Store, StoreOptions,
    rows::{EventBatch, EventFilter, Incident, IncidentVerdict},
};
use almanac_models::Timestamp;

use super::unpacked;
use crate::support::{all, labels};

#[test]
fn a_store_of_schema_version_1_opens() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("v1.duckdb");
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/store_v1.duckdb");
    fs::copy(fixture, &path).unwrap();
    let store = Store::open(&path, StoreOptions::default()).unwrap();
    let found = all(&store);
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].labels, labels(&[("__name__", "requests_total"), ("job", "api")]));
    assert_eq!(found[0].timestamps.len(), 40);
    assert_eq!((found[0].values[0], found[0].values[39]), (0.0, 39.0));
    assert_eq!(found[1].values, [5.0, 7.0]);
    assert_eq!(store.signals(&Default::default()).unwrap()[0].signal, "requests");
    assert_eq!(store.recommendations(&Default::default()).unwrap()[0].id, "r1");
    assert_eq!(store.cache_events(&Default::default()).unwrap().len(), 1);
    // Tables added by later versions exist and are empty.
    assert_eq!(store.advice_status(&Default::default()).unwrap(), []);
    assert_eq!(store.metadata(&Default::default()), []);
    assert_eq!(store.scrape_targets(), []);
    assert_eq!(store.suspected_incidents(&Default::default()).unwrap(), []);
    assert_eq!(store.peer_outliers(&Default::default()).unwrap(), []);
    assert_eq!(store.database_statements("app").unwrap(), []);
    assert_eq!(store.database_catalogue("app").unwrap(), None);
    let answer = store.analyst_sql("SELECT count(*) FROM samples", &[], Default::default()).unwrap();
    assert_eq!(answer.batches[0].num_rows(), 1);
    store.compact(Timestamp::from_millis(0), Compaction::All).unwrap();
    assert_eq!(all(&store), found);
}

/// The fixture was written by the release before schema version 4: an import, posted events, a fit and a compaction.
#[test]
fn a_store_of_schema_version_3_opens() {
    let folder = tempfile::tempdir().unwrap();
    let path = unpacked("store_v3.duckdb", folder.path());
    let store = Store::open(&path, StoreOptions::default()).unwrap();
    let found = all(&store);
    let lengths: Vec<usize> = found.iter().map(|series| series.timestamps.len()).collect();
    assert_eq!(lengths, [30, 384]);
    assert_eq!(found[1].labels, labels(&[("__name__", "requests"), ("job", "api")]));
    let signal = &store.signals(&Default::default()).unwrap()[0];
    assert_eq!((signal.signal.as_str(), signal.points), ("requests", 384));
    assert_eq!(store.forecasts(&Default::default()).unwrap().len(), 96);
    assert_eq!(store.anomalies(&Default::default()).unwrap().len(), 324);
    assert_eq!(
        (store.cache_events(&Default::default()).unwrap().len(), store.deploys(&Default::default()).unwrap().len()),
        (1, 1)
    );
    // The column that version 4 adds has its default, also in views, and can be changed.
    let incidents = store.incidents(&Default::default()).unwrap();
    assert_eq!(
        incidents.iter().map(|row| (row.title.as_str(), row.verdict)).collect::<Vec<_>>(),
        [("slow", IncidentVerdict::Real), ("open", IncidentVerdict::Real)]
    );
    let real = EventFilter { verdict: Some(IncidentVerdict::Real), ..Default::default() };
    assert_eq!(store.incidents(&real).unwrap(), incidents);
    let changed = Incident { verdict: IncidentVerdict::False, ..incidents[0].clone() };
    store.put_events(EventBatch { incidents: vec![changed.clone()], ..Default::default() }).unwrap();
    assert_eq!(store.incidents(&real).unwrap(), incidents[1..]);
    let sql = "SELECT title, verdict FROM incidents ORDER BY title";
    let answer = store.analyst_sql(sql, &[], Default::default()).unwrap();
    let text = arrow::util::pretty::pretty_format_batches(&answer.batches).unwrap().to_string();
    assert!(text.contains("| open  | real    |") && text.contains("| slow  | false   |"), "{text}");
    store.compact(Timestamp::from_millis(0), Compaction::All).unwrap();
    assert_eq!(all(&store), found);
}

/// The fixture was written by the release before schema version 5: an import, a compaction and another import.
#[test]
fn a_store_of_schema_version_4_opens() {
    let folder = tempfile::tempdir().unwrap();
    let path = unpacked("store_v4.duckdb", folder.path());
    let store = Store::open(&path, StoreOptions::default()).unwrap();
    let found = all(&store);
    let lengths: Vec<usize> = found.iter().map(|series| series.timestamps.len()).collect();
    assert_eq!(lengths, [61, 30]);
    assert_eq!(found[0].values.last(), Some(&7.0));
    // The table that version 5 adds exists and is empty.
    assert_eq!(store.stats().histograms, 0);
    let answer = store.analyst_sql("SELECT buckets FROM histograms", &[], Default::default()).unwrap();
    assert!(answer.batches.iter().all(|batch| batch.num_rows() == 0));
    store.close().unwrap();
    assert_eq!(all(&Store::open(&path, StoreOptions::default()).unwrap()), found);
}

/// The fixture was written by the release before schema version 6: samples, native histograms and a compaction.
#[test]
fn a_store_of_schema_version_5_opens() {
    let folder = tempfile::tempdir().unwrap();
    let path = unpacked("store_v5.duckdb", folder.path());
    let store = Store::open(&path, StoreOptions::default()).unwrap();
    let found = all(&store);
    let lengths: Vec<usize> = found.iter().map(|series| series.timestamps.len()).collect();
    assert_eq!(lengths, [61]);
    assert_eq!((found[0].values[59], found[0].values[60], store.stats().histograms), (59.0, 7.0, 3));
    // The table that version 6 adds exists and is empty.
    assert_eq!(store.request_statements(&Default::default()).unwrap(), []);
    let answer = store.analyst_sql("SELECT evidence FROM request_statements", &[], Default::default()).unwrap();
    assert!(answer.batches.iter().all(|batch| batch.num_rows() == 0));
    store.close().unwrap();
    assert_eq!(all(&Store::open(&path, StoreOptions::default()).unwrap()), found);
}
