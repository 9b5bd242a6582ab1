//! Fixture: the router on a temporary store with an hour of telemetry, called without a socket.

use almanac_engine::{
    ledger::Ledger,
    series::Labels,
    store::{
        SampleBatch, Store, StoreOptions,
        rows::{
            AnomalyKind, AnomalyRow, CacheEvent, Deploy, Effect, EventBatch, ForecastRow, Incident, IncidentVerdict,
            Kind, Patch, RecommendationRow, SignalOrigin, SignalRow, SignalStatus, State,
        },
    },
};
use almanac_models::Timestamp;
use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, HeaderValue, Request, StatusCode},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt;

use crate::{
    access::Auth,
    config::Config,
    http::{AppState, Clock, SharedRules, router},
};

/// 2026-11-23T08:00:00Z: the fixed time of the clock, and the end of the telemetry.
pub(in crate::http) const END_MS: i64 = 1_795_420_800_000;
const MINUTE_MS: i64 = 60_000;

/// A service on a temporary store, called without a socket.
pub(in crate::http) struct TestService {
    router: Router,
    store: Store,
    ledger: Ledger,
    rules: SharedRules,
    _folder: TempDir,
}

/// A complete response.
#[derive(Debug)]
pub(in crate::http) struct Reply {
    pub(in crate::http) status: StatusCode,
    pub(in crate::http) headers: HeaderMap,
    pub(in crate::http) body: Vec<u8>,
}

impl Reply {
    pub(in crate::http) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub(in crate::http) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    pub(in crate::http) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Formats status, content type and body for snapshots.
    pub(in crate::http) fn shown(&self) -> String {
        let body = match serde_json::from_slice::<Value>(&self.body) {
            Ok(body) => serde_json::to_string_pretty(&body).unwrap(),
            Err(_) => self.text(),
        };
        format!("{}\n{}\n\n{body}", self.status, self.header("content-type"))
    }
}

impl TestService {
    /// Builds a service without authentication.
    pub(in crate::http) fn new() -> Self {
        Self::with(Auth::open(), Config::default())
    }

    pub(in crate::http) fn with(auth: Auth, config: Config) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("almanac.duckdb"), StoreOptions::default()).unwrap();
        telemetry(&store);
        learned(&store);
        let clock = Clock::fixed(Timestamp::from_millis(END_MS));
        let state = AppState { auth, clock, ..AppState::new(store.clone(), config).unwrap() };
        let rules = state.rules.clone();
        Self { ledger: state.ledger.clone(), rules, router: router(state), store, _folder: folder }
    }

    /// Returns the store of the service.
    pub(in crate::http) fn store(&self) -> &Store {
        &self.store
    }

    /// Returns the rules of the service.
    pub(in crate::http) fn rules(&self) -> &SharedRules {
        &self.rules
    }

    /// Returns the ledger of the service.
    pub(in crate::http) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Sends a request; without an id of its own it has the id `test`.
    pub(in crate::http) fn send(&self, mut request: Request<Body>) -> Reply {
        request.headers_mut().entry("x-request-id").or_insert(HeaderValue::from_static("test"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let response = self.router.clone().oneshot(request).await.unwrap();
            let (parts, body) = response.into_parts();
            let body = to_bytes(body, usize::MAX).await.unwrap().to_vec();
            Reply { status: parts.status, headers: parts.headers, body }
        })
    }

    /// Returns the status and, unless it is a success, the body; an answer may be an endless stream.
    pub(in crate::http) fn head(&self, request: Request<Body>) -> (StatusCode, String) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (parts, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
            let is_read = !parts.status.is_success();
            let body = if is_read { to_bytes(body, usize::MAX).await.unwrap().to_vec() } else { Vec::new() };
            (parts.status, String::from_utf8(body).unwrap())
        })
    }

    pub(in crate::http) fn get(&self, uri: &str) -> Reply {
        self.send(Request::get(uri).body(Body::empty()).unwrap())
    }

    pub(in crate::http) fn post(&self, uri: &str, content_type: &str, body: &str) -> Reply {
        self.send(Request::post(uri).header("content-type", content_type).body(Body::from(body.to_owned())).unwrap())
    }

    pub(in crate::http) fn post_json(&self, uri: &str, body: &Value) -> Reply {
        self.post(uri, "application/json", &body.to_string())
    }
}

/// Writes an hour of two gauges and two counters, every 15 s.
fn telemetry(store: &Store) {
    let mut batch = SampleBatch::default();
    let mut add = |pairs: &[(&str, &str)], value: fn(i64) -> f64| {
        let id = store.resolve(&Labels::from_pairs(pairs.iter().copied()).unwrap()).unwrap();
        for step in 0..=240 {
            batch.series.push(id);
            batch.timestamps.push(END_MS - (240 - step) * 15_000);
            batch.values.push(value(step));
        }
    };
    add(&[("__name__", "up"), ("job", "api"), ("instance", "a:1")], |_| 1.0);
    add(&[("__name__", "up"), ("job", "db"), ("instance", "b.c:1")], |step| f64::from(u8::from(step % 8 > 0)));
    add(&[("__name__", "http_requests_total"), ("job", "api"), ("path", "/a")], |step| {
        f64::from(i32::try_from(step).unwrap()) * 30.0
    });
    add(&[("__name__", "http_requests_total"), ("job", "api"), ("path", "/b")], |step| {
        f64::from(i32::try_from(step).unwrap()) * 15.0
    });
    store.append(batch).unwrap().wait().unwrap();
}

/// Returns the time `minutes` after the fixed time.
fn at(minutes: i64) -> Timestamp {
    Timestamp::from_millis(END_MS + minutes * MINUTE_MS)
}

/// Writes signals, forecasts, scores, events and a recommendation.
fn learned(store: &Store) {
    let signal = |name: &str, expr: &str, status: SignalStatus, reason: Option<&str>| SignalRow {
        signal: name.to_owned(),
        expr: expr.to_owned(),
        origin: SignalOrigin::Configured,
        step_ms: MINUTE_MS,
        status,
        reason: reason.map(str::to_owned),
        seasons_ms: if reason.is_none() { vec![86_400_000, 604_800_000] } else { Vec::new() },
        model: reason.is_none().then(|| "mstl".to_owned()),
        fitted_at: reason.is_none().then(|| at(-30)),
        points: 61,
        mase: reason.is_none().then_some(0.75),
        coverage_80: reason.is_none().then_some(0.81),
        coverage_95: reason.is_none().then_some(0.94),
    };
    let rate = "sum(rate(http_requests_total[5m]))";
    store
        .put_signals(&[
            signal("api.rate", rate, SignalStatus::Ready, None),
            signal("db_up", "up{job=\"db\"}", SignalStatus::Learning, Some("61 points, 2880 are needed")),
        ])
        .unwrap();
    let forecast = |minutes: i64, yhat: f64| ForecastRow {
        signal: "api.rate".to_owned(),
        made_at: at(-30),
        timestamp: at(minutes),
        yhat,
        yhat_lower_80: yhat - 0.5,
        yhat_upper_80: yhat + 0.5,
        yhat_lower_95: yhat - 1.0,
        yhat_upper_95: yhat + 1.0,
        model: "mstl".to_owned(),
    };
    store.put_forecasts(&[forecast(-1, 3.0), forecast(0, 3.25), forecast(1, 3.5)]).unwrap();
    let scored = |minutes: i64, value: f64, score: f64| AnomalyRow {
        signal: "api.rate".to_owned(),
        timestamp: at(minutes),
        value,
        yhat: 3.0,
        yhat_lower: 2.0,
        yhat_upper: 4.0,
        score,
        kind: AnomalyKind::Value,
    };
    store.put_anomalies(&[scored(-20, 3.0, 0.0), scored(-19, 7.5, 4.5), scored(-1, 3.5, 0.5)]).unwrap();
    store
        .put_events(EventBatch {
            cache: vec![CacheEvent {
                timestamp: at(-5),
                cache: "user_profile".to_owned(),
                key: "u1".to_owned(),
                op: almanac_engine::store::rows::CacheOp::Get,
                bytes: None,
                miss_cost_ms: None,
            }],
            deploys: vec![Deploy { at: at(-40), service: "api".to_owned(), version: Some("1.2.0".to_owned()) }],
            incidents: vec![Incident {
                started_at: at(-20),
                ended_at: Some(at(-15)),
                title: "slow queries".to_owned(),
                target: Some("db".to_owned()),
                source: "pager".to_owned(),
                verdict: IncidentVerdict::Real,
            }],
        })
        .unwrap();
    store
        .put_recommendations(&[RecommendationRow {
            id: "ttl-user_profile-1".to_owned(),
            kind: Kind::from_static("ttl"),
            target: "user_profile".to_owned(),
            current: json!({ "ttl_seconds": 3600 }),
            proposed: json!({ "ttl_seconds": 600 }),
            valid_from: at(-10),
            valid_until: None,
            effect: Effect {
                metric: "stale_share".to_owned(),
                unit: "1".to_owned(),
                value: -0.02,
                lower: -0.03,
                upper: -0.01,
                level: 0.8,
            },
            confidence: 0.9,
            reason: "copies of user_profile are read long after the value changed".to_owned(),
            evidence: json!({ "events": 1 }),
            patch: Patch { format: "text/plain".to_owned(), body: "ttl=600".to_owned() },
            state: State::Proposed,
            created_at: at(-10),
            updated_at: at(-10),
            evidence_at: at(-10),
            replaces: None,
        }])
        .unwrap();
}
