//! The dashboard "API performance": rate, errors, duration, database connections, cache hits and misses, with expected
//! bands, anomalies and expected breaches.

use super::{
    board::{Board, Section},
    learned,
    panel::Panel,
    query::{promql, quantile, rate},
    variable,
};

/// Selects the requests of the chosen jobs and routes.
const REQUESTS: &str = r#"job=~"$job",$route_label=~"$route""#;
/// Selects the caches of the chosen jobs.
const CACHES: &str = r#"job=~"$job""#;

/// Returns the dashboard.
pub(super) fn board() -> Board {
    Board {
        uid: "almanac-api",
        title: "API performance",
        about: "Rate, errors and duration of requests, database connections and caches, with what is expected, unusual and recommended.",
        variables: vec![
            variable::textbox("requests", "Requests", "http_requests_total"),
            variable::textbox("duration", "Duration", "http_request_duration_seconds"),
            variable::textbox("route_label", "Route label", "handler"),
            variable::textbox("status_label", "Status label", "status"),
            variable::label("job", "Job", "${requests}, job"),
            variable::label("route", "Route", r#"${requests}{job=~"$job"}, $route_label"#),
            variable::signals(&["api_requests_per_second", "error_ratio", "api_p95_seconds", "cache_hit_ratio"]),
        ],
        sections: vec![
            Section { title: "Now", panels: now() },
            Section { title: "Rate, errors, duration", panels: requests() },
            Section { title: "Database and caches", panels: stores() },
            Section {
                title: "Expected and unusual",
                panels: vec![learned::bands(), learned::anomalies(), learned::suspected(), learned::breaches()],
            },
            Section { title: "Recommended", panels: vec![learned::recommended()] },
        ],
    }
}

/// Returns the expression of the share of failed requests; 0 when none has failed yet.
fn error_share(by: &str) -> String {
    let (failed, all) = (format!(r#"{REQUESTS},$status_label=~"5..""#), rate("${requests}", REQUESTS, by));
    format!("({} or {all} * 0) / {all}", rate("${requests}", &failed, by))
}

/// Returns the expression of the share of reads that a cache answers.
fn hit_share(by: &str) -> String {
    let hits = rate("cache_requests_total", &format!(r#"{CACHES},result="hit""#), by);
    format!("{hits} / {}", rate("cache_requests_total", &format!(r#"{CACHES},result=~"hit|miss""#), by))
}

fn now() -> Vec<Panel> {
    vec![
        Panel::stat("Requests", "reqps", vec![promql(&rate("${requests}", REQUESTS, ""), "requests")]).size(6, 4),
        Panel::stat("Error share", "percentunit", vec![promql(&error_share(""), "errors")])
            .bounds(&[("green", None), ("orange", Some(0.001)), ("red", Some(0.05))])
            .about("Target: below 0.1 %. The critical alert fires above 5 %.")
            .size(6, 4),
        Panel::stat("Response time p95", "s", vec![promql(&quantile("0.95", "${duration}", REQUESTS, ""), "p95")])
            .bounds(&[("green", None), ("orange", Some(0.5)), ("red", Some(1.0))])
            .about("Target: below 500 ms. The critical alert fires above 1 s.")
            .size(6, 4),
        Panel::stat("Cache hit rate", "percentunit", vec![promql(&hit_share(""), "hits")])
            .bounds(&[("red", None), ("green", Some(0.7))])
            .about("The critical alert fires below 70 %.")
            .size(6, 4),
    ]
}

fn requests() -> Vec<Panel> {
    let durations = [("0.5", "p50"), ("0.95", "p95"), ("0.99", "p99")]
        .map(|(q, legend)| promql(&quantile(q, "${duration}", REQUESTS, ""), legend));
    vec![
        Panel::chart(
            "Requests by route",
            "reqps",
            vec![promql(&rate("${requests}", REQUESTS, "$route_label"), "{{$route_label}}")],
        ),
        Panel::chart(
            "Error share by route",
            "percentunit",
            vec![promql(&error_share("$route_label"), "{{$route_label}}")],
        )
        .bounds(&[("green", None), ("orange", Some(0.001)), ("red", Some(0.05))]),
        Panel::chart(
            "Requests by status",
            "reqps",
            vec![promql(&rate("${requests}", REQUESTS, "$status_label"), "{{$status_label}}")],
        ),
        Panel::chart("Response time p50, p95, p99", "s", durations.to_vec())
            .about("From the histogram, or from a summary with these quantiles: then the slowest route.")
            .bounds(&[("green", None), ("orange", Some(0.5)), ("red", Some(1.0))])
            .size(12, 9),
        Panel::chart(
            "Response time p95 by route",
            "s",
            vec![promql(&quantile("0.95", "${duration}", REQUESTS, "$route_label"), "{{$route_label}}")],
        )
        .size(12, 9),
    ]
}

fn stores() -> Vec<Panel> {
    let pool = r#"sum(db_pool_size{job=~"$job"}) + (sum(db_pool_overflow_max{job=~"$job"}) or vector(0))"#;
    vec![
        Panel::chart(
            "Database connections",
            "short",
            vec![
                promql("sum(pg_stat_activity_connections) or sum(pg_stat_activity_count)", "in the database"),
                promql(r#"sum(db_pool_in_use{job=~"$job"})"#, "in use in the pool"),
                promql(pool, "size of the pool with overflow"),
            ],
        )
        .about("Target: below 70 % of the pool. The warning fires above 80 %."),
        Panel::chart(
            "Query time p95",
            "s",
            vec![promql(&quantile("0.95", "db_query_duration_seconds", CACHES, "query"), "{{query}}")],
        )
        .about("Target: below 100 ms. The critical alert fires above 500 ms.")
        .bounds(&[("green", None), ("orange", Some(0.1)), ("red", Some(0.5))]),
        Panel::chart(
            "Cache command time p95",
            "s",
            vec![promql(&quantile("0.95", "redis_command_duration_seconds", CACHES, "command"), "{{command}}")],
        ),
        Panel::chart(
            "Cache hits and misses",
            "reqps",
            vec![promql(&rate("cache_requests_total", CACHES, "result"), "{{result}}")],
        )
        .size(12, 8),
        Panel::chart("Cache hit rate", "percentunit", vec![promql(&hit_share("cache"), "{{cache}}")])
            .max(1.0)
            .bounds(&[("red", None), ("green", Some(0.7))])
            .size(12, 8),
    ]
}
