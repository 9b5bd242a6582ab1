//! Reads and validates the configuration file, and defines the default of every key.
//!
//! `docs/configuration.md` repeats the field docs; a test in `documents.rs` compares the keys.

use std::{
    collections::{BTreeMap, HashSet},
    fs,
    path::{Path, PathBuf},
};

use almanac_engine::advise::{AdviceSpecs, Registry, database::DatabaseSpec};
use serde::Deserialize;
use toml::de::DeTable;

use super::{
    Alerts, ByteSize, ConfigError, Grpc, Learn, Otlp, Postgres, Promql, Secret, Server, Signal, Span, Sql, Stream,
    Target, Webhook,
    advisors::{Sections, names},
};

/// The whole configuration; `Config::default()` equals that of an empty file.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `[server]`
    pub server: Server,
    /// `[store]`
    pub store: Store,
    /// `[ingest]`
    pub ingest: Ingest,
    /// `[otlp]`
    pub otlp: Otlp,
    /// `[grpc]`
    pub grpc: Grpc,
    /// `[sql]`
    pub sql: Sql,
    /// `[postgres]`
    pub postgres: Postgres,
    /// `[learn]`
    pub learn: Learn,
    /// `[advise]`
    pub advise: Advise,
    /// `[[scrape]]`
    #[serde(rename = "scrape")]
    pub scrapes: Vec<Scrape>,
    /// `[[signal]]`
    #[serde(rename = "signal")]
    pub signals: Vec<Signal>,
    /// `[alerts]`
    pub alerts: Alerts,
    /// `[[webhook]]`
    #[serde(rename = "webhook")]
    pub webhooks: Vec<Webhook>,
    /// `[[stream]]`
    #[serde(rename = "stream")]
    pub streams: Vec<Stream>,
    /// `[[target]]`
    #[serde(rename = "target")]
    pub targets: Vec<Target>,
    /// `[promql]`
    pub promql: Promql,
    /// Folder of the file; relative paths in the file start there.
    #[serde(skip)]
    pub folder: PathBuf,
    /// Targets of the advisors' sections, such as `[[workload]]`.
    #[serde(skip)]
    pub advice: AdviceSpecs,
    /// Watched databases, `[[database]]`.
    #[serde(skip)]
    pub databases: Vec<DatabaseSpec>,
    /// Advisors whose sections the file may have.
    #[serde(skip)]
    pub registry: Registry,
}

/// Settings of the store, `[store]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Store {
    /// Path of the database file.
    pub path: PathBuf,
    /// Time for which data are kept; without it nothing is deleted.
    pub retention: Retention,
    /// Largest number of series; samples of further series are rejected.
    pub max_series: usize,
    /// Largest length of all distinct names and values of labels; samples of series with further ones are rejected.
    pub max_label_memory: ByteSize,
    /// Memory for samples waiting for the writer; when it is full, writes are rejected with 429.
    pub queue: ByteSize,
    /// Memory for samples: seven eighths for the most recent, one for older ones that queries have read.
    pub recent: ByteSize,
    /// Interval between runs of compaction, rollups and retention.
    pub compact_every: Span,
}

/// How long samples are kept; left out: for ever.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// Retention of raw samples.
    pub raw: Option<Span>,
    /// Retention of the rollups of 5 minutes and 1 hour.
    pub rollup: Option<Span>,
    /// Largest share of the rows of a table that is deleted in one round; above it the rows are held until
    /// `almanac compact --allow-drop`.
    pub drop_share_max: f64,
}

impl Default for Retention {
    fn default() -> Self {
        Self { raw: None, rollup: None, drop_share_max: 0.2 }
    }
}

/// Limits on received samples, `[ingest]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ingest {
    /// Largest number of labels of a series.
    pub max_labels: usize,
    /// Longest label name in bytes.
    pub max_label_name: usize,
    /// Longest label value in bytes.
    pub max_label_value: usize,
    /// Largest body after decompression.
    pub max_decoded: ByteSize,
    /// Memory of a process that decodes an imported file.
    pub decode_memory: ByteSize,
    /// Largest lead of a timestamp over the clock; later timestamps are rejected.
    pub max_ahead: Span,
    /// Number of exemplars that are kept in memory; 0: none.
    pub exemplars: usize,
    /// Number of combinations of labels that span metrics have; further spans are counted under the name `other`.
    pub max_span_metrics: usize,
}

/// Settings of the advisors, `[advise]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Advise {
    /// Interval between runs of the advisors.
    pub every: Span,
}

/// Scrape targets with the same settings, `[[scrape]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scrape {
    /// Value of the label `job`.
    pub job: String,
    /// `host:port` of each target.
    pub targets: Vec<String>,
    /// Interval between scrapes of a target.
    #[serde(default = "default_interval")]
    pub interval: Span,
    /// Longest duration of a scrape; by default 10 s, but at most the interval.
    pub timeout: Option<Span>,
    /// Path on the target.
    #[serde(default = "default_metrics_path")]
    pub path: String,
    /// `http` or `https`.
    #[serde(default)]
    pub scheme: ScrapeScheme,
    /// Further labels of every series from these targets.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Whether a scraped label overrides a target label of the same name.
    #[serde(default)]
    pub honor_labels: bool,
    /// Token sent to the target as `Authorization: Bearer …`.
    pub token: Option<Secret>,
    /// Largest number of samples of a page; a scrape with more fails and stores none.
    #[serde(default = "default_sample_limit")]
    pub sample_limit: usize,
    /// Whether redirects of the target are followed.
    #[serde(default)]
    pub follow_redirects: bool,
    /// Whether targets are asked for the protobuf format, which has native histograms.
    #[serde(default)]
    pub native_histograms: bool,
}

/// Protocol of a scrape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ScrapeScheme {
    /// Plain HTTP.
    #[default]
    Http,
    /// HTTP over TLS.
    Https,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            path: PathBuf::from("almanac.duckdb"),
            retention: Retention::default(),
            max_series: 1_000_000,
            max_label_memory: ByteSize::mebibytes(512),
            queue: ByteSize::mebibytes(64),
            recent: ByteSize::mebibytes(256),
            compact_every: Span::from_secs(60),
        }
    }
}

impl Default for Ingest {
    fn default() -> Self {
        Self {
            max_labels: 64,
            max_label_name: 1024,
            max_label_value: 16 << 10,
            max_decoded: ByteSize::mebibytes(32),
            decode_memory: ByteSize::mebibytes(512),
            max_ahead: Span::from_secs(3_600),
            exemplars: 10_000,
            max_span_metrics: 20_000,
        }
    }
}

impl Default for Advise {
    fn default() -> Self {
        Self { every: Span::from_secs(300) }
    }
}

fn default_interval() -> Span {
    Span::from_secs(15)
}

fn default_sample_limit() -> usize {
    200_000
}

fn default_metrics_path() -> String {
    "/metrics".to_owned()
}

impl Config {
    /// File that is read, if it exists, when the caller names none.
    pub const DEFAULT_FILE: &str = "almanac.toml";

    /// Reads a configuration file.
    ///
    /// # Errors
    /// [`ConfigError`], which names the file and, where it can, line and column.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_path_buf(), source })?;
        Self::parse(&text, path)
    }

    /// Parses a configuration. `path` is used in messages and as the base of relative paths.
    ///
    /// # Errors
    /// As [`Config::read`].
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        Self::parse_for(text, path, Registry::default())
    }

    /// Parses a configuration with the sections of the advisors in `registry`.
    ///
    /// # Errors
    /// As [`Config::read`].
    pub fn parse_for(text: &str, path: &Path, registry: Registry) -> Result<Self, ConfigError> {
        let failed = |error: &toml::de::Error, further: &[&str]| {
            ConfigError::from_toml(path.to_path_buf(), text, error, further)
        };
        // The advisors' sections are taken out first: serde rejects tables that `Config` does not declare.
        let mut document = DeTable::parse(text).map_err(|error| failed(&error, &[]))?;
        let heads: Vec<usize> = document.get_ref().keys().map(|key| key.span().start).collect();
        let sections = Sections::take(document.get_mut(), &registry);
        let mut config = Self::deserialize(toml::de::Deserializer::from(document)).map_err(|error| {
            // An unknown section may be a misspelt one of an advisor, so those are suggested too.
            let is_section = error.span().is_some_and(|span| heads.contains(&span.start));
            let advisors: Vec<&str> = names(&registry).collect();
            failed(&error, if is_section { &advisors } else { &[] })
        })?;
        (config.advice, config.databases) = sections.read(&registry, config.learn.time_zone, (path, text))?;
        config.registry = registry;
        config.folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
        config.check().map_err(|message| ConfigError::Contradiction { path: path.to_path_buf(), message })?;
        Ok(config)
    }

    fn check(&self) -> Result<(), String> {
        unique("scrape", "job", self.scrapes.iter().map(|scrape| &scrape.job))?;
        unique("signal", "name", self.signals.iter().map(|signal| &signal.name))?;
        unique("webhook", "name", self.webhooks.iter().map(Webhook::shown).collect::<Vec<_>>().iter())?;
        unique("target", "name", self.targets.iter().map(|target| &target.name))?;
        self.targets.iter().try_for_each(|target| target.objective().map(drop))?;
        unique("stream", "name", self.streams.iter().map(|stream| &stream.name))?;
        self.webhooks.iter().try_for_each(Webhook::check)?;
        self.streams.iter().try_for_each(Stream::check)?;
        for (key, every) in [
            ("learn.every", self.learn.every),
            ("advise.every", self.advise.every),
            ("store.compact_every", self.store.compact_every),
        ] {
            if every.millis() < 1_000 {
                return Err(format!("{key} is shorter than a second"));
            }
        }
        for (key, most) in [("store.max_series", self.store.max_series), ("ingest.max_labels", self.ingest.max_labels)]
        {
            if most == 0 {
                return Err(format!("{key} is 0: every sample would be rejected"));
            }
        }
        self.server.check()?;
        let share = self.store.retention.drop_share_max;
        if !(0.0..=1.0).contains(&share) {
            return Err(format!("store.retention.drop_share_max is {share}; write a share from 0 to 1"));
        }
        self.sql.check()?;
        self.promql.check()?;
        self.alerts.check()?;
        self.otlp.check()?;
        self.postgres.check()?;
        for scrape in &self.scrapes {
            if scrape.timeout.is_some_and(|timeout| timeout > scrape.interval) {
                return Err(format!("scrape {:?}: the timeout is longer than the interval", scrape.job));
            }
            if scrape.interval.millis() < 100 {
                return Err(format!("scrape {:?}: the interval is shorter than 100 ms", scrape.job));
            }
            if scrape.sample_limit == 0 {
                return Err(format!("scrape {:?}: sample_limit is 0: every scrape would fail", scrape.job));
            }
            if scrape.targets.is_empty() {
                return Err(format!("scrape {:?} has no targets; write targets = [\"host:port\"]", scrape.job));
            }
            if let Some(label) = scrape.labels.keys().find(|name| !is_label_name(name)) {
                return Err(format!("scrape {:?}: {label:?} is not a valid custom label name", scrape.job));
            }
            // The address is a label of every series, so it cannot have a password; the message does not repeat one.
            if let Some((_, host)) = scrape.targets.iter().find_map(|target| target.rsplit_once('@')) {
                return Err(format!(
                    "scrape {:?}: the target at {host:?} has a user or password before its @, which would become a label; \
                     write host:port alone",
                    scrape.job
                ));
            }
            let is_no_address = |target: &&String| {
                target.is_empty() || target.contains(['/', '?', '#']) || target.contains(char::is_whitespace)
            };
            if let Some(target) = scrape.targets.iter().find(is_no_address) {
                return Err(format!(
                    "scrape {:?}: target {target:?} is not host:port; scheme and path have their own keys",
                    scrape.job
                ));
            }
        }
        for signal in &self.signals {
            signal.check()?;
        }
        Ok(())
    }
}

/// Whether a custom label may have this name: letters, digits and underscores, but not first a digit or `__`, which
/// Prometheus reserves.
fn is_label_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !name.is_empty()
        && !name.starts_with("__")
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(plain)
}

fn unique<'a>(table: &str, key: &str, names: impl Iterator<Item = &'a String>) -> Result<(), String> {
    let mut seen = HashSet::new();
    for name in names {
        if name.trim().is_empty() {
            return Err(format!("a [[{table}]] has an empty {key}"));
        }
        if !seen.insert(name) {
            return Err(format!("two [[{table}]] have the {key} {name:?}; give each its own"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use almanac_engine::advise::{scaling::Scaling, ttl::Ttl};

    use super::*;

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(text, Path::new("almanac.toml")).map_err(|error| error.to_string())
    }

    #[test]
    fn an_empty_file_is_the_default() {
        let config = parse("").unwrap();
        assert_eq!(config.server.listen.to_string(), "127.0.0.1:9797");
        assert_eq!(config.store.path, Path::new("almanac.duckdb"));
        assert!(config.store.retention.raw.is_none());
        assert_eq!(config.ingest.max_labels, 64);
    }

    #[test]
    fn the_example_of_the_documents_is_read() {
        let config = parse(
            r#"
            [server]
            listen = "127.0.0.1:9797"
            [store]
            path = "almanac.duckdb"
            retention = { raw = "30d", rollup = "400d" }
            [[scrape]]
            job = "node"
            targets = ["127.0.0.1:9100"]
            interval = "15s"
            [[signal]]
            name = "api_p95_seconds"
            expr = 'histogram_quantile(0.95, sum by (le) (rate(http_request_duration_seconds_bucket{job="api"}[5m])))'
            [[workload]]
            name = "api"
            demand = 'sum(rate(http_requests_total{job="api"}[1m]))'
            replicas = 'count(up{job="api"})'
            capacity_per_replica = 120
            target_utilization = 0.7
            startup = "3m"
            replicas_min = 2
            replicas_max = 40
            [[cache]]
            name = "user_profile"
            ttl = "1h"
            stale_share_max = 0.01
            invalidate_on = ["profile_update"]
            [alerts]
            rule_files = ["rules/*.yml"]
            "#,
        )
        .unwrap();
        assert_eq!(config.store.retention.raw.unwrap().millis(), 30 * 86_400_000);
        let workload = config.advice.of::<Scaling>().next().unwrap();
        assert_eq!((workload.capacity_per_replica, workload.startup_ms), (Some(120.0), 180_000));
        assert_eq!(config.advice.of::<Ttl>().next().unwrap().ttl_ms, Some(3_600_000));
    }

    #[test]
    fn errors_name_line_and_column() {
        let check = |text: &str, expected: &str| assert_eq!(parse(text).unwrap_err(), expected);
        check(
            "[store]\nretentoin = { raw = \"30d\" }",
            "almanac.toml line 2, column 1: unknown key \"retentoin\"; did you mean \"retention\"?",
        );
        check("[serve]\n", "almanac.toml line 1, column 2: unknown key \"serve\"; did you mean \"server\"?");
        check(
            "[store]\nretention = { raw = \"30 moons\" }",
            "almanac.toml line 2, column 21: \"30 moons\" is not a duration like 15s, 5m or 30d: unknown time unit \
             \"moons\", supported units: ns, us/µs, ms, sec, min, hours, days, weeks, months, years (and few variations)",
        );
        check(
            "[[workload]]\nname = \"a\"\ndemand = \"x\"\nstartpu = \"3m\"",
            "almanac.toml line 4, column 1: unknown key \"startpu\"; did you mean \"startup\"?",
        );
        check(
            "[[cache]]\nname = \"a\"\nttl = \"soon\"",
            "almanac.toml line 3, column 7: \"soon\" is not a duration like 15s, 5m or 30d: expected number at 0",
        );
        check(
            "[[cache]]\nname = \"a\"\nttl = 50",
            "almanac.toml line 3, column 7: 50 has no unit; write a duration in quotes, such as \"50s\" or \"50ms\"",
        );
        // A name of another section that does not exist.
        check(
            "[[database]]\nname = \"shop\"\n[[batch]]\nname = \"a\"\ndatabase = \"shpo\"\ntable = \"t\"",
            "almanac.toml: batch \"a\": database = \"shpo\", but no [[database]] has that name",
        );
        check("[[workload]]\nname = \"a\"", "almanac.toml line 1, column 1: the key \"demand\" is missing");
        check(
            "[workload]\nname = \"a\"",
            "almanac.toml line 1, column 1: workload is a list of tables; write [[workload]]",
        );
        check("[[worklaod]]\n", "almanac.toml line 1, column 3: unknown key \"worklaod\"; did you mean \"workload\"?");
        check("[[signal]]\nname = \"a\"", "almanac.toml line 1, column 1: the key \"expr\" is missing");
        check(
            "[[cache]]\nname = \"a\"\nttl = \"1h\"\n[[cache]]\nname = \"a\"\nttl = \"1h\"",
            "almanac.toml: two [[cache]] have the name \"a\"; give each its own",
        );
        check(
            "[[workload]]\nname = \"api\"\ndemand = \"x\"\ntarget_utilization = 1.5",
            "almanac.toml: workload \"api\": target_utilization 1.5 is not above 0 and at most 1",
        );
        check(
            "[[scrape]]\njob = \"a\"\ntargets = [\"http://h:1/metrics\"]",
            "almanac.toml: scrape \"a\": target \"http://h:1/metrics\" is not host:port; scheme and path have their own keys",
        );
        check(
            "[[scrape]]\njob = \"a\"\ntargets = [\"ops:secret@h:1\"]",
            "almanac.toml: scrape \"a\": the target at \"h:1\" has a user or password before its @, which would become a label; \
             write host:port alone",
        );
    }
}
