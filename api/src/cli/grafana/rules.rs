//! Alerting rules: those of the application, and further ones on what the service predicts.
//!
//! Prometheus evaluates them. The application's rules are also valid for `alerts.rule_files`; the others read metrics of
//! this service's `/metrics`.

use super::files::{File, MARK};

/// An alert of the application.
struct Alert {
    name: &'static str,
    /// Expression of the watched signal.
    signal: String,
    /// Comparison that is true when the bound is violated.
    violated: &'static str,
    severity: &'static str,
    summary: &'static str,
}

/// Time for which a bound of the application must be violated.
const HOLD: &str = "2m";
/// Hours before an expected breach at which an alert of this severity fires.
const HOURS_AHEAD: [(&str, u32); 2] = [("critical", 24), ("warning", 72)];

/// Returns the rule files.
pub(super) fn files() -> Vec<File> {
    vec![
        File { path: "rules/application.yml".into(), text: application() },
        File { path: "rules/predicted.yml".into(), text: predicted() },
    ]
}

/// Returns a quantile of a histogram over all its series, or the largest one of a summary.
fn quantile(metric: &str) -> String {
    format!("histogram_quantile(0.95, sum by (le) (rate({metric}_bucket[5m]))) or max({metric}{{quantile=\"0.95\"}})")
}

/// Returns the largest value of the first of these expressions that has one, by container.
fn container(names: &[&str]) -> String {
    names.iter().map(|name| format!("max by (container) ({name})")).collect::<Vec<_>>().join(" or ")
}

#[rustfmt::skip]
fn alerts() -> Vec<Alert> {
    let alert = |name, signal: &str, violated, severity, summary| Alert { name, signal: signal.to_owned(), violated, severity, summary };
    let duration = quantile("http_request_duration_seconds");
    let queries = quantile("db_query_duration_seconds");
    let errors = "sum(rate(http_requests_total{status=~\"5..\"}[5m])) / sum(rate(http_requests_total[5m]))";
    let memory = format!(
        "max(({}) / ({}))",
        container(&["container_memory_bytes", "container_memory_working_set_bytes", "container_memory_rss_bytes"]),
        container(&["container_memory_limit_bytes", "container_spec_memory_limit_bytes > 0"])
    );
    // Cores alone are no share: without a quota there is nothing to be above.
    let cpu = "max(container_cpu_usage_ratio or sum by (container) (rate(container_cpu_usage_seconds_total[5m])) \
               / max by (container) (container_spec_cpu_quota / container_spec_cpu_period))";
    let hits = "sum(rate(cache_requests_total{result=\"hit\"}[5m])) / sum(rate(cache_requests_total{result=~\"hit|miss\"}[5m]))";
    let pool = "sum(db_pool_in_use) / (sum(db_pool_size) + (sum(db_pool_overflow_max) or vector(0)))";
    let bundle = "max(web_bundle_bytes) / max(web_bundle_bytes offset 1d) - 1";
    vec![
        alert("ApiLatencyCritical", &duration, "> 1", "critical", "95 % of requests take up to {{ $value | humanizeDuration }}"),
        alert("QueryTimeCritical", &queries, "> 0.5", "critical", "95 % of queries take up to {{ $value | humanizeDuration }}"),
        alert("ErrorRateCritical", errors, "> 0.05", "critical", "{{ $value | humanizePercentage }} of requests fail"),
        alert("MemoryCritical", &memory, "> 0.85", "critical", "A container uses {{ $value | humanizePercentage }} of its memory"),
        alert("QueueDepthCritical", "max(queue_depth)", "> 100", "critical", "{{ $value | humanize }} jobs wait"),
        alert("CacheHitRateCritical", hits, "< 0.7", "critical", "{{ $value | humanizePercentage }} of cache reads hit"),
        alert("ApiLatencyWarning", &duration, "> 0.5", "warning", "95 % of requests take up to {{ $value | humanizeDuration }}"),
        alert("CpuWarning", cpu, "> 0.7", "warning", "A container uses {{ $value | humanizePercentage }} of its processors"),
        alert("ConnectionPoolWarning", pool, "> 0.8", "warning", "{{ $value | humanizePercentage }} of the connection pool is in use"),
        alert("BundleSizeWarning", bundle, "> 0.2", "warning", "The bundle grew by {{ $value | humanizePercentage }} in a day"),
    ]
}

/// Returns rules on what runs out: free space of disks and validity of certificates.
fn supplies() -> Vec<Alert> {
    let disks = "min by (instance, mountpoint) (node_filesystem_avail_bytes{fstype!~\"tmpfs|overlay|squashfs|ramfs\"} / \
                 node_filesystem_size_bytes{fstype!~\"tmpfs|overlay|squashfs|ramfs\"})";
    let certificates = "min by (job, instance) (tls_certificate_expiry_seconds) \
                        or min by (job, instance) (probe_ssl_earliest_cert_expiry - time())";
    vec![
        Alert {
            name: "DiskSpaceWarning",
            signal: disks.into(),
            violated: "< 0.1",
            severity: "warning",
            summary: "{{ $value | humanizePercentage }} of {{ $labels.mountpoint }} is free",
        },
        Alert {
            name: "CertificateExpiryWarning",
            signal: certificates.into(),
            violated: "< 1209600",
            severity: "warning",
            summary: "A certificate expires in {{ $value | humanizeDuration }}",
        },
    ]
}

/// Returns a rule; all texts are single-quoted YAML.
fn rule(name: &str, expr: &str, hold: &str, severity: &str, summary: &str) -> String {
    let (expr, summary) = (expr.replace('\'', "''"), summary.replace('\'', "''"));
    format!(
        "      - alert: {name}\n        expr: '{expr}'\n        for: {hold}\n        labels: {{severity: {severity}}}\n        \
         annotations: {{summary: '{summary}'}}\n"
    )
}

fn application() -> String {
    let mut text = format!(
        "# {MARK}; the next export replaces changes.\n\
         # The application's alerts, for Prometheus and for alerts.rule_files of this service.\n\
         groups:\n  - name: application\n    interval: 1m\n    rules:\n"
    );
    for Alert { name, signal, violated, severity, summary } in alerts() {
        // The comparison binds more strongly than `or`.
        text.push_str(&rule(name, &format!("({signal}) {violated}"), HOLD, severity, summary));
    }
    text.push_str("  - name: supplies\n    interval: 5m\n    rules:\n");
    for Alert { name, signal, violated, severity, summary } in supplies() {
        text.push_str(&rule(name, &format!("({signal}) {violated}"), "15m", severity, summary));
    }
    text
}

fn predicted() -> String {
    let mut text = format!(
        "# {MARK}; the next export replaces changes.\n\
         # Further alerts on what this service predicts, for a Prometheus that scrapes its /metrics. Expected breaches need\n\
         # application.yml in alerts.rule_files.\n\
         groups:\n  - name: almanac-predicted\n    interval: 1m\n    rules:\n"
    );
    for Alert { name, severity, .. } in alerts().into_iter().chain(supplies()) {
        let hours = HOURS_AHEAD.iter().find(|(of, _)| *of == severity).map_or(24, |(_, hours)| *hours);
        let seconds = hours * 3600;
        let expr = format!("almanac_breach_expected_timestamp_seconds{{alert=\"{name}\"}} - time() < {seconds}");
        let summary =
            format!("{name} is expected to fire in {{{{ $value | humanizeDuration }}}} if the trend continues");
        text.push_str(&rule(&format!("{name}Expected"), &expr, "30m", "warning", &summary));
    }
    let unusual = "{{ $labels.signal }} is outside of its expected band, with a score of {{ $value | humanize }}";
    text.push_str(&rule("SignalAnomaly", "almanac_signal_anomaly_score > 1", "5m", "warning", unusual));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_is_yaml_and_each_alert_has_a_prediction() {
        let names = |text: &str| -> Vec<String> {
            let yaml: serde_json::Value = serde_saphyr::from_str(text).unwrap();
            let groups = yaml["groups"].as_array().unwrap().clone();
            groups
                .iter()
                .flat_map(|group| group["rules"].as_array().unwrap().clone())
                .map(|rule| rule["alert"].as_str().unwrap().to_owned())
                .collect()
        };
        let (present, predicted) = (names(&application()), names(&predicted()));
        assert_eq!(present.len(), 12);
        for name in &present {
            assert!(predicted.contains(&format!("{name}Expected")), "{name}");
        }
    }
}
