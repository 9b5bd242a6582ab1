//! Sections about notices: `[[webhook]]` and `[[stream]]`.

use std::path::PathBuf;

use almanac_engine::store::rows::NoticeType;
use reqwest::Url;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::advice::wildcard;
use crate::config::{Secret, Span};

/// Kinds of recommendations that a stream may name: those of today's advisors and of the advisors to come, so that a
/// configuration can name them in advance.
const KINDS: [&str; 21] = [
    "batch",
    "bundle",
    "capacity",
    "certificate",
    "client_cache",
    "compression",
    "deploy",
    "eviction",
    "index",
    "invalidation",
    "pool",
    "prefetch",
    "query",
    "queue",
    "retry",
    "rightsizing",
    "scaling",
    "settings",
    "threshold",
    "throttle",
    "ttl",
];

/// A receiver of notices, `[[webhook]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// Address that notices are posted to, `http` or `https`.
    pub url: Secret,
    /// Name in logs, tables and pages; left out: the host with a digest of the address, of which any part may be secret.
    pub name: Option<String>,
    /// File with the secret that each body is signed with; left out: bodies are not signed.
    pub secret_file: Option<PathBuf>,
    /// Types of notices: `recommendation`, `breach`, `incident`, `anomaly`.
    #[serde(default = "default_on")]
    pub on: Vec<NoticeType>,
    /// Time for which a notice is tried before it becomes a dead letter.
    #[serde(default = "default_give_up_after")]
    pub give_up_after: Span,
    /// Longest time of an attempt.
    #[serde(default = "default_timeout")]
    pub timeout: Span,
}

/// Recommendations and warnings for one consumer, `[[stream]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stream {
    /// Name in the path `/v1/streams/{name}`.
    pub name: String,
    /// Kinds of recommendations; empty: all.
    #[serde(default)]
    pub kinds: Vec<String>,
    /// Targets of recommendations, alerts and signals, with `*` and `?`; empty: all.
    #[serde(default)]
    pub targets: Vec<String>,
    /// Least confidence of a recommendation.
    #[serde(default)]
    pub min_confidence: f64,
    /// Whether it has expected breaches, and objectives that are missed or at risk.
    #[serde(default = "default_true")]
    pub breaches: bool,
    /// Whether it has suspected incidents.
    #[serde(default = "default_true")]
    pub incidents: bool,
}

fn default_on() -> Vec<NoticeType> {
    NoticeType::ALL.to_vec()
}

fn default_give_up_after() -> Span {
    Span::from_secs(86_400)
}

fn default_timeout() -> Span {
    Span::from_secs(10)
}

fn default_true() -> bool {
    true
}

impl Webhook {
    pub(in crate::config) fn check(&self) -> Result<(), String> {
        let wrong = |what: &str| Err(format!("webhook {:?}: {what}", self.shown()));
        match Url::parse(self.url.expose()) {
            Err(error) => return wrong(&format!("the url cannot be parsed ({error}); write https://host/path")),
            Ok(url) if !["http", "https"].contains(&url.scheme()) || url.host().is_none() => {
                return wrong("the url is neither http://… nor https://…");
            }
            Ok(_) => {}
        }
        if self.on.is_empty() {
            return wrong("on is empty: it would never be called; leave the key out for all types");
        }
        if !(100..=60_000).contains(&self.timeout.millis()) {
            return wrong("timeout is not between 100ms and 1m");
        }
        if self.give_up_after.millis() < 1_000 {
            return wrong("give_up_after is shorter than a second");
        }
        Ok(())
    }

    /// Returns the name. A made one changes with the address: an address is another webhook.
    #[must_use]
    pub fn shown(&self) -> String {
        if let Some(name) = &self.name {
            return name.clone();
        }
        match Url::parse(self.url.expose()) {
            Ok(url) => {
                let digest = Sha256::digest(self.url.expose());
                let digits: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
                format!("{}/…{digits}", url.origin().ascii_serialization())
            }
            Err(_) => "without a name".to_owned(),
        }
    }
}

impl Stream {
    pub(in crate::config) fn check(&self) -> Result<(), String> {
        let wrong = |what: String| Err(format!("stream {:?}: {what}", self.name));
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if self.name.is_empty() || !self.name.chars().all(plain) {
            return wrong("the name is a part of a path; write letters, digits, _ and - alone".to_owned());
        }
        if let Some(kind) = self.kinds.iter().find(|kind| !KINDS.contains(&kind.as_str())) {
            return wrong(format!("{kind:?} is no kind of recommendation; known: {}", KINDS.join(", ")));
        }
        if !(0.0..=1.0).contains(&self.min_confidence) {
            return wrong(format!("min_confidence {} is not between 0 and 1", self.min_confidence));
        }
        Ok(())
    }

    /// Whether the stream is about a target, an alert or a signal of this name.
    #[must_use]
    pub fn has_target(&self, name: &str) -> bool {
        self.targets.is_empty() || self.targets.iter().any(|pattern| wildcard(pattern.as_bytes(), name.as_bytes()))
    }

    /// Whether the stream has recommendations of a kind.
    #[must_use]
    pub fn has_kind(&self, kind: &str) -> bool {
        self.kinds.is_empty() || self.kinds.iter().any(|one| one == kind)
    }

    /// The streams that exist without configuration; a configured one of the same name replaces it.
    #[must_use]
    pub fn ready_made() -> [Self; 3] {
        let stream = |name: &str, kinds: &[&str], warns: bool| Self {
            name: name.to_owned(),
            kinds: kinds.iter().map(|kind| (*kind).to_owned()).collect(),
            targets: Vec::new(),
            min_confidence: 0.0,
            breaches: warns,
            incidents: warns,
        };
        [
            stream(
                "infrastructure",
                &["scaling", "rightsizing", "threshold", "pool", "queue", "capacity", "settings", "batch"],
                true,
            ),
            stream("security", &["throttle", "certificate"], false),
            stream(
                "architecture",
                &[
                    "ttl",
                    "index",
                    "query",
                    "compression",
                    "retry",
                    "prefetch",
                    "eviction",
                    "invalidation",
                    "bundle",
                    "client_cache",
                ],
                false,
            ),
        ]
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::{Config, Webhook};

    fn refused(text: &str, expected: &str) {
        let message = Config::parse(text, Path::new("almanac.toml")).unwrap_err().to_string();
        assert!(message.contains(expected) && !message.contains('\n'), "{message}");
    }

    #[test]
    fn mistakes_are_named() {
        refused("[[webhook]]\nurl = \"ftp://h/x\"", "neither http://… nor https://…");
        refused("[[webhook]]\nurl = \"h o\"", "cannot be parsed");
        refused("[[webhook]]\nurl = \"http://h/\"\non = []", "on is empty");
        refused("[[webhook]]\nurl = \"http://h/\"\non = [\"deploy\"]", "recommendation, breach, incident, anomaly");
        refused("[[webhook]]\nurl = \"http://h/\"\ntimeout = \"10ms\"", "timeout is not between");
        refused(
            "[[webhook]]\nurl = \"http://h/a\"\n[[webhook]]\nurl = \"http://h/a\"",
            "two [[webhook]] have the name",
        );
        refused("[[webhook]]\nurl = \"http://h/a\"\nname = \"\"", "empty name");
        refused("[[stream]]\nname = \"a b\"", "part of a path");
        refused("[[stream]]\nname = \"a\"\nkinds = [\"scale\"]", "known: batch");
        refused("[[stream]]\nname = \"a\"\nmin_confidence = 2.0", "between 0 and 1");
    }

    #[test]
    fn secrets_in_an_address_are_not_shown() {
        let hook = |url: &str| format!("[[webhook]]\nurl = {url:?}\n");
        // Some receivers have their secret in the path alone.
        let addresses = [
            "https://u:hunter2@h/path?token=hunter2#hunter2",
            "https://h:8443/services/hunter2",
            "https://h:8443/services/hunter22",
        ];
        let text = addresses.map(hook).concat();
        let config = Config::parse(&text, Path::new("almanac.toml")).unwrap();
        let shown: Vec<String> = config.webhooks.iter().map(Webhook::shown).collect();
        assert!(shown[0].starts_with("https://h/…") && shown[1].starts_with("https://h:8443/…"), "{shown:?}");
        assert!(shown[1] != shown[2] && !format!("{:?} {shown:?}", config.webhooks).contains("hunter2"), "{shown:?}");
        let message = Config::parse(&hook("x://u:hunter2@h o"), Path::new("almanac.toml")).unwrap_err().to_string();
        assert!(message.contains("the url cannot be parsed") && !message.contains("hunter2"), "{message}");
    }
}
