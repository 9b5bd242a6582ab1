//! Who may call: everybody on a loopback address, or whoever sends the token.

use std::{fmt, net::SocketAddr, sync::Arc};

use axum::{
    extract::{FromRequestParts, Request, State},
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{AUTHORIZATION, WWW_AUTHENTICATE},
        request::Parts,
    },
    middleware::Next,
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use subtle::ConstantTimeEq;

use super::{ApiError, AppState};

/// Paths that answer without a token: what a supervisor asks.
const OPEN: [&str; 4] = ["/healthz", "/readyz", "/-/healthy", "/-/ready"];

/// What a request may do. One token grants everything today; a handler names its scope so that tokens with fewer can follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum Scope {
    /// Upkeep and deletion.
    Admin,
}

impl Scope {
    /// The scope's word.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
        }
    }
}

/// Proof that a request may do what [`Scope::Admin`] covers: a handler that takes it is not called otherwise.
#[derive(Debug, Clone, Copy)]
pub(in crate::http) struct Admin;

impl FromRequestParts<AppState> for Admin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        if state.auth.grants(&parts.headers, Scope::Admin) {
            return Ok(Self);
        }
        let message = format!("this token lacks the scope {}", Scope::Admin.as_str());
        Err(ApiError::new(StatusCode::FORBIDDEN, "forbidden", message))
    }
}

/// Who may call.
#[derive(Clone, Default)]
pub struct Auth(Option<Arc<str>>);

/// An address that others can reach, and no token.
#[derive(Debug, Clone, thiserror::Error)]
#[error(
    "{listen} can be reached from other machines: set a token with --token, ALMANAC_TOKEN or server.token, or listen on 127.0.0.1"
)]
pub struct TokenMissing {
    /// The address.
    pub listen: SocketAddr,
}

impl Auth {
    /// Everybody who can reach the address.
    #[must_use]
    pub fn open() -> Self {
        Self(None)
    }

    /// Who sends this token as `Authorization: Bearer …`, or as the password of Basic authentication.
    #[must_use]
    pub fn token(token: &str) -> Self {
        Self(Some(token.into()))
    }

    /// What fits an address: with a token always that, without one only a loopback address.
    ///
    /// # Errors
    /// [`TokenMissing`] when the address is not loopback and there is no token.
    pub fn for_address(listen: SocketAddr, token: Option<&str>) -> Result<Self, TokenMissing> {
        match token {
            Some(token) => Ok(Self::token(token)),
            None if listen.ip().to_canonical().is_loopback() => Ok(Self::open()),
            None => Err(TokenMissing { listen }),
        }
    }

    /// Whether these headers may pass. The time taken does not depend on how much of the token is right.
    #[must_use]
    pub fn allows(&self, headers: &HeaderMap) -> bool {
        let Some(token) = &self.0 else { return true };
        let header = headers.get(AUTHORIZATION).map_or(&[] as &[u8], HeaderValue::as_bytes);
        given_token(header).is_some_and(|given| token.as_bytes().ct_eq(&given).into())
    }

    /// Whether these headers carry a token with the scope. The one token that there is has every scope.
    pub(in crate::http) fn grants(&self, headers: &HeaderMap, scope: Scope) -> bool {
        match scope {
            Scope::Admin => self.allows(headers),
        }
    }
}

/// The token that a header brings: what follows `Bearer`, or the password after `Basic`, whatever the user's name.
fn given_token(header: &[u8]) -> Option<Vec<u8>> {
    let space = header.iter().position(|byte| *byte == b' ')?;
    let (scheme, value) = (&header[..space], header[space..].trim_ascii());
    if scheme.eq_ignore_ascii_case(b"bearer") {
        return Some(value.to_vec());
    }
    if !scheme.eq_ignore_ascii_case(b"basic") {
        return None;
    }
    let pair = STANDARD.decode(value).ok()?;
    let colon = pair.iter().position(|byte| *byte == b':')?;
    Some(pair[colon + 1..].to_vec())
}

/// The token stays out of logs.
impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Auth(token)" } else { "Auth(open)" })
    }
}

/// Lets a request through or answers 401.
pub(in crate::http) async fn require_token(State(state): State<AppState>, request: Request, next: Next) -> Response {
    if state.auth.allows(request.headers()) || OPEN.contains(&request.uri().path()) {
        return next.run(request).await;
    }
    let error = ApiError::new(
        StatusCode::UNAUTHORIZED,
        "unauthorized",
        "this service needs its token: send `Authorization: Bearer TOKEN`, or Basic authentication with the token as password",
    );
    let mut response = error.into_response();
    for scheme in ["Bearer", "Basic realm=\"almanac\", charset=\"UTF-8\""] {
        response.headers_mut().append(WWW_AUTHENTICATE, HeaderValue::from_static(scheme));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_goes_without_a_token() {
        let check = |listen: &str, token: Option<&str>, fine: bool| {
            assert_eq!(Auth::for_address(listen.parse().unwrap(), token).is_ok(), fine, "{listen} {token:?}");
        };
        check("127.0.0.1:9797", None, true);
        check("127.8.0.1:1", None, true);
        check("[::1]:9797", None, true);
        check("[::ffff:127.0.0.1]:9797", None, true);
        check("0.0.0.0:9797", None, false);
        check("[::]:9797", None, false);
        check("10.0.0.1:9797", None, false);
        check("10.0.0.1:9797", Some("secret"), true);
    }

    #[test]
    fn the_token_must_be_whole() {
        let auth = Auth::token("secret");
        let check = |header: Option<&str>, allowed: bool| {
            let mut headers = HeaderMap::new();
            if let Some(header) = header {
                headers.insert(AUTHORIZATION, header.parse().unwrap());
            }
            assert_eq!(auth.allows(&headers), allowed, "{header:?}");
            assert_eq!(auth.grants(&headers, Scope::Admin), allowed, "{header:?}");
        };
        check(Some("Bearer secret"), true);
        check(Some("bearer  secret "), true);
        // "anybody:secret", ":secret", "a:b:secret" (the password is "b:secret"), "secret:", "secret".
        check(Some("Basic YW55Ym9keTpzZWNyZXQ="), true);
        check(Some("basic OnNlY3JldA=="), true);
        for wrong in ["Basic YTpiOnNlY3JldA==", "Basic c2VjcmV0Og==", "Basic c2VjcmV0", "Basic ***", "Basic"] {
            check(Some(wrong), false);
        }
        for wrong in
            ["Bearer secre", "Bearer secrets", "Bearer ", "Bearer", "Basic secret", "Digest secret", "secret", ""]
        {
            check(Some(wrong), false);
        }
        check(None, false);
        assert!(Auth::open().allows(&HeaderMap::new()));
    }
}
