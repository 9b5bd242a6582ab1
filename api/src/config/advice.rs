use std::{
    collections::{BTreeMap, HashSet},
    fs,
    path::{Path, PathBuf},
};

use almanac_engine::advise::{
    AdviceSpecs,
    rightsizing::ContainerSpec,
    scaling::{FIRST_RESOURCE, ResourceSpec, WorkloadSpec},
    threshold::{KeptRule, RuleFile, RuleSpec},
    ttl::{CacheSpec, TtlCosts},
};
use serde::Deserialize;

use super::{Config, ConfigError, Span};

/// Something that is scaled by replicas.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    /// The name.
    pub name: String,
    /// PromQL of what it has to serve.
    pub demand: String,
    /// PromQL of how many replicas are ready.
    pub replicas: Option<String>,
    /// PromQL of what one replica uses of its processors, from 0 to 1: the capacity is learned from it.
    pub cpu: Option<String>,
    /// PromQL of the time that an answer takes, a mean or a quantile: the capacity is learned from how it rises with demand.
    pub latency: Option<String>,
    /// Latency that may be reached, in the same unit; left out: until it grows without bound.
    pub latency_max: Option<f64>,
    /// Demand that one replica can serve; left out: learned from demand and replicas, and CPU or latency.
    pub capacity_per_replica: Option<f64>,
    /// What else replicas share; the resource that asks for the most replicas decides, step by step.
    #[serde(default)]
    pub resources: Vec<Resource>,
    /// Share of the capacity that is to be used [0.7].
    pub target_utilization: Option<f64>,
    /// Time from asking for a replica to its first answer [3m].
    pub startup: Option<Span>,
    /// Fewest replicas [1].
    pub replicas_min: Option<u32>,
    /// Most replicas [200].
    pub replicas_max: Option<u32>,
    /// Most replicas added in one step.
    pub scale_out_max: Option<u32>,
    /// Most replicas removed in one step.
    pub scale_in_max: Option<u32>,
    /// Scale-ins in any day, at most; every change counts against it, but scaling out is never held back [240].
    pub changes_per_day_max: Option<u32>,
    /// Cost of demand that is not served against that of idle capacity.
    pub unserved_cost_ratio: Option<f64>,
    /// Step of decisions [1m].
    pub step: Option<Span>,
    /// How much history is read [28d].
    pub history: Option<Span>,
    /// How far the schedule reaches [2d].
    pub horizon: Option<Span>,
    /// Length of the day that demand follows [1d].
    pub day: Option<Span>,
    /// How long the reactive rule waits before it scales in [5m].
    pub scale_in_stabilization: Option<Span>,
    /// Kubernetes namespace, for the patches [default].
    pub namespace: Option<String>,
    /// Name of the deployment, for the patches [the workload's].
    pub deployment: Option<String>,
    /// Address under which an autoscaler reaches this service, for the patches [http://almanac:9797].
    pub service_url: Option<String>,
}

/// A further resource of a workload.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resource {
    /// The name.
    pub name: String,
    /// PromQL of what all replicas together have to serve of it, in a unit of its own.
    pub demand: String,
    /// What one replica serves of it, in the same unit.
    pub capacity_per_replica: f64,
}

/// A container whose requests of CPU and memory are wanted. Of several replicas the expressions give the busiest: `max(…)`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Container {
    /// The name, in the patches too.
    pub name: String,
    /// PromQL of the processors that a replica uses, in cores.
    pub cpu: Option<String>,
    /// PromQL of the memory that a replica uses, in bytes.
    pub memory: Option<String>,
    /// PromQL of the present request of CPU, in cores; a number is one.
    pub cpu_request: Option<String>,
    /// PromQL of the present request of memory, in bytes; a number is one.
    pub memory_request: Option<String>,
    /// What an hour with CPU usage above the request costs, in hours of the mean usage idling; for memory 50 times that [6].
    pub above_cost_ratio: Option<f64>,
    /// Step of the usage [5m].
    pub step: Option<Span>,
    /// How much history is read [28d].
    pub history: Option<Span>,
    /// Length of a day of the load [1d].
    pub day: Option<Span>,
    /// Namespace for the patches [default].
    pub namespace: Option<String>,
    /// Name of the deployment, for the patches and among the deploys that are reported [the container's].
    pub deployment: Option<String>,
}

/// A cache with a time-to-live.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cache {
    /// The name that its events carry.
    pub name: String,
    /// The time-to-live in force.
    pub ttl: Option<Span>,
    /// Largest share of hits that may be stale [0.01].
    pub stale_share_max: Option<f64>,
    /// What drops copies from it; not empty: a write drops the copy.
    #[serde(default)]
    pub invalidate_on: Vec<String>,
    /// Times-to-live to look at; left out: sixteen from one second to one day.
    #[serde(default)]
    pub grid: Vec<Span>,
    /// Costs of a miss and of a stale hit in a common unit; given, the least cost decides.
    pub costs: Option<Costs>,
    /// PromQL of the number of hits so far, where no events are reported.
    pub hits: Option<String>,
    /// PromQL of the number of misses so far, where no events are reported.
    pub misses: Option<String>,
}

/// What goes wrong costs.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Costs {
    /// One miss.
    pub miss: f64,
    /// One stale hit.
    pub stale: f64,
}

/// Alerting rules that are in force.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Alerts {
    /// Files of Prometheus rules; `*` and `?` stand for characters of a file's name.
    pub rule_files: Vec<String>,
    /// Whether bounds by hour of week and bands around what is expected may be recommended. The rules then read what this
    /// service says of the signal at `/metrics`, so Prometheus has to scrape it.
    pub moving_bounds: bool,
    /// Which targets' incidents an alert is judged by, by the alert's name with `*` and `?`:
    /// `incidents = { "Redis*" = ["redis", "cache"] }`. Alerts that are not named are judged by the incidents of their own labels.
    pub incidents: BTreeMap<String, Vec<String>>,
}

/// Whether an expression, where there is one, is PromQL.
fn check_expr(expr: Option<&String>) -> Result<(), String> {
    let Some(expr) = expr else { return Ok(()) };
    almanac_engine::signal::parse(expr).map(drop).map_err(|error| crate::chain(&error))
}

impl Workload {
    pub(super) fn check(&self) -> Result<(), String> {
        let name = &self.name;
        let spec = self.spec();
        let positive = |value: f64| value > 0.0 && value.is_finite();
        if !(spec.target_utilization > 0.0 && spec.target_utilization <= 1.0) {
            let share = spec.target_utilization;
            return Err(format!("workload {name:?}: target_utilization {share} is not above 0 and at most 1"));
        }
        if self.capacity_per_replica.is_some_and(|capacity| !positive(capacity)) {
            return Err(format!("workload {name:?}: capacity_per_replica is no positive number"));
        }
        if self.unserved_cost_ratio.is_some_and(|ratio| !positive(ratio)) {
            return Err(format!("workload {name:?}: unserved_cost_ratio is no positive number"));
        }
        if spec.replicas_min > spec.replicas_max || spec.replicas_max == 0 {
            return Err(format!(
                "workload {name:?}: replicas_min {} and replicas_max {} leave no number of replicas",
                spec.replicas_min, spec.replicas_max
            ));
        }
        let exprs = [
            ("demand", Some(&self.demand)),
            ("replicas", self.replicas.as_ref()),
            ("cpu", self.cpu.as_ref()),
            ("latency", self.latency.as_ref()),
        ];
        for (key, expr) in exprs {
            check_expr(expr).map_err(|message| format!("workload {name:?}: {key}: {message}"))?;
        }
        if self.latency_max.is_some_and(|most| !(most > 0.0 && most.is_finite())) {
            return Err(format!("workload {name:?}: latency_max is no positive number"));
        }
        if self.latency_max.is_some() && self.latency.is_none() {
            return Err(format!("workload {name:?}: latency_max is of no use without latency"));
        }
        if self.latency_max.is_some() && self.capacity_per_replica.is_some() {
            return Err(format!(
                "workload {name:?}: latency_max is of no use beside capacity_per_replica, which is not learned"
            ));
        }
        self.check_resources().map_err(|message| format!("workload {name:?}: {message}"))
    }

    fn check_resources(&self) -> Result<(), String> {
        let mut names = HashSet::from([FIRST_RESOURCE, ""]);
        for Resource { name, demand, capacity_per_replica } in &self.resources {
            if !names.insert(name.trim()) {
                return Err(format!(
                    "resource {name:?}: the name is empty, used before, or {FIRST_RESOURCE:?}, the workload's own"
                ));
            }
            if !(*capacity_per_replica > 0.0 && capacity_per_replica.is_finite()) {
                return Err(format!("resource {name:?}: capacity_per_replica is no positive number"));
            }
            check_expr(Some(demand)).map_err(|message| format!("resource {name:?}: demand: {message}"))?;
        }
        Ok(())
    }

    /// What the advisor is told.
    #[must_use]
    pub fn spec(&self) -> WorkloadSpec {
        let usual = WorkloadSpec::new(&*self.name, &*self.demand);
        let millis = |span: Option<Span>, usual: i64| span.map_or(usual, Span::millis);
        WorkloadSpec {
            replicas: self.replicas.clone(),
            cpu: self.cpu.clone(),
            latency: self.latency.clone(),
            latency_max: self.latency_max,
            capacity_per_replica: self.capacity_per_replica,
            resources: self.resources.iter().map(Resource::spec).collect(),
            target_utilization: self.target_utilization.unwrap_or(usual.target_utilization),
            startup_ms: millis(self.startup, usual.startup_ms),
            replicas_min: self.replicas_min.unwrap_or(usual.replicas_min),
            replicas_max: self.replicas_max.unwrap_or(usual.replicas_max),
            scale_out_max: self.scale_out_max,
            scale_in_max: self.scale_in_max,
            changes_per_day_max: self.changes_per_day_max.unwrap_or(usual.changes_per_day_max),
            unserved_cost_ratio: self.unserved_cost_ratio,
            step_ms: millis(self.step, usual.step_ms),
            history_ms: millis(self.history, usual.history_ms),
            horizon_ms: millis(self.horizon, usual.horizon_ms),
            day_ms: millis(self.day, usual.day_ms),
            scale_in_stabilization_ms: millis(self.scale_in_stabilization, usual.scale_in_stabilization_ms),
            namespace: self.namespace.clone().unwrap_or(usual.namespace),
            deployment: self.deployment.clone(),
            service_url: self.service_url.clone().unwrap_or(usual.service_url),
            name: usual.name,
            demand: usual.demand,
        }
    }
}

impl Container {
    pub(super) fn check(&self) -> Result<(), String> {
        let name = &self.name;
        let exprs = [
            ("cpu", self.cpu.as_ref()),
            ("memory", self.memory.as_ref()),
            ("cpu_request", self.cpu_request.as_ref()),
            ("memory_request", self.memory_request.as_ref()),
        ];
        for (key, expr) in exprs {
            check_expr(expr).map_err(|message| format!("container {name:?}: {key}: {message}"))?;
        }
        if self.cpu.is_none() && self.memory.is_none() {
            return Err(format!("container {name:?}: write cpu or memory, an expression of what a replica uses"));
        }
        let spec = self.spec();
        if spec.history_ms < 4 * spec.day_ms {
            return Err(format!("container {name:?}: history is shorter than four days, of which it cannot learn"));
        }
        if self.above_cost_ratio.is_some_and(|ratio| !(ratio > 0.0 && ratio.is_finite())) {
            return Err(format!("container {name:?}: above_cost_ratio is no positive number"));
        }
        Ok(())
    }

    /// What the advisor wants to know, with its usual values where the file says nothing.
    fn spec(&self) -> ContainerSpec {
        let usual = ContainerSpec::new(&self.name);
        let millis = |span: Option<Span>, usual: i64| span.map_or(usual, Span::millis);
        ContainerSpec {
            cpu: self.cpu.clone(),
            memory: self.memory.clone(),
            cpu_request: self.cpu_request.clone(),
            memory_request: self.memory_request.clone(),
            above_cost_ratio: self.above_cost_ratio,
            step_ms: millis(self.step, usual.step_ms),
            history_ms: millis(self.history, usual.history_ms),
            day_ms: millis(self.day, usual.day_ms),
            namespace: self.namespace.clone().unwrap_or(usual.namespace),
            deployment: self.deployment.clone(),
            name: usual.name,
        }
    }
}

impl Resource {
    fn spec(&self) -> ResourceSpec {
        let Self { name, demand, capacity_per_replica } = self;
        ResourceSpec { name: name.clone(), demand: demand.clone(), capacity_per_replica: *capacity_per_replica }
    }
}

impl Cache {
    pub(super) fn check(&self) -> Result<(), String> {
        let name = &self.name;
        if let Some(share) = self.stale_share_max.filter(|share| !(0.0..=1.0).contains(share)) {
            return Err(format!("cache {name:?}: stale_share_max {share} is no share between 0 and 1"));
        }
        let costs = self.costs.iter().flat_map(|costs| [("miss", costs.miss), ("stale", costs.stale)]);
        for (what, cost) in costs {
            if !(cost >= 0.0 && cost.is_finite()) {
                return Err(format!("cache {name:?}: the cost of a {what}, {cost}, is no number of at least 0"));
            }
        }
        if self.hits.is_some() != self.misses.is_some() {
            return Err(format!("cache {name:?}: hits and misses go together; write both or none"));
        }
        for (key, expr) in [("hits", self.hits.as_ref()), ("misses", self.misses.as_ref())] {
            check_expr(expr).map_err(|message| format!("cache {name:?}: {key}: {message}"))?;
        }
        Ok(())
    }

    /// What the advisor is told.
    #[must_use]
    pub fn spec(&self) -> CacheSpec {
        let usual = CacheSpec::new(&*self.name);
        CacheSpec {
            ttl_ms: self.ttl.map(Span::millis),
            stale_share_max: self.stale_share_max.unwrap_or(usual.stale_share_max),
            invalidate_on: self.invalidate_on.clone(),
            grid_ms: self.grid.iter().map(|span| span.millis()).collect(),
            costs: self.costs.map(|costs| TtlCosts { miss: costs.miss, stale: costs.stale }),
            hits: self.hits.clone(),
            misses: self.misses.clone(),
            name: usual.name,
        }
    }
}

impl Config {
    /// Everything that advice is wanted on, and what of the rule files is not advised on. Reads the rule files; one that is missing
    /// or wrong costs itself alone.
    ///
    /// # Errors
    /// [`ConfigError`] where alerts are mapped to no target.
    pub fn advice_specs(&self) -> Result<(AdviceSpecs, Vec<KeptRule>), ConfigError> {
        if let Some((pattern, _)) = self.alerts.incidents.iter().find(|(_, targets)| targets.is_empty()) {
            let message = format!(
                "alerts.incidents: {pattern:?} names no target; write one, such as [\"redis\"], or leave the line out"
            );
            return Err(ConfigError::Contradiction { path: self.folder.clone(), message });
        }
        let (mut rules, mut kept) = (Vec::new(), Vec::new());
        for pattern in &self.alerts.rule_files {
            let paths = self.matching(pattern).unwrap_or_else(|error| {
                kept.push(KeptRule::unreadable(pattern, crate::chain(&error)));
                Vec::new()
            });
            for path in paths {
                match read_rules(&path) {
                    Ok((specs, others)) => {
                        rules.extend(specs.into_iter().map(|spec| self.judged(spec)));
                        kept.extend(others);
                    }
                    Err(reason) => kept.push(KeptRule::unreadable(&path.display().to_string(), reason)),
                }
            }
        }
        let specs = AdviceSpecs {
            workloads: self.workloads.iter().map(Workload::spec).collect(),
            containers: self.containers.iter().map(Container::spec).collect(),
            caches: self.caches.iter().map(Cache::spec).collect(),
            rules,
            moving_bounds: self.alerts.moving_bounds,
        };
        Ok((specs, kept))
    }

    /// A rule with the targets whose incidents it is judged by, where the configuration names them.
    fn judged(&self, spec: RuleSpec) -> RuleSpec {
        let named = |pattern: &str| wildcard(pattern.as_bytes(), spec.alert.as_bytes());
        let mut targets = self.alerts.incidents.iter().filter(|(pattern, _)| named(pattern)).peekable();
        let incident_targets =
            targets.peek().is_some().then(|| targets.flat_map(|(_, targets)| targets.iter().cloned()).collect());
        RuleSpec { incident_targets, ..spec }
    }

    /// The files that a pattern matches, by name; one without wildcards must exist.
    fn matching(&self, pattern: &str) -> Result<Vec<PathBuf>, ConfigError> {
        let path = self.folder.join(pattern);
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if !name.contains(['*', '?']) {
            return Ok(vec![path]);
        }
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let failed = |source| ConfigError::Read { path: folder.to_path_buf(), source };
        let mut found = Vec::new();
        for entry in fs::read_dir(folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if wildcard(name.as_bytes(), entry.file_name().to_string_lossy().as_bytes()) {
                found.push(entry.path());
            }
        }
        found.sort();
        Ok(found)
    }
}

fn read_rules(path: &Path) -> Result<(Vec<RuleSpec>, Vec<KeptRule>), String> {
    let file = path.display().to_string();
    let text = fs::read_to_string(path).map_err(|error| format!("{file} could not be read: {error}"))?;
    RuleFile::parse(&file, &text).map(|rules| rules.alerts(&file)).map_err(|error| error.to_string())
}

/// Whether `text` is as `pattern` says: `*` any characters, `?` one.
fn wildcard(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.first(), text.first()) {
        (None, None) => true,
        (Some(b'*'), _) => wildcard(&pattern[1..], text) || (!text.is_empty() && wildcard(pattern, &text[1..])),
        (Some(b'?'), Some(_)) => wildcard(&pattern[1..], &text[1..]),
        (Some(expected), Some(found)) => expected == found && wildcard(&pattern[1..], &text[1..]),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_stand_for_characters() {
        let check = |pattern: &str, text: &str, fits: bool| {
            assert_eq!(wildcard(pattern.as_bytes(), text.as_bytes()), fits, "{pattern} {text}");
        };
        check("*.yml", "api.yml", true);
        check("*.yml", ".yml", true);
        check("a?i*.yml", "api_v1.yml", true);
        check("*.yml", "api.yaml", false);
        check("?.yml", ".yml", false);
    }

    #[test]
    fn a_workload_may_have_further_resources() {
        let parse = |resources: &str| {
            let text = format!("[[workload]]\nname = \"api\"\ndemand = \"x\"\nresources = [{resources}]");
            Config::parse(&text, Path::new("almanac.toml")).map_err(|error| error.to_string())
        };
        let memory = "{ name = \"memory\", demand = \"sum(bytes)\", capacity_per_replica = 2e9 }";
        let spec = parse(memory).unwrap().workloads[0].spec();
        let expected = ResourceSpec { name: "memory".into(), demand: "sum(bytes)".into(), capacity_per_replica: 2e9 };
        assert_eq!(spec.resources, [expected]);
        let check = |resources: String, said: &str| {
            let error = parse(&resources).unwrap_err();
            assert!(error.starts_with("almanac.toml: workload \"api\": resource ") && error.contains(said), "{error}");
        };
        check(format!("{memory}, {memory}"), "used before");
        check(memory.replace("\"memory\"", "\"demand\""), "the workload's own");
        check(memory.replace("2e9", "0.0"), "no positive number");
        check(memory.replace("sum(bytes)", "sum("), "demand: ");
    }

    #[test]
    fn rule_files_are_found_beside_the_configuration_and_a_wrong_one_costs_itself_alone() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("rules")).unwrap();
        let rules = "groups:\n- name: g\n  rules:\n  - alert: High\n    expr: up > 0.5\n    for: 5m\n";
        fs::write(folder.path().join("rules/b.yml"), rules).unwrap();
        fs::write(folder.path().join("rules/b.txt"), "no rules").unwrap();
        let text = "[alerts]\nrule_files = [\"rules/*.yml\", \"gone.yml\", \"nowhere/*.yml\"]\nincidents = { \"Hi*\" = [\"shop\"] }";
        let config = Config::parse(text, &folder.path().join("almanac.toml")).unwrap();
        for (wrong, why) in [
            ("groups: 5", "line 1: groups is text, and not a list"),
            ("groups: [", "a.yml is not a Prometheus rule file: line "),
            ("groups:\n- name: g\n  rules:\n  - {alert: A, expr: up > 1, for: soon}", "is not a duration such as 5m"),
            ("{{ if .Values.rules }}", "a.yml is not a Prometheus rule file: line "),
        ] {
            fs::write(folder.path().join("rules/a.yml"), wrong).unwrap();
            let (specs, kept) = config.advice_specs().unwrap();
            assert_eq!((specs.rules.len(), kept.len()), (1, 3), "{wrong}: {kept:?}");
            assert!(kept[0].reason.contains(why), "{wrong}: {kept:?}");
            assert!(kept.iter().all(|kept| !kept.reason.contains('\n') && !kept.file.is_empty()), "{kept:?}");
            assert!(kept[1].file.ends_with("gone.yml") && kept[2].file.contains("nowhere"), "{kept:?}");
            let rule = &specs.rules[0];
            assert_eq!((rule.for_ms, rule.incident_targets.as_deref()), (300_000, Some(&["shop".to_owned()][..])));
        }
        for empty in ["groups:\n", "", "groups:\n- name: g\n  rules:\n"] {
            fs::write(folder.path().join("rules/a.yml"), empty).unwrap();
            assert_eq!(config.advice_specs().unwrap().1.len(), 2, "{empty:?}");
        }
    }
}
