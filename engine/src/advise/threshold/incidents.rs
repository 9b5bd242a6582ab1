//! Selects the incidents that a rule is scored on: those of its own service.
//!
//! An alert during an incident of another target is neither right nor false: a slow database slows its callers as well.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{LabelledIncident, RuleSpec};
use crate::{
    series::{Labels, METRIC_NAME, MatchOp, Matcher},
    signal,
    store::{Store, StoreError, rows::Incident},
};

/// Labels that name the service of a series or rule.
const SERVICE_LABELS: [&str; 17] = [
    "service",
    "service_name",
    "job",
    "app",
    "app_kubernetes_io_name",
    "application",
    "component",
    "workload",
    "deployment",
    "statefulset",
    "daemonset",
    "container",
    "namespace",
    "product",
    "system",
    "team",
    "database",
];
/// Labels that name a location. Of `redis-1:9121` the parts `redis-1` and `redis` are candidates too.
const LOCATION_LABELS: [&str; 5] = ["instance", "pod", "host", "node", "target"];
/// Maximum number of target names stored with a recommendation.
const NAMES_MAX: usize = 64;

/// How the incidents of a rule were selected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JudgedBy {
    /// The configuration names the targets.
    Mapping,
    /// The labels of the rule and of its series name the targets.
    Labels,
    /// Nothing names the targets: every incident counts.
    All,
}

/// The targets whose incidents a rule is scored on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IncidentTargets {
    /// How they were selected.
    pub by: JudgedBy,
    /// The targets, in lower case; unused with [`JudgedBy::All`].
    pub targets: Vec<String>,
}

impl Default for IncidentTargets {
    fn default() -> Self {
        Self { by: JudgedBy::All, targets: Vec::new() }
    }
}

impl IncidentTargets {
    /// Selects the targets of a rule from the configured mapping, or else from the labels of rule, group, selectors and
    /// stored series. Every incident counts when the labels identify nothing, and the incidents' targets appear nowhere
    /// in the store.
    ///
    /// # Errors
    /// [`StoreError`] when series or label values cannot be read.
    pub(super) fn of_rule(
        store: &Store,
        spec: &RuleSpec,
        events: &[Incident],
        (start_ms, end_ms): (i64, i64),
    ) -> Result<Self, StoreError> {
        if let Some(targets) = &spec.incident_targets {
            let targets = targets.iter().map(|target| target.to_lowercase()).collect();
            return Ok(Self { by: JudgedBy::Mapping, targets });
        }
        let named: BTreeSet<String> = events.iter().filter_map(target).collect();
        if named.is_empty() {
            return Ok(Self::default());
        }
        let selectors: Vec<Vec<Matcher>> = signal::parse(&spec.condition.signal)
            .map(|query| query.selectors().into_iter().map(<[Matcher]>::to_vec).collect())
            .unwrap_or_default();
        let series = if selectors.is_empty() { Vec::new() } else { store.series(&selectors, start_ms, end_ms)? };
        let identity = RuleIdentity::of(spec, &selectors, &series);
        if named.iter().any(|target| identity.names.contains(target)) || identity.is_identified {
            return Ok(identity.targets());
        }
        // The rule is unidentified. When the store names a target elsewhere, the incidents belong to that series.
        for label in SERVICE_LABELS.iter().chain(&LOCATION_LABELS) {
            let values = store.label_values(label, &[], start_ms, end_ms)?;
            if values.iter().any(|value| named.contains(&value.to_lowercase())) {
                return Ok(identity.targets());
            }
        }
        let metrics = store.label_values(METRIC_NAME, &[], start_ms, end_ms)?;
        let is_metric = |metric: &String| first_word(metric).is_some_and(|word| named.contains(&word));
        Ok(if metrics.iter().any(is_metric) { identity.targets() } else { Self::default() })
    }

    /// Returns whether an incident belongs to the rule. An incident without a target belongs to every rule.
    fn owns(&self, incident: &Incident) -> bool {
        self.by == JudgedBy::All || target(incident).is_none_or(|target| self.targets.contains(&target))
    }

    /// Counts the incidents that belong to the rule.
    pub(super) fn count(&self, events: &[Incident]) -> usize {
        events.iter().filter(|incident| self.owns(incident)).count()
    }

    /// Converts the incidents into labels for scoring, ascending and disjoint. Incidents of other targets are cut where
    /// they overlap the rule's own. An open incident lasts until `now_ms`. Empty when none belongs to the rule, which
    /// then counts as unlabelled.
    pub(super) fn label(&self, events: &[Incident], now_ms: i64) -> Vec<LabelledIncident> {
        let span = |incident: &&Incident| {
            (incident.started_at.millis(), incident.ended_at.map_or(now_ms, almanac_models::Timestamp::millis))
        };
        let (own, others): (Vec<&Incident>, Vec<&Incident>) = events.iter().partition(|incident| self.owns(incident));
        let own = merged(own.iter().map(span).collect());
        if own.is_empty() {
            return Vec::new();
        }
        let others = subtract(&merged(others.iter().map(span).collect()), &own);
        let labelled = |own: bool| move |(start_ms, end_ms): (i64, i64)| LabelledIncident { start_ms, end_ms, own };
        let mut all: Vec<LabelledIncident> =
            own.into_iter().map(labelled(true)).chain(others.into_iter().map(labelled(false))).collect();
        all.sort_by_key(|incident| incident.start_ms);
        all
    }
}

fn target(incident: &Incident) -> Option<String> {
    incident.target.as_deref().map(str::trim).filter(|target| !target.is_empty()).map(str::to_lowercase)
}

/// Names that a rule and its series carry in their labels.
struct RuleIdentity {
    names: BTreeSet<String>,
    /// Whether one of the service labels is set.
    is_identified: bool,
}

impl RuleIdentity {
    fn of(spec: &RuleSpec, selectors: &[Vec<Matcher>], series: &[Labels]) -> Self {
        let mut identity = Self { names: BTreeSet::new(), is_identified: false };
        for (name, value) in spec.rule.labels.iter().chain(&spec.header.labels) {
            identity.add(name, value);
        }
        let equal = selectors.iter().flatten().filter(|matcher| matcher.op() == MatchOp::Equal);
        for matcher in equal {
            identity.add(matcher.name(), matcher.value());
        }
        for labels in series {
            for (name, value) in labels.iter() {
                identity.add(name, value);
            }
        }
        identity.names.insert(spec.alert.to_lowercase());
        identity
    }

    fn add(&mut self, name: &str, value: &str) {
        if value.is_empty() || self.names.len() > 10 * NAMES_MAX {
            return;
        }
        if name == METRIC_NAME {
            self.names.insert(value.to_lowercase());
            self.names.extend(first_word(value));
        } else if SERVICE_LABELS.contains(&name) {
            self.is_identified = true;
            self.names.insert(value.to_lowercase());
        } else if LOCATION_LABELS.contains(&name) {
            let value = value.to_lowercase();
            let host = value.split(':').next().unwrap_or_default().to_owned();
            let stem = host.split(['-', '.', '_']).next().unwrap_or_default().to_owned();
            self.names.extend([value, host, stem]);
        } else if !matches!(name, "severity" | "le" | "quantile" | "mode" | "code" | "status" | "method") {
            self.names.insert(value.to_lowercase());
        }
    }

    fn targets(self) -> IncidentTargets {
        IncidentTargets { by: JudgedBy::Labels, targets: self.names.into_iter().take(NAMES_MAX).collect() }
    }
}

/// Returns the first word of a metric's name, by convention the system that exports it.
fn first_word(metric: &str) -> Option<String> {
    metric.split(['_', ':']).next().filter(|word| word.len() > 1).map(str::to_lowercase)
}

/// Sorts spans and merges those that overlap.
fn merged(mut spans: Vec<(i64, i64)>) -> Vec<(i64, i64)> {
    spans.sort_unstable();
    spans.dedup_by(|later, earlier| {
        let one = later.0 <= earlier.1;
        if one {
            earlier.1 = earlier.1.max(later.1);
        }
        one
    });
    spans
}

/// Returns the parts of `spans` outside of `taken`. Both are ascending and disjoint, in milliseconds with both ends
/// included.
fn subtract(spans: &[(i64, i64)], taken: &[(i64, i64)]) -> Vec<(i64, i64)> {
    let mut left = Vec::new();
    for &(start, end) in spans {
        let mut start = start;
        for &(from, until) in taken {
            if from > end || until < start {
                continue;
            }
            if from > start {
                left.push((start, from - 1));
            }
            start = until + 1;
        }
        if start <= end {
            left.push((start, end));
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::rows::IncidentVerdict;
    use crate::{
        advise::threshold::RuleFile,
        store::{SampleBatch, StoreOptions},
    };
    use almanac_models::Timestamp;

    fn incident(target: Option<&str>, start: i64, end: i64) -> Incident {
        Incident {
            started_at: Timestamp::from_millis(start),
            ended_at: Some(Timestamp::from_millis(end)),
            title: "t".to_owned(),
            target: target.map(str::to_owned),
            source: "test".to_owned(),
            verdict: IncidentVerdict::Real,
        }
    }

    fn spec(rule: &str) -> RuleSpec {
        let text = format!("groups:\n- name: g\n  rules:\n  - alert: A\n    {rule}\n");
        RuleFile::parse("r.yml", &text).unwrap().alerts("r.yml").0.remove(0)
    }

    /// Returns how a rule's incidents are selected on a store with one sample of each series, and how many belong to
    /// it.
    fn judged(rule: &str, series: &[&[(&str, &str)]], targets: &[Option<&str>]) -> (JudgedBy, usize) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("a.duckdb"), StoreOptions::default()).unwrap();
        for labels in series {
            let id = store.resolve(&Labels::from_pairs(labels.iter().copied()).unwrap()).unwrap();
            let batch =
                SampleBatch { series: vec![id], timestamps: vec![5], values: vec![1.0], histograms: Vec::new() };
            store.append(batch).unwrap().wait().unwrap();
        }
        let events: Vec<Incident> = targets.iter().map(|target| incident(*target, 1, 2)).collect();
        let found = IncidentTargets::of_rule(&store, &spec(rule), &events, (0, 10)).unwrap();
        (found.by, found.count(&events))
    }

    #[test]
    fn a_rule_is_scored_on_the_incidents_of_its_own_service() {
        use JudgedBy::{All, Labels};
        let redis: &[(&str, &str)] = &[("__name__", "redis_memory_bytes"), ("job", "redis")];
        let bare: &[(&str, &str)] = &[("__name__", "redis_memory_bytes")];
        let shop: &[(&str, &str)] = &[("__name__", "http_requests"), ("service", "shop")];
        let four = [Some("shop"); 4];
        let rule = "expr: sum(redis_memory_bytes) > 5";
        assert_eq!(judged(rule, &[redis, shop], &four), (Labels, 0));
        assert_eq!(judged(rule, &[redis], &four), (Labels, 0));
        assert_eq!(judged(rule, &[bare, shop], &four), (Labels, 0));
        // The store does not name the incidents' targets.
        assert_eq!(judged(rule, &[bare], &four), (All, 4));
        assert_eq!(judged(rule, &[redis], &[None, None]), (All, 2));
        // Own incidents by label, metric, selector, the rule's labels and location.
        assert_eq!(judged(rule, &[redis, shop], &[Some("Redis"), Some("shop"), None]), (Labels, 2));
        assert_eq!(judged(rule, &[bare, shop], &[Some("redis"), Some("shop")]), (Labels, 1));
        assert_eq!(
            judged("expr: http_requests{service=\"shop\"} > 5", &[redis, shop], &[Some("shop"), Some("redis")]),
            (Labels, 1)
        );
        assert_eq!(judged("expr: x > 5\n    labels: {team: shop}", &[], &[Some("shop"), Some("redis")]), (Labels, 1));
        let placed: &[(&str, &str)] = &[("__name__", "up"), ("instance", "redis-1:9121")];
        assert_eq!(judged("expr: up < 5", &[placed, shop], &[Some("redis"), Some("shop")]), (Labels, 1));
    }

    #[test]
    fn a_configured_mapping_takes_precedence() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("a.duckdb"), StoreOptions::default()).unwrap();
        let spec = RuleSpec { incident_targets: Some(vec!["Shop".to_owned()]), ..spec("expr: redis > 5") };
        let events = [incident(Some("shop"), 1, 2), incident(Some("redis"), 1, 2)];
        let found = IncidentTargets::of_rule(&store, &spec, &events, (0, 10)).unwrap();
        assert_eq!((found.by, found.count(&events)), (JudgedBy::Mapping, 1));
    }

    #[test]
    fn incidents_of_other_targets_are_cut_by_its_own() {
        let targets = IncidentTargets { by: JudgedBy::Labels, targets: vec!["redis".to_owned()] };
        let events = [
            incident(Some("shop"), 0, 50),
            incident(Some("redis"), 10, 20),
            incident(Some("redis"), 15, 30),
            incident(None, 60, 70),
        ];
        let of = |start_ms, end_ms, own| LabelledIncident { start_ms, end_ms, own };
        assert_eq!(
            targets.label(&events, 100),
            [of(0, 9, false), of(10, 30, true), of(31, 50, false), of(60, 70, true)]
        );
        assert_eq!(targets.label(&events[..1], 100), []);
        assert_eq!(IncidentTargets::default().label(&events[..1], 100), [of(0, 50, true)]);
    }
}
