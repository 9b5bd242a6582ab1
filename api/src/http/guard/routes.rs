//! The access rule of every route: its scope, the content types that it accepts, and its name in the audit.
//!
//! A route that is missing here needs the scope `admin`; a test compares the table with the OpenAPI description.

use crate::access::Scope;

/// Content types that a route accepts, so that a web page cannot use it without a CORS preflight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ContentRule {
    /// Any: the route changes no state.
    Any,
    /// `application/json`.
    Json,
    /// Any except the types that a web page may send without a preflight, and none.
    NotSimple,
    /// As [`ContentRule::NotSimple`] when the request has a header that only browsers send; any otherwise.
    NotSimpleFromPages,
}

/// The access rule of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rule {
    /// The scope that a token needs; `None` for routes that need no token.
    pub(super) scope: Option<Scope>,
    /// Accepted content types.
    pub(super) content: ContentRule,
    /// Name in the audit, for routes that change state.
    pub(super) audited: Option<&'static str>,
    /// Whether the answer is a page for people: errors are pages too, and a missing token leads to the sign-in.
    pub(super) is_page: bool,
}

const fn reads(scope: Scope) -> Rule {
    Rule { scope: Some(scope), content: ContentRule::Any, audited: None, is_page: false }
}

const fn changes(scope: Scope, content: ContentRule, audited: &'static str) -> Rule {
    Rule { scope: Some(scope), content, audited: Some(audited), is_page: false }
}

/// Health, for probes without a token, and the files of the page.
const OPEN: Rule = Rule { scope: None, content: ContentRule::Any, audited: None, is_page: false };
/// The sign-in, which nobody has a token for yet.
const OPEN_PAGE: Rule = Rule { is_page: true, ..OPEN };
const PAGE: Rule = Rule { is_page: true, ..reads(Scope::Read) };
const READ: Rule = reads(Scope::Read);
/// Telemetry, which like samples is not in the audit.
const OTLP: Rule = Rule { content: ContentRule::NotSimple, ..reads(Scope::Ingest) };
/// Rule of a route that is missing in the table.
const UNKNOWN: Rule = changes(Scope::Admin, ContentRule::Json, "unknown");

/// Paths as the router writes them. All methods of a path have the same rule.
const RULES: &[(&str, Rule)] = &[
    ("/healthz", OPEN),
    ("/readyz", OPEN),
    ("/-/healthy", OPEN),
    ("/-/ready", OPEN),
    // Batches of samples are not in the audit: there are many, and the store has their effect.
    ("/api/v1/write", Rule { content: ContentRule::NotSimpleFromPages, ..reads(Scope::Ingest) }),
    ("/v1/metrics", OTLP),
    ("/v1/traces", OTLP),
    ("/v1/logs", OTLP),
    ("/v1/import", changes(Scope::Ingest, ContentRule::NotSimpleFromPages, "samples.import")),
    ("/v1/events", changes(Scope::Ingest, ContentRule::NotSimple, "events.add")),
    ("/v1/sql", Rule { content: ContentRule::Json, ..reads(Scope::Sql) }),
    ("/v1/recommendations/{id}/accept", changes(Scope::Act, ContentRule::Json, "recommendation.accept")),
    ("/v1/recommendations/{id}/dismiss", changes(Scope::Act, ContentRule::Json, "recommendation.dismiss")),
    ("/v1/recommendations/{id}/applied", changes(Scope::Act, ContentRule::Json, "recommendation.applied")),
    ("/v1/streams/{name}/ack", changes(Scope::Act, ContentRule::Json, "stream.acknowledge")),
    ("/v1/admin/backup", changes(Scope::Admin, ContentRule::Json, "store.backup")),
    ("/v1/admin/compact", changes(Scope::Admin, ContentRule::Json, "store.compact")),
    ("/v1/admin/delete", changes(Scope::Admin, ContentRule::Json, "samples.delete")),
    ("/v1/admin/learn", changes(Scope::Admin, ContentRule::Json, "signals.learn")),
    ("/metrics", READ),
    ("/openapi.json", READ),
    ("/v1/recommendations", READ),
    ("/v1/recommendations/{id}", READ),
    ("/v1/recommendations/{id}/pictures", READ),
    ("/v1/recommendations/stream", READ),
    ("/v1/scaling/{workload}", READ),
    ("/v1/advice", READ),
    ("/v1/streams/{name}", READ),
    ("/v1/webhooks", READ),
    ("/apis/external.metrics.k8s.io", READ),
    ("/apis/external.metrics.k8s.io/v1beta1", READ),
    ("/apis/external.metrics.k8s.io/v1beta1/namespaces/{namespace}/{metric}", READ),
    ("/v1/signals", READ),
    ("/v1/forecasts", READ),
    ("/v1/anomalies", READ),
    ("/v1/samples", READ),
    ("/v1/export", READ),
    ("/v1/incidents", READ),
    ("/v1/incidents/explain", READ),
    // Each tool needs the scope of the route that it calls.
    ("/mcp", Rule { content: ContentRule::Json, ..READ }),
    ("/v1/deploys", READ),
    ("/v1/suspected_incidents", READ),
    ("/v1/peer_outliers", READ),
    ("/v1/correlations", READ),
    ("/v1/breaches", READ),
    ("/v1/targets", READ),
    ("/v1/scrape_targets", READ),
    ("/api/v1/query", READ),
    ("/api/v1/query_range", READ),
    ("/api/v1/labels", READ),
    ("/api/v1/label/{name}/values", READ),
    ("/api/v1/series", READ),
    ("/api/v1/format_query", READ),
    ("/api/v1/parse_query", READ),
    ("/api/v1/query_exemplars", READ),
    ("/api/v1/read", READ),
    ("/api/v1/status/buildinfo", READ),
    ("/api/v1/status/config", READ),
    ("/api/v1/status/flags", READ),
    ("/api/v1/status/runtimeinfo", READ),
    ("/api/v1/status/tsdb", READ),
    ("/api/v1/status/walreplay", READ),
    ("/api/v1/scrape_pools", READ),
    ("/api/v1/targets/metadata", READ),
    ("/api/v1/alerts", READ),
    ("/api/v1/alertmanagers", READ),
    ("/api/v1/metadata", READ),
    ("/api/v1/targets", READ),
    ("/api/v1/rules", READ),
    ("/grafana", READ),
    ("/grafana/", READ),
    ("/grafana/metrics", READ),
    ("/grafana/metric-payload-options", READ),
    ("/grafana/search", READ),
    ("/grafana/variable", READ),
    ("/grafana/tag-keys", READ),
    ("/grafana/tag-values", READ),
    ("/grafana/query", READ),
    ("/grafana/annotations", READ),
    ("/", PAGE),
    ("/recommendations", PAGE),
    ("/recommendations/{id}", PAGE),
    ("/signals", PAGE),
    ("/signals/{name}", PAGE),
    ("/incidents", PAGE),
    ("/subjects/{kind}", PAGE),
    ("/explore", PAGE),
    ("/setup", PAGE),
    ("/sign-in", OPEN_PAGE),
    ("/sign-out", OPEN_PAGE),
    ("/assets/{file}", OPEN),
];

/// Returns the rule of a route; `None` is a path without a route, which any token may find missing.
pub(super) fn rule(route: Option<&str>) -> Option<Rule> {
    let route = route?;
    Some(RULES.iter().find(|(path, _)| *path == route).map_or(UNKNOWN, |(_, rule)| *rule))
}

/// Returns the scope that a route needs.
pub(in crate::http) fn scope(route: &str) -> Option<Scope> {
    rule(Some(route)).and_then(|rule| rule.scope)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the paths of the OpenAPI description.
    fn described() -> Vec<String> {
        let description = serde_json::to_value(crate::http::openapi()).unwrap();
        description["paths"].as_object().unwrap().keys().cloned().collect()
    }

    #[test]
    fn every_route_has_a_rule_and_every_rule_a_route() {
        let mut paths = described();
        paths.extend(crate::http::page::PATHS.iter().map(ToString::to_string));
        for path in &paths {
            assert!(RULES.iter().any(|(known, _)| known == path), "{path} has no access rule");
        }
        for (known, _) in RULES {
            assert!(paths.iter().any(|path| path == known), "{known} is not a route");
        }
    }

    #[test]
    fn a_route_without_a_rule_is_for_administrators() {
        assert_eq!(rule(Some("/v1/new")).unwrap().scope, Some(Scope::Admin));
        assert_eq!(rule(None), None);
    }

    /// The table of `docs/security.md` names the routes of each scope, with `*` for any rest.
    #[test]
    fn the_page_about_security_lists_the_scope_of_every_route() {
        let page = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/security.md"));
        for (path, rule) in RULES {
            let scope = rule.scope.map_or("none", Scope::as_str);
            let head = format!("| `{scope}` | ");
            let row = page.lines().find_map(|line| line.strip_prefix(&head)).unwrap_or_else(|| panic!("{head}"));
            let listed = row.split('`').skip(1).step_by(2).any(|pattern| match pattern.strip_suffix('*') {
                Some(start) => path.starts_with(start),
                None => *path == pattern,
            });
            assert!(listed, "{path} is not in the row of {scope}: {row}");
        }
    }
}
