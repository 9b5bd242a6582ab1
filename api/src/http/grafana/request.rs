//! Request bodies of Grafana. Every field that may be missing may also be null.

use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    http::StatusCode,
};
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::http::{ApiError, shared::parse_time};

/// Extractor of a JSON body that accepts any content type and reads an empty body as an empty object: older versions of
/// Grafana send `POST /tag-keys` without a body.
pub(super) struct Lenient<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Lenient<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let body = Bytes::from_request(request, state).await.map_err(|rejection| {
            let code =
                if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE { "body_too_large" } else { "body_unreadable" };
            ApiError::new(rejection.status(), code, rejection.body_text())
        })?;
        // An empty object takes the defaults of all fields.
        let is_empty = [b"".as_slice(), b"null"].contains(&body.trim_ascii());
        let body: &[u8] = if is_empty { b"{}" } else { &body };
        serde_json::from_slice(body)
            .map(Self)
            .map_err(|error| ApiError::bad_request("invalid_json", format!("invalid body: {error}")))
    }
}

/// Deserializes null as the default.
pub(super) fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(from: D) -> Result<T, D::Error> {
    Option::deserialize(from).map(Option::unwrap_or_default)
}

/// Deserializes a list; null is an empty list, and null entries are dropped.
fn entries<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    Option::<Vec<Option<T>>>::deserialize(from).map(|list| list.into_iter().flatten().flatten().collect())
}

/// Deserializes a text; numbers and booleans as they are written, null as empty text.
fn text<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    Ok(match Value::deserialize(from)? {
        Value::Null => String::new(),
        Value::String(text) => text,
        other => other.to_string(),
    })
}

/// Deserializes a list of texts like [`text`], without null entries.
fn texts<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    let values = Option::<Vec<Value>>::deserialize(from)?.unwrap_or_default();
    Ok(values
        .into_iter()
        .filter(|value| !value.is_null())
        .map(|value| match value {
            Value::String(text) => text,
            other => other.to_string(),
        })
        .collect())
}

/// A span of time: RFC 3339 or epoch milliseconds.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
pub(super) struct Range {
    /// Start of the span.
    #[serde(default)]
    #[schema(value_type = String)]
    from: Value,
    /// End of the span.
    #[serde(default)]
    #[schema(value_type = String)]
    to: Value,
}

impl Range {
    /// Returns start and end in epoch milliseconds. Default of the end: `now_ms`; of the start: an hour before the end.
    pub(super) fn bounds(&self, now_ms: i64) -> Result<(i64, i64), ApiError> {
        let end_ms = instant(&self.to, "range.to")?.unwrap_or(now_ms);
        let start_ms = instant(&self.from, "range.from")?.unwrap_or(end_ms.saturating_sub(3_600_000));
        if end_ms < start_ms {
            return Err(ApiError::bad_request("invalid_range", "range.to is before range.from"));
        }
        Ok((start_ms, end_ms))
    }
}

fn instant(value: &Value, name: &str) -> Result<Option<i64>, ApiError> {
    let found = match value {
        Value::Null => return Ok(None),
        Value::String(text) => parse_time(text, 1.0),
        Value::Number(number) => number.as_f64().and_then(|number| parse_time(&number.to_string(), 1.0)),
        _ => None,
    };
    found
        .map(Some)
        .ok_or_else(|| ApiError::bad_request("invalid_range", format!("{name} {value} is not a time in RFC 3339")))
}

/// One target of a panel.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct TargetBody {
    /// Id of the target in the panel, returned with every frame.
    #[serde(default = "default_ref_id", deserialize_with = "ref_id")]
    pub(super) ref_id: String,
    /// A signal, a function of a signal, a table, or a `PromQL` expression.
    #[serde(default)]
    pub(super) target: Option<String>,
    /// Options: `format`, `legend`, `level`, `min_score`, `kind`, `state`, `target`, `expr`.
    #[serde(default, alias = "data")]
    #[schema(value_type = Object)]
    pub(super) payload: Value,
    /// `table` or `timeserie`, in the oldest protocol.
    #[serde(default, rename = "type")]
    pub(super) kind: Option<String>,
    /// Whether the target is hidden.
    #[serde(default, deserialize_with = "or_default")]
    pub(super) hide: bool,
}

fn default_ref_id() -> String {
    "A".to_owned()
}

fn ref_id<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    text(from).map(|name| if name.is_empty() { default_ref_id() } else { name })
}

impl TargetBody {
    /// Returns the first value of an option.
    pub(super) fn option(&self, name: &str) -> Option<String> {
        self.options(name).into_iter().next()
    }

    /// Returns all values of an option; an option may be a single value or a list.
    pub(super) fn options(&self, name: &str) -> Vec<String> {
        fn plain(value: &Value) -> Option<String> {
            match value {
                Value::String(text) if !text.is_empty() => Some(text.clone()),
                Value::Number(number) => Some(number.to_string()),
                Value::Bool(bool) => Some(bool.to_string()),
                _ => None,
            }
        }
        match self.payload.get(name) {
            Some(Value::Array(values)) => values.iter().filter_map(plain).collect(),
            Some(value) => plain(value).into_iter().collect(),
            None => Vec::new(),
        }
    }

    /// Rejects options whose names are not in `known`.
    pub(super) fn check_options(&self, known: &[&str]) -> Result<(), ApiError> {
        let empty = Map::new();
        let options = self.payload.as_object().unwrap_or(&empty);
        match options.keys().find(|key| !known.contains(&key.as_str())) {
            None => Ok(()),
            Some(unknown) => Err(ApiError::bad_request(
                "unknown_option",
                format!("target {} has the unknown option {unknown:?}; known here: {}", self.ref_id, known.join(", ")),
            )),
        }
    }
}

/// A condition of a dashboard's ad-hoc filters.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub(super) struct FilterBody {
    /// Label, or key of a table.
    #[serde(default, deserialize_with = "text")]
    pub(super) key: String,
    /// One of `= != =| !=| =~ !~ < <= > >=`.
    #[serde(default = "default_operator", deserialize_with = "operator")]
    pub(super) operator: String,
    /// Value to compare with.
    #[serde(default, deserialize_with = "text")]
    pub(super) value: String,
    /// Values of `=|` and `!=|`.
    #[serde(default, deserialize_with = "texts")]
    pub(super) values: Vec<String>,
}

fn default_operator() -> String {
    "=".to_owned()
}

fn operator<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    text(from).map(|operator| if operator.is_empty() { default_operator() } else { operator })
}

/// Query of a panel.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct QueryBody {
    /// Span of the panel.
    #[serde(default, deserialize_with = "or_default")]
    pub(super) range: Range,
    /// Distance between points in milliseconds, by the panel's width.
    #[serde(default)]
    pub(super) interval_ms: Option<f64>,
    /// Maximum number of points, by the panel's width.
    #[serde(default)]
    pub(super) max_data_points: Option<f64>,
    /// Targets of the panel.
    #[serde(default, deserialize_with = "entries")]
    pub(super) targets: Vec<TargetBody>,
    /// Ad-hoc filters.
    #[serde(default, deserialize_with = "entries")]
    pub(super) filters: Vec<FilterBody>,
    /// Ad-hoc filters of older versions.
    #[serde(default, deserialize_with = "entries")]
    pub(super) adhoc_filters: Vec<FilterBody>,
}

impl QueryBody {
    /// Returns the ad-hoc filters of both fields.
    pub(super) fn filters(&self) -> Vec<FilterBody> {
        self.filters.iter().chain(&self.adhoc_filters).filter(|filter| !filter.key.is_empty()).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn optional_fields_may_be_null() {
        let body: QueryBody = serde_json::from_str(
            r#"{"range":null,"intervalMs":null,"maxDataPoints":null,"targets":[null,{"refId":null,"target":null,"payload":null,
                "type":null,"hide":null}],"filters":[null,{"key":"a","operator":null,"value":null,"values":null}],
                "adhocFilters":null}"#,
        )
        .unwrap();
        assert_eq!((body.targets.len(), body.targets[0].ref_id.as_str()), (1, "A"));
        let filters = body.filters();
        assert_eq!((filters.len(), filters[0].operator.as_str(), filters[0].value.as_str()), (1, "=", ""));
        assert_eq!(body.range.bounds(3_600_000).unwrap(), (0, 3_600_000));
        let body: QueryBody = serde_json::from_str(r#"{"targets":null,"filters":null}"#).unwrap();
        assert!(body.targets.is_empty() && body.filters().is_empty());
        let filter: FilterBody =
            serde_json::from_str(r#"{"key":"a","operator":">","value":5,"values":[1,null,"b"]}"#).unwrap();
        assert_eq!((filter.value.as_str(), filter.values), ("5", vec!["1".to_owned(), "b".to_owned()]));
    }

    #[test]
    fn ranges_are_parsed_in_both_formats() {
        let range: Range = serde_json::from_str(r#"{"from":"2026-11-23T01:41:47.692Z","to":1795419707692}"#).unwrap();
        assert_eq!(range.bounds(0).unwrap(), (1_795_398_107_692, 1_795_419_707_692));
        assert_eq!(Range::default().bounds(3_600_000).unwrap(), (0, 3_600_000));
        let range: Range = serde_json::from_str(r#"{"from":"now-6h","to":5}"#).unwrap();
        assert!(range.bounds(0).is_err());
    }

    #[test]
    fn options_may_be_one_or_many() {
        let target: TargetBody =
            serde_json::from_str(r#"{"refId":"B","data":{"a":"x","b":["y","z"],"n":80,"empty":""}}"#).unwrap();
        assert_eq!(target.option("a").as_deref(), Some("x"));
        assert_eq!(target.options("b"), ["y", "z"]);
        assert_eq!(target.option("n").as_deref(), Some("80"));
        assert_eq!(target.option("empty"), None);
        assert_eq!(target.check_options(&["a"]).unwrap_err().code(), "unknown_option");
    }
}
