//! Caches of metric metadata and scrape targets: an unchanged put writes nothing to disk, and a read needs no query.

use std::collections::BTreeMap;

use duckdb::Connection;
use parking_lot::RwLock;

use crate::store::{
    StoreError,
    rows::{MetadataFilter, MetadataPut, MetadataRow, MetricType, ScrapeTargetRow, TargetHealth},
    tables,
};

/// Maximum number of metrics with metadata; further ones are rejected.
const MAX_METRICS: usize = 100_000;
/// Maximum length of a description in bytes; longer ones are truncated.
const MAX_HELP_BYTES: usize = 1024;
/// Maximum length of a unit in bytes; longer ones are truncated.
const MAX_UNIT_BYTES: usize = 64;
/// Time in milliseconds during which former metadata of a metric is not restored. Without it, two senders with
/// different metadata would cause a write with every scrape.
const ALTERNATION_MS: i64 = 3_600_000;
/// Number of former metadata rows that are remembered per metric for that purpose.
const MAX_FORMER: usize = 8;
/// Maximum time in milliseconds by which the disk lags behind memory when only the times of scrapes change.
const TARGETS_LAG_MS: i64 = 60_000;

/// Suffixes of series names and the types of the families that have them.
const SUFFIXES: &[(&str, &[MetricType])] = &[
    ("_bucket", &[MetricType::Histogram, MetricType::GaugeHistogram]),
    ("_sum", &[MetricType::Histogram, MetricType::Summary]),
    ("_count", &[MetricType::Histogram, MetricType::Summary]),
    ("_gsum", &[MetricType::GaugeHistogram]),
    ("_gcount", &[MetricType::GaugeHistogram]),
    ("_total", &[MetricType::Counter]),
    ("_created", &[MetricType::Counter, MetricType::Histogram, MetricType::Summary]),
    ("_info", &[MetricType::Info]),
];

/// Metadata of each metric.
#[derive(Debug)]
pub(in crate::store) struct MetadataCache(RwLock<BTreeMap<String, MetadataEntry>>);

/// Current and recent former metadata of one metric.
#[derive(Debug)]
struct MetadataEntry {
    row: MetadataRow,
    former: Vec<MetadataRow>,
}

impl MetadataEntry {
    /// Returns the metadata to write when a sender declares `declared`; `None` if nothing changes.
    fn next(&self, declared: &MetadataRow) -> Option<MetadataRow> {
        let next = merged(&self.row, declared);
        let is_former = || self.former.iter().any(|former| same(former, &next));
        let lately = next.updated_at.millis().saturating_sub(self.row.updated_at.millis()) < ALTERNATION_MS;
        if same(&self.row, &next) || (lately && is_former()) { None } else { Some(next) }
    }
}

fn same(a: &MetadataRow, b: &MetadataRow) -> bool {
    (a.metric_type, &a.help, &a.unit) == (b.metric_type, &b.help, &b.unit)
}

/// Returns `declared` with its empty fields filled from `before`.
fn merged(before: &MetadataRow, declared: &MetadataRow) -> MetadataRow {
    let or = |declared: &String, before: &String| if declared.is_empty() { before.clone() } else { declared.clone() };
    let is_unknown = declared.metric_type == MetricType::Unknown;
    MetadataRow {
        metric: declared.metric.clone(),
        metric_type: if is_unknown { before.metric_type } else { declared.metric_type },
        help: or(&declared.help, &before.help),
        unit: or(&declared.unit, &before.unit),
        updated_at: declared.updated_at,
    }
}

/// Returns the row with its texts truncated to their maximum lengths.
fn bounded(row: &MetadataRow) -> MetadataRow {
    let cut = |text: &str, most: usize| text[..text.floor_char_boundary(most)].to_owned();
    MetadataRow { help: cut(&row.help, MAX_HELP_BYTES), unit: cut(&row.unit, MAX_UNIT_BYTES), ..row.clone() }
}

impl MetadataCache {
    pub(in crate::store) fn load(connection: &Connection) -> Result<Self, StoreError> {
        let rows = tables::metadata(connection)?;
        let known = |row: MetadataRow| (row.metric.clone(), MetadataEntry { row, former: Vec::new() });
        Ok(Self(RwLock::new(rows.into_iter().map(known).collect())))
    }

    /// Returns the rows to write, merged with the cached ones, and the counts of the put. Does not change the cache.
    pub(in crate::store) fn changed(&self, rows: &[MetadataRow]) -> (Vec<MetadataRow>, MetadataPut) {
        let known = self.0.read();
        let mut changed: BTreeMap<&str, MetadataRow> = BTreeMap::new();
        let (mut put, mut new) = (MetadataPut::default(), 0);
        for row in rows {
            let row_bounded = bounded(row);
            let next = match (changed.get(row.metric.as_str()), known.get(&row.metric)) {
                // The metric occurs more than once in the put: the rows are merged in order.
                (Some(before), _) => Some(merged(before, &row_bounded)).filter(|next| !same(before, next)),
                (None, Some(known)) => known.next(&row_bounded),
                (None, None) if known.len() + new >= MAX_METRICS => {
                    put.refused += 1;
                    continue;
                }
                (None, None) => {
                    new += 1;
                    Some(row_bounded)
                }
            };
            match next {
                Some(next) => {
                    put.written += 1;
                    changed.insert(&row.metric, next);
                }
                None => put.unchanged += 1,
            }
        }
        (changed.into_values().collect(), put)
    }

    /// Updates the cache after the rows were written to disk.
    pub(in crate::store) fn update(&self, rows: Vec<MetadataRow>) {
        let mut all = self.0.write();
        for row in rows {
            match all.get_mut(&row.metric) {
                Some(known) => {
                    if row.updated_at.millis().saturating_sub(known.row.updated_at.millis()) >= ALTERNATION_MS {
                        known.former.clear();
                    }
                    known.former.push(std::mem::replace(&mut known.row, row));
                    let surplus = known.former.len().saturating_sub(MAX_FORMER);
                    known.former.drain(..surplus);
                }
                None => drop(all.insert(row.metric.clone(), MetadataEntry { row, former: Vec::new() })),
            }
        }
    }

    pub(in crate::store) fn list(&self, filter: &MetadataFilter) -> Vec<MetadataRow> {
        let limit = filter.limit.unwrap_or(usize::MAX);
        if filter.metrics.is_empty() {
            return self.0.read().values().take(limit).map(|known| known.row.clone()).collect();
        }
        let found: BTreeMap<String, MetadataRow> =
            filter.metrics.iter().filter_map(|name| self.of(name)).map(|row| (row.metric.clone(), row)).collect();
        found.into_values().take(limit).collect()
    }

    /// Returns the metadata of a series name: its own, else that of the metric family by the name's suffix.
    pub(in crate::store) fn of(&self, name: &str) -> Option<MetadataRow> {
        let all = self.0.read();
        let family = || {
            SUFFIXES.iter().find_map(|(suffix, types)| {
                let known = all.get(name.strip_suffix(suffix)?)?;
                types.contains(&known.row.metric_type).then_some(known)
            })
        };
        all.get(name).or_else(family).map(|known| known.row.clone())
    }
}

/// State of the scrape targets.
#[derive(Debug)]
pub(in crate::store) struct TargetCache(RwLock<Targets>);

#[derive(Debug, Default)]
struct Targets {
    by_key: BTreeMap<(String, String), ScrapeTargetRow>,
    /// Time of the newest scrape that is on disk, in epoch milliseconds.
    stored_ms: Option<i64>,
}

impl TargetCache {
    pub(in crate::store) fn load(connection: &Connection) -> Result<Self, StoreError> {
        let mut targets = Targets::default();
        for row in tables::scrape_targets(connection)? {
            targets.stored_ms = targets.stored_ms.max(row.last_scrape.map(|at| at.millis()));
            targets.by_key.insert((row.job.clone(), row.url.clone()), row);
        }
        Ok(Self(RwLock::new(targets)))
    }

    /// Updates the cache; returns all rows if they must be written now.
    pub(in crate::store) fn put(&self, rows: &[ScrapeTargetRow]) -> Option<Vec<ScrapeTargetRow>> {
        let mut targets = self.0.write();
        let mut is_due = false;
        let state = |row: &ScrapeTargetRow| -> (TargetHealth, Option<String>) { (row.health, row.last_error.clone()) };
        for row in rows {
            let before = targets.by_key.insert((row.job.clone(), row.url.clone()), row.clone());
            is_due |= before.is_none_or(|before| state(&before) != state(row));
        }
        let newest = rows.iter().filter_map(|row| row.last_scrape).map(|at| at.millis()).max();
        is_due |= match (newest, targets.stored_ms) {
            (Some(newest), Some(stored)) => newest.saturating_sub(stored) >= TARGETS_LAG_MS,
            (newest, _) => newest.is_some(),
        };
        is_due.then(|| {
            targets.stored_ms = targets.stored_ms.max(newest);
            targets.by_key.values().cloned().collect()
        })
    }

    /// Removes all targets but the configured ones; returns the rest if any was removed.
    pub(in crate::store) fn retain(&self, configured: &[(String, String)]) -> Option<Vec<ScrapeTargetRow>> {
        let mut targets = self.0.write();
        let before = targets.by_key.len();
        targets.by_key.retain(|key, _| configured.contains(key));
        (targets.by_key.len() < before).then(|| targets.by_key.values().cloned().collect())
    }

    pub(in crate::store) fn list(&self) -> Vec<ScrapeTargetRow> {
        self.0.read().by_key.values().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use almanac_models::Timestamp;

    use super::*;

    fn row(metric: &str, metric_type: MetricType, help: &str, at: i64) -> MetadataRow {
        let (metric, help) = (metric.to_owned(), help.to_owned());
        MetadataRow { metric, metric_type, help, unit: String::new(), updated_at: Timestamp::from_millis(at) }
    }

    fn known() -> MetadataCache {
        MetadataCache(RwLock::default())
    }

    /// Puts a row as the store does; returns whether it was written.
    fn put(known: &MetadataCache, row: MetadataRow) -> bool {
        let (changed, put) = known.changed(&[row]);
        known.update(changed);
        put.written == 1
    }

    #[test]
    fn unchanged_rows_are_not_written_and_empty_fields_keep_their_value() {
        let known = known();
        assert!(put(&known, row("x", MetricType::Counter, "Requests", 0)));
        assert!(!put(&known, row("x", MetricType::Counter, "Requests", 5)));
        assert!(!put(&known, row("x", MetricType::Unknown, "", 6)));
        assert!(put(&known, MetadataRow { unit: "s".into(), ..row("x", MetricType::Unknown, "", 7) }));
        let found = known.of("x").unwrap();
        assert_eq!(
            (found.metric_type, found.help.as_str(), found.unit.as_str()),
            (MetricType::Counter, "Requests", "s")
        );
    }

    #[test]
    fn alternating_senders_do_not_write_forever() {
        let known = known();
        let written = (0..300_i64).filter(|n| {
            let help = ["one", "two", "three"][usize::try_from(n % 3).unwrap()];
            put(&known, row("x", MetricType::Gauge, help, n * 5_000))
        });
        assert_eq!(written.count(), 3);
        assert!(put(&known, row("x", MetricType::Gauge, "new", 1_500_000)), "a new text is written at once");
        assert!(
            put(&known, row("x", MetricType::Gauge, "one", 1_500_000 + ALTERNATION_MS)),
            "a former one after an hour"
        );
    }

    #[test]
    fn the_number_of_metrics_and_the_length_of_texts_are_bounded() {
        let known = known();
        let rows: Vec<_> = (0..MAX_METRICS + 5).map(|n| row(&n.to_string(), MetricType::Gauge, "", 0)).collect();
        let (changed, put) = known.changed(&rows);
        assert_eq!((changed.len(), put.refused), (MAX_METRICS, 5));
        let long = bounded(&row("x", MetricType::Gauge, &"ä".repeat(MAX_HELP_BYTES), 0));
        assert_eq!(long.help, "ä".repeat(MAX_HELP_BYTES / 2));
    }

    #[test]
    fn a_series_finds_its_family() {
        let known = known();
        put(&known, row("h", MetricType::Histogram, "", 0));
        put(&known, row("c", MetricType::Counter, "", 0));
        put(&known, row("old_total", MetricType::Counter, "", 0));
        put(&known, row("g", MetricType::Gauge, "", 0));
        for (name, family) in [
            ("h_bucket", Some("h")),
            ("h_sum", Some("h")),
            ("h_total", None),
            ("c_total", Some("c")),
            ("old_total", Some("old_total")),
            ("g_count", None),
            ("_total", None),
        ] {
            assert_eq!(known.of(name).map(|row| row.metric).as_deref(), family, "{name}");
        }
    }

    #[test]
    fn targets_are_written_when_their_state_changes_and_once_a_minute() {
        let targets = TargetCache(RwLock::default());
        let scrape = |at: i64, error: Option<&str>| ScrapeTargetRow {
            job: "api".into(),
            instance: "a:80".into(),
            url: "http://a:80/metrics".into(),
            health: if error.is_some() { TargetHealth::Down } else { TargetHealth::Up },
            last_error: error.map(str::to_owned),
            last_scrape: Some(Timestamp::from_millis(at)),
            duration_ms: 2.0,
            samples: 5,
        };
        let is_written = |at, error| targets.put(&[scrape(at, error)]).is_some();
        let expected = [(0, None, true), (15_000, None, false), (30_000, Some("refused"), true), (45_000, None, true)];
        for (at, error, written) in expected {
            assert_eq!(is_written(at, error), written, "{at}");
        }
        assert!(!is_written(60_000, None) && is_written(105_000, None));
        assert_eq!(targets.list(), [scrape(105_000, None)]);
        assert_eq!(targets.retain(&[("api".into(), "http://a:80/metrics".into())]), None);
        assert_eq!(targets.retain(&[]), Some(Vec::new()));
    }
}
