//! Tests of the flat rows.

use axum::http::StatusCode;

use super::TestService;

#[test]
fn rows_are_flat_and_have_stable_keys() {
    let service = TestService::new();
    for (name, uri) in [
        ("signals", "/v1/signals"),
        ("signals_csv", "/v1/signals?format=csv&status=ready"),
        ("forecasts", "/v1/forecasts?signal=api.rate&from=now-1m"),
        ("forecasts_csv", "/v1/forecasts?format=csv&limit=1"),
        ("anomalies", "/v1/anomalies"),
        ("anomalies_all", "/v1/anomalies?min_score=0&from=2026-11-23T07:41:00Z&to=1795419720000"),
        ("incidents", "/v1/incidents?from=now-1h"),
        ("incidents_csv", "/v1/incidents?format=csv"),
        ("deploys", "/v1/deploys"),
        ("samples", "/v1/samples?metric=up&from=now-30s&job=db,api"),
        ("samples_step", "/v1/samples?metric=up&job=db&from=now-2m&step=1m&format=csv"),
        ("samples_query", "/v1/samples?query=sum(up)&from=now-2m&step=60"),
    ] {
        insta::assert_snapshot!(format!("rows_{name}"), service.get(uri).shown());
    }
}

/// Grafana's Infinity reads rows by cursor until `next` is empty.
#[test]
fn pages_have_every_row_once_and_in_order() {
    let service = TestService::new();
    for (path, root) in [
        ("/v1/forecasts?from=2000-01-01T00:00:00Z", "rows"),
        ("/v1/anomalies?min_score=0", "rows"),
        ("/v1/signals?", "rows"),
        ("/v1/breaches?", "rows"),
        ("/v1/recommendations?", "recommendations"),
        ("/v1/advice?", "advice"),
    ] {
        let list = |uri: &str| -> serde_json::Value { serde_json::from_str(&service.get(uri).text()).unwrap() };
        let whole = list(path);
        let whole = if root == "rows" { &whole } else { &whole[root] }.as_array().unwrap();
        let (mut read, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = list(&format!("{path}&page=1&cursor={cursor}"));
            read.extend(page[root].as_array().unwrap().clone());
            cursor = page["next"].as_str().unwrap().to_owned();
            if cursor.is_empty() {
                break;
            }
        }
        assert_eq!(&read, whole, "{path}");
    }
    for uri in
        ["/v1/signals?page=1&format=csv", "/v1/signals?cursor=1", "/v1/advice?page=0", "/v1/samples?metric=up&page=1"]
    {
        // `page` is a label for samples, which no series has.
        let expected = if uri.contains("samples") { StatusCode::OK } else { StatusCode::BAD_REQUEST };
        assert_eq!(service.get(uri).status, expected, "{uri}");
    }
}

/// Some programs request CSV only by their headers.
#[test]
fn accept_selects_csv() {
    let service = TestService::new();
    let ask = |uri: &str, accept: &str| {
        let request = axum::http::Request::get(uri).header("accept", accept).body(axum::body::Body::empty()).unwrap();
        service.send(request)
    };
    for uri in
        ["/v1/signals", "/v1/forecasts", "/v1/anomalies", "/v1/incidents", "/v1/deploys", "/v1/samples?metric=up"]
    {
        let csv = ask(uri, "text/csv; charset=utf-8");
        assert_eq!((csv.status, csv.header("content-type")), (StatusCode::OK, "text/csv; charset=utf-8"), "{uri}");
        let with = if uri.contains('?') { '&' } else { '?' };
        assert_eq!(csv.text(), service.get(&format!("{uri}{with}format=csv")).text(), "{uri}");
        assert_eq!(ask(uri, "application/json;q=0.9,text/plain").text(), service.get(uri).text(), "{uri}");
        assert_eq!(ask(&format!("{uri}{with}format=json"), "text/csv").text(), service.get(uri).text(), "{uri}");
    }
}

#[test]
fn no_rows_are_an_empty_list() {
    let service = TestService::new();
    assert_eq!(service.get("/v1/samples?metric=nothing").text(), "[]");
    assert_eq!(service.get("/v1/deploys?service=nobody").text(), "[]");
    assert_eq!(service.get("/v1/deploys?service=nobody&format=csv").text(), "time,service,version\n");
}

#[test]
fn a_truncated_list_is_marked() {
    let service = TestService::new();
    assert_eq!(service.get("/v1/forecasts?limit=2").header("x-almanac-truncated"), "true");
    assert_eq!(service.get("/v1/forecasts?limit=3").header("x-almanac-truncated"), "false");
    let reply = service.get("/v1/samples?metric=up&limit=10");
    assert_eq!(
        (reply.status, &reply.json()["error"]["code"]),
        (StatusCode::UNPROCESSABLE_ENTITY, &"too_many_samples".into())
    );
}

#[test]
fn wrong_parameters_are_named() {
    let service = TestService::new();
    let check = |uri: &str, code: &str, message: &str| {
        let reply = service.get(uri);
        let body = reply.json();
        assert_eq!((reply.status, &body["error"]["code"]), (StatusCode::BAD_REQUEST, &code.into()), "{uri}: {body}");
        assert_eq!(body["message"], message, "{uri}");
    };
    check("/v1/forecasts?signl=a", "unknown_parameter", "unknown parameter \"signl\"; did you mean \"signal\"?");
    check("/v1/anomalies?min_score=high", "invalid_parameter", "min_score \"high\" is not a number in range");
    check("/v1/deploys?format=xml", "invalid_parameter", "format \"xml\" is neither json nor csv");
    check("/v1/deploys?from=now&to=now-1h", "invalid_parameter", "to is before from");
    check(
        "/v1/signals?status=done",
        "invalid_parameter",
        "invalid status of a signal \"done\"; expected: learning, ready, failed",
    );
    check(
        "/v1/samples",
        "invalid_parameter",
        "metric or query is required: the name of a metric, or a PromQL expression",
    );
    check("/v1/samples?query=up", "invalid_parameter", "query requires step, such as step=1m");
    check(
        "/v1/samples?query=up&step=60&job=a",
        "invalid_parameter",
        "parameter \"job\" requires metric; write the label into the query",
    );
}

/// Two counters grow by three per second in sum: from 10,800 they reach 21,600 in an hour. The other signals have no
/// trend.
#[test]
fn breaches_are_predicted_for_the_rules_in_force() {
    let folder = tempfile::tempdir().unwrap();
    let rules = "groups:\n- name: g\n  rules:\n  - alert: Full\n    expr: sum(http_requests_total) > 21600\n  - alert: Down\n    \
                 expr: up < 0.5\n  - alert: Unknown\n    expr: nothing_here > 1\n";
    std::fs::write(folder.path().join("rules.yml"), rules).unwrap();
    let mut config = crate::config::Config { folder: folder.path().to_path_buf(), ..Default::default() };
    config.alerts.rule_files = vec!["rules.yml".to_owned()];
    let service = TestService::with(crate::access::Auth::open(), config);
    let reply = service.get("/v1/breaches");
    assert_eq!(reply.status, 200, "{}", reply.text());
    let rows = reply.json();
    assert_eq!(rows.as_array().unwrap().len(), 1, "{rows}");
    assert_eq!((&rows[0]["alert"], &rows[0]["time"]), (&"Full".into(), &"2026-11-23T09:00:00.000Z".into()), "{rows}");
    assert!((rows[0]["slope_per_day"].as_f64().unwrap() - 259_200.0).abs() < 1.0, "{rows}");
    assert!(
        service
            .get("/v1/breaches?format=csv")
            .text()
            .starts_with("time,earliest,latest,alert,expr,element,slope_per_day\n")
    );
    assert_eq!(service.get("/v1/breaches?from=now").status, 400);
    assert_eq!(TestService::new().get("/v1/breaches").json(), serde_json::json!([]));
}

/// Recommendations are flat rows in CSV, for spreadsheets and scripts, and nested in JSON.
#[test]
fn recommendations_are_flat_rows_in_csv() {
    let service = TestService::new();
    let csv = service.get("/v1/recommendations?format=csv");
    insta::assert_snapshot!("recommendations_csv", csv.shown());
    assert!(!csv.header("etag").is_empty());
    let request = axum::http::Request::get("/v1/recommendations").header("accept", "text/csv");
    let accepted = service.send(request.body(axum::body::Body::empty()).unwrap());
    assert_eq!(accepted.body, csv.body);
    let lines = csv.text().lines().count();
    assert_eq!(lines, 1 + service.get("/v1/recommendations").json()["recommendations"].as_array().unwrap().len());
    assert_eq!(service.get("/v1/recommendations?format=csv&kind=scaling").text().lines().count(), 1);
    assert_eq!(service.get("/v1/recommendations?format=xml").json()["error"]["code"], "invalid_parameter");
}
