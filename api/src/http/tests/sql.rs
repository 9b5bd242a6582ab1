//! Analysts' SQL.

use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use serde_json::{Value, json};

use super::{Reply, Scene};

fn ask(scene: &Scene, accept: &str, body: &Value) -> Reply {
    let request = Request::post("/v1/sql").header("content-type", "application/json").header("accept", accept);
    scene.send(request.body(Body::from(body.to_string())).unwrap())
}

const COUNTS: &str = "SELECT s.name AS series, count(*) AS n, max(x.timestamp) AS last, avg(value) AS mean \
    FROM samples x JOIN series s USING (series_id) WHERE value >= ? GROUP BY ALL ORDER BY ALL";

#[test]
fn rows_come_in_every_form() {
    let scene = Scene::new();
    let body = json!({ "sql": COUNTS, "params": [1] });
    insta::assert_snapshot!("sql_json", ask(&scene, "application/json", &body).shown());
    insta::assert_snapshot!("sql_csv", ask(&scene, "text/csv", &body).shown());
    insta::assert_snapshot!("sql_ndjson", ask(&scene, "application/x-ndjson", &body).shown());
    let arrow = ask(&scene, "application/vnd.apache.arrow.stream", &body);
    assert_eq!(arrow.header("content-type"), "application/vnd.apache.arrow.stream");
    let reader = arrow::ipc::reader::StreamReader::try_new(arrow.body.as_slice(), None).unwrap();
    assert_eq!(reader.map(|batch| batch.unwrap().num_rows()).sum::<usize>(), 2);
    assert_eq!(ask(&scene, "image/png", &body).status, StatusCode::NOT_ACCEPTABLE);
}

#[test]
fn writes_and_whatever_else_is_closed_are_refused_with_stable_codes() {
    let scene = Scene::new();
    let check = |sql: &str, status: StatusCode, code: &str| {
        let reply = ask(&scene, "application/json", &json!({ "sql": sql }));
        let body = reply.json();
        assert_eq!((reply.status, &body["error"]["code"]), (status, &code.into()), "{sql}: {body}");
        assert_eq!(body["error"]["message"], body["message"]);
    };
    check("DELETE FROM samples", StatusCode::FORBIDDEN, "sql_not_read_only");
    check("SELECT 1; SELECT 2", StatusCode::BAD_REQUEST, "sql_statement_count");
    check("SELEC 1", StatusCode::BAD_REQUEST, "sql_invalid");
    check("SELECT * FROM read_csv('/etc/passwd')", StatusCode::FORBIDDEN, "sql_function_not_allowed");
    check("SELECT * FROM nothing", StatusCode::BAD_REQUEST, "sql_table_unknown");
    check("SELECT ?", StatusCode::BAD_REQUEST, "sql_param_count");
    let nested = ask(&scene, "*/*", &json!({ "sql": "SELECT ?", "params": [[1]] }));
    assert_eq!(nested.json()["message"], "params[0] [1] is no null, boolean, number or text");
    let count = ask(&scene, "*/*", &json!({ "sql": "SELECT count(*) FROM samples" }));
    assert_eq!(count.json()["rows"], json!([[964]]));
}

#[test]
fn limits_cut_and_stop() {
    let scene = Scene::new();
    let cut = ask(&scene, "*/*", &json!({ "sql": "SELECT * FROM samples", "limit": 3 }));
    assert_eq!((cut.json()["rows"].as_array().unwrap().len(), cut.header("x-almanac-truncated")), (3, "true"));
    assert_eq!(cut.json()["truncated"], true);
    let long = "SELECT count(*) FROM samples a, samples b, samples c WHERE a.value + b.value > c.value";
    let stopped = ask(&scene, "*/*", &json!({ "sql": long, "timeout_ms": 50 }));
    assert_eq!(
        (stopped.status, &stopped.json()["error"]["code"]),
        (StatusCode::UNPROCESSABLE_ENTITY, &"sql_deadline".into())
    );
}
