//! Reads `[alerts]` and its rule files, and returns the targets to advise on.
//!
//! The targets of the other advisors come from their own sections (`sections.rs`).

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use almanac_engine::{
    advise::{
        AdviceSpecs, Advisor, Need, Verdict, VerdictOutcome,
        threshold::{KeptRule, NotUsed, RuleFile, RuleSpec, Threshold, ThresholdSpec},
    },
    rules::{RuleBook, RuleFault},
    store::rows::Kind,
};
use serde::Deserialize;

use crate::config::{Config, ConfigError, Span};

/// The alerting rules in force, `[alerts]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Alerts {
    /// Prometheus rule files; `*` and `?` are wildcards in file names.
    pub rule_files: Vec<String>,
    /// Whether bounds by hour of week and bands around the expected value may be recommended. Bands read the expected
    /// values that this service exposes at `/metrics`, so that Prometheus has to scrape it.
    pub moving_bounds: bool,
    /// Targets whose incidents an alert is compared with, by the alert's name with `*` and `?`:
    /// `incidents = { "Redis*" = ["redis", "cache"] }`. For other alerts labels decide.
    pub incidents: BTreeMap<String, Vec<String>>,
    /// Whether the service evaluates the recording and alerting rules of the files.
    pub evaluate: bool,
    /// Interval between evaluations of a group without an interval.
    pub interval: Span,
    /// Addresses of the Alertmanagers that get the alerts.
    pub alertmanagers: Vec<String>,
}

impl Default for Alerts {
    fn default() -> Self {
        Self {
            rule_files: Vec::new(),
            moving_bounds: false,
            incidents: BTreeMap::new(),
            evaluate: false,
            interval: default_interval(),
            alertmanagers: Vec::new(),
        }
    }
}

fn default_interval() -> Span {
    Span::from_secs(60)
}

impl Alerts {
    /// Checks the values; the error names the key.
    pub(in crate::config) fn check(&self) -> Result<(), String> {
        if self.evaluate && self.rule_files.is_empty() {
            return Err("alerts.evaluate needs rule files in alerts.rule_files".to_owned());
        }
        if self.interval.millis() < 1000 {
            return Err("alerts.interval is below 1s".to_owned());
        }
        let wrong = |url: &&String| !url.starts_with("http://") && !url.starts_with("https://");
        if let Some(url) = self.alertmanagers.iter().find(wrong) {
            return Err(format!("alerts.alertmanagers: {url:?} is no address such as \"http://127.0.0.1:9093\""));
        }
        if !self.alertmanagers.is_empty() && !self.evaluate {
            return Err("alerts.alertmanagers needs alerts.evaluate = true".to_owned());
        }
        Ok(())
    }
}

impl Config {
    /// Reads the rule files into groups for evaluation. A file or a rule that cannot be evaluated is among the faults.
    #[must_use]
    pub fn rule_book(&self) -> RuleBook {
        let mut book = RuleBook::default();
        let fault = |file: String, reason: String| RuleFault { file, rule: String::new(), reason };
        for pattern in &self.alerts.rule_files {
            let paths = match self.matching_files(pattern) {
                Ok(paths) => paths,
                Err(error) => {
                    book.faults.push(fault(pattern.clone(), crate::chain(&error)));
                    continue;
                }
            };
            for path in paths {
                let file = path.display().to_string();
                match fs::read_to_string(&path) {
                    Ok(text) => book.add(&file, &text, self.alerts.interval.millis()),
                    Err(error) => book.faults.push(fault(file, error.to_string())),
                }
            }
        }
        for group in &book.groups {
            for rule in &group.rules {
                if let Err(reason) = self.promql.permit(&rule.query) {
                    let fault = RuleFault { file: group.file.clone(), rule: rule.name().to_owned(), reason };
                    book.faults.push(fault);
                }
            }
        }
        for group in &mut book.groups {
            group.retain(|rule| self.promql.permit(&rule.query).is_ok());
        }
        book
    }

    /// Reads the rule files and returns all targets to advise on, and the rules that cannot be advised on.
    ///
    /// A rule file that is missing or invalid is reported among the latter; the other files are still used.
    ///
    /// # Errors
    /// [`ConfigError`] when a pattern of `alerts.incidents` has an empty list of targets.
    pub fn advice_specs(&self) -> Result<(AdviceSpecs, Vec<KeptRule>), ConfigError> {
        if let Some((pattern, _)) = self.alerts.incidents.iter().find(|(_, targets)| targets.is_empty()) {
            let message = format!(
                "alerts.incidents: {pattern:?} names no target; write one, such as [\"redis\"], or leave the line out"
            );
            return Err(ConfigError::Contradiction { path: self.folder.clone(), message });
        }
        let (mut rules, mut kept) = (Vec::new(), Vec::new());
        for pattern in &self.alerts.rule_files {
            // A failed pattern or file becomes a kept rule with its reason; the others are still read.
            let paths = self.matching_files(pattern).unwrap_or_else(|error| {
                kept.push(KeptRule::unreadable(pattern, crate::chain(&error)));
                Vec::new()
            });
            for path in paths {
                match read_rules(&path) {
                    Ok((specs, others)) => {
                        rules.extend(specs.into_iter().map(|spec| self.with_incident_targets(spec)));
                        kept.extend(others);
                    }
                    Err(reason) => kept.push(KeptRule::unreadable(&path.display().to_string(), reason)),
                }
            }
        }
        let mut specs = self.advice.clone();
        for rule in ThresholdSpec::of_rules(rules, self.alerts.moving_bounds) {
            specs.push::<Threshold>(rule);
        }
        Ok((specs, kept))
    }

    /// Returns the rule with the incident targets of every matching pattern of `alerts.incidents`.
    fn with_incident_targets(&self, spec: RuleSpec) -> RuleSpec {
        let named = |pattern: &str| wildcard(pattern.as_bytes(), spec.alert.as_bytes());
        let mut targets = self.alerts.incidents.iter().filter(|(pattern, _)| named(pattern)).peekable();
        let incident_targets =
            targets.peek().is_some().then(|| targets.flat_map(|(_, targets)| targets.iter().cloned()).collect());
        RuleSpec { incident_targets, ..spec }
    }

    /// Returns the files that a pattern matches, sorted by name.
    ///
    /// Wildcards apply to the last component only. A pattern without wildcards is returned as it is, also when the file
    /// does not exist: the caller's attempt to read it then gives the error.
    fn matching_files(&self, pattern: &str) -> Result<Vec<PathBuf>, ConfigError> {
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

/// Returns the verdicts on rules and rule files that cannot be advised on, each with its reason.
#[must_use]
pub fn kept_rules(kept: &[KeptRule]) -> Vec<Verdict> {
    let verdict = |rule: &KeptRule| Verdict {
        kind: Kind::from_static(Threshold::KIND),
        target: if rule.alert.is_empty() { rule.file.clone() } else { rule.alert.clone() },
        outcome: match rule.why {
            NotUsed::Kept => VerdictOutcome::Keep { reason: rule.reason.clone() },
            NotUsed::Skipped => {
                let need = Need { missing: rule.reason.clone(), remedy: format!("see {}", rule.file) };
                VerdictOutcome::Lacks { needs: vec![need] }
            }
        },
    };
    kept.iter().map(verdict).collect()
}

fn read_rules(path: &Path) -> Result<(Vec<RuleSpec>, Vec<KeptRule>), String> {
    let file = path.display().to_string();
    let text = fs::read_to_string(path).map_err(|error| format!("{file} could not be read: {error}"))?;
    RuleFile::parse(&file, &text).map(|rules| rules.alerts(&file)).map_err(|error| error.to_string())
}

/// Whether `text` matches `pattern`, where `*` is any number of bytes and `?` is one.
pub(super) fn wildcard(pattern: &[u8], text: &[u8]) -> bool {
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
    use almanac_engine::advise::scaling::{ResourceSpec, Scaling};

    use super::*;

    #[test]
    fn wildcards_match_characters() {
        let check = |pattern: &str, text: &str, matches: bool| {
            assert_eq!(wildcard(pattern.as_bytes(), text.as_bytes()), matches, "{pattern} {text}");
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
        let spec = parse(memory).unwrap().advice.of::<Scaling>().next().unwrap().clone();
        let expected = ResourceSpec { name: "memory".into(), demand: "sum(bytes)".into(), capacity_per_replica: 2e9 };
        assert_eq!(spec.resources, [expected]);
        let check = |resources: String, part: &str| {
            let error = parse(&resources).unwrap_err();
            assert!(error.starts_with("almanac.toml: workload \"api\": resource ") && error.contains(part), "{error}");
        };
        check(format!("{memory}, {memory}"), "used before");
        check(memory.replace("\"memory\"", "\"demand\""), "the workload's own");
        check(memory.replace("2e9", "0.0"), "not a positive number");
        check(memory.replace("sum(bytes)", "sum("), "demand: ");
    }

    #[test]
    fn rule_files_are_relative_to_the_configuration_and_an_invalid_one_does_not_affect_the_others() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("rules")).unwrap();
        let rules = "groups:\n- name: g\n  rules:\n  - alert: High\n    expr: up > 0.5\n    for: 5m\n";
        fs::write(folder.path().join("rules/b.yml"), rules).unwrap();
        fs::write(folder.path().join("rules/b.txt"), "no rules").unwrap();
        let text = "[alerts]\nrule_files = [\"rules/*.yml\", \"gone.yml\", \"nowhere/*.yml\"]\nincidents = { \"Hi*\" = [\"shop\"] }";
        let config = Config::parse(text, &folder.path().join("almanac.toml")).unwrap();
        for (wrong, why) in [
            ("groups: 5", "line 1: groups must be a list, got text"),
            ("groups: [", "a.yml is not a Prometheus rule file: line "),
            ("groups:\n- name: g\n  rules:\n  - {alert: A, expr: up > 1, for: soon}", "is not a duration such as 5m"),
            ("{{ if .Values.rules }}", "a.yml is not a Prometheus rule file: line "),
        ] {
            fs::write(folder.path().join("rules/a.yml"), wrong).unwrap();
            let (specs, kept) = config.advice_specs().unwrap();
            assert_eq!((specs.of::<Threshold>().count(), kept.len()), (1, 3), "{wrong}: {kept:?}");
            assert!(kept[0].reason.contains(why), "{wrong}: {kept:?}");
            assert!(kept.iter().all(|kept| !kept.reason.contains('\n') && !kept.file.is_empty()), "{kept:?}");
            assert!(kept[1].file.ends_with("gone.yml") && kept[2].file.contains("nowhere"), "{kept:?}");
            let rule = &specs.of::<Threshold>().next().unwrap().rule;
            assert_eq!((rule.for_ms, rule.incident_targets.as_deref()), (300_000, Some(&["shop".to_owned()][..])));
        }
        for empty in ["groups:\n", "", "groups:\n- name: g\n  rules:\n"] {
            fs::write(folder.path().join("rules/a.yml"), empty).unwrap();
            assert_eq!(config.advice_specs().unwrap().1.len(), 2, "{empty:?}");
        }
    }
}
