//! Tests of scopes, names, origins, content types and limits on the whole router.

use axum::{
    body::Body,
    http::{Method, Request, StatusCode},
};
use serde_json::json;
use tempfile::TempDir;

use super::{Reply, TestService};
use crate::{
    access::{Auth, Limits, NewToken, Scope, append_token},
    config::Config,
};

/// Tokens with one scope each, and a service that accepts them.
struct Scoped {
    service: TestService,
    tokens: Vec<(Scope, String)>,
    _folder: TempDir,
}

impl Scoped {
    fn new(limits: Limits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.server.tokens_file = Some(folder.path().join("tokens"));
        let tokens = Scope::ALL.map(|scope| {
            let name = Some(format!("only-{}", scope.as_str()));
            let new = NewToken { name, scopes: [scope].into_iter().collect(), limits, ..NewToken::default() };
            (scope, append_token(&config.tokens_file(), &new).unwrap().0)
        });
        let auth = Auth::of_config(&config).unwrap();
        Self { service: TestService::with(auth, config), tokens: tokens.into(), _folder: folder }
    }

    fn token(&self, scope: Scope) -> &str {
        &self.tokens.iter().find(|(known, _)| *known == scope).unwrap().1
    }

    fn post(&self, scope: Scope, uri: &str, body: &str) -> Reply {
        let request = Request::post(uri)
            .header("authorization", format!("Bearer {}", self.token(scope)))
            .header("content-type", "application/json");
        self.service.send(request.body(Body::from(body.to_owned())).unwrap())
    }
}

/// Returns method and path of every operation, with a value in place of each parameter.
fn operations() -> Vec<(Method, String)> {
    let description = serde_json::to_value(crate::http::openapi()).unwrap();
    let mut found = Vec::new();
    for (path, methods) in description["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            let path = path
                .replace("{id}", "x")
                .replace("{name}", "x")
                .replace("{workload}", "x")
                .replace("{namespace}", "x")
                .replace("{metric}", "x");
            assert!(!path.contains('{'), "{path}");
            found.push((method.to_uppercase().parse().unwrap(), path));
        }
    }
    found
}

#[test]
fn every_route_needs_exactly_one_scope() {
    let scoped = Scoped::new(Limits::default());
    let mut passed = 0;
    for (method, path) in operations() {
        let status = |token: Option<&str>| {
            let mut request = Request::builder().method(method.clone()).uri(&path);
            if let Some(token) = token {
                request = request.header("authorization", format!("Bearer {token}"));
            }
            let request = request.header("content-type", "application/json").body(Body::from("{}")).unwrap();
            scoped.service.head(request)
        };
        if ["/healthz", "/readyz", "/-/healthy", "/-/ready"].contains(&path.as_str()) {
            assert_eq!(status(None).0, StatusCode::OK, "{path}");
            continue;
        }
        assert_eq!(status(None).0, StatusCode::UNAUTHORIZED, "{method} {path}");
        let mut accepting = Vec::new();
        for (scope, token) in &scoped.tokens {
            match status(Some(token)) {
                (StatusCode::FORBIDDEN, body) => {
                    let name = format!("only-{}", scope.as_str());
                    assert!(body.contains(&name) && body.contains("lacks the scope"), "{method} {path}: {body}");
                }
                (status, body) => {
                    assert_ne!(status, StatusCode::UNAUTHORIZED, "{method} {path}: {body}");
                    accepting.push(scope);
                }
            }
        }
        assert_eq!(accepting.len(), 1, "{method} {path} accepts {accepting:?}");
        passed += 1;
    }
    assert!(passed > 40, "{passed} operations");
    // A path without a route is unknown to every token, and needs one.
    let request = || Request::get("/v2/nothing");
    let with = request().header("authorization", format!("Bearer {}", scoped.token(Scope::Act)));
    assert_eq!(scoped.service.head(with.body(Body::empty()).unwrap()).0, StatusCode::NOT_FOUND);
    assert_eq!(scoped.service.head(request().body(Body::empty()).unwrap()).0, StatusCode::UNAUTHORIZED);
}

#[test]
fn the_name_of_the_token_is_the_actor() {
    let scoped = Scoped::new(Limits::default());
    let id = "ttl-user_profile-1";
    let accepted = scoped.post(Scope::Act, &format!("/v1/recommendations/{id}/accept"), r#"{"note": "fine"}"#);
    assert_eq!(accepted.status, StatusCode::OK, "{}", accepted.text());
    let body = r#"{"actor": "ann", "note": "done by hand"}"#;
    assert_eq!(scoped.post(Scope::Act, &format!("/v1/recommendations/{id}/applied"), body).status, StatusCode::OK);
    let history = scoped.service.ledger().outcomes(id).unwrap();
    let changes: Vec<(&str, Option<&str>)> =
        history.iter().rev().take(2).map(|row| (row.actor.as_str(), row.note.as_deref())).collect();
    assert!(changes.contains(&("only-act", Some("ann: done by hand"))), "{changes:?}");
    assert!(changes.contains(&("only-act", Some("fine"))), "{changes:?}");
}

#[test]
fn a_rebound_name_or_a_foreign_page_reaches_nothing() {
    let open = TestService::new();
    let send = |service: &TestService, request: axum::http::request::Builder, body: &str| {
        service.send(request.body(Body::from(body.to_owned())).unwrap())
    };
    let sql = || Request::post("/v1/sql").header("content-type", "application/json");
    let query = r#"{"sql": "SELECT 1"}"#;
    assert_eq!(send(&open, sql().header("host", "localhost:9797"), query).status, StatusCode::OK);
    for request in [sql(), Request::get("/v1/signals"), Request::get("/metrics"), Request::get("/nothing")] {
        let reply = send(&open, request.header("host", "evil.example:9797"), query);
        assert_eq!((reply.status, &reply.json()["error"]["code"]), (StatusCode::FORBIDDEN, &json!("host_not_allowed")));
        assert!(reply.text().contains("server.hosts"), "{}", reply.text());
    }
    assert_eq!(send(&open, Request::get("/healthz").header("host", "any.example"), "").status, StatusCode::OK);
    // Prometheus' clients read its own format of errors.
    let reply = send(&open, Request::get("/api/v1/labels").header("host", "evil.example"), "");
    assert_eq!((reply.status, &reply.json()["errorType"]), (StatusCode::FORBIDDEN, &json!("forbidden")));

    let events = r#"[{"type": "deploy", "timestamp": "2026-11-23T07:00:00Z", "service": "evil"}]"#;
    let count = || open.get("/v1/deploys").json().as_array().unwrap().len();
    let before = count();
    let post = || Request::post("/v1/events").header("host", "127.0.0.1:9797");
    for (request, status) in [
        (post().header("content-type", "text/plain"), StatusCode::UNSUPPORTED_MEDIA_TYPE),
        (post(), StatusCode::UNSUPPORTED_MEDIA_TYPE),
        (
            post().header("content-type", "application/json").header("origin", "http://evil.example"),
            StatusCode::FORBIDDEN,
        ),
        (post().header("content-type", "application/json").header("origin", "null"), StatusCode::FORBIDDEN),
        (
            post().header("content-type", "application/json").header("sec-fetch-site", "cross-site"),
            StatusCode::FORBIDDEN,
        ),
    ] {
        assert_eq!(send(&open, request, events).status, status);
    }
    assert_eq!(count(), before);
    let own = post().header("content-type", "application/json").header("origin", "http://127.0.0.1:9797");
    assert_eq!(send(&open, own, events).status, StatusCode::OK);
    assert_eq!(count(), before + 1);

    // With a token the name does not matter, and the origin does: a browser repeats a password that it knows.
    let closed = TestService::with(Auth::token("secret"), Config::default());
    let known = || Request::get("/v1/signals").header("host", "evil.example");
    assert_eq!(send(&closed, known(), "").status, StatusCode::UNAUTHORIZED);
    assert_eq!(send(&closed, known().header("authorization", "Bearer secret"), "").status, StatusCode::OK);
    let foreign = sql().header("authorization", "Bearer secret").header("origin", "http://evil.example");
    assert_eq!(send(&closed, foreign, query).status, StatusCode::FORBIDDEN);
}

#[test]
fn a_configured_origin_may_call_the_service() {
    let text = "[server]\ncors_origins = [\"http://grafana:3000\"]";
    let service = TestService::with(Auth::open(), Config::parse(text, "almanac.toml".as_ref()).unwrap());
    let request = Request::post("/grafana/search")
        .header("content-type", "application/json")
        .header("origin", "http://grafana:3000")
        .body(Body::from("{}"));
    let reply = service.send(request.unwrap());
    assert_eq!((reply.status, reply.header("access-control-allow-origin")), (StatusCode::OK, "http://grafana:3000"));
}

#[test]
fn changes_need_json_and_senders_keep_their_types() {
    let service = TestService::new();
    for path in ["/v1/admin/compact", "/v1/admin/learn", "/v1/admin/delete", "/v1/recommendations/x/accept"] {
        for media in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
            let reply = service.post(path, media, "{}");
            assert_eq!(reply.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{path} {media}");
            assert!(reply.text().contains("Content-Type: application/json"), "{}", reply.text());
        }
        let bare = service.send(Request::post(path).body(Body::empty()).unwrap());
        assert_eq!(bare.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{path}");
    }
    let csv = "series,timestamp,value\na,1795420800000,1\n";
    for media in ["text/csv", "text/plain", "application/octet-stream", "application/x-www-form-urlencoded"] {
        let reply = service.post("/v1/import?file=a.csv", media, csv);
        assert_eq!(reply.status, StatusCode::OK, "{media}: {}", reply.text());
    }
    let of_page = Request::post("/v1/import?file=a.csv").header("referer", "http://evil.example/");
    let reply = service.send(of_page.header("content-type", "text/plain").body(Body::from(csv)).unwrap());
    assert_eq!(reply.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{}", reply.text());
    let form = service.post("/api/v1/query", "application/x-www-form-urlencoded", "query=up");
    assert_eq!(form.status, StatusCode::OK, "{}", form.text());
}

#[test]
fn a_token_above_its_rate_is_told_when_to_come_back() {
    let scoped = Scoped::new(Limits { rate: Some(0.001), concurrency: Some(1) });
    let ask = || scoped.post(Scope::Sql, "/v1/sql", r#"{"sql": "SELECT 1"}"#);
    assert_eq!(ask().status, StatusCode::OK);
    let limited = ask();
    assert_eq!(
        (limited.status, &limited.json()["error"]["code"]),
        (StatusCode::TOO_MANY_REQUESTS, &json!("token_limit")),
        "{}",
        limited.text()
    );
    assert!(limited.header("retry-after").parse::<u64>().unwrap() > 100, "{:?}", limited.headers);
    // Another token has its own limit.
    let other = Request::get("/v1/signals").header("authorization", format!("Bearer {}", scoped.token(Scope::Read)));
    assert_eq!(scoped.service.send(other.body(Body::empty()).unwrap()).status, StatusCode::OK);
}
