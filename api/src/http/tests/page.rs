//! Tests of the web page without a browser: every page, its headers, errors as pages, and sessions.

use almanac_engine::store::{Store, StoreOptions};
use axum::{
    body::{Body, to_bytes},
    http::{Request, StatusCode},
};
use tower::ServiceExt;

use super::{Reply, TestService};
use crate::{access::Auth, config::Config, http::AppState};

const PAGES: [&str; 13] = [
    "/",
    "/recommendations",
    "/recommendations?kind=ttl",
    "/signals",
    "/signals/api.rate",
    "/incidents",
    "/incidents?span=365d",
    "/subjects/scaling",
    "/subjects/threshold",
    "/explore",
    "/explore?query=up%7Bjob%3D%22%3Cb%3E%22%7D",
    "/setup",
    "/sign-in",
];

fn locked() -> TestService {
    TestService::with(Auth::token("secret"), Config::default())
}

fn with_cookie(service: &TestService, path: &str, cookie: &str) -> Reply {
    service.send(Request::get(path).header("cookie", cookie).body(Body::empty()).unwrap())
}

fn sign_in(service: &TestService, form: &'static str, headers: &[(&str, &str)]) -> Reply {
    let mut request = Request::post("/sign-in")
        .header("host", "localhost")
        .header("content-type", "application/x-www-form-urlencoded");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    service.send(request.body(Body::from(form)).unwrap())
}

#[test]
fn every_page_is_answered_with_headers_that_protect_it() {
    let service = TestService::new();
    for path in PAGES {
        let reply = service.get(path);
        assert_eq!(
            (reply.status, reply.header("content-type")),
            (StatusCode::OK, "text/html; charset=utf-8"),
            "{path}"
        );
        let policy = reply.header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(reply.header("x-content-type-options"), "nosniff");
        let text = reply.text();
        assert!(text.contains("<main") && text.ends_with("</html>"), "{path}");
        // Nothing that the policy forbids, and nothing from a parameter as markup.
        assert!(!text.contains("<script>") && !text.contains(" style=") && !text.contains("<b>"), "{path}");
    }
    let text = service.get("/signals/api.rate").text();
    assert!(text.contains("<h1>api.rate</h1>"), "{text}");
}

#[test]
fn errors_of_pages_are_pages_and_those_of_the_api_stay_json() {
    let service = TestService::new();
    for (path, status, words) in [
        ("/recommendations/none", StatusCode::NOT_FOUND, "none"),
        ("/signals/%3Cscript%3E", StatusCode::NOT_FOUND, "&#60;script&#62;"),
        ("/subjects/none", StatusCode::NOT_FOUND, "none"),
        ("/incidents?span=2y", StatusCode::BAD_REQUEST, "30d"),
        ("/recommendations?knd=ttl", StatusCode::BAD_REQUEST, "did you mean"),
    ] {
        let reply = service.get(path);
        assert_eq!((reply.status, reply.header("content-type")), (status, "text/html; charset=utf-8"), "{path}");
        assert!(reply.text().contains(words), "{path}: {}", reply.text());
    }
    assert_eq!(service.get("/v1/recommendations/none").header("content-type"), "application/json");
    let reply = service.send(Request::get("/none").header("accept", "text/html,*/*").body(Body::empty()).unwrap());
    assert_eq!((reply.status, reply.header("content-type")), (StatusCode::NOT_FOUND, "text/html; charset=utf-8"));
    assert_eq!(service.get("/none").header("content-type"), "application/json");
    assert_eq!(service.get("/assets/none.js").status, StatusCode::NOT_FOUND);
}

#[test]
fn files_are_served_once_for_each_version() {
    let service = TestService::new();
    let reply = service.get("/assets/page.css");
    assert_eq!((reply.status, reply.header("content-type")), (StatusCode::OK, "text/css; charset=utf-8"));
    let again = Request::get("/assets/page.css").header("if-none-match", reply.header("etag")).body(Body::empty());
    assert_eq!(service.send(again.unwrap()).status, StatusCode::NOT_MODIFIED);
}

#[test]
fn a_token_is_asked_for_once_and_then_stands_behind_a_cookie() {
    let service = locked();
    let reply = service.get("/signals?x=1");
    assert_eq!((reply.status, reply.header("location")), (StatusCode::SEE_OTHER, "/sign-in?next=%2Fsignals%3Fx%3D1"));
    // A program gets 401 as before.
    assert_eq!(service.get("/v1/signals").status, StatusCode::UNAUTHORIZED);
    let wrong = sign_in(&service, "token=wrong&next=%2Fsignals", &[]);
    assert_eq!((wrong.status, wrong.header("set-cookie")), (StatusCode::UNAUTHORIZED, ""));
    assert!(wrong.text().contains("not valid"), "{}", wrong.text());

    let right = sign_in(&service, "token=secret&next=%2Fsignals", &[]);
    assert_eq!((right.status, right.header("location")), (StatusCode::SEE_OTHER, "/signals"));
    let cookie = right.header("set-cookie");
    assert!(cookie.contains("; HttpOnly; SameSite=Strict;") && !cookie.contains("secret"), "{cookie}");
    let pair = cookie.split(';').next().unwrap().to_owned();
    for path in ["/", "/signals", "/v1/signals", "/api/v1/labels"] {
        assert_eq!(with_cookie(&service, path, &pair).status, StatusCode::OK, "{path}");
    }
    assert!(with_cookie(&service, "/", &pair).text().contains("server.token"));
    let out = Request::post("/sign-out").header("host", "localhost").header("cookie", &pair).body(Body::empty());
    assert_eq!(service.send(out.unwrap()).status, StatusCode::SEE_OTHER);
    assert_eq!(with_cookie(&service, "/v1/signals", &pair).status, StatusCode::UNAUTHORIZED);
}

#[test]
fn pages_of_other_sites_sign_nobody_in_and_use_no_session() {
    let service = locked();
    for headers in [[("origin", "http://evil.example")], [("sec-fetch-site", "cross-site")]] {
        let reply = sign_in(&service, "token=secret", &headers);
        assert_eq!((reply.status, reply.header("set-cookie")), (StatusCode::FORBIDDEN, ""), "{headers:?}");
    }
    let cookie = sign_in(&service, "token=secret", &[]).header("set-cookie").split(';').next().unwrap().to_owned();
    let post = |name: &str, value: &str| {
        let request = Request::post("/v1/recommendations/x/accept")
            .header("host", "localhost")
            .header("cookie", &cookie)
            .header("content-type", "application/json")
            .header(name, value);
        service.send(request.body(Body::from("{}")).unwrap()).status
    };
    assert_eq!(post("origin", "http://evil.example"), StatusCode::FORBIDDEN);
    assert_eq!(post("sec-fetch-site", "same-site"), StatusCode::FORBIDDEN);
    assert_eq!(post("origin", "http://localhost"), StatusCode::NOT_FOUND);
}

/// With a token any name may lead to the service, such as that of a proxy or of the machine.
#[test]
fn the_sign_in_works_under_every_name_of_the_service() {
    let service = locked();
    let reply = |host: &'static str, origin: &'static str| {
        let request = Request::post("/sign-in")
            .header("host", host)
            .header("origin", origin)
            .header("content-type", "application/x-www-form-urlencoded");
        service.send(request.body(Body::from("token=secret")).unwrap()).status
    };
    assert_eq!(reply("almanac.example:9797", "https://almanac.example:9797"), StatusCode::SEE_OTHER);
    assert_eq!(reply("almanac.example:9797", "https://evil.example"), StatusCode::FORBIDDEN);
}

/// The lines that a reader copies have the address under which the page was reached.
#[test]
fn the_set_up_names_the_address_of_the_reader() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("a.duckdb"), StoreOptions::default()).unwrap();
    let router = crate::http::router(AppState::new(store, Config::default()).unwrap());
    let request = Request::get("/setup").header("host", "localhost:1234").body(Body::empty()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let text = runtime.block_on(async {
        let response = router.oneshot(request).await.unwrap();
        String::from_utf8(to_bytes(response.into_body(), usize::MAX).await.unwrap().to_vec()).unwrap()
    });
    assert!(text.contains("url: http://localhost:1234/api/v1/write"), "{text}");
}
