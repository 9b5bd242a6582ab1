//! Tests of the routes of recommendations, as pollers and autoscalers call them.

use std::{path::Path, time::Duration};

use almanac_engine::{
    series::Labels,
    store::{
        SampleBatch, Store, StoreOptions,
        rows::{Effect, Kind, Patch, RecommendationRow, State},
    },
};
use almanac_models::Timestamp;
use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Request, StatusCode},
};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::{
    config::Config,
    http::{AppState, Clock, router},
};

/// 2026-01-01T00:10:00Z
const NOW: i64 = 1_767_226_200_000;

const CONFIG: &str = "[[workload]]\nname = \"api\"\ndemand = \"sum(demand)\"\nreplicas_max = 40\n\
                      [[workload]]\nname = \"quiet\"\ndemand = \"sum(nothing)\"\n";

struct TestService {
    state: AppState,
    router: Router,
    _folder: tempfile::TempDir,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

fn service() -> TestService {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("api.duckdb"), StoreOptions::default()).unwrap();
    let config = Config::parse(CONFIG, Path::new("almanac.toml")).unwrap();
    let state = AppState::new(store, config).unwrap();
    let state = AppState { clock: Clock::fixed(Timestamp::from_millis(NOW)), ..state };
    TestService { router: router(state.clone()), state, _folder: folder }
}

fn scaling(target: &str, replicas: u32) -> RecommendationRow {
    let now = Timestamp::from_millis(NOW);
    RecommendationRow {
        id: String::new(),
        kind: Kind::from_static("scaling"),
        target: target.into(),
        current: json!({"rule": "reactive", "target_utilization": 0.7, "replicas": 5}),
        proposed: json!({
            "rule": "predictive", "replicas": replicas, "capacity_per_replica": 100.0, "decided_at": "2026-01-01T00:09:00Z",
        }),
        valid_from: now,
        valid_until: Some(now.plus_millis(48 * 3_600_000)),
        effect: Effect {
            metric: "under_provisioned_share".into(),
            unit: "1".into(),
            value: 0.001,
            lower: 0.0005,
            upper: 0.002,
            level: 0.8,
        },
        confidence: 0.97,
        reason: "api needs 7 replicas now.".into(),
        evidence: json!({"steps": 40_320}),
        patch: Patch { format: "keda/scaledobject+yaml".into(), body: "kind: ScaledObject\n".into() },
        state: State::Proposed,
        created_at: now,
        updated_at: now,
        evidence_at: now,
        replaces: None,
    }
}

impl TestService {
    fn propose(&self, rows: Vec<RecommendationRow>) {
        self.state.ledger.propose(rows, Timestamp::from_millis(NOW)).unwrap();
    }

    async fn call(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = Request::builder().method(method).uri(path).header("x-request-id", "test");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if method == "POST" {
            request = request.header("content-type", "application/json");
        }
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, 1 << 20).await.unwrap();
        let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() };
        Answer { status: parts.status, headers: parts.headers, body }
    }

    async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, &[], "").await
    }

    fn demand(&self, value: f64) {
        let labels = Labels::from_pairs([("__name__", "demand")]).unwrap();
        let series = self.state.store.resolve(&labels).unwrap();
        let batch = SampleBatch {
            series: vec![series],
            timestamps: vec![NOW - 15_000],
            values: vec![value],
            ..SampleBatch::default()
        };
        self.state.store.append(batch).unwrap().wait().unwrap();
    }
}

#[tokio::test]
async fn recommendations_are_listed_with_effect_and_patch() {
    let service = service();
    service.propose(vec![scaling("api", 7)]);
    let listed = service.get("/v1/recommendations").await;
    assert_eq!(listed.status, StatusCode::OK);
    insta::assert_json_snapshot!(listed.body);
    let one = service.get("/v1/recommendations/scaling-api-1").await;
    assert_eq!(
        one.body["history"],
        json!([{
            "at": "2026-01-01T00:10:00.000Z", "from": null, "to": "proposed", "actor": "almanac", "note": null,
            "predicted": 0.001, "realised": null, "realised_lower": null, "realised_upper": null,
        }])
    );
}

#[tokio::test]
async fn filters_select_and_invalid_ones_are_named() {
    let service = service();
    service.propose(vec![scaling("api", 7), scaling("worker", 2)]);
    for (query, n) in [
        ("", 2),
        ("?target=api", 1),
        ("?kind=scaling,ttl", 2),
        ("?kind=ttl", 0),
        ("?state=proposed", 2),
        ("?state=applied,expired", 0),
        ("?since=2026-01-01T00:10:00Z", 2),
        ("?since=1767226200001", 0),
        ("?limit=1", 1),
    ] {
        let answer = service.get(&format!("/v1/recommendations{query}")).await;
        assert_eq!(answer.body["recommendations"].as_array().map(Vec::len), Some(n), "{query}");
    }
    for (query, message) in [
        (
            "?kind=scalling",
            "\"scalling\" is not a kind of recommendation; write scaling, rightsizing, ttl, threshold, index, query, settings, batch or pool",
        ),
        ("?since=yesterday", "since \"yesterday\" is neither RFC 3339 nor epoch milliseconds"),
        ("?targt=api", "unknown parameter \"targt\"; did you mean \"target\"?"),
    ] {
        let answer = service.get(&format!("/v1/recommendations{query}")).await;
        assert_eq!((answer.status, answer.body["message"].as_str()), (StatusCode::BAD_REQUEST, Some(message)));
    }
}

#[tokio::test]
async fn no_change_is_304_and_a_change_ends_the_wait() {
    let service = service();
    service.propose(vec![scaling("api", 7)]);
    let first = service.get("/v1/recommendations").await;
    let etag = first.headers["etag"].to_str().unwrap().to_owned();
    let same = service.call("GET", "/v1/recommendations", &[("If-None-Match", &etag)], "").await;
    assert_eq!((same.status, same.body), (StatusCode::NOT_MODIFIED, Value::Null));
    assert_eq!(same.headers["etag"], etag.as_str());

    let headers = [("If-None-Match", etag.as_str()), ("Prefer", "wait=30")];
    let waiting = service.call("GET", "/v1/recommendations", &headers, "");
    let changing = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        service.propose(vec![scaling("worker", 2)]);
    };
    let (woken, ()) = tokio::join!(waiting, changing);
    assert_eq!((woken.status, woken.headers["preference-applied"].to_str().unwrap()), (StatusCode::OK, "wait=30"));
    assert_eq!(woken.body["recommendations"].as_array().map(Vec::len), Some(2));

    let etag = woken.headers["etag"].to_str().unwrap().to_owned();
    let headers = [("If-None-Match", etag.as_str()), ("Prefer", "wait=0")];
    assert_eq!(service.call("GET", "/v1/recommendations", &headers, "").await.status, StatusCode::NOT_MODIFIED);
}

#[tokio::test]
async fn reports_change_states_once() {
    let service = service();
    service.propose(vec![scaling("api", 7)]);
    let path = "/v1/recommendations/scaling-api-1";
    let accepted = service.call("POST", &format!("{path}/accept"), &[], "").await;
    assert_eq!((accepted.status, &accepted.body["state"]), (StatusCode::OK, &json!("accepted")));
    let body = r#"{"actor": "argo", "note": "sync 12"}"#;
    for _ in 0..2 {
        let applied = service.call("POST", &format!("{path}/applied"), &[], body).await;
        assert_eq!((applied.status, &applied.body["state"]), (StatusCode::OK, &json!("applied")));
    }
    let history = service.get(path).await.body["history"].clone();
    assert_eq!(history.as_array().map(Vec::len), Some(3), "{history}");
    assert_eq!((&history[1]["actor"], &history[2]["actor"]), (&json!("api"), &json!("argo")));
    let refused = service.call("POST", &format!("{path}/dismiss"), &[], "").await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    insta::assert_json_snapshot!(refused.body);
    let unknown = service.call("POST", "/v1/recommendations/ttl-x-1/accept", &[], "").await;
    assert_eq!(
        (unknown.status, &unknown.body["error"]["code"]),
        (StatusCode::NOT_FOUND, &json!("unknown_recommendation"))
    );
    for wrong in [r#"{"who": "me"}"#, "accept", &format!(r#"{{"note": "{}"}}"#, "x".repeat(5_000))] {
        let refused = service.call("POST", &format!("{path}/accept"), &[], wrong).await;
        assert_eq!((refused.status, &refused.body["error"]["code"]), (StatusCode::BAD_REQUEST, &json!("invalid_body")));
    }
}

#[tokio::test]
async fn an_autoscaler_gets_a_number_only_while_it_is_valid() {
    let service = service();
    let check = async |path: &str, status: StatusCode, code: &str| {
        let answer = service.get(path).await;
        assert_eq!((answer.status, &answer.body["error"]["code"]), (status, &json!(code)), "{}", answer.body);
    };
    check("/v1/scaling/other", StatusCode::NOT_FOUND, "unknown_workload").await;
    check("/v1/scaling/api", StatusCode::NOT_FOUND, "no_recommendation").await;
    service.propose(vec![scaling("api", 7), scaling("quiet", 3)]);
    check("/v1/scaling/api", StatusCode::SERVICE_UNAVAILABLE, "no_replicas").await;
    service.demand(520.0);
    let answer = service.get("/v1/scaling/api").await;
    assert_eq!(answer.status, StatusCode::OK);
    insta::assert_json_snapshot!(answer.body);
    check("/v1/scaling/quiet", StatusCode::SERVICE_UNAVAILABLE, "no_replicas").await;

    service.demand(1_901.0);
    let surge = service.get("/v1/scaling/api").await;
    assert_eq!((&surge.body["replicas"], &surge.body["decided"]), (&json!(20), &json!(7)));
    service.demand(99_999.0);
    assert_eq!(service.get("/v1/scaling/api").await.body["replicas"], json!(40), "the maximum holds");

    service.call("POST", "/v1/recommendations/scaling-api-1/dismiss", &[], "").await;
    check("/v1/scaling/api", StatusCode::SERVICE_UNAVAILABLE, "no_replicas").await;
}

#[tokio::test]
async fn pictures_are_drawn_or_their_absence_has_a_reason() {
    let service = service();
    let unknown = service.get("/v1/recommendations/scaling-api-9/pictures").await;
    assert_eq!(
        (unknown.status, &unknown.body["error"]["code"]),
        (StatusCode::NOT_FOUND, &json!("unknown_recommendation"))
    );
    service.propose(vec![scaling("api", 7), scaling("gone", 2)]);
    // The evidence of this row has no replay, and the other target is not configured.
    let drawn = service.get("/v1/recommendations/scaling-api-1/pictures").await;
    assert_eq!((drawn.status, drawn.body), (StatusCode::OK, json!({"pictures": []})));
    let gone = service.get("/v1/recommendations/scaling-gone-1/pictures").await;
    let missing = json!({"pictures": [], "missing": "its target is no longer configured"});
    assert_eq!((gone.status, gone.body), (StatusCode::OK, missing));
}

#[tokio::test]
async fn an_old_decision_is_an_error() {
    let service = service();
    service.demand(520.0);
    let mut old = scaling("api", 7);
    old.proposed["decided_at"] = json!("2025-12-31T23:30:00Z");
    service.propose(vec![old]);
    let answer = service.get("/v1/scaling/api").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    let message = "no number of replicas is in force: the last decision is 2400 s old, at most 30 steps are allowed";
    assert_eq!(answer.body["message"], json!(message));
}

#[tokio::test]
async fn changes_are_streamed() {
    use futures::StreamExt;

    let service = service();
    service.propose(vec![scaling("api", 7)]);
    let request = Request::get("/v1/recommendations/stream?kind=scaling").body(Body::empty()).unwrap();
    let response = service.router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut body = response.into_body().into_data_stream();
    let mut next = async || String::from_utf8(body.next().await.unwrap().unwrap().to_vec()).unwrap();
    let first = next().await;
    assert!(first.contains("event: recommendation\n") && first.contains("\"id\":\"scaling-api-1\""), "{first}");
    service.state.ledger.dismiss("scaling-api-1", "ann", None, Timestamp::from_millis(NOW + 1)).unwrap();
    let second = next().await;
    assert!(second.contains("\"state\":\"dismissed\""), "{second}");
    service.state.stopping.cancel();
    assert!(body.next().await.is_none(), "the stream ends with the service");
}

/// Returns the ids and the recommendations of the events of a stream that begins behind `after`, by header or parameter.
/// The service is stopped first, so that the stream ends with what it has.
async fn events_after(service: &TestService, after: Option<&str>, as_header: bool) -> Vec<(String, String)> {
    let uri = match after {
        Some(id) if !as_header => format!("/v1/recommendations/stream?after={id}"),
        _ => "/v1/recommendations/stream".to_owned(),
    };
    let mut request = Request::get(uri);
    if let Some(id) = after.filter(|_| as_header) {
        request = request.header("Last-Event-ID", id);
    }
    let response = service.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let mut body = response.into_body().into_data_stream();
    let mut events = Vec::new();
    while let Ok(Some(part)) =
        tokio::time::timeout(Duration::from_millis(500), futures::StreamExt::next(&mut body)).await
    {
        let text = String::from_utf8(part.unwrap().to_vec()).unwrap();
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
        if let (Some(id), Some(data)) = (field("id: "), field("data: ")) {
            let data: Value = serde_json::from_str(&data).unwrap();
            events.push((id, data["id"].as_str().unwrap().to_owned()));
        }
    }
    events
}

#[tokio::test]
async fn a_stream_continues_behind_the_last_event() {
    let service = service();
    service.propose(vec![scaling("api", 7), scaling("web", 3)]);
    let all = events_after(&service, None, true).await;
    assert_eq!(all.iter().map(|(_, id)| id.as_str()).collect::<Vec<_>>(), ["scaling-api-1", "scaling-web-1"]);
    assert_eq!(events_after(&service, Some(&all[0].0), true).await, all[1..]);
    assert_eq!(events_after(&service, Some(&all[0].0), false).await, all[1..]);
    assert_eq!(events_after(&service, Some(&all[1].0), true).await, []);
    // Changes of one millisecond keep their order, and each event has its own id.
    let ledger = &service.state.ledger;
    ledger.accept("scaling-web-1", "ann", None, Timestamp::from_millis(NOW)).unwrap();
    ledger.accept("scaling-api-1", "ann", None, Timestamp::from_millis(NOW)).unwrap();
    let later = events_after(&service, Some(&all[1].0), true).await;
    assert_eq!(later.iter().map(|(_, id)| id.as_str()).collect::<Vec<_>>(), ["scaling-web-1", "scaling-api-1"]);
    assert!(later[0].0 != later[1].0);
    // What is not an id of an event begins from the start.
    for other in ["17", "x.y", ""] {
        assert_eq!(events_after(&service, Some(other), true).await.len(), 2, "{other:?}");
    }
}

#[tokio::test]
async fn newer_evidence_is_no_change_to_callers() {
    let service = service();
    service.propose(vec![scaling("api", 7)]);
    let before = service.get("/v1/recommendations").await;
    let (last, _) = events_after(&service, None, true).await.remove(0);
    // A minute later the same decision with newer evidence.
    let mut newer = scaling("api", 7);
    newer.evidence = json!({"steps": 40_321});
    newer.proposed["decided_at"] = json!("2026-01-01T00:11:00Z");
    let later = Timestamp::from_millis(NOW + 60_000);
    service.state.ledger.propose(vec![newer.clone()], later).unwrap();
    let row = service.state.ledger.get("scaling-api-1").unwrap();
    assert_eq!((row.updated_at, row.evidence_at), (Timestamp::from_millis(NOW), later));
    assert_eq!(row.proposed, newer.proposed);
    assert_eq!(events_after(&service, Some(&last), true).await, []);
    let after = service.get("/v1/recommendations").await;
    assert_eq!(after.body["revision"], before.body["revision"]);
    // Another number of replicas is one.
    newer.proposed["replicas"] = json!(8);
    service.state.ledger.propose(vec![newer], later).unwrap();
    assert_eq!(events_after(&service, Some(&last), true).await.len(), 1);
    assert!(service.get("/v1/recommendations").await.body["revision"].as_u64() > before.body["revision"].as_u64());
}
