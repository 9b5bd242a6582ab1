//! Signing in with a token, and out again: a session in a cookie that scripts cannot read.

use std::{net::SocketAddr, time::Instant};

use askama::Template;
use axum::{
    body::Bytes,
    extract::{ConnectInfo, Extension, State},
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{CACHE_CONTROL, COOKIE, LOCATION, SET_COOKIE},
    },
    response::{IntoResponse, Response},
};

use super::shell::{Shell, html};
use crate::{
    access::{AuditRecord, Refusal, SESSION_TIME, Sessions},
    http::{ApiError, AppState, Params, shared::iso},
};

/// Name of the cookie.
const COOKIE_NAME: &str = "almanac_session";
/// Longest body of the form in bytes.
const MAX_FORM: usize = 4 << 10;

#[derive(Template)]
#[template(path = "sign-in.html")]
struct SignIn {
    shell: Shell,
    next: String,
    problem: Option<&'static str>,
    is_open: bool,
}

/// Returns the token of the session that a request names in its cookie.
pub(in crate::http) fn session_token(sessions: &Sessions, headers: &HeaderMap) -> Option<Vec<u8>> {
    sessions.token(&session_name(headers)?, Instant::now())
}

fn session_name(headers: &HeaderMap) -> Option<String> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|cookies| cookies.to_str().ok())
        .flat_map(|cookies| cookies.split(';'))
        .find_map(|cookie| {
            let (name, value) = cookie.trim().split_once('=')?;
            (name == COOKIE_NAME).then(|| value.to_owned())
        })
}

/// The form.
pub(super) async fn form(State(state): State<AppState>, params: Params) -> Result<Response, ApiError> {
    page(&state, next(&params), None, StatusCode::OK)
}

/// Signs in with the token of the form, and leads to the page that was asked for.
pub(super) async fn sign_in(
    State(state): State<AppState>,
    connection: Option<Extension<ConnectInfo<SocketAddr>>>,
    body: Bytes,
) -> Result<Response, ApiError> {
    let form = Params::parse(body.get(..MAX_FORM).unwrap_or(&body));
    let next = next(&form);
    let token = form.get("token").unwrap_or_default().trim().to_owned();
    let peer = connection.map(|Extension(ConnectInfo(peer))| peer);
    let problem = match state.auth.identify(Some(token.as_bytes()), peer.map(|peer| peer.ip())).await {
        Ok(caller) => {
            let name = state.sessions.open(token.as_bytes(), Instant::now());
            let name =
                name.ok_or_else(|| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "no random bytes"))?;
            let from = peer.map_or_else(|| "unknown".to_owned(), |peer| peer.to_string());
            state.audit.record(&AuditRecord {
                at: iso(state.clock.now().millis()),
                who: caller.shown(),
                what: "session.open",
                target: "the web page",
                from: &from,
                result: "ok",
            });
            return Ok(redirect(&next, Some(cookie(&state, &name, SESSION_TIME.as_secs()))));
        }
        Err(Refusal::Missing) => "Enter a token.",
        Err(Refusal::Wrong) => "This token is not valid for this service.",
        Err(Refusal::TooMany { .. }) => "Too many tokens are being tried. Wait a minute, then try again.",
    };
    page(&state, next, Some(problem), StatusCode::UNAUTHORIZED)
}

/// Ends the session.
pub(super) async fn sign_out(State(state): State<AppState>, headers: HeaderMap) -> Response {
    if let Some(name) = session_name(&headers) {
        state.sessions.close(&name);
    }
    redirect("/sign-in", Some(cookie(&state, "", 0)))
}

fn page(
    state: &AppState,
    next: String,
    problem: Option<&'static str>,
    status: StatusCode,
) -> Result<Response, ApiError> {
    let shell = Shell::bare("Sign in", "");
    let page = SignIn { shell, next, problem, is_open: !state.auth.is_required() };
    Ok(html(status, page.render().map_err(|error| ApiError::internal(&error))?))
}

/// Returns where to go afterwards: a path of this service.
fn next(params: &Params) -> String {
    let next = params.get("next").unwrap_or("/");
    // `//host` and `/\host` lead elsewhere.
    let is_own =
        next.starts_with('/') && !next.starts_with("//") && !next.contains(['\\', '\r', '\n']) && next.is_ascii();
    if is_own { next.to_owned() } else { "/".to_owned() }
}

fn redirect(to: &str, cookie: Option<HeaderValue>) -> Response {
    let to = HeaderValue::from_str(to).unwrap_or_else(|_| HeaderValue::from_static("/"));
    let mut response = (StatusCode::SEE_OTHER, [(LOCATION, to), (CACHE_CONTROL, HeaderValue::from_static("no-store"))])
        .into_response();
    if let Some(cookie) = cookie {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    response
}

/// Returns the cookie of a session: for this site only, and with TLS for TLS only.
fn cookie(state: &AppState, name: &str, seconds: u64) -> HeaderValue {
    let secure = if state.config.server.tls_cert.is_some() { "; Secure" } else { "" };
    let text = format!("{COOKIE_NAME}={name}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}");
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_this_service_follow_the_sign_in() {
        for (given, expected) in [
            ("next=%2Fsignals%3Fq%3Da", "/signals?q=a"),
            ("next=%2F%2Fevil.example", "/"),
            ("next=%2F%5Cevil.example", "/"),
            ("next=https%3A%2F%2Fevil.example", "/"),
            ("next=%2Fa%0D%0ASet-Cookie%3A+a", "/"),
            ("", "/"),
        ] {
            assert_eq!(next(&Params::parse(given.as_bytes())), expected, "{given}");
        }
    }

    #[test]
    fn the_session_is_found_among_other_cookies() {
        let sessions = Sessions::default();
        let name = sessions.open(b"secret", Instant::now()).unwrap();
        let headers = HeaderMap::from_iter([(
            COOKIE,
            HeaderValue::from_str(&format!("a=b; {COOKIE_NAME}={name}; c=d")).unwrap(),
        )]);
        assert_eq!(session_token(&sessions, &headers).as_deref(), Some(b"secret".as_slice()));
        assert_eq!(session_token(&sessions, &HeaderMap::new()), None);
    }
}
