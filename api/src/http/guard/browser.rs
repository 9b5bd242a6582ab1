//! Protects the service from web pages in the browsers of its users: checks `Host`, `Origin` and `Content-Type`.
//!
//! A foreign page can send requests to a loopback address, and by DNS rebinding it can read the answers as well. Its
//! requests name a foreign host or a foreign origin, and only the content types of forms pass without a CORS preflight.

use std::net::IpAddr;

use axum::http::{
    HeaderMap, HeaderName, Method, StatusCode, Uri,
    header::{CONTENT_TYPE, HOST, ORIGIN, REFERER},
    uri::Authority,
};

use super::routes::ContentRule;
use crate::{config::Server, http::ApiError};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Content types that a page may send to another origin without a preflight (Fetch standard, section 2.2.2).
const SIMPLE_TYPES: [&str; 3] = ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"];

/// Checks that every name in `Host` and in the URL is one of this service, for a service without tokens.
///
/// A request without a name passes: browsers always send one.
///
/// # Errors
/// 403 `host_not_allowed`.
pub(super) fn check_host(headers: &HeaderMap, uri: &Uri, server: &Server) -> Result<(), ApiError> {
    let of_headers = headers.get_all(HOST).iter().map(|value| value.to_str().unwrap_or("?"));
    for host in of_headers.chain(uri.authority().map(Authority::as_str)) {
        if !is_own_host(host, server) {
            let message = format!(
                "Host {host:?} is not a name of this service; add it to server.hosts, or require a token (almanac token new)"
            );
            return Err(ApiError::new(StatusCode::FORBIDDEN, "host_not_allowed", message));
        }
    }
    Ok(())
}

/// Whether a page with the name `host`, with or without a port, can only be one of this service.
///
/// An address cannot be rebound, so that on an unspecified address every literal address passes.
fn is_own_host(host: &str, server: &Server) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let name = authority.host().trim_end_matches('.').to_ascii_lowercase();
    if name == "localhost" || name.ends_with(".localhost") {
        return true;
    }
    let listen = server.listen.ip().to_canonical();
    if let Ok(address) = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
        let address = address.to_canonical();
        if address.is_loopback() || address == listen || listen.is_unspecified() {
            return true;
        }
    }
    server.hosts.iter().any(|own| {
        let own = own.trim().to_ascii_lowercase();
        own == "*" || own == name || authority.as_str().eq_ignore_ascii_case(&own)
    })
}

/// Checks that a request that may change state does not come from a page of another origin.
///
/// # Errors
/// 403 `origin_not_allowed`.
pub(super) fn check_origin(method: &Method, headers: &HeaderMap, uri: &Uri, server: &Server) -> Result<(), ApiError> {
    if method.is_safe() {
        return Ok(());
    }
    let refuse = |origin: &str| {
        let message = format!("pages of {origin} may not send this request; add their origin to server.cors_origins");
        Err(ApiError::new(StatusCode::FORBIDDEN, "origin_not_allowed", message))
    };
    let mut has_origin = false;
    for origin in headers.get_all(ORIGIN) {
        has_origin = true;
        let origin = origin.to_str().unwrap_or("?");
        if !is_allowed_origin(origin, headers, uri, server) {
            return refuse(&format!("{origin:?}"));
        }
    }
    let site = headers.get(SEC_FETCH_SITE).map(|site| site.as_bytes());
    match site {
        Some(b"cross-site" | b"same-site") if !has_origin => refuse("another site"),
        _ => Ok(()),
    }
}

fn is_allowed_origin(origin: &str, headers: &HeaderMap, uri: &Uri, server: &Server) -> bool {
    let listed = |allowed: &String| allowed == "*" || allowed.trim_end_matches('/').eq_ignore_ascii_case(origin);
    if server.cors_origins.iter().any(listed) {
        return true;
    }
    let Some((_, authority)) = origin.split_once("://") else { return false };
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).or(uri.authority().map(Authority::as_str));
    if host.is_some_and(|host| host.eq_ignore_ascii_case(authority)) {
        return true;
    }
    // Behind a proxy that sets another `Host`, the page has one of the configured names.
    let name = authority.parse::<Authority>().map(|authority| authority.host().to_ascii_lowercase());
    server.hosts.iter().any(|own| {
        own != "*"
            && (own.eq_ignore_ascii_case(authority) || name.as_ref().is_ok_and(|name| own.eq_ignore_ascii_case(name)))
    })
}

/// Checks the content type of a request against the rule of its route.
///
/// # Errors
/// 415 `unsupported_media_type`, which names the type to send.
pub(super) fn check_content(rule: ContentRule, method: &Method, headers: &HeaderMap) -> Result<(), ApiError> {
    // Other methods than POST have no handler here, and get 404 or 405.
    if method != Method::POST {
        return Ok(());
    }
    let media = headers.get(CONTENT_TYPE).map(|value| value.to_str().unwrap_or("?"));
    let media = media.map(|value| value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
    let is_json = media.as_deref().is_some_and(|media| media == "application/json" || media.ends_with("+json"));
    let is_simple = media.as_deref().is_none_or(|media| SIMPLE_TYPES.contains(&media));
    let of_page = [ORIGIN, SEC_FETCH_SITE, REFERER].iter().any(|name| headers.contains_key(name));
    let accepted = match rule {
        ContentRule::Any => true,
        ContentRule::Json => is_json,
        ContentRule::NotSimple => !is_simple,
        ContentRule::NotSimpleFromPages => !(is_simple && of_page),
    };
    if accepted {
        return Ok(());
    }
    let given = media.map_or_else(|| "none is given".to_owned(), |media| format!("{media:?} is given"));
    let wanted = match rule {
        ContentRule::NotSimpleFromPages => "the type of the data, such as text/csv or application/octet-stream",
        _ => "application/json",
    };
    let message = format!("send the header Content-Type: {wanted}; {given}");
    Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    fn server(listen: &str, hosts: &[&str], origins: &[&str]) -> Server {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Server {
            listen: listen.parse().unwrap(),
            hosts: texts(hosts),
            cors_origins: texts(origins),
            ..Server::default()
        }
    }

    #[test]
    fn only_names_of_the_service_are_hosts() {
        let check = |listen: &str, hosts: &[&str], host: &str, accepted: bool| {
            let found = check_host(&headers(&[("host", host)]), &Uri::from_static("/"), &server(listen, hosts, &[]));
            assert_eq!(found.is_ok(), accepted, "{listen} {hosts:?} {host}");
        };
        let local = "127.0.0.1:9797";
        for host in [
            "localhost",
            "LocalHost:9797",
            "localhost.:1",
            "a.localhost",
            "127.0.0.1:9797",
            "127.0.0.1",
            "127.9.9.9:80",
            "[::1]:9797",
            "[::ffff:127.0.0.1]",
        ] {
            check(local, &[], host, true);
        }
        for host in [
            "evil.example",
            "evil.example:9797",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "evillocalhost",
            "10.0.0.1",
            "0.0.0.0:9797",
            "169.254.169.254",
            "127.0.0.1@evil.example",
            "",
            ":9797",
            "a b",
        ] {
            check(local, &[], host, false);
        }
        check("10.0.0.1:9797", &[], "10.0.0.1:9797", true);
        check("10.0.0.1:9797", &[], "10.0.0.2:9797", false);
        check("0.0.0.0:9797", &[], "10.0.0.2:9797", true);
        check("0.0.0.0:9797", &[], "almanac:9797", false);
        check("0.0.0.0:9797", &["Almanac"], "almanac:9797", true);
        check("0.0.0.0:9797", &["almanac:9797"], "almanac:9797", true);
        check("0.0.0.0:9797", &["almanac:9797"], "almanac:1", false);
        check(local, &["*"], "anything", true);
        // Every name counts: of several headers, and of the URL.
        let two = headers(&[("host", "localhost"), ("host", "evil.example")]);
        let absolute = Uri::from_static("http://evil.example/v1/sql");
        let own = server(local, &[], &[]);
        assert!(two.len() == 1 || check_host(&two, &Uri::from_static("/"), &own).is_err());
        assert!(check_host(&headers(&[("host", "localhost")]), &absolute, &own).is_err());
        assert!(check_host(&HeaderMap::new(), &Uri::from_static("/"), &own).is_ok());
    }

    #[test]
    fn pages_of_other_origins_change_nothing() {
        let check = |pairs: &[(&'static str, &str)], origins: &[&str], accepted: bool| {
            let (uri, own) = (Uri::from_static("/v1/events"), server("127.0.0.1:9797", &["almanac.example"], origins));
            let sent = headers(&[&[("host", "127.0.0.1:9797")], pairs].concat());
            assert_eq!(check_origin(&Method::POST, &sent, &uri, &own).is_ok(), accepted, "{pairs:?} {origins:?}");
            assert_eq!(check_origin(&Method::DELETE, &sent, &uri, &own).is_ok(), accepted, "{pairs:?} {origins:?}");
            assert!(check_origin(&Method::GET, &sent, &uri, &own).is_ok());
        };
        check(&[], &[], true);
        check(&[("origin", "http://127.0.0.1:9797")], &[], true);
        check(&[("origin", "https://almanac.example")], &[], true);
        check(&[("sec-fetch-site", "same-origin")], &[], true);
        check(&[("sec-fetch-site", "none")], &[], true);
        for origin in ["http://evil.example", "http://127.0.0.1:3000", "http://localhost:9797", "null", "", "file://"] {
            check(&[("origin", origin)], &[], false);
        }
        check(&[("sec-fetch-site", "cross-site")], &[], false);
        check(&[("sec-fetch-site", "same-site")], &[], false);
        check(&[("origin", "http://grafana:3000"), ("sec-fetch-site", "cross-site")], &["http://grafana:3000/"], true);
        check(&[("origin", "http://evil.example")], &["http://grafana:3000"], false);
        check(&[("origin", "null")], &["*"], true);
    }

    #[test]
    fn the_types_of_forms_change_nothing() {
        let page: &[(&'static str, &str)] = &[("referer", "http://evil.example/")];
        let check = |rule, media: Option<&str>, from_page: bool, accepted: bool| {
            let mut sent = headers(if from_page { page } else { &[] });
            media.map(|media| sent.insert(CONTENT_TYPE, media.parse().unwrap()));
            assert_eq!(check_content(rule, &Method::POST, &sent).is_ok(), accepted, "{rule:?} {media:?} {from_page}");
        };
        let forms = [
            None,
            Some("text/plain"),
            Some("Text/Plain;charset=utf-8"),
            Some("application/x-www-form-urlencoded"),
            Some("multipart/form-data; boundary=x"),
        ];
        for media in forms {
            check(ContentRule::Any, media, true, true);
            check(ContentRule::Json, media, false, false);
            check(ContentRule::NotSimple, media, false, false);
            check(ContentRule::NotSimpleFromPages, media, false, true);
            check(ContentRule::NotSimpleFromPages, media, true, false);
        }
        for media in ["application/json", "application/json; charset=utf-8"] {
            check(ContentRule::Json, Some(media), true, true);
            check(ContentRule::NotSimple, Some(media), true, true);
        }
        check(ContentRule::Json, Some("application/x-protobuf"), false, false);
        check(ContentRule::NotSimple, Some("application/x-ndjson"), false, true);
        check(ContentRule::NotSimpleFromPages, Some("text/csv"), true, true);
    }
}
