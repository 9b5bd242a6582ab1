//! Alerts, objectives and signals of the simulated application, as rule files and configuration.

use std::fmt::Write as _;

use super::Simulation;

/// Bound that a signal must keep.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bound {
    /// The signal must stay at or below.
    Above(f64),
    /// The signal must stay at or above.
    Below(f64),
}

impl Bound {
    /// Returns the PromQL comparison that is true when the bound is violated: `> 0.5`.
    #[must_use]
    pub fn comparison(self) -> String {
        match self {
            Self::Above(bound) => format!("> {bound}"),
            Self::Below(bound) => format!("< {bound}"),
        }
    }

    /// Returns whether a value violates the bound.
    #[must_use]
    pub fn broken_by(self, value: f64) -> bool {
        match self {
            Self::Above(bound) => value > bound,
            Self::Below(bound) => value < bound,
        }
    }
}

/// Present alert of the application.
#[derive(Debug, Clone, PartialEq)]
pub struct Alert {
    /// Name of the alert.
    pub alert: &'static str,
    /// Watched signal.
    pub signal: &'static str,
    /// Bound whose violation fires the alert.
    pub bound: Bound,
    /// Time for which the bound must be violated, as in `for`.
    pub hold: &'static str,
    /// `critical` or `warning`.
    pub severity: &'static str,
}

/// Objective of the application.
#[derive(Debug, Clone, PartialEq)]
pub struct Objective {
    /// Name of the objective.
    pub objective: &'static str,
    /// Signal by which it is measured.
    pub signal: &'static str,
    /// Bound of the signal.
    pub bound: Bound,
}

/// Returns the alerts of the application at their present bounds.
#[must_use]
pub fn alerts() -> Vec<Alert> {
    use Bound::{Above, Below};
    let alert = |alert, signal, bound, severity| Alert { alert, signal, bound, hold: "2m", severity };
    vec![
        alert("ApiLatencyCritical", "api_p95_seconds", Above(1.0), "critical"),
        alert("QueryTimeCritical", "query_p95_seconds", Above(0.5), "critical"),
        alert("ErrorRateCritical", "error_ratio", Above(0.05), "critical"),
        alert("MemoryCritical", "memory_ratio", Above(0.85), "critical"),
        alert("QueueDepthCritical", "queue_depth", Above(100.0), "critical"),
        alert("CacheHitRateCritical", "cache_hit_ratio", Below(0.7), "critical"),
        alert("ApiLatencyWarning", "api_p95_seconds", Above(0.5), "warning"),
        alert("CpuWarning", "cpu_ratio", Above(0.7), "warning"),
        alert("ConnectionPoolWarning", "pool_ratio", Above(0.8), "warning"),
        alert("BundleSizeWarning", "bundle_growth_ratio", Above(0.2), "warning"),
    ]
}

/// Returns the objectives of the application.
#[must_use]
pub fn objectives() -> Vec<Objective> {
    use Bound::Above;
    let objective = |objective, signal, bound| Objective { objective, signal, bound: Above(bound) };
    vec![
        objective("API response time p95", "api_p95_seconds", 0.5),
        objective("API response time p99", "api_p99_seconds", 1.0),
        objective("API error rate", "error_ratio", 0.001),
        objective("query time p95", "query_p95_seconds", 0.1),
        objective("connection pool", "pool_ratio", 0.7),
        objective("missing indexes", "missing_indexes", 0.0),
        objective("largest contentful paint", "web_lcp", 2.5),
        objective("interaction to next paint", "web_inp", 0.2),
        objective("cumulative layout shift", "web_cls", 0.1),
        objective("first contentful paint", "web_fcp", 1.8),
        objective("time to first byte", "web_ttfb", 0.8),
        objective("time to interactive", "web_tti", 3.0),
        objective("bundle size", "bundle_size", 500_000.0),
        objective("API processor, mean", "api_cpu", 0.5),
        objective("memory", "memory_ratio", 0.7),
        objective("storage operations", "db_iops", 100.0),
    ]
}

/// Returns Prometheus alerting rules over the simulated telemetry.
#[must_use]
pub fn rules_yaml(simulation: &Simulation) -> String {
    rules(|signal| simulation.signal(signal).map(|found| found.expr.clone()).unwrap_or_default())
}

/// Returns the same rules over a series file of the signals, as `replay threshold` reads them.
#[must_use]
pub fn replay_rules_yaml() -> String {
    rules(str::to_owned)
}

fn rules(expr: impl Fn(&str) -> String) -> String {
    let mut text = String::from("groups:\n  - name: application\n    interval: 1m\n    rules:\n");
    for alert in alerts() {
        let expr = format!("{} {}", expr(alert.signal), alert.bound.comparison()).replace('\'', "''");
        let Alert { alert, hold, severity, .. } = alert;
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "      - alert: {alert}\n        expr: '{expr}'\n        for: {hold}\n        labels:\n          severity: {severity}\n"
        );
    }
    text
}

/// Returns the `[[signal]]` tables of a configuration with every simulated signal.
#[must_use]
pub fn signals_toml(simulation: &Simulation) -> String {
    simulation.signals.iter().fold(String::new(), |mut text, signal| {
        // Writing to a String cannot fail.
        let _ = write!(text, "[[signal]]\nname = \"{}\"\nexpr = '{}'\n\n", signal.name, signal.expr);
        text
    })
}
