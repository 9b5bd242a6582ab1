use axum::http::StatusCode;

use super::{END_MS, Reply, Scene};

fn seconds(millis: i64) -> i64 {
    millis / 1000
}

#[test]
fn the_connection_test_of_grafana_gets_two() {
    let scene = Scene::new();
    let reply = scene.post("/api/v1/query", "application/x-www-form-urlencoded", "query=1%2B1&time=4");
    assert_eq!(reply.text(), r#"{"status":"success","data":{"resultType":"scalar","result":[4,"2"]}}"#);
}

#[test]
fn queries_answer_as_prometheus_does() {
    let scene = Scene::new();
    let now = seconds(END_MS);
    insta::assert_snapshot!("instant", scene.get(&format!("/api/v1/query?query=up&time={now}")).shown());
    let range = format!("query=sum(rate(http_requests_total%5B5m%5D))&start={}&end={now}&step=60", now - 120);
    let by_get = scene.get(&format!("/api/v1/query_range?{range}"));
    insta::assert_snapshot!("range", by_get.shown());
    let by_post = scene.post("/api/v1/query_range", "application/x-www-form-urlencoded; charset=utf-8", &range);
    assert_eq!(by_post.body, by_get.body);
}

#[test]
fn labels_and_series_are_listed() {
    let scene = Scene::new();
    let check = |reply: Reply, expected: &str| {
        assert_eq!(reply.text(), format!(r#"{{"status":"success","data":{expected}}}"#));
    };
    check(scene.get("/api/v1/labels"), r#"["__name__","instance","job","path"]"#);
    check(scene.get("/api/v1/labels?match[]=http_requests_total"), r#"["__name__","job","path"]"#);
    check(scene.get("/api/v1/labels?limit=2"), r#"["__name__","instance"]"#);
    check(scene.get("/api/v1/label/__name__/values?limit=40000"), r#"["http_requests_total","up"]"#);
    check(scene.get("/api/v1/label/job/values?match[]=up%7Bjob%3D~%22d.%22%7D"), r#"["db"]"#);
    let form = "application/x-www-form-urlencoded";
    check(
        scene.post("/api/v1/labels", form, "match[]=up&match[]=http_requests_total"),
        r#"["__name__","instance","job","path"]"#,
    );
    check(
        scene.post("/api/v1/series", form, "match[]=up%7Bjob%3D%22db%22%7D&match[]=nothing"),
        r#"[{"__name__":"up","instance":"b.c:1","job":"db"}]"#,
    );
    check(scene.get("/api/v1/metadata"), "{}");
    check(scene.get("/api/v1/rules"), r#"{"groups":[]}"#);
    assert_eq!(scene.get("/api/v1/status/buildinfo").json()["data"]["application"], "almanac");
}

#[test]
fn errors_have_prometheus_shape() {
    let scene = Scene::new();
    let check = |uri: &str, status: StatusCode, kind: &str, part: &str| {
        let reply = scene.get(uri);
        assert_eq!(reply.status, status, "{uri}: {}", reply.text());
        let body = reply.json();
        assert_eq!((&body["status"], &body["errorType"]), (&"error".into(), &kind.into()), "{uri}");
        assert!(body["error"].as_str().unwrap().contains(part), "{uri}: {body}");
    };
    check("/api/v1/query?query=sum(", StatusCode::BAD_REQUEST, "bad_data", "sum(");
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
    check("/api/v1/query_exemplars", StatusCode::NOT_FOUND, "not_found", "/api/v1/query_exemplars");
    let reply = scene.post("/api/v1/label/job/values", "application/json", "");
    assert_eq!(reply.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(reply.json()["status"], "error");
    assert!(reply.header("allow").contains("GET"));
}
