//! Configuration of the demo: signals and targets of the recorded application, scaled to its day.

use almanac_datasets::recorded::{ApplicationManifest, Manifest, RULES_YAML};
use almanac_engine::advise::{
    AdviceSpecs,
    rightsizing::{ContainerSpec, Rightsizing},
    scaling::{Scaling, WorkloadSpec},
    threshold::{RuleFile, Threshold, ThresholdSpec},
    ttl::{CacheSpec, Ttl},
};

use super::{application, time_scale::TimeScale};
use crate::{
    cli::CliError,
    config::{Config, Signal, Span},
};

/// Assumed capacity of a replica, in requests per second; the recorded API is a single process.
const CAPACITY: f64 = 8.0;
/// Time from requesting a replica until it serves, in real time.
pub(super) const STARTUP_MS: i64 = 180_000;
/// Time that the reactive rule waits before it scales in, in real time.
const STABILIZATION_MS: i64 = 300_000;

/// Signals of the recorded application: name and expression.
const SIGNALS: [(&str, &str); 14] = [
    ("api_requests_per_second", r#"sum(rate(http_requests_total{job="api"}[15s]))"#),
    (
        "api_p95_seconds",
        r#"histogram_quantile(0.95, sum by (le) (rate(http_request_duration_seconds_bucket{job="api"}[30s])))"#,
    ),
    (
        "calendar_p95_seconds",
        r#"histogram_quantile(0.95, sum by (le) (rate(http_request_duration_seconds_bucket{job="api",handler="/api/calendar/events"}[30s])))"#,
    ),
    ("query_p95_seconds", "histogram_quantile(0.95, sum by (le) (rate(db_query_duration_seconds_bucket[30s])))"),
    (
        "error_ratio",
        r#"sum(rate(http_requests_total{job="api",status=~"5.."}[30s])) / sum(rate(http_requests_total{job="api"}[30s]))"#,
    ),
    ("api_cpu_cores", r#"sum(rate(container_cpu_usage_seconds_total{container="api"}[30s]))"#),
    ("postgres_cpu_cores", r#"sum(rate(container_cpu_usage_seconds_total{container="postgres"}[30s]))"#),
    ("api_memory_bytes", r#"container_memory_rss_bytes{container="api"}"#),
    ("pool_in_use", r#"avg_over_time(db_pool_in_use{job="api"}[30s])"#),
    ("queue_depth", r#"queue_depth{job="api"}"#),
    (
        "cache_hit_ratio",
        r#"sum(rate(cache_requests_total{job="api",result="hit"}[30s])) / sum(rate(cache_requests_total{job="api"}[30s]))"#,
    ),
    ("redis_commands_per_second", "rate(redis_commands_processed_total[15s])"),
    ("postgres_commits_per_second", r#"sum(rate(pg_stat_database_xact_commit{datname="postgres"}[15s]))"#),
    ("caddy_requests_per_second", "sum(rate(caddy_http_requests_total[15s]))"),
];

/// Caches: name, maximum share of stale hits, and the events on which the application invalidates.
const CACHES: [(&str, f64, &[&str]); 4] = [
    ("user_profile", 0.01, &["profile_update"]),
    ("calendar_monthly", 0.03, &["event_create", "event_update"]),
    ("task_counters", 0.02, &["task_status_change"]),
    ("oauth_userinfo", 0.03, &["token_refresh"]),
];

/// Times-to-live to evaluate, in seconds of real time.
const GRID_SECONDS: [i64; 22] = [
    20, 30, 45, 60, 90, 120, 180, 240, 300, 420, 600, 900, 1_200, 1_800, 2_700, 3_600, 5_400, 7_200, 10_800, 14_400,
    28_800, 86_400,
];

/// Returns the configuration of the demo's service.
pub(super) fn config(manifest: &Manifest, service_url: &str) -> Config {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some seconds")]
    let seconds = |seconds: f64| Span::from_secs(seconds.round().max(1.0) as u64);
    let signal = |(name, expr): (&str, &str)| Signal {
        name: name.to_owned(),
        expr: expr.to_owned(),
        step: seconds(manifest.step_seconds),
        seasons: None,
        horizon: seconds(manifest.day_seconds),
    };
    let mut config = Config { signals: SIGNALS.map(signal).to_vec(), ..Config::default() };
    // No default signals: nothing follows the recording, and they would assume a day of 24 hours.
    config.learn.default_signals = 0;
    // So that `/v1/scaling/api` responds while the last samples are recent.
    config.advice.push::<Scaling>(workload(manifest, service_url));
    config
}

/// Returns the recorded API as a workload.
fn workload(manifest: &Manifest, service_url: &str) -> WorkloadSpec {
    let scale = TimeScale::of_day(manifest.day_seconds);
    #[expect(clippy::cast_possible_truncation, reason = "milliseconds of some days")]
    let millis = |seconds: f64| (seconds * 1000.0).round() as i64;
    WorkloadSpec {
        capacity_per_replica: Some(CAPACITY),
        startup_ms: scale.scaled_ms(STARTUP_MS),
        replicas_max: 40,
        step_ms: millis(manifest.step_seconds),
        history_ms: millis(manifest.days * manifest.day_seconds),
        horizon_ms: 2 * scale.day_ms,
        day_ms: scale.day_ms,
        scale_in_stabilization_ms: scale.scaled_ms(STABILIZATION_MS),
        service_url: service_url.to_owned(),
        ..WorkloadSpec::new("api", r#"sum(rate(http_requests_total{job="api"}[15s]))"#)
    }
}

/// Returns the targets to advise on: those of the first recording with all durations scaled to its day, and those of the
/// application.
///
/// # Errors
/// A failure when the embedded rules cannot be read.
pub(super) fn advice_specs(
    manifest: &Manifest,
    application: &ApplicationManifest,
    service_url: &str,
) -> Result<AdviceSpecs, CliError> {
    let scale = TimeScale::of_day(manifest.day_seconds);
    #[expect(clippy::cast_possible_truncation, reason = "milliseconds of some days")]
    let millis = |seconds: f64| (seconds * 1000.0).round() as i64;
    let caches = manifest.ttl_seconds.iter().map(|(name, ttl)| {
        let known = CACHES.iter().find(|(cache, ..)| cache == name);
        let (stale_share_max, invalidations) = known.map_or((0.01, &[][..]), |(_, limit, on)| (*limit, *on));
        CacheSpec {
            ttl_ms: Some(millis(*ttl)),
            stale_share_max,
            invalidate_on: invalidations.iter().map(|&event| event.to_owned()).collect(),
            grid_ms: GRID_SECONDS.iter().map(|seconds| scale.scaled_ms(seconds * 1000)).collect(),
            ..CacheSpec::new(name.clone())
        }
    });
    let rules = RuleFile::parse("rules.yml", RULES_YAML).map_err(|error| CliError::from_error(&error))?;
    let (mut rules, _) = rules.alerts("rules.yml");
    // Incidents of the database and the cache affect the API too, so every rule is scored on all of them.
    for rule in &mut rules {
        rule.incident_targets = Some(["api", "postgres", "redis"].map(str::to_owned).to_vec());
    }
    let container = ContainerSpec {
        cpu: Some(r#"sum(rate(container_cpu_usage_seconds_total{container="api"}[15s]))"#.to_owned()),
        memory: Some(r#"container_memory_rss_bytes{container="api"}"#.to_owned()),
        step_ms: millis(manifest.step_seconds),
        history_ms: millis(manifest.days * manifest.day_seconds),
        day_ms: scale.day_ms,
        ..ContainerSpec::new("api")
    };
    let mut specs = AdviceSpecs::default();
    specs.push::<Scaling>(workload(manifest, service_url));
    specs.push::<Rightsizing>(container);
    for cache in caches {
        specs.push::<Ttl>(cache);
    }
    for rule in ThresholdSpec::of_rules(rules, false) {
        specs.push::<Threshold>(rule);
    }
    application::push_specs(&mut specs, application);
    Ok(specs)
}

#[cfg(test)]
mod tests {
    use almanac_datasets::recorded::{ApplicationRecording, Recording};
    use almanac_engine::{
        advise::{AdvisorSpec, batch::Batches, database::query::Queries, pool::Pool},
        signal,
    };

    use super::*;

    #[test]
    fn every_signal_and_rule_can_be_parsed() {
        for (name, expr) in SIGNALS {
            assert!(signal::parse(expr).is_ok(), "{name}");
        }
        let manifest = Recording::load().unwrap().manifest;
        let application = ApplicationRecording::load().unwrap().manifest;
        let specs = advice_specs(&manifest, &application, "http://127.0.0.1:9797").unwrap();
        assert_eq!((specs.of::<Scaling>().count(), specs.of::<Ttl>().count()), (1, 4));
        let rules: Vec<&str> = specs.of::<Threshold>().map(|spec| spec.name.as_str()).collect();
        assert_eq!(rules.len(), 8, "{rules:?}");
        let profile = specs.of::<Ttl>().find(|cache| cache.name == "user_profile").unwrap();
        assert_eq!(profile.ttl_ms, Some(25_000), "an hour on a day of ten minutes");
        // Specifications of the application are valid as a configuration file's would be.
        assert!(specs.of::<Queries>().all(|spec| spec.name == "app" && spec.check().is_ok()));
        let pools: Vec<&str> = specs.of::<Pool>().map(|spec| spec.name.as_str()).collect();
        assert_eq!(pools, ["api", "orm", "worker"]);
        specs.of::<Pool>().for_each(|spec| spec.check().unwrap());
        specs.of::<Batches>().for_each(|spec| spec.check().unwrap());
    }
}
