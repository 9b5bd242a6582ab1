//! Tests of `POST /v1/sql`.

use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use serde_json::{Value, json};

use super::{Reply, TestService};

fn ask(service: &TestService, accept: &str, body: &Value) -> Reply {
    let request = Request::post("/v1/sql").header("content-type", "application/json").header("accept", accept);
    service.send(request.body(Body::from(body.to_string())).unwrap())
}

const COUNTS: &str = "SELECT s.name AS series, count(*) AS n, max(x.timestamp) AS last, avg(value) AS mean \
    FROM samples x JOIN series s USING (series_id) WHERE value >= ? GROUP BY ALL ORDER BY ALL";

#[test]
fn rows_are_encoded_in_every_format() {
    let service = TestService::new();
    let body = json!({ "sql": COUNTS, "params": [1] });
    insta::assert_snapshot!("sql_json", ask(&service, "application/json", &body).shown());
    insta::assert_snapshot!("sql_csv", ask(&service, "text/csv", &body).shown());
    insta::assert_snapshot!("sql_ndjson", ask(&service, "application/x-ndjson", &body).shown());
    let arrow = ask(&service, "application/vnd.apache.arrow.stream", &body);
    assert_eq!(arrow.header("content-type"), "application/vnd.apache.arrow.stream");
    let reader = arrow::ipc::reader::StreamReader::try_new(arrow.body.as_slice(), None).unwrap();
    assert_eq!(reader.map(|batch| batch.unwrap().num_rows()).sum::<usize>(), 2);
    assert_eq!(ask(&service, "image/png", &body).status, StatusCode::NOT_ACCEPTABLE);
}

#[test]
fn rejected_statements_have_stable_codes() {
    let service = TestService::new();
    let check = |sql: &str, status: StatusCode, code: &str| {
        let reply = ask(&service, "application/json", &json!({ "sql": sql }));
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
    let nested = ask(&service, "*/*", &json!({ "sql": "SELECT ?", "params": [[1]] }));
    assert_eq!(nested.json()["message"], "params[0] [1] is not null, a boolean, a number or a string");
    let count = ask(&service, "*/*", &json!({ "sql": "SELECT count(*) FROM samples" }));
    assert_eq!(count.json()["rows"], json!([[964]]));
}

#[test]
fn limits_truncate_rows_and_stop_statements() {
    let service = TestService::new();
    let cut = ask(&service, "*/*", &json!({ "sql": "SELECT * FROM samples", "limit": 3 }));
    assert_eq!((cut.json()["rows"].as_array().unwrap().len(), cut.header("x-almanac-truncated")), (3, "true"));
    assert_eq!(cut.json()["truncated"], true);
    let long = "SELECT count(*) FROM samples a, samples b, samples c WHERE a.value + b.value > c.value";
    let stopped = ask(&service, "*/*", &json!({ "sql": long, "timeout_ms": 50 }));
    assert_eq!(
        (stopped.status, &stopped.json()["error"]["code"]),
        (StatusCode::UNPROCESSABLE_ENTITY, &"sql_deadline".into())
    );
}
