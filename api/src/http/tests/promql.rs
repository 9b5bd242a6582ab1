//! Tests of the parts of Prometheus' HTTP API beside queries of samples: experimental features, remarks, statistics, the
//! form and the tree of expressions, learned series, status and rules.

use serde_json::{Value, json};

use super::{END_MS, TestService};
use crate::{access::Auth, config::Config};

const FORM: &str = "application/x-www-form-urlencoded";

fn now() -> i64 {
    END_MS / 1000
}

/// Posts an expression to a route and returns the answer.
fn asked(service: &TestService, path: &str, query: &str) -> Value {
    let query: String = form_urlencoded::byte_serialize(query.as_bytes()).collect();
    service.post(path, FORM, &format!("query={query}&time={}&stats=all", now())).json()
}

#[test]
fn experimental_constructs_need_their_feature() {
    let service = TestService::new();
    let constructs = [
        ("mad_over_time(up[5m])", "promql-experimental-functions"),
        ("limitk(1, up)", "promql-experimental-functions"),
        ("rate(http_requests_total[5m] smoothed)", "promql-extended-range-selectors"),
        ("up + fill(0) up", "promql-binop-fill-modifiers"),
    ];
    for (expr, feature) in constructs {
        for path in ["/api/v1/query", "/api/v1/format_query", "/api/v1/parse_query", "/api/v1/query_exemplars"] {
            let answer = asked(&service, path, expr);
            assert_eq!(answer["errorType"], "bad_data", "{path} {expr}: {answer}");
            assert!(answer["error"].as_str().unwrap().contains(feature), "{answer}");
        }
    }
    assert_eq!(asked(&service, "/api/v1/query", "max_over_time(up[2 * 150s])")["status"], "success");
    let features: Vec<&str> = constructs.iter().map(|(_, feature)| *feature).collect();
    let text = format!("[promql]\nfeatures = {features:?}");
    let config = Config::parse(&text, std::path::Path::new("almanac.toml")).unwrap();
    let service = TestService::with(Auth::open(), config);
    for (expr, _) in constructs {
        assert_eq!(asked(&service, "/api/v1/query", expr)["status"], "success", "{expr}");
    }
    let error = Config::parse("[promql]\nfeatures = [\"x\"]", std::path::Path::new("almanac.toml")).unwrap_err();
    assert!(crate::chain(&error).contains("promql-experimental-functions"), "{error}");
}

#[test]
fn answers_have_remarks_and_statistics() {
    let service = TestService::new();
    let answer = asked(&service, "/api/v1/query", "quantile(2, rate(up[5m]))");
    let text = |value: &Value| value[0].as_str().unwrap().to_owned();
    assert!(text(&answer["warnings"]).starts_with("PromQL warning: ") && text(&answer["warnings"]).ends_with("(1:10)"));
    assert!(
        text(&answer["infos"]).starts_with("PromQL info: ") && text(&answer["infos"]).ends_with("(1:18)"),
        "{answer}"
    );
    let stats = &answer["data"]["stats"];
    assert!(stats["samples"]["totalQueryableSamples"].as_u64().unwrap() > 1, "{answer}");
    assert!(stats["timings"]["evalTotalTime"].is_f64(), "{answer}");
    let range = format!("query=up&start={}&end={}&step=60", now() - 120, now());
    let with = service.get(&format!("/api/v1/query_range?{range}&stats=true")).json();
    assert!(with["data"]["stats"]["samples"]["peakSamples"].as_u64().unwrap() > 1, "{with}");
    assert!(service.get(&format!("/api/v1/query_range?{range}")).json()["data"]["stats"].is_null());
}

#[test]
fn expressions_have_a_form_and_a_tree() {
    let service = TestService::new();
    let formatted = asked(&service, "/api/v1/format_query", "sum(rate(up[ 300s ]))by(job)>1");
    assert_eq!(formatted["data"], "sum by (job) (rate(up[5m])) > 1");
    assert_eq!(asked(&service, "/api/v1/format_query", "sum(")["errorType"], "bad_data");
    // The shape of Prometheus' own /api/v1/parse_query.
    let tree = asked(&service, "/api/v1/parse_query", "-(foo{a=\"b\"} offset 5m) / on (x) group_left (y) bar[1m]");
    assert_eq!(tree["errorType"], "bad_data", "{tree}");
    let tree =
        asked(&service, "/api/v1/parse_query", "-foo{a=~\"b\"} + on (x) group_left (y) rate(bar[step() * 2] @ end())");
    let selector = json!({
        "type": "vectorSelector", "name": "foo",
        "matchers": [
            {"name": "a", "value": "b", "type": "=~"},
            {"name": "__name__", "value": "foo", "type": "="},
        ],
        "offset": 0, "offsetExpr": null, "timestamp": null, "startOrEnd": null, "anchored": false, "smoothed": false,
    });
    let range = json!({"type": "durationExpr", "op": "*",
        "lhs": {"type": "durationExpr", "op": "step", "lhs": null, "rhs": null, "wrapped": false},
        "rhs": {"type": "numberLiteral", "val": "2", "duration": false}, "wrapped": false});
    let expected = json!({
        "type": "binaryExpr", "op": "+", "bool": false,
        "lhs": {"type": "unaryExpr", "op": "-", "expr": selector},
        "rhs": {"type": "call",
            "func": {"name": "rate", "argTypes": ["matrix"], "variadic": 0, "returnType": "vector"},
            "args": [{
                "type": "matrixSelector", "name": "bar", "range": 0, "rangeExpr": range,
                "matchers": [{"name": "__name__", "value": "bar", "type": "="}],
                "offset": 0, "offsetExpr": null, "timestamp": null, "startOrEnd": "end",
                "anchored": false, "smoothed": false,
            }]},
        "matching": {"card": "many-to-one", "labels": ["x"], "on": true, "include": ["y"],
            "fillValues": {"lhs": null, "rhs": null}},
    });
    assert_eq!(tree["data"], expected, "{tree}");
}

#[test]
fn learned_series_are_read_by_name() {
    let service = TestService::new();
    let elements = |expr: &str| {
        let answer = asked(&service, "/api/v1/query", expr);
        answer["data"]["result"].as_array().unwrap_or_else(|| panic!("{answer}")).len()
    };
    let signals = service.store().anomalies(&Default::default()).unwrap();
    assert!(!signals.is_empty());
    let range = format!(
        "query=almanac_signal_expected&start={}&end={}&step=60",
        signals[0].timestamp.millis() / 1000,
        signals[signals.len() - 1].timestamp.millis() / 1000 + 60
    );
    let answer = service.get(&format!("/api/v1/query_range?{range}")).json();
    assert!(!answer["data"]["result"].as_array().unwrap().is_empty(), "{answer}");
    assert_eq!(elements("{__name__=~\"almanac.*|up\", job=\"none\"}"), 0);
    let found = service.get("/api/v1/series?match[]=almanac_signal_anomaly_score").json();
    assert_eq!(found["data"][0]["__name__"], "almanac_signal_anomaly_score", "{found}");
    let values = service.get("/api/v1/label/signal/values?match[]=almanac_signal_lower").json();
    assert!(!values["data"].as_array().unwrap().is_empty(), "{values}");
    let all = service.get("/api/v1/label/__name__/values").text();
    assert!(!all.contains("almanac_"), "{all}");
}

#[test]
fn the_service_has_a_status() {
    let service = TestService::new();
    let data = |path: &str| {
        let answer = service.get(path).json();
        assert_eq!(answer["status"], "success", "{path}: {answer}");
        answer["data"].clone()
    };
    let tsdb = data("/api/v1/status/tsdb?limit=2");
    assert!(tsdb["headStats"]["numSeries"].as_u64().unwrap() > 1, "{tsdb}");
    assert!(tsdb["headStats"]["minTime"].as_i64() < tsdb["headStats"]["maxTime"].as_i64(), "{tsdb}");
    assert!(
        tsdb["seriesCountByMetricName"][0]["value"].as_u64() >= tsdb["seriesCountByMetricName"][1]["value"].as_u64()
    );
    assert_eq!(service.get("/api/v1/status/tsdb?limit=99999").json()["errorType"], "bad_data");
    assert_eq!(data("/api/v1/status/config"), json!({"yaml": ""}));
    assert_eq!(data("/api/v1/status/flags")["query.timeout"], "2m");
    assert!(data("/api/v1/status/runtimeinfo")["startTime"].as_str().unwrap().ends_with('Z'));
    assert_eq!(data("/api/v1/status/walreplay")["current"], 0);
    assert_eq!(data("/api/v1/scrape_pools"), json!({"scrapePools": []}));
    assert_eq!(data("/api/v1/targets/metadata"), json!([]));
    assert_eq!(data("/api/v1/alerts"), json!({"alerts": []}));
    assert_eq!(data("/api/v1/alertmanagers"), json!({"activeAlertmanagers": [], "droppedAlertmanagers": []}));
    assert_eq!(data("/api/v1/query_exemplars?query=up&start=0&end=1"), json!([]));
    assert_eq!(service.get("/api/v1/rules?type=x").json()["errorType"], "bad_data");
}

#[test]
fn rules_are_filtered_and_paged() {
    let service = TestService::new();
    let mut book = almanac_engine::rules::RuleBook::default();
    for file in ["a.yml", "b.yml"] {
        let text = "groups:\n- name: one\n  interval: 90s\n  rules:\n  - {record: up_count, expr: count(up)}\n  - {alert: Down, expr: up == 0, for: 5m, labels: {severity: page}}\n- name: two\n  rules: [{alert: Gone, expr: absent(up)}]\n";
        book.add(file, text, 60_000);
    }
    service.rules().publish(book);
    let names = |parameters: &str| {
        let answer = service.get(&format!("/api/v1/rules?{parameters}")).json();
        let groups = answer["data"]["groups"].as_array().unwrap_or_else(|| panic!("{answer}")).clone();
        let rules = groups.iter().flat_map(|group| {
            let file = group["file"].as_str().unwrap().chars().next().unwrap();
            group["rules"]
                .as_array()
                .unwrap()
                .iter()
                .map(move |rule| format!("{file}:{}", rule["name"].as_str().unwrap()))
        });
        rules.collect::<Vec<String>>().join(" ")
    };
    assert_eq!(names(""), "a:up_count a:Down a:Gone b:up_count b:Down b:Gone");
    assert_eq!(names("type=record"), "a:up_count b:up_count");
    assert_eq!(names("type=alert&file[]=b.yml"), "b:Down b:Gone");
    assert_eq!(names("rule_name[]=Gone&rule_group[]=two"), "a:Gone b:Gone");
    assert_eq!(names("match[]=%7Bseverity%3D%22page%22%7D"), "a:Down b:Down");
    assert_eq!(names("group_limit=1"), "a:up_count a:Down");
    assert_eq!(names("group_limit=2&group_next_token=a.yml%3Btwo"), "a:Gone b:up_count b:Down");
    let first = service.get("/api/v1/rules?group_limit=1").json();
    assert_eq!(first["data"]["groupNextToken"], "a.yml;two");
    let rule = &first["data"]["groups"][0]["rules"][1];
    assert_eq!((rule["state"].as_str(), rule["duration"].as_f64()), (Some("inactive"), Some(300.0)), "{rule}");
    assert_eq!(first["data"]["groups"][0]["interval"].as_f64(), Some(90.0));
    assert_eq!(service.get("/api/v1/rules?group_next_token=x").json()["errorType"], "bad_data");
}
