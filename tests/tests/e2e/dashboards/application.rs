//! A store with the simulated application up to the present: telemetry, deploys, incidents, learned signals and advice.

use std::{fs, path::Path};

use almanac_datasets::simulator::{SimulatorOptions, simulate};
use almanac_engine::store::{SampleBatch, Store, StoreOptions, rows::EventBatch};
use almanac_models::{Step, Timestamp};

use crate::harness::run;

const DAY_MS: i64 = 86_400_000;
/// Monday, 5 January 1970.
const MONDAY_MS: i64 = 4 * DAY_MS;
/// Least number of days before the present.
const DAYS: i64 = 8;

/// Signals that are learned: those of the dashboards' variables.
const SIGNALS: [&str; 15] = [
    "api_requests_per_second",
    "error_ratio",
    "api_p95_seconds",
    "cache_hit_ratio",
    "web_page_load",
    "web_lcp",
    "web_call_failures",
    "web_error_boundaries",
    "web_session",
    "cpu_ratio",
    "memory_ratio",
    "queue_depth",
    "queue_job_seconds",
    "pool_ratio",
    "disk_free_ratio",
];

/// Advice on the application; the rules are those of the export.
const ADVICE: &str = r#"
[learn]
default_signals = 0

[advise]
every = "10s"

[[workload]]
name = "api"
demand = 'sum(rate(http_requests_total{job="api"}[5m]))'
capacity_per_replica = 20
step = "4m"

[[container]]
name = "api"
cpu = 'max(container_cpu_usage_ratio{container="api"})'
memory = 'max(container_memory_bytes{container="api"})'
cpu_request = '2'
memory_request = '2147483648'

[alerts]
rule_files = ["grafana/rules/application.yml"]
"#;

/// Writes `almanac.toml` and `almanac.duckdb` into `folder`, in which the export is below `grafana`; learns and advises.
pub(super) fn prepare(folder: &Path, now_ms: i64) {
    let before = now_ms - DAYS * DAY_MS - MONDAY_MS;
    let start = MONDAY_MS + before - before.rem_euclid(7 * DAY_MS);
    let options = SimulatorOptions {
        start: Timestamp::from_millis(start),
        step: Step::from_millis(120_000).unwrap(),
        cache_hours: 0.0,
        ..SimulatorOptions::default()
    };
    let application = simulate(&options).unwrap().until(now_ms);
    let mut config = ADVICE.to_owned();
    for name in SIGNALS {
        let expr = &application.signal(name).unwrap().expr;
        config
            .push_str(&format!("[[signal]]\nname = \"{name}\"\nexpr = '{expr}'\nstep = \"10m\"\nhorizon = \"6h\"\n\n"));
    }
    fs::write(folder.join("almanac.toml"), config).unwrap();

    let store = Store::open(&folder.join("almanac.duckdb"), StoreOptions::default()).unwrap();
    for series in &application.series {
        let id = store.resolve(&series.labels).unwrap();
        let batch = SampleBatch {
            series: vec![id; series.values.len()],
            timestamps: application.timestamps.clone(),
            values: series.values.clone(),
            ..SampleBatch::default()
        };
        store.append(batch).unwrap().wait().unwrap();
    }
    let (deploys, incidents) = (application.deploys.clone(), application.incidents.clone());
    store.put_events(EventBatch { deploys, incidents, ..EventBatch::default() }).unwrap();
    store.close().unwrap();
    for command in ["learn", "recommend"] {
        let ended = run(folder, [command]);
        assert_eq!(ended.code, Some(0), "{command}: {}\n{}", ended.stdout, ended.stderr);
    }
}
