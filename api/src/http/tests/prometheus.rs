//! Tests of Prometheus' HTTP API.

use almanac_engine::store::rows::{MetadataRow, MetricType, ScrapeTargetRow, TargetHealth};
use almanac_models::Timestamp;
use axum::http::StatusCode;

use super::{END_MS, Reply, TestService};

fn seconds(millis: i64) -> i64 {
    millis / 1000
}

#[test]
fn the_connection_test_of_grafana_gets_two() {
    let service = TestService::new();
    let reply = service.post("/api/v1/query", "application/x-www-form-urlencoded", "query=1%2B1&time=4");
    assert_eq!(reply.text(), r#"{"status":"success","data":{"resultType":"scalar","result":[4,"2"]}}"#);
}

#[test]
fn queries_answer_as_prometheus_does() {
    let service = TestService::new();
    let now = seconds(END_MS);
    insta::assert_snapshot!("instant", service.get(&format!("/api/v1/query?query=up&time={now}")).shown());
    let range = format!("query=sum(rate(http_requests_total%5B5m%5D))&start={}&end={now}&step=60", now - 120);
    let by_get = service.get(&format!("/api/v1/query_range?{range}"));
    insta::assert_snapshot!("range", by_get.shown());
    let by_post = service.post("/api/v1/query_range", "application/x-www-form-urlencoded; charset=utf-8", &range);
    assert_eq!(by_post.body, by_get.body);
}

#[test]
fn labels_and_series_are_listed() {
    let service = TestService::new();
    let check = |reply: Reply, expected: &str| {
        assert_eq!(reply.text(), format!(r#"{{"status":"success","data":{expected}}}"#));
    };
    let cut = |reply: Reply, expected: &str| {
        let warning = r#""warnings":["results truncated due to limit"]"#;
        assert_eq!(reply.text(), format!(r#"{{"status":"success","data":{expected},{warning}}}"#));
    };
    check(service.get("/api/v1/labels"), r#"["__name__","instance","job","path"]"#);
    check(service.get("/api/v1/labels?match[]=http_requests_total"), r#"["__name__","job","path"]"#);
    cut(service.get("/api/v1/labels?limit=2"), r#"["__name__","instance"]"#);
    check(service.get("/api/v1/labels?limit=4"), r#"["__name__","instance","job","path"]"#);
    check(service.get("/api/v1/labels?limit=0"), r#"["__name__","instance","job","path"]"#);
    cut(service.get("/api/v1/label/job/values?limit=1"), r#"["api"]"#);
    cut(service.get("/api/v1/series?match[]=up&limit=1"), r#"[{"__name__":"up","instance":"a:1","job":"api"}]"#);
    check(service.get("/api/v1/label/__name__/values?limit=40000"), r#"["http_requests_total","up"]"#);
    check(service.get("/api/v1/label/job/values?match[]=up%7Bjob%3D~%22d.%22%7D"), r#"["db"]"#);
    let form = "application/x-www-form-urlencoded";
    check(
        service.post("/api/v1/labels", form, "match[]=up&match[]=http_requests_total"),
        r#"["__name__","instance","job","path"]"#,
    );
    check(
        service.post("/api/v1/series", form, "match[]=up%7Bjob%3D%22db%22%7D&match[]=nothing"),
        r#"[{"__name__":"up","instance":"b.c:1","job":"db"}]"#,
    );
    check(service.get("/api/v1/metadata"), "{}");
    check(service.get("/api/v1/rules"), r#"{"groups":[]}"#);
    let build = service.get("/api/v1/status/buildinfo").json();
    assert_eq!(build["data"]["application"], "almanac");
    // By semantic versioning, a suffix after a plus does not make the version older than 3.0.0; one after a minus does.
    assert!(build["data"]["version"].as_str().unwrap().starts_with("3.14.0+almanac."), "{build}");
}

#[test]
fn limits_and_look_back_apply_to_queries() {
    let service = TestService::new();
    let now = seconds(END_MS);
    let found = |uri: &str| service.get(uri).json()["data"]["result"].as_array().map_or(0, Vec::len);
    assert_eq!(found(&format!("/api/v1/query?query=up&time={now}")), 2);
    assert_eq!(found(&format!("/api/v1/query?query=up&time={now}&limit=1")), 1);
    let range = format!("query=up&start={}&end={now}&step=60", now - 600);
    assert_eq!(found(&format!("/api/v1/query_range?{range}&limit=1")), 1);
    assert!(service.get(&format!("/api/v1/query_range?{range}&limit=1")).text().contains("truncated due to limit"));
    assert!(!service.get(&format!("/api/v1/query_range?{range}&limit=2")).text().contains("truncated"));
    // A hundred seconds after the newest sample, only a longer look-back includes it.
    let later = now + 100;
    assert_eq!(found(&format!("/api/v1/query?query=up&time={later}&lookback_delta=50s")), 0);
    assert_eq!(found(&format!("/api/v1/query?query=up&time={later}&lookback_delta=150")), 2);
    let form = format!("query=up&start={later}&end={later}&step=1&lookback_delta=50s");
    let posted = service.post("/api/v1/query_range", "application/x-www-form-urlencoded", &form);
    assert_eq!(posted.json()["data"]["result"], serde_json::json!([]));
    for wrong in ["lookback_delta=soon", "lookback_delta=-5m", "limit=-1", "limit=many", "timeout=5x"] {
        let reply = service.get(&format!("/api/v1/query?query=up&{wrong}"));
        assert_eq!(
            (reply.status, &reply.json()["errorType"]),
            (StatusCode::BAD_REQUEST, &"bad_data".into()),
            "{wrong}"
        );
    }
}

#[test]
fn metadata_is_listed_by_metric() {
    let service = TestService::new();
    let row = |metric: &str, metric_type, help: &str, unit: &str| MetadataRow {
        metric: metric.to_owned(),
        metric_type,
        help: help.to_owned(),
        unit: unit.to_owned(),
        updated_at: Timestamp::from_millis(END_MS),
    };
    let rows = [
        row("up", MetricType::Gauge, "1 if it answers", ""),
        row("http_request_duration_seconds", MetricType::Histogram, "a \"b\"", "seconds"),
    ];
    service.store().put_metadata(&rows).unwrap();
    let check = |parameters: &str, expected: &str| {
        let reply = service.get(&format!("/api/v1/metadata{parameters}"));
        assert_eq!(reply.text(), format!(r#"{{"status":"success","data":{{{expected}}}}}"#), "{parameters}");
    };
    let up = r#""up":[{"type":"gauge","help":"1 if it answers","unit":""}]"#;
    let duration = r#""http_request_duration_seconds":[{"type":"histogram","help":"a \"b\"","unit":"seconds"}]"#;
    check("", &format!("{duration},{up}"));
    check("?limit=40000&limit_per_metric=1", &format!("{duration},{up}"));
    check("?limit=-1", &format!("{duration},{up}"));
    check("?limit=1", duration);
    check("?metric=up", up);
    check("?metric=nothing", "");
    assert_eq!(service.get("/api/v1/metadata?limit=many").json()["errorType"], "bad_data");
}

#[test]
fn scrape_targets_are_listed() {
    let service = TestService::new();
    assert_eq!(
        service.get("/api/v1/targets").json()["data"],
        serde_json::json!({ "activeTargets": [], "droppedTargets": [], "droppedTargetCounts": {} })
    );
    let target = |job: &str, url: &str, health, last_error: Option<&str>| ScrapeTargetRow {
        job: job.to_owned(),
        instance: "127.0.0.1:9100".to_owned(),
        url: url.to_owned(),
        health,
        last_error: last_error.map(str::to_owned),
        last_scrape: (health != TargetHealth::Unknown).then(|| Timestamp::from_millis(END_MS)),
        duration_ms: 12.5,
        samples: 3,
    };
    let rows = [
        target("api", "http://127.0.0.1:9100/metrics", TargetHealth::Up, None),
        target("db", "https://127.0.0.1:9100/m?a=b", TargetHealth::Down, Some("connection refused")),
        target("new", "http://127.0.0.1:9100", TargetHealth::Unknown, None),
    ];
    service.store().put_scrape_targets(&rows).unwrap();
    insta::assert_snapshot!("targets", service.get("/api/v1/targets?state=active").shown());
    let count = |uri: &str| service.get(uri).json()["data"]["activeTargets"].as_array().unwrap().len();
    assert_eq!(count("/api/v1/targets"), 3);
    assert_eq!(count("/api/v1/targets?state=dropped"), 0);
    assert_eq!(count("/api/v1/targets?scrapePool=db"), 1);
    assert_eq!(service.get("/api/v1/targets?state=odd").json()["errorType"], "bad_data");
}

/// Long messages do not change the code, format and headers of an error; the middle of very long ones is left out.
#[test]
fn long_errors_keep_their_message_and_format() {
    let service = TestService::new();
    for (length, is_whole) in [(1_500, true), (20_000, false)] {
        let long = "x".repeat(length);
        let check = |message: &serde_json::Value, last: &str| {
            let message = message.as_str().unwrap();
            assert_eq!(message.contains(&long), is_whole, "{message}");
            assert_eq!(message.contains(" … "), !is_whole, "{message}");
            assert!(message.contains(&"x".repeat(400)) && message.len() < 5_000, "{message}");
            assert!(message.ends_with(last), "{message}");
        };
        let reply = service.get(&format!("/api/v1/query?query=up&time={long}"));
        let body = reply.json();
        assert_eq!((reply.status, &body["errorType"]), (StatusCode::BAD_REQUEST, &"bad_data".into()));
        check(&body["error"], "");
        let reply = service.get(&format!("/api/v1/{long}"));
        let body = reply.json();
        assert_eq!((reply.status, &body["errorType"]), (StatusCode::NOT_FOUND, &"not_found".into()));
        check(&body["error"], "");
        let reply = service.get(&format!("/v1/{long}"));
        let body = reply.json();
        assert_eq!((reply.status, &body["error"]["code"]), (StatusCode::NOT_FOUND, &"not_found".into()));
        check(&body["message"], "");
        // A message of another layer: the JSON extractor's about an unknown key, which ends with the place.
        let reply = service.post("/v1/sql", "application/json", &format!("{{\"{long}\":1}}"));
        let body = reply.json();
        assert_eq!((reply.status, &body["error"]["code"]), (StatusCode::UNPROCESSABLE_ENTITY, &"bad_request".into()));
        check(&body["message"], &format!("column {}", length + 3));
    }
    // A long pattern with an error: the message quotes only the part at fault.
    let names = vec!["name"; 4_000].join("|");
    let form = format!("query=up%7Bjob%3D~%22{names}|(%22%7D");
    let reply = service.post("/api/v1/query", "application/x-www-form-urlencoded", &form);
    let error = reply.json()["error"].as_str().unwrap().to_owned();
    assert!(error.contains("missing closing )") && error.len() < 1_000, "{error}");
}

/// Grafana sends every value of a label in one pattern for "All".
#[test]
fn a_pattern_may_have_thousands_of_names() {
    let service = TestService::new();
    let names: Vec<String> = (0..20_000).map(|n| format!("job-{n}\\\\.x")).chain(["db".to_owned()]).collect();
    let query = format!("up{{job=~\"({})\"}}", names.join("|"));
    let form: String = form_urlencoded::Serializer::new(String::new())
        .append_pair("query", &query)
        .append_pair("time", &seconds(END_MS).to_string())
        .finish();
    let reply = service.post("/api/v1/query", "application/x-www-form-urlencoded", &form);
    assert_eq!(reply.json()["data"]["result"].as_array().map(Vec::len), Some(1), "{}", reply.text());
}

#[test]
fn errors_have_the_format_of_prometheus() {
    let service = TestService::new();
    let check = |uri: &str, status: StatusCode, kind: &str, part: &str| {
        let reply = service.get(uri);
        assert_eq!(reply.status, status, "{uri}: {}", reply.text());
        let body = reply.json();
        assert_eq!((&body["status"], &body["errorType"]), (&"error".into(), &kind.into()), "{uri}");
        assert!(body["error"].as_str().unwrap().contains(part), "{uri}: {body}");
    };
    check("/api/v1/query?query=sum(", StatusCode::BAD_REQUEST, "bad_data", "line 1, column 4");
    check("/api/v1/query", StatusCode::BAD_REQUEST, "bad_data", "query");
    check("/api/v1/query?query=up&time=noon", StatusCode::BAD_REQUEST, "bad_data", "noon");
    check("/api/v1/query_range?query=up&start=10&end=5&step=1", StatusCode::BAD_REQUEST, "bad_data", "end");
    check("/api/v1/query_range?query=up&start=0&end=5&step=0", StatusCode::BAD_REQUEST, "bad_data", "step");
    check("/api/v1/query_range?query=up&start=0&end=50000&step=1", StatusCode::BAD_REQUEST, "bad_data", "11000");
    check(
        "/api/v1/query?query=absent_over_time(up%5B5m%5D)%20and%20on()%20holt(up)",
        StatusCode::BAD_REQUEST,
        "bad_data",
        "holt",
    );
    check("/api/v1/series", StatusCode::BAD_REQUEST, "bad_data", "match[]");
    check("/api/v1/labels?match[]=rate(up%5B5m%5D)", StatusCode::BAD_REQUEST, "bad_data", "selector");
    check("/api/v1/status/tsdb/blocks", StatusCode::NOT_FOUND, "not_found", "/api/v1/status/tsdb/blocks");
    let reply = service.post("/api/v1/label/job/values", "application/json", "");
    assert_eq!(reply.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(reply.json()["status"], "error");
    assert!(reply.header("allow").contains("GET"));
}
