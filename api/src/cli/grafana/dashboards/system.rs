//! The dashboard "System health": containers with recommended requests and replicas, database, queue, certificates and
//! disks, with forecasts.

use super::{
    board::{Board, Section},
    learned,
    panel::Panel,
    query::{promql, quantile},
    variable,
};

/// Selects the chosen containers.
const CONTAINERS: &str = r#"container=~"$container""#;
/// File systems that do not hold data.
const DISKS: &str = r#"fstype!~"tmpfs|overlay|squashfs|ramfs""#;
/// Seconds of a day.
const DAY: f64 = 86_400.0;

/// Returns the dashboard.
pub(super) fn board() -> Board {
    Board {
        uid: "almanac-system",
        title: "System health",
        about: "Containers with recommended requests and replicas, database, queue, certificates and disks, with forecasts.",
        variables: vec![
            variable::label("container", "Container", "container"),
            variable::signals(&[
                "cpu_ratio",
                "memory_ratio",
                "queue_depth",
                "queue_job_seconds",
                "pool_ratio",
                "disk_free_ratio",
            ]),
        ],
        sections: vec![
            Section { title: "Containers", panels: containers() },
            Section { title: "Database and queue", panels: database() },
            Section { title: "Certificates and disks", panels: expiry() },
            Section {
                title: "Expected, unusual and forecast",
                panels: vec![learned::bands(), learned::anomalies(), learned::suspected(), learned::breaches()],
            },
            Section { title: "Recommended", panels: vec![learned::recommended(), learned::advice()] },
        ],
    }
}

/// Returns the expression of the memory of a container, from the first of these metrics that exists.
fn memory() -> String {
    let names = ["container_memory_bytes", "container_memory_working_set_bytes", "container_memory_rss_bytes"];
    names.map(|name| format!("max by (container) ({name}{{{CONTAINERS}}})")).join(" or ")
}

/// Returns the expression of the limit of a container's memory.
fn memory_limit() -> String {
    format!(
        "max by (container) (container_memory_limit_bytes{{{CONTAINERS}}}) \
         or max by (container) (container_spec_memory_limit_bytes{{{CONTAINERS}}} > 0)"
    )
}

fn containers() -> Vec<Panel> {
    let cpu = format!(
        "max by (container) (container_cpu_usage_ratio{{{CONTAINERS}}}) \
         or sum by (container) (rate(container_cpu_usage_seconds_total{{{CONTAINERS}}}[$__rate_interval]))"
    );
    vec![
        Panel::chart("CPU cores in use", "none", vec![promql(&cpu, "{{container}}")])
            .about("Target: below 50 % on average. The warning fires above 70 %."),
        Panel::chart("Memory in use", "bytes", vec![promql(&memory(), "{{container}}")]),
        Panel::chart(
            "Memory, share of the limit",
            "percentunit",
            vec![promql(&format!("({}) / ({})", memory(), memory_limit()), "{{container}}")],
        )
        .about("Target: below 70 %. The critical alert fires above 85 %.")
        .bounds(&[("green", None), ("orange", Some(0.7)), ("red", Some(0.85))])
        .max(1.0),
        learned::capacity(),
    ]
}

fn database() -> Vec<Panel> {
    let operations = "sum(container_io_operations_per_second) or sum(rate(node_disk_reads_completed_total[$__rate_interval]) \
                      + rate(node_disk_writes_completed_total[$__rate_interval]))";
    let jobs = format!(
        "{} or avg by (job) (worker_job_duration_seconds)",
        quantile("0.95", "worker_job_duration_seconds", "", "job")
    );
    vec![
        Panel::chart(
            "Database connections",
            "short",
            vec![promql("sum(pg_stat_activity_connections) or sum(pg_stat_activity_count)", "connections")],
        )
        .size(6, 8),
        Panel::chart(
            "Query time p95",
            "s",
            vec![promql(&quantile("0.95", "db_query_duration_seconds", "", "query"), "{{query}}")],
        )
        .bounds(&[("green", None), ("orange", Some(0.1)), ("red", Some(0.5))])
        .size(6, 8),
        Panel::chart("Storage operations", "iops", vec![promql(operations, "operations")])
            .about("Target: below 100 per second.")
            .bounds(&[("green", None), ("orange", Some(100.0))])
            .size(6, 8),
        Panel::chart("Missing indexes", "short", vec![promql("sum(db_missing_indexes) or vector(0)", "indexes")])
            .about("Target: none.")
            .size(6, 8),
        Panel::chart("Queue depth", "short", vec![promql("sum by (job) (queue_depth)", "{{job}}")])
            .about("The critical alert fires above 100.")
            .bounds(&[("green", None), ("red", Some(100.0))])
            .size(12, 8),
        Panel::chart("Processing time of a job", "s", vec![promql(&jobs, "{{job}}")])
            .about("95th percentile of the histogram; the mean where there is only a mean.")
            .size(12, 8),
    ]
}

fn expiry() -> Vec<Panel> {
    let certificates = "min by (job, instance) (tls_certificate_expiry_seconds) \
                        or min by (job, instance) (probe_ssl_earliest_cert_expiry - time())";
    let free = format!("node_filesystem_avail_bytes{{{DISKS}}} / node_filesystem_size_bytes{{{DISKS}}}");
    let fill = format!("sum by (instance, mountpoint) (node_filesystem_avail_bytes{{{DISKS}}})");
    vec![
        Panel::stat("Certificates expire in", "s", vec![promql(certificates, "{{job}} {{instance}}")])
            .bounds(&[("red", None), ("orange", Some(7.0 * DAY)), ("green", Some(21.0 * DAY))])
            .size(6, 8),
        Panel::chart(
            "Free share of disks",
            "percentunit",
            vec![promql(&format!("min by (instance, mountpoint) ({free})"), "{{instance}} {{mountpoint}}")],
        )
        .bounds(&[("red", None), ("orange", Some(0.1)), ("green", Some(0.25))])
        .max(1.0)
        .size(9, 8),
        Panel::chart("Free space", "bytes", vec![promql(&fill, "{{instance}} {{mountpoint}}")]).size(9, 8),
    ]
}
