//! The registry of advisors and the object-safe form of an advisor. Code outside the advisors uses them through it.

use std::{fmt, marker::PhantomData, sync::Arc};

use almanac_models::Timestamp;
use serde_json::{Value, json};

use super::{
    AdviceSpecs, AdviseError, Advisor, AdvisorSpec, Applied, FetchError, Metric, Need, Outcome, Proposal, Rollback,
    Setting, Sources,
    kit::{LEVEL, SectionError, error_chain},
    picture::Picture,
};
use crate::{
    calendar::Zone,
    ledger::{Difference, Direction, KindRules, Measured, Promise},
    store::rows::{Effect, Kind, Patch, RecommendationRow, State},
};

/// Result of one advisor for one target.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// Kind of the advisor.
    pub kind: Kind,
    /// Name of the target.
    pub target: String,
    /// Decision on the target.
    pub outcome: VerdictOutcome,
}

/// [`Outcome`] with the proposal as a ledger row in state `proposed`.
#[derive(Debug, Clone, PartialEq)]
pub enum VerdictOutcome {
    /// A better setting exists.
    Propose(Box<RecommendationRow>),
    /// The present setting is as good.
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

impl Verdict {
    /// Returns the recommendation, if one is made.
    #[must_use]
    pub fn recommendation(&self) -> Option<&RecommendationRow> {
        match &self.outcome {
            VerdictOutcome::Propose(row) => Some(row),
            VerdictOutcome::Keep { .. } | VerdictOutcome::Lacks { .. } => None,
        }
    }

    /// Returns the reason, in one sentence.
    #[must_use]
    pub fn reason(&self) -> String {
        match &self.outcome {
            VerdictOutcome::Propose(row) => row.reason.clone(),
            VerdictOutcome::Keep { reason } => reason.clone(),
            VerdictOutcome::Lacks { needs } => {
                needs.iter().map(|need| need.missing.as_str()).collect::<Vec<_>>().join("; ")
            }
        }
    }
}

/// Object-safe form of [`Advisor`], as the registry stores it.
pub trait AnyAdvisor: Send + Sync {
    /// Returns the kind of the advisor.
    fn kind(&self) -> Kind;
    /// Returns the title for headings.
    fn title(&self) -> &'static str;
    /// Returns the noun for one of its targets.
    fn target(&self) -> &'static str;
    /// Returns the metrics that its proposals may promise.
    fn effects(&self) -> &'static [Metric];
    /// Returns the confidence below which it makes no proposal.
    fn confidence_min(&self) -> f64;
    /// Returns the name of its section in the configuration.
    fn section(&self) -> Option<&'static str>;
    /// Reads and checks the tables of its section and adds them to `into`. `zone` sets the time zone of daily seasons.
    ///
    /// # Errors
    /// [`SectionError`] for the first invalid table.
    fn read(&self, tables: &[Value], zone: Option<Zone>, into: &mut AdviceSpecs) -> Result<(), SectionError>;
    /// Returns name and explanation of each of its specifications.
    fn explain(&self, specs: &AdviceSpecs) -> Vec<(String, String)>;
    /// Decides on every target.
    fn advise(&self, from: &Sources<'_>, specs: &AdviceSpecs, now: Timestamp) -> Vec<Verdict>;
    /// Measures the effect of an applied recommendation of its kind.
    ///
    /// # Errors
    /// [`AdviseError`] when the terms cannot be parsed, the target is no longer configured, or the data cannot be read.
    fn measure(
        &self,
        from: &Sources<'_>,
        specs: &AdviceSpecs,
        row: &RecommendationRow,
        applied_at: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Measured>, AdviseError>;
    /// Draws the evidence of a recommendation of its kind, see [`Advisor::pictures`].
    ///
    /// # Errors
    /// [`FetchError`].
    fn pictures(
        &self,
        from: &Sources<'_>,
        specs: &AdviceSpecs,
        row: &RecommendationRow,
        now: Timestamp,
    ) -> Result<Vec<Picture>, FetchError>;
    /// See [`Advisor::difference`].
    fn difference(&self, new: &RecommendationRow, old: &RecommendationRow) -> Difference;
    /// See [`Advisor::basis`].
    fn basis(&self, current: &Value) -> Value;
    /// See [`Advisor::notable`].
    fn notable(&self, proposed: &Value, patch: &Patch) -> Value;
}

/// Adapter from [`Advisor`] to [`AnyAdvisor`].
struct Erased<A>(PhantomData<fn() -> A>);

impl<A: Advisor> AnyAdvisor for Erased<A> {
    fn kind(&self) -> Kind {
        Kind::from_static(A::KIND)
    }

    fn title(&self) -> &'static str {
        A::TITLE
    }

    fn target(&self) -> &'static str {
        A::TARGET
    }

    fn effects(&self) -> &'static [Metric] {
        A::EFFECTS
    }

    fn confidence_min(&self) -> f64 {
        A::CONFIDENCE_MIN
    }

    fn section(&self) -> Option<&'static str> {
        A::Spec::section().map(|section| section.name)
    }

    fn read(&self, tables: &[Value], zone: Option<Zone>, into: &mut AdviceSpecs) -> Result<(), SectionError> {
        read_specs::<A::Spec>(tables, zone)?.into_iter().for_each(|spec| into.push::<A>(spec));
        Ok(())
    }

    fn explain(&self, specs: &AdviceSpecs) -> Vec<(String, String)> {
        specs.of::<A>().map(|spec| (spec.name().to_owned(), spec.explain())).collect()
    }

    fn advise(&self, from: &Sources<'_>, specs: &AdviceSpecs, now: Timestamp) -> Vec<Verdict> {
        specs.of::<A>().flat_map(|spec| advise_on::<A>(from, spec, now)).collect()
    }

    fn measure(
        &self,
        from: &Sources<'_>,
        specs: &AdviceSpecs,
        row: &RecommendationRow,
        applied_at: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Measured>, AdviseError> {
        measure_on::<A>(from, spec_of::<A>(specs, row), row, applied_at, now)
    }

    fn pictures(
        &self,
        from: &Sources<'_>,
        specs: &AdviceSpecs,
        row: &RecommendationRow,
        now: Timestamp,
    ) -> Result<Vec<Picture>, FetchError> {
        A::pictures(from, spec_of::<A>(specs, row), row, now)
    }

    fn difference(&self, new: &RecommendationRow, old: &RecommendationRow) -> Difference {
        let terms = |row: &RecommendationRow| Promise::of(row).map_or(Value::Null, |promise| promise.terms);
        let (new_terms, old_terms) = (terms(new), terms(old));
        A::difference(
            &Setting { proposed: &new.proposed, terms: &new_terms },
            &Setting { proposed: &old.proposed, terms: &old_terms },
        )
    }

    fn basis(&self, current: &Value) -> Value {
        A::basis(current)
    }

    fn notable(&self, proposed: &Value, patch: &Patch) -> Value {
        A::notable(proposed, patch)
    }
}

/// Reads the tables of a section and checks them. None are read of a kind without a section.
///
/// # Errors
/// [`SectionError`] for the first invalid value.
pub fn read_specs<S: AdvisorSpec>(tables: &[Value], zone: Option<Zone>) -> Result<Vec<S>, SectionError> {
    let Some(section) = S::section() else { return Ok(Vec::new()) };
    let mut specs: Vec<S> = Vec::with_capacity(tables.len());
    for (idx, table) in tables.iter().enumerate() {
        let contradiction = |message| SectionError { table: idx, path: Vec::new(), message, is_content: false };
        let mut spec = section.read(idx, table)?;
        spec.set_zone(zone);
        let name = spec.name().to_owned();
        if name.trim().is_empty() {
            return Err(contradiction(format!("a [[{}]] has an empty name", section.name)));
        }
        if specs.iter().any(|known| known.name() == name) {
            let message = format!("two [[{}]] have the name {name:?}; give each its own", section.name);
            return Err(contradiction(message));
        }
        spec.check().map_err(|message| contradiction(format!("{} {name:?}: {message}", section.name)))?;
        specs.push(spec);
    }
    Ok(specs)
}

/// Returns the specification of a recommendation's target, if it is still configured.
fn spec_of<'a, A: Advisor>(specs: &'a AdviceSpecs, row: &RecommendationRow) -> Option<&'a A::Spec> {
    let of = |target: &String| {
        row.target.strip_prefix(target.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
    };
    // A target of another specification may begin with the same word; the exact one comes first.
    let exact = specs.of::<A>().find(|spec| A::targets(spec).contains(&row.target));
    exact.or_else(|| specs.of::<A>().find(|spec| A::targets(spec).iter().any(of)))
}

/// Decides on every target of one specification. A fetch error becomes a `Lacks` verdict.
pub fn advise_on<A: Advisor>(from: &Sources<'_>, spec: &A::Spec, now: Timestamp) -> Vec<Verdict> {
    let kind = Kind::from_static(A::KIND);
    let verdicts = |target: String| match A::fetch(from, spec, &target, now) {
        Err(error) => vec![Verdict { kind, target, outcome: VerdictOutcome::Lacks { needs: vec![error.need()] } }],
        Ok(facts) => verdicts_on::<A>(spec, &target, &facts, now),
    };
    A::targets(spec).into_iter().flat_map(verdicts).collect()
}

/// Decides on all that the facts of one target show.
pub(super) fn verdicts_on<A: Advisor>(spec: &A::Spec, target: &str, facts: &A::Facts, now: Timestamp) -> Vec<Verdict> {
    let verdict = |(target, outcome): (String, Outcome<A::Terms>)| {
        let outcome = match outcome {
            Outcome::Keep { reason } => VerdictOutcome::Keep { reason },
            Outcome::Lacks { needs } => VerdictOutcome::Lacks { needs },
            Outcome::Propose(proposal) => proposed::<A>(&target, *proposal, now),
        };
        Verdict { kind: Kind::from_static(A::KIND), target, outcome }
    };
    A::decide_all(spec, target, facts, now).into_iter().map(verdict).collect()
}

/// Measures the effect of an applied recommendation. `spec`: the specification of its target, if still configured.
///
/// # Errors
/// [`AdviseError::Terms`], [`AdviseError::Measure`].
pub fn measure_on<A: Advisor>(
    from: &Sources<'_>,
    spec: Option<&A::Spec>,
    row: &RecommendationRow,
    applied_at: Timestamp,
    now: Timestamp,
) -> Result<Option<Measured>, AdviseError> {
    let unreadable = |source| AdviseError::Terms { id: row.id.clone(), source };
    let promise = Promise::of(row).map_err(unreadable)?;
    let terms = serde_json::from_value(promise.terms).map_err(unreadable)?;
    let (target, proposed, metric) = (row.target.clone(), row.proposed.clone(), row.effect.metric.clone());
    A::measure(from, spec, &Applied { target, proposed, metric, terms, at: applied_at }, now)
        .map_err(|source| AdviseError::Measure { id: row.id.clone(), source: Box::new(source) })
}

/// Returns the proposal as a row, or a reason to keep the present setting when the confidence is too low.
fn proposed<A: Advisor>(target: &str, proposal: Proposal<A::Terms>, now: Timestamp) -> VerdictOutcome {
    let Proposal { confidence, reason, effect, metric, .. } = &proposal;
    // The negated comparison rejects NaN as well.
    if !(*confidence >= A::CONFIDENCE_MIN) {
        let proposed = reason.trim_end_matches('.');
        let reason = format!(
            "confidence {confidence:.2} is below the minimum of {:.2}, so this is not proposed: {proposed}; expected {}: {:.4} \
             ({:.4} to {:.4}).",
            A::CONFIDENCE_MIN,
            metric.name.replace('_', " "),
            effect.value,
            effect.lower,
            effect.upper
        );
        return VerdictOutcome::Keep { reason };
    }
    let row = row_of::<A>(target, proposal, now);
    match row {
        Ok(row) => VerdictOutcome::Propose(Box::new(row)),
        Err(error) => {
            let missing = format!("the terms of the proposal cannot be written: {}", error_chain(&error));
            VerdictOutcome::Lacks { needs: vec![Need { missing, remedy: String::new() }] }
        }
    }
}

fn row_of<A: Advisor>(
    target: &str,
    proposal: Proposal<A::Terms>,
    now: Timestamp,
) -> Result<RecommendationRow, serde_json::Error> {
    let Proposal {
        current,
        proposed,
        valid_until,
        metric,
        effect,
        confidence,
        reason,
        evidence,
        terms,
        rollback,
        patch,
    } = proposal;
    let (before, way_back, terms_before) = match rollback {
        Some(Rollback { baseline, patch, terms }) => {
            (Some(baseline), Some(patch), terms.map(serde_json::to_value).transpose()?)
        }
        None => (None, None, None),
    };
    let promise = Promise { before, way_back, terms: serde_json::to_value(terms)?, terms_before };
    let evidence = promise.write(if evidence.is_object() { evidence } else { json!({}) })?;
    Ok(RecommendationRow {
        id: format!("{}-{target}", A::KIND),
        kind: Kind::from_static(A::KIND),
        target: target.to_owned(),
        current,
        proposed,
        valid_from: now,
        valid_until,
        effect: Effect {
            metric: metric.name.to_owned(),
            unit: metric.unit.to_owned(),
            value: effect.value,
            lower: effect.lower,
            upper: effect.upper,
            level: LEVEL,
        },
        confidence,
        reason,
        evidence,
        patch,
        state: State::Proposed,
        created_at: now,
        updated_at: now,
        evidence_at: now,
        replaces: None,
    })
}

/// The registered advisors. A clone shares them.
#[derive(Clone)]
pub struct Registry(Vec<Arc<dyn AnyAdvisor>>);

impl Registry {
    /// Creates a registry without advisors.
    #[must_use]
    pub fn empty() -> Self {
        Self(Vec::new())
    }

    /// Adds an advisor and replaces one of the same kind.
    #[must_use]
    pub fn with<A: Advisor>(mut self) -> Self {
        self.0.retain(|advisor| advisor.kind() != Kind::from_static(A::KIND));
        self.0.push(Arc::new(Erased::<A>(PhantomData)));
        self
    }

    /// Returns all advisors, in the order in which they are listed everywhere.
    pub fn advisors(&self) -> impl Iterator<Item = &dyn AnyAdvisor> {
        self.0.iter().map(AsRef::as_ref)
    }

    /// Returns the kinds of all advisors.
    #[must_use]
    pub fn kinds(&self) -> Vec<Kind> {
        self.advisors().map(AnyAdvisor::kind).collect()
    }

    /// Returns the kinds as a sentence lists them: `scaling, rightsizing, ttl or threshold`.
    #[must_use]
    pub fn kinds_text(&self) -> String {
        let kinds: Vec<String> = self.kinds().iter().map(ToString::to_string).collect();
        match kinds.split_last() {
            Some((last, [])) => last.clone(),
            Some((last, others)) => format!("{} or {last}", others.join(", ")),
            None => String::new(),
        }
    }

    /// Returns the advisors as a Markdown table, one row each. `docs/advisors/README.md` contains it.
    #[must_use]
    pub fn table(&self) -> String {
        let mut table =
            "| kind | advises on a | declared in | promises | least confidence |\n|---|---|---|---|---|\n".to_owned();
        for advisor in self.advisors() {
            let section = advisor.section().map_or("rule files".to_owned(), |section| format!("`[[{section}]]`"));
            let promises: Vec<String> = advisor.effects().iter().map(|effect| format!("`{}`", effect.name)).collect();
            let (kind, target, least) = (advisor.kind(), advisor.target(), advisor.confidence_min());
            table.push_str(&format!("| `{kind}` | {target} | {section} | {} | {least} |\n", promises.join(", ")));
        }
        table
    }

    /// Returns the advisor of a kind.
    #[must_use]
    pub fn get(&self, kind: Kind) -> Option<&dyn AnyAdvisor> {
        self.advisors().find(|advisor| advisor.kind() == kind)
    }

    /// Returns the kind of this name.
    ///
    /// # Errors
    /// [`AdviseError::UnknownKind`], which lists the known kinds.
    pub fn kind(&self, name: &str) -> Result<Kind, AdviseError> {
        let found = self.kinds().into_iter().find(|kind| kind.as_str() == name);
        found.ok_or_else(|| AdviseError::UnknownKind { kind: name.to_owned(), known: self.kinds_text() })
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.kinds().iter().map(Kind::as_str)).finish()
    }
}

impl KindRules for Registry {
    fn direction(&self, kind: Kind, metric: &str) -> Option<Direction> {
        let effects = self.get(kind)?.effects();
        effects.iter().find(|effect| effect.name == metric).map(|effect| effect.better)
    }

    fn difference(&self, new: &RecommendationRow, old: &RecommendationRow) -> Difference {
        match self.get(new.kind) {
            Some(advisor) => advisor.difference(new, old),
            None if new.proposed == old.proposed => Difference::None,
            None => Difference::Distinct,
        }
    }

    fn basis(&self, row: &RecommendationRow) -> Value {
        self.get(row.kind).map_or_else(|| row.current.clone(), |advisor| advisor.basis(&row.current))
    }

    fn notable(&self, row: &RecommendationRow) -> Value {
        let notable = |advisor: &dyn AnyAdvisor| advisor.notable(&row.proposed, &row.patch);
        self.get(row.kind).map_or_else(|| row.proposed.clone(), notable)
    }
}
