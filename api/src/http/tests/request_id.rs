//! The id of a request in the header and the body of responses.

use axum::{body::Body, http::Request};

use super::{Reply, TestService};

fn asked(service: &TestService, path: &str, id: &str) -> Reply {
    service.send(Request::get(path).header("x-request-id", id).body(Body::empty()).unwrap())
}

#[test]
fn every_response_has_the_id_and_so_has_an_error_of_the_api() {
    let service = TestService::new();
    for path in ["/v1/signals", "/metrics", "/", "/api/v1/query?query=up", "/openapi.json"] {
        let reply = asked(&service, path, "a-1.b:c_2");
        assert!(reply.status.is_success() && reply.header("x-request-id") == "a-1.b:c_2", "{path}: {reply:?}");
    }
    for path in ["/v1/nothing", "/v1/samples?limit=x", "/v1/recommendations/none"] {
        let reply = asked(&service, path, "mine");
        assert!(reply.status.is_client_error(), "{path}");
        assert_eq!(
            (reply.header("x-request-id"), &reply.json()["error"]["request_id"]),
            ("mine", &"mine".into()),
            "{path}"
        );
    }
    // Errors in the format of Prometheus keep it.
    let reply = asked(&service, "/api/v1/query?query=(", "mine");
    let body = reply.json();
    let keys: Vec<&String> = body.as_object().unwrap().keys().collect();
    assert_eq!((keys.len(), reply.header("x-request-id")), (3, "mine"), "{keys:?}");
}

#[test]
fn an_id_that_is_not_well_formed_is_replaced() {
    let service = TestService::new();
    let long = "x".repeat(65);
    for id in ["two words", "a\"b", "", &long, "a,b", "<b>"] {
        let reply = asked(&service, "/v1/nothing", id);
        let given = reply.header("x-request-id");
        assert!(given != id && given.len() == 16, "{id:?}: {given:?}");
        assert_eq!(reply.json()["error"]["request_id"], given);
    }
}
