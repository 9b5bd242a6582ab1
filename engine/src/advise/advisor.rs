//! The contract of every advisor: its targets, its facts, its decision, and how the effect of an applied proposal is
//! measured.

use almanac_models::Timestamp;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{
    AdvisorSpec,
    kit::{HistoryError, Interval},
    picture::Picture,
};
use crate::{
    ledger::{Difference, Direction, Measured},
    store::{
        Store, StoreError,
        rows::{Patch, RecommendationRow},
    },
};

/// Decides on one kind of setting.
///
/// An implementation has no state. `fetch` and `measure` read the store and decide nothing; `decide` and `replay` do no
/// I/O.
///
/// ```
/// use almanac_engine::advise::{Outcome, Registry};
///
/// // The registry lists every advisor; all other code looks them up there.
/// let kinds: Vec<String> = Registry::default().kinds().iter().map(|kind| kind.to_string()).collect();
/// assert!(kinds.contains(&"scaling".to_owned()));
/// // A result is a proposal, the reason to keep the present setting, or what is missing.
/// let kept: Outcome<()> = Outcome::keep("the present setting is as good");
/// assert!(matches!(kept, Outcome::Keep { .. }));
/// ```
pub trait Advisor: Send + Sync + 'static {
    /// Name in tables, responses, configuration and on the command line: lower-case letters, digits and `_`.
    const KIND: &'static str;
    /// Title for headings.
    const TITLE: &'static str;
    /// Noun for one target, such as `workload`.
    const TARGET: &'static str;
    /// Metrics that its proposals may promise. The first is the present one; the others occur in proposals of older
    /// releases.
    const EFFECTS: &'static [Metric];
    /// Minimum confidence of a proposal. Below it the present setting is kept, and the reason contains the proposal's
    /// figures.
    const CONFIDENCE_MIN: f64;
    /// Specification of one thing to advise on, as the user configures it.
    type Spec: AdvisorSpec;
    /// Input of a decision.
    type Facts;
    /// Measurement terms of an applied proposal. They are stored with the recommendation and must stay parseable. The
    /// rest of the evidence is open JSON for people, which a release may extend.
    type Terms: Serialize + DeserializeOwned;

    /// Returns the targets of one specification; each has its own recommendation.
    fn targets(spec: &Self::Spec) -> Vec<String> {
        vec![spec.name().to_owned()]
    }

    /// Reads the input of a decision.
    ///
    /// # Errors
    /// [`FetchError`] when it is missing or cannot be read.
    fn fetch(from: &Sources<'_>, spec: &Self::Spec, target: &str, now: Timestamp) -> Result<Self::Facts, FetchError>;

    /// Decides on the facts, without I/O.
    fn decide(spec: &Self::Spec, target: &str, facts: &Self::Facts, now: Timestamp) -> Outcome<Self::Terms>;

    /// Decides on all that the facts of one target show, each with its own verdict. By default that is the target itself. An
    /// advisor whose targets only the facts show, such as the indexes of a database, returns one for each of them as well;
    /// their names begin with the target's and a colon.
    fn decide_all(
        spec: &Self::Spec,
        target: &str,
        facts: &Self::Facts,
        now: Timestamp,
    ) -> Vec<(String, Outcome<Self::Terms>)> {
        vec![(target.to_owned(), Self::decide(spec, target, facts, now))]
    }

    /// Compares policies on the facts, without I/O. Null when the facts do not suffice.
    fn replay(spec: &Self::Spec, target: &str, facts: &Self::Facts, now: Timestamp) -> Report {
        match Self::decide(spec, target, facts, now) {
            Outcome::Propose(proposal) => Report(proposal.evidence),
            Outcome::Keep { .. } | Outcome::Lacks { .. } => Report(Value::Null),
        }
    }

    /// Compares a new proposal with an older one on the same target.
    fn difference(new: &Setting<'_>, old: &Setting<'_>) -> Difference {
        if new.proposed == old.proposed && new.terms == old.terms { Difference::None } else { Difference::Distinct }
    }

    /// Returns the part of the present setting that a proposal depends on. A dismissed proposal is made again only
    /// after this part has changed.
    fn basis(current: &Value) -> Value {
        current.clone()
    }

    /// Returns the part of a proposal whose change callers are told of: by server-sent events, long polls, webhooks and
    /// streams. An advisor whose setting has a part that moves with the clock leaves that part out.
    fn notable(proposed: &Value, patch: &Patch) -> Value {
        json!([proposed, patch.format, patch.body])
    }

    /// Measures the effect of an applied proposal between its application and `now`. Returns none while the data do not
    /// suffice. `spec`: none when its target is no longer configured.
    ///
    /// # Errors
    /// [`FetchError`] when the data cannot be read, or the specification is needed and missing.
    fn measure(
        from: &Sources<'_>,
        spec: Option<&Self::Spec>,
        applied: &Applied<Self::Terms>,
        now: Timestamp,
    ) -> Result<Option<Measured>, FetchError>;

    /// Draws the evidence of a recommendation, beside the picture of its promised and measured effect, which every
    /// recommendation has once it was measured.
    ///
    /// Fetches the facts as they were at the decision, and of an applied recommendation those up to `now`; pure functions
    /// draw them. `spec`: none when its target is no longer configured.
    ///
    /// # Errors
    /// [`FetchError`] when the data cannot be read, or the specification is needed and missing.
    fn pictures(
        _from: &Sources<'_>,
        _spec: Option<&Self::Spec>,
        _row: &RecommendationRow,
        _now: Timestamp,
    ) -> Result<Vec<Picture>, FetchError> {
        Ok(Vec::new())
    }
}

/// A metric that a proposal promises: name, unit and direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Name, such as `hit_ratio`.
    pub name: &'static str,
    /// Unit, such as `1` or `1/week`.
    pub unit: &'static str,
    /// Direction in which the metric improves.
    pub better: Direction,
}

/// Data sources of an advisor.
#[derive(Debug, Clone, Copy)]
pub struct Sources<'a> {
    /// The store.
    pub store: &'a Store,
}

/// Decision of an advisor on one target.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome<T> {
    /// A better setting exists.
    Propose(Box<Proposal<T>>),
    /// The present setting is as good; the reason contains its figures.
    Keep {
        /// Reason, in one sentence.
        reason: String,
    },
    /// Data or configuration is missing.
    Lacks {
        /// Missing items, each with its remedy.
        needs: Vec<Need>,
    },
}

impl<T> Outcome<T> {
    /// Creates a decision to keep the present setting.
    #[must_use]
    pub fn keep(reason: impl Into<String>) -> Self {
        Self::Keep { reason: reason.into() }
    }

    /// Creates a decision with one missing item.
    #[must_use]
    pub fn lacks(missing: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Lacks { needs: vec![Need { missing: missing.into(), remedy: remedy.into() }] }
    }
}

/// A missing item that a decision needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// Description of the missing item.
    pub missing: String,
    /// The configuration or the data that would supply it; empty if `missing` already names it.
    pub remedy: String,
}

impl std::fmt::Display for Need {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.remedy.is_empty() { f.write_str(&self.missing) } else { write!(f, "{}: {}", self.missing, self.remedy) }
    }
}

/// A better setting, with its evidence.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposal<T> {
    /// Present setting.
    pub current: Value,
    /// Proposed setting.
    pub proposed: Value,
    /// End of validity; none: valid until it is replaced.
    pub valid_until: Option<Timestamp>,
    /// Promised metric, one of [`Advisor::EFFECTS`].
    pub metric: Metric,
    /// Promised effect, at the level [`LEVEL`](super::kit::LEVEL).
    pub effect: Interval,
    /// Confidence, in [0, 1].
    pub confidence: f64,
    /// Reason, in one sentence.
    pub reason: String,
    /// Replay figures and the span of the data, for people: a JSON object.
    pub evidence: Value,
    /// Measurement terms, used once the proposal is applied.
    pub terms: T,
    /// Way to restore the present setting; none if it is unknown.
    pub rollback: Option<Rollback<T>>,
    /// Machine-applicable change.
    pub patch: Patch,
}

/// Restores the setting from before a proposal was applied.
#[derive(Debug, Clone, PartialEq)]
pub struct Rollback<T> {
    /// Value of the promised metric at that setting.
    pub baseline: f64,
    /// Machine-applicable change.
    pub patch: Patch,
    /// Measurement terms of that setting; none: those of the proposal.
    pub terms: Option<T>,
}

/// A setting as the ledger stores it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Setting<'a> {
    /// Proposed setting.
    pub proposed: &'a Value,
    /// Measurement terms.
    pub terms: &'a Value,
}

/// An applied proposal.
#[derive(Debug, Clone, PartialEq)]
pub struct Applied<T> {
    /// Name of the target.
    pub target: String,
    /// Setting that was applied.
    pub proposed: Value,
    /// Name of the promised metric.
    pub metric: String,
    /// Measurement terms.
    pub terms: T,
    /// Time of application.
    pub at: Timestamp,
}

/// Comparison of policies, as JSON.
#[derive(Debug, Clone, PartialEq)]
pub struct Report(pub Value);

/// Error of reading the facts of a target.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// An input of the decision is missing.
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
    /// An advisor's own error.
    #[error(transparent)]
    Other(Box<dyn std::error::Error + Send + Sync>),
}

impl FetchError {
    /// Creates the error for a field of an applied setting, or of its terms, that is missing or invalid.
    #[must_use]
    pub fn unreadable(field: &str) -> Self {
        let missing = format!("the applied recommendation has no usable {field}");
        Self::Missing(Need { missing, remedy: String::new() })
    }

    /// Wraps an advisor's own error.
    pub fn other(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Other(Box::new(error))
    }

    /// Returns the missing item, as `advice_status` shows it.
    #[must_use]
    pub fn need(&self) -> Need {
        match self {
            Self::Missing(need) => need.clone(),
            error => Need { missing: super::kit::error_chain(error), remedy: String::new() },
        }
    }
}
