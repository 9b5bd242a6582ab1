//! The contract of every advisor: what it is about, what it needs, what it decides, and how an applied proposal is measured.

use almanac_models::Timestamp;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{
    AdvisorSpec,
    kit::{HistoryError, Interval},
};
use crate::{
    ledger::{Difference, Direction, Measured},
    store::{Store, StoreError, rows::Patch},
};

/// Something that decides on one kind of setting.
///
/// An implementation holds no state. `fetch` and `measure` read the store and decide nothing; `decide` and `replay` are pure.
///
/// ```
/// use almanac_engine::advise::{Outcome, Registry};
///
/// // Every advisor is listed in the registry, and everything else asks there.
/// let kinds: Vec<String> = Registry::default().kinds().iter().map(|kind| kind.to_string()).collect();
/// assert!(kinds.contains(&"scaling".to_owned()));
/// // A result is a proposal, the reason to keep the present setting, or what is missing.
/// let kept: Outcome<()> = Outcome::keep("the present setting serves as well");
/// assert!(matches!(kept, Outcome::Keep { .. }));
/// ```
pub trait Advisor: Send + Sync + 'static {
    /// Its name in tables, answers, configuration and on the command line: lower-case letters, digits and `_`.
    const KIND: &'static str;
    /// What it is about, as a heading says it.
    const TITLE: &'static str;
    /// What one of its targets is called, such as `workload`.
    const TARGET: &'static str;
    /// The metrics that its proposals may promise; the first is the usual one, later ones are those of older releases too.
    const EFFECTS: &'static [Metric];
    /// Confidence below which a proposal is not made; the present setting is kept then, with the proposal's figures.
    const CONFIDENCE_MIN: f64;
    /// One thing that advice is wanted on, as a user writes it.
    type Spec: AdvisorSpec;
    /// What a decision rests on.
    type Facts;
    /// By what an applied proposal is measured. It is stored with the recommendation and must be read back; the rest of the
    /// evidence is for people and stays open JSON, which a release may extend.
    type Terms: Serialize + DeserializeOwned;

    /// The targets of one specification; each has a recommendation of its own.
    fn targets(spec: &Self::Spec) -> Vec<String> {
        vec![spec.name().to_owned()]
    }

    /// Reads what a decision needs.
    ///
    /// # Errors
    /// [`FetchError`] when it cannot be read or is not there.
    fn fetch(from: &Sources<'_>, spec: &Self::Spec, target: &str, now: Timestamp) -> Result<Self::Facts, FetchError>;

    /// Decides on the facts; pure.
    fn decide(spec: &Self::Spec, target: &str, facts: &Self::Facts, now: Timestamp) -> Outcome<Self::Terms>;

    /// Policies beside each other on the facts; pure. Null where the facts do not suffice.
    fn replay(spec: &Self::Spec, target: &str, facts: &Self::Facts, now: Timestamp) -> Report {
        match Self::decide(spec, target, facts, now) {
            Outcome::Propose(proposal) => Report(proposal.evidence),
            Outcome::Keep { .. } | Outcome::Lacks { .. } => Report(Value::Null),
        }
    }

    /// How a new proposal differs from an older one on the same target.
    fn difference(new: &Setting<'_>, old: &Setting<'_>) -> Difference {
        if new.proposed == old.proposed && new.terms == old.terms { Difference::None } else { Difference::Distinct }
    }

    /// What of the present setting a proposal rests on: a dismissed one comes back only when this has changed.
    fn basis(current: &Value) -> Value {
        current.clone()
    }

    /// What an applied proposal did between its application and `now`; none while the data do not suffice. `spec`: none when its
    /// target is no longer configured.
    ///
    /// # Errors
    /// [`FetchError`] when the data cannot be read, or the specification is needed and not there.
    fn measure(
        from: &Sources<'_>,
        spec: Option<&Self::Spec>,
        applied: &Applied<Self::Terms>,
        now: Timestamp,
    ) -> Result<Option<Measured>, FetchError>;
}

/// A metric that a proposal promises: name, unit and direction, stated once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// The name, such as `hit_ratio`.
    pub name: &'static str,
    /// The unit, such as `1` or `1/week`.
    pub unit: &'static str,
    /// Which way is better.
    pub better: Direction,
}

/// Where an advisor reads its facts.
#[derive(Debug, Clone, Copy)]
pub struct Sources<'a> {
    /// The store.
    pub store: &'a Store,
}

/// What an advisor decides on one target.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome<T> {
    /// A better setting.
    Propose(Box<Proposal<T>>),
    /// The present setting is as good: a result, with its figures in the sentence.
    Keep {
        /// Why, in one sentence.
        reason: String,
    },
    /// Something is missing that a decision needs.
    Lacks {
        /// What, and what would give it.
        needs: Vec<Need>,
    },
}

impl<T> Outcome<T> {
    /// The present setting is kept.
    #[must_use]
    pub fn keep(reason: impl Into<String>) -> Self {
        Self::Keep { reason: reason.into() }
    }

    /// One thing is missing.
    #[must_use]
    pub fn lacks(missing: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Lacks { needs: vec![Need { missing: missing.into(), remedy: remedy.into() }] }
    }
}

/// Something that a decision needs and that is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// What is missing.
    pub missing: String,
    /// The configuration or the data that would give it; empty where the first sentence says so.
    pub remedy: String,
}

impl std::fmt::Display for Need {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.remedy.is_empty() { f.write_str(&self.missing) } else { write!(f, "{}: {}", self.missing, self.remedy) }
    }
}

/// A better setting, with its proof.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposal<T> {
    /// The present setting.
    pub current: Value,
    /// The proposed setting.
    pub proposed: Value,
    /// Until when it holds; none: until it is replaced.
    pub valid_until: Option<Timestamp>,
    /// What is promised, one of [`Advisor::EFFECTS`].
    pub metric: Metric,
    /// The promised effect, at the level [`LEVEL`](super::kit::LEVEL).
    pub effect: Interval,
    /// How sure the advisor is, in [0, 1].
    pub confidence: f64,
    /// Why, in one sentence.
    pub reason: String,
    /// Figures of the replay and the span of the data, for people: a JSON object.
    pub evidence: Value,
    /// By what the proposal is measured once it is applied.
    pub terms: T,
    /// How to come back to the present setting; none where it is not known.
    pub rollback: Option<Rollback<T>>,
    /// What a machine can apply.
    pub patch: Patch,
}

/// How to come back to the setting before.
#[derive(Debug, Clone, PartialEq)]
pub struct Rollback<T> {
    /// The metric of the effect at that setting.
    pub baseline: f64,
    /// What a machine can apply.
    pub patch: Patch,
    /// By what that setting is measured; none: by the terms of the proposal.
    pub terms: Option<T>,
}

/// A setting as the ledger holds it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Setting<'a> {
    /// The proposed setting.
    pub proposed: &'a Value,
    /// By what it is measured.
    pub terms: &'a Value,
}

/// An applied proposal.
#[derive(Debug, Clone, PartialEq)]
pub struct Applied<T> {
    /// Its target.
    pub target: String,
    /// The setting that was applied.
    pub proposed: Value,
    /// The name of the promised metric.
    pub metric: String,
    /// By what it is measured.
    pub terms: T,
    /// When it was applied.
    pub at: Timestamp,
}

/// Policies beside each other, as JSON.
#[derive(Debug, Clone, PartialEq)]
pub struct Report(pub Value);

/// Why the facts of a target cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// Something that a decision needs is not there.
    #[error("{0}")]
    Missing(Need),
    /// The target of an applied proposal is gone from the configuration.
    #[error("its target is no longer configured")]
    NotConfigured,
    /// A history cannot be read.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The store failed.
    #[error("the store could not be read")]
    Store(#[from] StoreError),
    /// Anything else, from an advisor's own reading.
    #[error(transparent)]
    Other(Box<dyn std::error::Error + Send + Sync>),
}

impl FetchError {
    /// A part of an applied setting or of its terms that cannot be read back.
    #[must_use]
    pub fn unreadable(field: &str) -> Self {
        let missing = format!("the recommendation that was applied has no usable {field}");
        Self::Missing(Need { missing, remedy: String::new() })
    }

    /// An advisor's own error.
    pub fn other(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Other(Box::new(error))
    }

    /// What is missing, as a row says it.
    #[must_use]
    pub fn need(&self) -> Need {
        match self {
            Self::Missing(need) => need.clone(),
            error => Need { missing: super::kit::error_chain(error), remedy: String::new() },
        }
    }
}
