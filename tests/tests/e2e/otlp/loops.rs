//! Traces of OpenTelemetry's SDK for Python over HTTP and gRPC: the loops of statements in them are found in the store.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use almanac_engine::{
    database::traces::{LoopForm, LoopKind, Orm, Window, WindowFilter, loops, polls},
    store::{Store, StoreOptions},
};
use serde_json::json;
use tempfile::tempdir;

use super::{python, start, value};
use crate::harness::{Server, project};

fn send(protocol: &str, endpoint: &str) {
    let mut command = Command::new(python());
    command.arg(project().join("tests/clients/otlp/traces.py")).args([protocol, endpoint, "secret"]);
    for name in ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"] {
        command.env_remove(name);
    }
    let ended = command.output().unwrap();
    let output = [ended.stdout, ended.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).join("\n");
    assert!(ended.status.success(), "{protocol}: {output}");
}

fn started(folder: &Path, config: &str) -> (Server, String) {
    fs::write(folder.join("almanac.toml"), config).unwrap();
    let (server, grpc) = start(folder, &["--token", "secret", "--config", "almanac.toml"]);
    (server.with_token("secret"), grpc)
}

/// Waits until analysts see the requests of a service.
fn wait_for(server: &Server, service: &str, requests: u64) {
    let sql =
        format!("SELECT sum(requests)::BIGINT FROM request_statements WHERE service = '{service}' AND family = ''");
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let answer = server.sql(&sql);
        if answer[0][0] == json!(requests) {
            return;
        }
        assert!(Instant::now() < until, "{service}: {answer}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn loops_of_statements_are_found_in_traces_of_the_python_sdk() {
    let folder = tempdir().unwrap();
    let (server, grpc) = started(folder.path(), "[otlp]\ntrace_wait = \"5s\"\n");
    send("http", &server.url);
    wait_for(&server, "shop-http", 280);
    // What is open at the shutdown is stored too.
    send("grpc", &grpc);
    let calls = "sum(traces_span_metrics_calls_total{service_name=\"shop-grpc\",http_route=\"/serial\"})";
    assert_eq!(value(&server, calls), 40.0);
    let texts = server.sql("SELECT string_agg(statement || evidence) FROM request_statements");
    assert!(!texts.to_string().contains("secret-state"), "a literal was stored");
    let metrics = server.get("/metrics").text();
    assert!(metrics.contains("almanac_traces_requests_total"), "{metrics}");
    assert!(server.stop().success());

    let store = Store::open(&folder.path().join("almanac.duckdb"), StoreOptions::default()).unwrap();
    for service in ["shop-http", "shop-grpc"] {
        let filter = WindowFilter {
            service: Some(service.to_owned()),
            database: Some("app".to_owned()),
            ..WindowFilter::default()
        };
        let window = Window::read(&store, &filter).unwrap();
        let found = loops(&window);
        let mut forms: BTreeMap<&str, Vec<(LoopKind, LoopForm)>> = BTreeMap::new();
        for one in &found {
            forms.entry(&one.route.route).or_default().push((one.kind, one.form));
            assert_eq!(one.requests, 40, "{one:#?}");
        }
        let read = |form| (LoopKind::NPlusOne, form);
        let expected = BTreeMap::from([
            ("GET /serial", vec![read(LoopForm::Serial)]),
            ("GET /parallel", vec![read(LoopForm::Parallel)]),
            ("GET /interleaved", vec![read(LoopForm::Interleaved); 2]),
            ("GET /warm", vec![read(LoopForm::WarmCache)]),
            ("GET /stripped", vec![read(LoopForm::Serial)]),
            ("POST /import", vec![(LoopKind::Batch, LoopForm::Serial)]),
        ]);
        assert_eq!(forms, expected, "{service}: {found:#?}");
        assert_eq!(polls(&window), []);
        let of = |route: &str| found.iter().find(|one| one.route.route == route).unwrap();
        let serial = of("GET /serial");
        assert_eq!((serial.looping, serial.orm, serial.calls.median), (40, Some(Orm::SqlAlchemy), 14.0));
        assert!(serial.parent.as_ref().unwrap().text.starts_with("SELECT tasks.id"), "{serial:#?}");
        // Half of the requests have the number of rows.
        let growth = serial.growth.unwrap();
        assert!(growth.loops == 20 && (growth.slope - 1.0).abs() < 1e-9, "{growth:?}");
        assert!(serial.proposal.statement.as_ref().unwrap().ends_with("= ANY($1::INTEGER[])"));
        let warm = of("GET /warm");
        assert!(warm.looping == 20 && warm.cache.unwrap().lookups.median == 20.0, "{warm:#?}");
        let stripped = of("GET /stripped");
        assert_eq!((stripped.placeholders_only, stripped.parent.is_none()), (1.0, true));
    }
    store.close().unwrap();
}

#[test]
fn statements_are_not_counted_when_that_is_off_and_span_metrics_are_bounded() {
    let folder = tempdir().unwrap();
    let (server, _) = started(folder.path(), "[otlp]\nstatements = false\n[ingest]\nmax_span_metrics = 3\n");
    send("http", &server.url);
    let calls = |labels: &str| value(&server, &format!("sum(traces_span_metrics_calls_total{{{labels}}})"));
    assert!(calls("span_name=\"other\",service_name=\"shop-http\"") > 40.0);
    let all = value(&server, "count(traces_span_metrics_calls_total)");
    // Three, and the others by kind and status.
    assert!((4.0..=8.0).contains(&all), "{all}");
    assert!(server.stop().success());
    let store = Store::open(&folder.path().join("almanac.duckdb"), StoreOptions::default()).unwrap();
    assert_eq!(store.request_statements(&Default::default()).unwrap(), []);
    store.close().unwrap();
}
