//! The frame of every page: head, navigation, and how answers and errors become pages.

use askama::Template;
use axum::{
    extract::Request,
    http::{
        HeaderValue, Method, StatusCode,
        header::{
            CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, REFERRER_POLICY, VARY,
            X_CONTENT_TYPE_OPTIONS,
        },
    },
    response::{IntoResponse, Response},
};

use super::{assets, format::capital};
use crate::{
    access::Caller,
    http::{ApiError, AppState},
};

/// What a page may load: files of this service only; no script and no style in the page itself.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
    font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Frame of a page.
#[derive(Debug, Clone)]
pub(super) struct Shell {
    /// Title of the page.
    pub(super) title: String,
    /// Path of the entry of the navigation that the page belongs to.
    pub(super) active: &'static str,
    /// Kinds of advisors with their titles, for the navigation.
    pub(super) kinds: Vec<(String, String)>,
    /// Name of the token that is signed in.
    pub(super) user: Option<String>,
    /// Revision of the ledger before the page was read: a later one makes the page stale.
    pub(super) revision: u64,
    /// Version of the files.
    pub(super) version: &'static str,
    /// Whether charts can be drawn.
    pub(super) has_charts: bool,
}

impl Shell {
    /// Builds the frame of a page for a caller.
    pub(super) fn new(state: &AppState, caller: &Caller, title: impl Into<String>, active: &'static str) -> Self {
        let kinds =
            state.config.registry.advisors().map(|advisor| (advisor.kind().to_string(), advisor.title().to_owned()));
        let revision = state.ledger.revision();
        Self { revision, kinds: kinds.collect(), user: caller.name().map(str::to_owned), ..Self::bare(title, active) }
    }

    /// Builds the frame of a page without a caller.
    pub(super) fn bare(title: impl Into<String>, active: &'static str) -> Self {
        Self {
            title: title.into(),
            active,
            kinds: Vec::new(),
            user: None,
            revision: 0,
            version: &assets::VERSION,
            has_charts: assets::has_charts(),
        }
    }

    /// Returns whether an entry of the navigation is that of this page.
    pub(super) fn is_at(&self, path: &str) -> bool {
        self.active == path
    }
}

/// Renders a template as the answer.
///
/// # Errors
/// 500 when the template fails.
pub(super) fn render(template: &impl Template) -> Result<Response, ApiError> {
    Ok(html(StatusCode::OK, template.render().map_err(|error| ApiError::internal(&error))?))
}

/// Marks an answer that is a page already, whatever its status.
#[derive(Debug, Clone, Copy)]
pub(in crate::http) struct IsPage;

/// Returns a page with the headers that protect it.
pub(super) fn html(status: StatusCode, body: String) -> Response {
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "same-origin"),
        (CACHE_CONTROL, "no-store"),
        (VARY, "cookie"),
    ];
    let mut response = (status, headers, body).into_response();
    response.extensions_mut().insert(IsPage);
    response
}

/// What a browser asked for, kept for the answer to an error.
#[derive(Debug, Clone)]
pub(in crate::http) struct Asked {
    path: String,
    is_get: bool,
}

impl Asked {
    /// Reads it from a request.
    pub(in crate::http) fn of(request: &Request) -> Self {
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        Self { path: path.to_owned(), is_get: *request.method() == Method::GET }
    }
}

/// Page of an error.
#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    shell: Shell,
    status: u16,
    heading: String,
    message: String,
}

/// Returns an error of a page as a page; a missing or wrong token leads to the sign-in. Other answers are kept.
pub(in crate::http) fn for_people(response: Response, asked: &Asked) -> Response {
    let status = response.status();
    if response.extensions().get::<IsPage>().is_some() {
        return response;
    }
    let Some(error) = response.extensions().get::<ApiError>().cloned() else { return response };
    if status == StatusCode::UNAUTHORIZED && asked.is_get {
        let next: String = form_urlencoded::byte_serialize(asked.path.as_bytes()).collect();
        let Ok(location) = HeaderValue::from_str(&format!("/sign-in?next={next}")) else { return response };
        return (StatusCode::SEE_OTHER, [(LOCATION, location), (CACHE_CONTROL, HeaderValue::from_static("no-store"))])
            .into_response();
    }
    let heading = match status {
        StatusCode::NOT_FOUND => "There is no such page",
        StatusCode::FORBIDDEN => "This is not permitted",
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => "The service is busy",
        status if status.is_client_error() => "The request is not valid",
        _ => "The service could not answer",
    };
    let page = ErrorPage {
        shell: Shell::bare(heading, ""),
        status: status.as_u16(),
        heading: heading.to_owned(),
        message: capital(error.message()),
    };
    let Ok(body) = page.render() else { return response };
    let mut answer = html(status, body);
    if let Some(after) = response.headers().get(axum::http::header::RETRY_AFTER) {
        answer.headers_mut().insert(axum::http::header::RETRY_AFTER, after.clone());
    }
    answer
}

/// Returns a name as one segment of a path.
pub(super) fn segment(name: &str) -> String {
    const KEPT: &[u8] = b"-._~";
    name.bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() || KEPT.contains(&byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_any_text_are_one_segment() {
        assert_eq!(segment("a/b?c=\"ü\""), "a%2Fb%3Fc%3D%22%C3%BC%22");
    }
}
