//! The alerting rules that advice is wanted on; what the other advisors are told comes from their own sections.

use std::{
    fs,
    path::{Path, PathBuf},
};

use almanac_engine::{
    advise::{
        AdviceSpecs, Advisor, Verdict, VerdictOutcome,
        threshold::{KeptRule, RuleFile, RuleSpec, Threshold, ThresholdSpec},
    },
    store::rows::Kind,
};
use serde::Deserialize;

use super::{Config, ConfigError};

/// Alerting rules that are in force.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Alerts {
    /// Files of Prometheus rules; `*` and `?` stand for characters of a file's name.
    pub rule_files: Vec<String>,
    /// Whether bounds by hour of week and bands around what is expected may be recommended. The rules then read what this
    /// service says of the signal at `/metrics`, so Prometheus has to scrape it.
    pub moving_bounds: bool,
}

impl Config {
    /// Everything that advice is wanted on, and the alerting rules that cannot be advised on. Reads the rule files.
    ///
    /// # Errors
    /// [`ConfigError`] for a rule file that is missing or wrong.
    pub fn advice_specs(&self) -> Result<(AdviceSpecs, Vec<KeptRule>), ConfigError> {
        let (mut rules, mut kept) = (Vec::new(), Vec::new());
        for pattern in &self.alerts.rule_files {
            for path in self.matching(pattern)? {
                let (specs, others) = read_rules(&path)?;
                rules.extend(specs);
                kept.extend(others);
            }
        }
        let mut specs = self.advice.clone();
        for rule in ThresholdSpec::of_rules(rules, self.alerts.moving_bounds) {
            specs.push::<Threshold>(rule);
        }
        Ok((specs, kept))
    }

    /// The files that a pattern stands for, by name; one without wildcards must exist.
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

/// The verdicts on rules that no advice can be given on: they are kept as they are, and say why.
#[must_use]
pub fn kept_rules(kept: &[KeptRule]) -> Vec<Verdict> {
    let verdict = |rule: &KeptRule| Verdict {
        kind: Kind::from_static(Threshold::KIND),
        target: rule.alert.clone(),
        outcome: VerdictOutcome::Keep { reason: rule.reason.clone() },
    };
    kept.iter().map(verdict).collect()
}

fn read_rules(path: &Path) -> Result<(Vec<RuleSpec>, Vec<KeptRule>), ConfigError> {
    let text = fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_path_buf(), source })?;
    let file = path.display().to_string();
    RuleFile::parse(&file, &text)
        .and_then(|rules| rules.alerts(&file))
        .map_err(|source| ConfigError::Rules { source: Box::new(source) })
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
    use almanac_engine::advise::scaling::{ResourceSpec, Scaling};

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
        let spec = parse(memory).unwrap().advice.of::<Scaling>().next().unwrap().clone();
        let expected = ResourceSpec { name: "memory".into(), demand: "sum(bytes)".into(), capacity_per_replica: 2e9 };
        assert_eq!(spec.resources, [expected]);
        let check = |resources: String, said: &str| {
            let error = parse(&resources).unwrap_err();
            assert!(error.starts_with("almanac.toml: workload \"api\": resource ") && error.contains(said), "{error}");
        };
        check(format!("{memory}, {memory}"), "used before");
        check(memory.replace("\"memory\"", "\"demand\""), "the workload's own");
        check(memory.replace("2e9", "0.0"), "not a positive number");
        check(memory.replace("sum(bytes)", "sum("), "demand: ");
    }

    #[test]
    fn rule_files_are_found_beside_the_configuration_and_named_when_wrong() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("rules")).unwrap();
        let rules = "groups:\n- name: g\n  rules:\n  - alert: High\n    expr: up > 0.5\n    for: 5m\n";
        fs::write(folder.path().join("rules/b.yml"), rules).unwrap();
        fs::write(folder.path().join("rules/b.txt"), "no rules").unwrap();
        let text = "[alerts]\nrule_files = [\"rules/*.yml\"]";
        let config = Config::parse(text, &folder.path().join("almanac.toml")).unwrap();
        let (specs, kept) = config.advice_specs().unwrap();
        let rules: Vec<&ThresholdSpec> = specs.of::<Threshold>().collect();
        assert_eq!((rules.len(), kept.len()), (1, 0));
        assert_eq!(rules[0].rule.for_ms, 300_000);
        fs::write(folder.path().join("rules/a.yml"), "groups: 5").unwrap();
        let error = crate::chain(&config.advice_specs().unwrap_err());
        assert!(error.contains("rules/a.yml"), "{error}");
    }
}
