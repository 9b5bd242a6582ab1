//! Determines the remote-write version of a request from its headers.

use almanac_engine::ingest::remote_write::Version;
use axum::http::{
    HeaderMap, HeaderName, StatusCode,
    header::{CONTENT_ENCODING, CONTENT_TYPE},
};

use crate::http::ApiError;

/// Returns the remote-write version of a request.
///
/// A missing content type means 1.0 and a missing encoding means snappy: early senders set neither.
///
/// # Errors
/// 415, which names the supported types.
pub(super) fn version(headers: &HeaderMap) -> Result<Version, ApiError> {
    let version = match text(headers, &CONTENT_TYPE)? {
        None => Version::V1,
        Some(content_type) => of_content_type(content_type)?,
    };
    match text(headers, &CONTENT_ENCODING)? {
        None => Ok(version),
        Some(encoding) if encoding.eq_ignore_ascii_case("snappy") => Ok(version),
        Some(encoding) => Err(unsupported(format!("content encoding {encoding:?} is not supported; use snappy"))),
    }
}

fn of_content_type(content_type: &str) -> Result<Version, ApiError> {
    let mut parts = content_type.split(';').map(str::trim);
    let media = parts.next().unwrap_or_default();
    if !media.eq_ignore_ascii_case("application/x-protobuf") {
        let message = format!("content type {media:?} is not remote write; use application/x-protobuf");
        return Err(unsupported(message));
    }
    let proto = parts.find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.trim().eq_ignore_ascii_case("proto").then(|| value.trim().trim_matches('"'))
    });
    match proto {
        None => Ok(Version::V1),
        Some(name) if name == Version::V1.message() => Ok(Version::V1),
        Some(name) if name == Version::V2.message() => Ok(Version::V2),
        Some(name) => Err(unsupported(format!(
            "message {name:?} is not supported; use {} or {}",
            Version::V1.message(),
            Version::V2.message()
        ))),
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, ApiError> {
    headers
        .get(name)
        .map(|value| value.to_str().map_err(|_| unsupported(format!("header {name} is not text"))))
        .transpose()
}

fn unsupported(message: String) -> ApiError {
    ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn check(content_type: Option<&'static str>, encoding: Option<&'static str>, expected: Result<Version, &str>) {
        let mut headers = HeaderMap::new();
        let mut set = |name: HeaderName, value: Option<&'static str>| {
            value.map(|value| headers.insert(name, HeaderValue::from_static(value)));
        };
        set(CONTENT_TYPE, content_type);
        set(CONTENT_ENCODING, encoding);
        let found = version(&headers);
        let found = found.as_ref().map(|version| *version).map_err(ApiError::message);
        assert_eq!(found, expected, "{content_type:?} {encoding:?}");
    }

    #[test]
    fn headers_determine_the_version() {
        let v2 = "application/x-protobuf;proto=io.prometheus.write.v2.Request";
        check(None, None, Ok(Version::V1));
        check(Some("application/x-protobuf"), Some("snappy"), Ok(Version::V1));
        check(Some("application/x-protobuf;proto=prometheus.WriteRequest"), Some("snappy"), Ok(Version::V1));
        check(Some(v2), Some("snappy"), Ok(Version::V2));
        check(Some("Application/X-Protobuf; Proto=\"io.prometheus.write.v2.Request\""), None, Ok(Version::V2));
        check(
            Some("application/json"),
            None,
            Err("content type \"application/json\" is not remote write; use application/x-protobuf"),
        );
        check(
            Some("application/x-protobuf;proto=io.prometheus.write.v3.Request"),
            None,
            Err("message \"io.prometheus.write.v3.Request\" is not supported; \
                 use prometheus.WriteRequest or io.prometheus.write.v2.Request"),
        );
        check(Some(v2), Some("gzip"), Err("content encoding \"gzip\" is not supported; use snappy"));
    }
}
