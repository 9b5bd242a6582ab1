//! Reads parameters of query strings and forms.

use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    http::{
        HeaderMap, Method, StatusCode,
        header::{ACCEPT, CONTENT_TYPE},
    },
};

use super::ApiError;

/// Parameters of the query string and of a posted form; names may repeat.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Params {
    pairs: Vec<(String, String)>,
    prefers_csv: bool,
}

impl Params {
    /// Parses a query string or the body of a form.
    #[must_use]
    pub fn parse(text: &[u8]) -> Self {
        Self { pairs: form_urlencoded::parse(text).into_owned().collect(), prefers_csv: false }
    }

    /// Whether the request's `Accept` names CSV before JSON.
    #[must_use]
    pub fn prefers_csv(&self) -> bool {
        self.prefers_csv
    }

    /// Returns the first non-empty value.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// Returns all non-empty values in order.
    pub fn all<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a str> + use<'a, 'n> {
        self.pairs.iter().filter(move |(n, value)| n == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// Returns all values, each split at commas.
    #[must_use]
    pub fn list(&self, name: &str) -> Vec<String> {
        self.all(name).flat_map(|value| value.split(',')).filter(|part| !part.is_empty()).map(str::to_owned).collect()
    }

    /// Returns the parameters whose names are not in `known`.
    pub fn others<'a>(&'a self, known: &'a [&str]) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.pairs
            .iter()
            .filter(move |(n, _)| !known.contains(&n.as_str()))
            .map(|(n, value)| (n.as_str(), value.as_str()))
    }

    /// Rejects parameters whose names are not in `known`.
    ///
    /// # Errors
    /// 400 `unknown_parameter`, which suggests the nearest known one.
    pub fn only(&self, known: &[&str]) -> Result<(), ApiError> {
        let Some((unknown, _)) = self.others(known).next() else { return Ok(()) };
        let nearest = known
            .iter()
            .map(|name| (strsim::jaro_winkler(unknown, name), name))
            .filter(|(similarity, _)| *similarity > 0.7)
            .max_by(|a, b| a.0.total_cmp(&b.0));
        let message = match nearest {
            Some((_, nearest)) => format!("unknown parameter {unknown:?}; did you mean {nearest:?}?"),
            None => format!("unknown parameter {unknown:?}; known here: {}", known.join(", ")),
        };
        Err(ApiError::bad_request("unknown_parameter", message))
    }

    /// Parses a number; `None` when the parameter is missing.
    ///
    /// # Errors
    /// 400 `invalid_parameter` when the value is not a number in the range of `T`.
    pub fn number<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, ApiError> {
        self.get(name)
            .map(|text| {
                text.parse().map_err(|_| {
                    ApiError::bad_request("invalid_parameter", format!("{name} {text:?} is not a number in range"))
                })
            })
            .transpose()
    }
}

impl<S: Send + Sync> FromRequest<S> for Params {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let mut params = Self::parse(request.uri().query().unwrap_or_default().as_bytes());
        params.prefers_csv = prefers_csv(request.headers());
        let form = request.method() == Method::POST
            && request
                .headers()
                .get(CONTENT_TYPE)
                .is_some_and(|kind| kind.as_bytes().starts_with(b"application/x-www-form-urlencoded"));
        if form {
            let body = Bytes::from_request(request, state).await.map_err(|rejection| {
                ApiError::new(rejection.status(), code_of(rejection.status()), rejection.body_text())
            })?;
            params.pairs.extend(Self::parse(&body).pairs);
        }
        Ok(params)
    }
}

/// Whether the first media type of `Accept` that is either CSV or JSON is CSV. Quality values are ignored.
fn prefers_csv(headers: &HeaderMap) -> bool {
    let accept = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut ranges = accept
        .flat_map(|value| value.split(','))
        .map(|range| range.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
    ranges
        .find_map(|range| match range.as_str() {
            "text/csv" => Some(true),
            "*/*" | "application/*" | "application/json" => Some(false),
            _ => None,
        })
        .unwrap_or(false)
}

fn code_of(status: StatusCode) -> &'static str {
    if status == StatusCode::PAYLOAD_TOO_LARGE { "body_too_large" } else { "body_unreadable" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_repeat_and_lists_are_split() {
        let params = Params::parse(b"match[]=up&match[]=a%7Bb%3D%22c%22%7D&host=a,b&host=c&empty=&n=5");
        assert_eq!(params.all("match[]").collect::<Vec<_>>(), ["up", "a{b=\"c\"}"]);
        assert_eq!(params.list("host"), ["a", "b", "c"]);
        assert_eq!(params.get("empty"), None);
        assert_eq!(params.number::<u32>("n").unwrap(), Some(5));
        assert_eq!(params.number::<u8>("host").unwrap_err().message(), "host \"a,b\" is not a number in range");
    }

    #[test]
    fn csv_is_preferred_when_it_is_named_first() {
        let check = |accept: &'static str, expected: bool| {
            let headers = HeaderMap::from_iter([(ACCEPT, accept.parse().unwrap())]);
            assert_eq!(prefers_csv(&headers), expected, "{accept}");
        };
        check("text/csv; charset=utf-8", true);
        check("text/html, Text/CSV, */*", true);
        check("application/json;q=0.9,text/plain", false);
        check("*/*, text/csv", false);
        check("text/html", false);
        assert!(!prefers_csv(&HeaderMap::new()));
    }

    #[test]
    fn the_nearest_parameter_is_suggested() {
        let error = Params::parse(b"frm=1").only(&["from", "to"]).unwrap_err();
        assert_eq!(error.message(), "unknown parameter \"frm\"; did you mean \"from\"?");
    }
}
