//! Parameters of query strings and forms.

use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    http::{Method, StatusCode, header::CONTENT_TYPE},
};

use super::ApiError;

/// Parameters of the query string and, of a form that was posted, of its body; names may repeat.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Params(Vec<(String, String)>);

impl Params {
    /// The parameters of a query string or of a form's body.
    #[must_use]
    pub fn parse(text: &[u8]) -> Self {
        Self(form_urlencoded::parse(text).into_owned().collect())
    }

    /// The first value that is not empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// All values that are not empty, in order.
    pub fn all<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a str> + use<'a, 'n> {
        self.0.iter().filter(move |(n, value)| n == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// All values, those that hold commas taken apart.
    #[must_use]
    pub fn list(&self, name: &str) -> Vec<String> {
        self.all(name).flat_map(|value| value.split(',')).filter(|part| !part.is_empty()).map(str::to_owned).collect()
    }

    /// The parameters whose names are not among those given.
    pub fn others<'a>(&'a self, known: &'a [&str]) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0.iter().filter(move |(n, _)| !known.contains(&n.as_str())).map(|(n, value)| (n.as_str(), value.as_str()))
    }

    /// Refuses parameters whose names are not among those given.
    ///
    /// # Errors
    /// 400 `unknown_parameter` that suggests the nearest known one.
    pub fn only(&self, known: &[&str]) -> Result<(), ApiError> {
        let Some((unknown, _)) = self.others(known).next() else { return Ok(()) };
        let nearest = known
            .iter()
            .map(|name| (strsim::jaro_winkler(unknown, name), name))
            .filter(|(likeness, _)| *likeness > 0.7)
            .max_by(|a, b| a.0.total_cmp(&b.0));
        let message = match nearest {
            Some((_, nearest)) => format!("unknown parameter {unknown:?}; did you mean {nearest:?}?"),
            None => format!("unknown parameter {unknown:?}; known here: {}", known.join(", ")),
        };
        Err(ApiError::bad_request("unknown_parameter", message))
    }

    /// A number, or none when the parameter is missing.
    ///
    /// # Errors
    /// 400 `invalid_parameter` when it is no such number.
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
        let form = request.method() == Method::POST
            && request
                .headers()
                .get(CONTENT_TYPE)
                .is_some_and(|kind| kind.as_bytes().starts_with(b"application/x-www-form-urlencoded"));
        if form {
            let body = Bytes::from_request(request, state).await.map_err(|rejection| {
                ApiError::new(rejection.status(), code_of(rejection.status()), rejection.body_text())
            })?;
            params.0.extend(Self::parse(&body).0);
        }
        Ok(params)
    }
}

fn code_of(status: StatusCode) -> &'static str {
    if status == StatusCode::PAYLOAD_TOO_LARGE { "body_too_large" } else { "body_unreadable" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_repeat_and_lists_are_taken_apart() {
        let params = Params::parse(b"match[]=up&match[]=a%7Bb%3D%22c%22%7D&host=a,b&host=c&empty=&n=5");
        assert_eq!(params.all("match[]").collect::<Vec<_>>(), ["up", "a{b=\"c\"}"]);
        assert_eq!(params.list("host"), ["a", "b", "c"]);
        assert_eq!(params.get("empty"), None);
        assert_eq!(params.number::<u32>("n").unwrap(), Some(5));
        assert_eq!(params.number::<u8>("host").unwrap_err().message(), "host \"a,b\" is not a number in range");
    }

    #[test]
    fn the_nearest_parameter_is_suggested() {
        let error = Params::parse(b"frm=1").only(&["from", "to"]).unwrap_err();
        assert_eq!(error.message(), "unknown parameter \"frm\"; did you mean \"from\"?");
    }
}
