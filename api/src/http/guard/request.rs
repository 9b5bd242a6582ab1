//! Middleware: checks names and origins, identifies the caller, and applies the rule of the route.

use std::net::SocketAddr;

use axum::{
    extract::{ConnectInfo, MatchedPath, Request, State},
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{AUTHORIZATION, WWW_AUTHENTICATE},
    },
    middleware::Next,
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};

use super::{
    AuditNote,
    audit::Pending,
    browser::{check_content, check_host, check_origin},
    held::hold,
    routes::{Rule, rule},
};
use crate::{
    access::Refusal,
    http::{ApiError, AppState, page},
};

/// Lets a request pass to its handler, with the [`crate::access::Caller`] and an [`AuditNote`] as extensions, or
/// responds with what it lacks.
pub(in crate::http) async fn guard(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let rule = rule(request.extensions().get::<MatchedPath>().map(MatchedPath::as_str));
    let asked = rule.is_some_and(|rule| rule.is_page).then(|| page::Asked::of(&request));
    let response = match pass(state, rule, request, next).await {
        Ok(response) => response,
        Err(error) => error.into_response(),
    };
    match asked {
        Some(asked) => page::for_people(response, &asked),
        None => response,
    }
}

async fn pass(state: AppState, rule: Option<Rule>, mut request: Request, next: Next) -> Result<Response, ApiError> {
    let (server, headers) = (&state.config.server, request.headers());
    if rule.is_some_and(|rule| rule.scope.is_none()) {
        // Nobody else may sign somebody in or out.
        check_origin(request.method(), headers, request.uri(), server)?;
        return Ok(next.run(request).await);
    }
    if !state.auth.is_required() {
        check_host(headers, request.uri(), server)?;
    }
    check_origin(request.method(), headers, request.uri(), server)?;
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| *peer);
    let token = given_token(headers).or_else(|| page::session_token(&state.sessions, headers));
    let caller = match state.auth.identify(token.as_deref(), peer.map(|peer| peer.ip())).await {
        Ok(caller) => caller,
        Err(refusal) => return Ok(unauthorized(refusal)),
    };
    let note = AuditNote::default();
    let pending = rule.and_then(|rule| rule.audited).map(|what| Pending {
        audit: state.audit.clone(),
        clock: state.clock.clone(),
        who: caller.shown().to_owned(),
        what,
        path: request.uri().path().to_owned(),
        note: note.clone(),
        from: peer.map_or_else(|| "unknown".to_owned(), |peer| peer.to_string()),
        result: None,
    });
    let allowed = rule.map_or(Ok(()), |rule| {
        if let Some(scope) = rule.scope {
            caller
                .require(scope)
                .map_err(|error| ApiError::new(StatusCode::FORBIDDEN, "forbidden", error.to_string()))?;
        }
        check_content(rule.content, request.method(), request.headers())
    });
    let admitted = allowed.and_then(|()| {
        caller.admit().map_err(|reached| {
            ApiError::new(StatusCode::TOO_MANY_REQUESTS, "token_limit", reached.to_string())
                .retry_after(reached.retry_after)
        })
    });
    let permit = match admitted {
        Ok(permit) => permit,
        Err(error) => {
            if let Some(pending) = pending {
                pending.refuse(error.status(), error.code());
            }
            return Err(error);
        }
    };
    request.extensions_mut().insert(caller);
    request.extensions_mut().insert(note);
    let response = next.run(request).await;
    if let Some(pending) = pending {
        pending.end(&response);
    }
    Ok(hold(response, permit))
}

/// Responds with 401 or, when too many tokens are tried, with 429.
fn unauthorized(refusal: Refusal) -> Response {
    let how = "send `Authorization: Bearer TOKEN`, or Basic authentication with the token as password";
    let message = format!("{refusal}: {how}");
    let error = match refusal {
        Refusal::TooMany { retry_after } => {
            return ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_many_tokens", refusal.to_string())
                .retry_after(retry_after)
                .into_response();
        }
        Refusal::Missing | Refusal::Wrong => ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", message),
    };
    let mut response = error.into_response();
    for scheme in ["Bearer", "Basic realm=\"almanac\", charset=\"UTF-8\""] {
        response.headers_mut().append(WWW_AUTHENTICATE, HeaderValue::from_static(scheme));
    }
    response
}

/// Returns the token of the header `Authorization`: the value of `Bearer`, or the password of `Basic` with any user
/// name.
fn given_token(headers: &HeaderMap) -> Option<Vec<u8>> {
    let header = headers.get(AUTHORIZATION)?.as_bytes();
    let space = header.iter().position(|byte| *byte == b' ')?;
    let (scheme, value) = (&header[..space], header[space..].trim_ascii());
    if scheme.eq_ignore_ascii_case(b"bearer") {
        return Some(value.to_vec());
    }
    if !scheme.eq_ignore_ascii_case(b"basic") {
        return None;
    }
    let pair = STANDARD.decode(value).ok()?;
    // The password may contain colons, the user name may not (RFC 7617).
    let colon = pair.iter().position(|byte| *byte == b':')?;
    Some(pair[colon + 1..].to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_read_from_bearer_and_basic() {
        let check = |header: &str, expected: Option<&str>| {
            let headers = HeaderMap::from_iter([(AUTHORIZATION, header.parse().unwrap())]);
            assert_eq!(given_token(&headers).as_deref(), expected.map(str::as_bytes), "{header:?}");
        };
        check("Bearer secret", Some("secret"));
        check("bearer  secret ", Some("secret"));
        // "anybody:secret", ":secret", "a:b:secret", "secret:", "secret".
        check("Basic YW55Ym9keTpzZWNyZXQ=", Some("secret"));
        check("basic OnNlY3JldA==", Some("secret"));
        check("Basic YTpiOnNlY3JldA==", Some("b:secret"));
        check("Basic c2VjcmV0Og==", Some(""));
        check("Bearer ", Some(""));
        for wrong in ["Basic c2VjcmV0", "Basic ***", "Basic", "Bearer", "Basic secret", "Digest secret", "secret", ""] {
            check(wrong, None);
        }
        assert_eq!(given_token(&HeaderMap::new()), None);
    }
}
