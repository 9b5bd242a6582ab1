//! Authentication: without a token the service accepts everybody and listens only on loopback; with one, callers must
//! send it.

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

/// Health paths, which need no token.
const OPEN_PATHS: [&str; 4] = ["/healthz", "/readyz", "/-/healthy", "/-/ready"];

/// A permission. The one token grants all of them; handlers name the one that they need, so that restricted tokens can
/// be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum Scope {
    /// Maintenance and deletion.
    Admin,
}

impl Scope {
    /// Returns the name of the scope.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
        }
    }
}

/// Extractor that rejects requests without [`Scope::Admin`] with 403.
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

/// The check of callers: no token, or the token that they must send.
#[derive(Clone, Default)]
pub struct Auth(Option<Arc<str>>);

/// The address is not loopback and there is no token.
#[derive(Debug, Clone, thiserror::Error)]
#[error(
    "{listen} can be reached from other machines: set a token with --token, ALMANAC_TOKEN or server.token, or listen on 127.0.0.1"
)]
pub struct TokenMissing {
    /// The address.
    pub listen: SocketAddr,
}

impl Auth {
    /// Accepts every caller.
    #[must_use]
    pub fn open() -> Self {
        Self(None)
    }

    /// Accepts callers that send this token as `Authorization: Bearer …`, or as the password of Basic authentication.
    #[must_use]
    pub fn token(token: &str) -> Self {
        Self(Some(token.into()))
    }

    /// Returns the check for an address: the token if there is one; without one the address must be loopback.
    ///
    /// # Errors
    /// [`TokenMissing`] when the address is not loopback and there is no token.
    pub fn for_address(listen: SocketAddr, token: Option<&str>) -> Result<Self, TokenMissing> {
        match token {
            Some(token) => Ok(Self::token(token)),
            // Canonical: `::ffff:127.0.0.1` is loopback too.
            None if listen.ip().to_canonical().is_loopback() => Ok(Self::open()),
            None => Err(TokenMissing { listen }),
        }
    }

    /// Whether the headers carry the token, if one is required. The comparison takes constant time.
    #[must_use]
    pub fn allows(&self, headers: &HeaderMap) -> bool {
        let Some(token) = &self.0 else { return true };
        let header = headers.get(AUTHORIZATION).map_or(&[] as &[u8], HeaderValue::as_bytes);
        given_token(header).is_some_and(|given| token.as_bytes().ct_eq(&given).into())
    }

    /// Whether the headers carry a token with the scope. The one token has every scope.
    pub(in crate::http) fn grants(&self, headers: &HeaderMap, scope: Scope) -> bool {
        match scope {
            Scope::Admin => self.allows(headers),
        }
    }
}

/// Returns the token of an `Authorization` header: the value of `Bearer`, or the password of `Basic` with any user
/// name.
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
    // The password may contain colons, the user name may not (RFC 7617).
    let colon = pair.iter().position(|byte| *byte == b':')?;
    Some(pair[colon + 1..].to_vec())
}

/// Omits the token, which must not reach logs.
impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Auth(token)" } else { "Auth(open)" })
    }
}

/// Middleware: responds with 401 unless the request carries the token or its path is open.
pub(in crate::http) async fn require_token(State(state): State<AppState>, request: Request, next: Next) -> Response {
    if state.auth.allows(request.headers()) || OPEN_PATHS.contains(&request.uri().path()) {
        return next.run(request).await;
    }
    let error = ApiError::new(
        StatusCode::UNAUTHORIZED,
        "unauthorized",
        "this service requires a token: send `Authorization: Bearer TOKEN`, or Basic authentication with the token as password",
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
    fn only_loopback_needs_no_token() {
        let check = |listen: &str, token: Option<&str>, accepted: bool| {
            assert_eq!(Auth::for_address(listen.parse().unwrap(), token).is_ok(), accepted, "{listen} {token:?}");
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
    fn only_the_whole_token_is_accepted() {
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
