//! The registry of advisors, and the object-safe form in which everything else sees one.

use std::{fmt, marker::PhantomData, sync::Arc};

use almanac_models::Timestamp;
use serde_json::{Value, json};

use super::{
    AdviceSpecs, AdviseError, Advisor, AdvisorSpec, Applied, Metric, Need, Outcome, Proposal, Rollback, Setting,
    Sources,
    kit::{LEVEL, SectionError, error_chain},
};
use crate::{
    calendar::Zone,
    ledger::{Difference, Direction, KindRules, Measured, Promise},
    store::rows::{Effect, Kind, RecommendationRow, State},
};

/// What an advisor says of one target.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// The advisor.
    pub kind: Kind,
    /// The target.
    pub target: String,
    /// What it says.
    pub outcome: VerdictOutcome,
}

/// As [`Outcome`], a proposal being a row in the state proposed.
#[derive(Debug, Clone, PartialEq)]
pub enum VerdictOutcome {
    /// A better setting.
    Propose(Box<RecommendationRow>),
    /// The present setting is as good.
    Keep {
        /// Why, in one sentence.
        reason: String,
    },
    /// Something is missing.
    Lacks {
        /// What, and what would give it.
        needs: Vec<Need>,
    },
}

impl Verdict {
    /// The recommendation, where one is made.
    #[must_use]
    pub fn recommendation(&self) -> Option<&RecommendationRow> {
        match &self.outcome {
            VerdictOutcome::Propose(row) => Some(row),
            VerdictOutcome::Keep { .. } | VerdictOutcome::Lacks { .. } => None,
        }
    }

    /// Why, in one sentence.
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

/// An advisor in the form that the registry holds.
pub trait AnyAdvisor: Send + Sync {
    /// Its kind.
    fn kind(&self) -> Kind;
    /// What it is about, as a heading says it.
    fn title(&self) -> &'static str;
    /// What one of its targets is called.
    fn target(&self) -> &'static str;
    /// The metrics that it may promise.
    fn effects(&self) -> &'static [Metric];
    /// Confidence below which it proposes nothing.
    fn confidence_min(&self) -> f64;
    /// Name of its section in the configuration.
    fn section(&self) -> Option<&'static str>;
    /// Reads the tables of its section, checks them and adds them; their days follow the clocks of `zone`.
    ///
    /// # Errors
    /// [`SectionError`] for the first that is wrong.
    fn read(&self, tables: &[Value], zone: Option<Zone>, into: &mut AdviceSpecs) -> Result<(), SectionError>;
    /// What it says of every target.
    fn advise(&self, from: &Sources<'_>, specs: &AdviceSpecs, now: Timestamp) -> Vec<Verdict>;
    /// What an applied recommendation of its kind did.
    ///
    /// # Errors
    /// [`AdviseError`] when the terms cannot be read back, the target is no longer configured, or the data cannot be read.
    fn measure(
        &self,
        from: &Sources<'_>,
        specs: &AdviceSpecs,
        row: &RecommendationRow,
        applied_at: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Measured>, AdviseError>;
    /// See [`Advisor::difference`].
    fn difference(&self, new: &RecommendationRow, old: &RecommendationRow) -> Difference;
    /// See [`Advisor::basis`].
    fn basis(&self, current: &Value) -> Value;
}

/// An [`Advisor`] as an [`AnyAdvisor`].
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
        let Some(section) = A::Spec::section() else { return Ok(()) };
        let mut names = Vec::new();
        for (idx, table) in tables.iter().enumerate() {
            let contradiction = |message| SectionError { table: idx, path: Vec::new(), message, is_content: false };
            let mut spec = section.read(idx, table)?;
            spec.set_zone(zone);
            let name = spec.name().to_owned();
            if name.trim().is_empty() {
                return Err(contradiction(format!("a [[{}]] has an empty name", section.name)));
            }
            if names.contains(&name) {
                let message = format!("two [[{}]] have the name {name:?}; give each its own", section.name);
                return Err(contradiction(message));
            }
            spec.check().map_err(|message| contradiction(format!("{} {name:?}: {message}", section.name)))?;
            names.push(name);
            into.push::<A>(spec);
        }
        Ok(())
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
        let spec = specs.of::<A>().find(|spec| A::targets(spec).contains(&row.target));
        measure_on::<A>(from, spec, row, applied_at, now)
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
}

/// What an advisor says of every target of one specification.
pub fn advise_on<A: Advisor>(from: &Sources<'_>, spec: &A::Spec, now: Timestamp) -> Vec<Verdict> {
    let verdict = |target: String| {
        let outcome = match A::fetch(from, spec, &target, now) {
            Err(error) => VerdictOutcome::Lacks { needs: vec![error.need()] },
            Ok(facts) => match A::decide(spec, &target, &facts, now) {
                Outcome::Keep { reason } => VerdictOutcome::Keep { reason },
                Outcome::Lacks { needs } => VerdictOutcome::Lacks { needs },
                Outcome::Propose(proposal) => proposed::<A>(&target, *proposal, now),
            },
        };
        Verdict { kind: Kind::from_static(A::KIND), target, outcome }
    };
    A::targets(spec).into_iter().map(verdict).collect()
}

/// What an applied recommendation did; `spec`: that of its target, where it is still configured.
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

/// A proposal as a row, or the reason to keep the present setting where the advisor is not sure enough.
fn proposed<A: Advisor>(target: &str, proposal: Proposal<A::Terms>, now: Timestamp) -> VerdictOutcome {
    let Proposal { confidence, reason, effect, metric, .. } = &proposal;
    // NaN is not sure enough either.
    if !(*confidence >= A::CONFIDENCE_MIN) {
        let proposed = reason.trim_end_matches('.');
        let reason = format!(
            "confidence {confidence:.2} is below {:.2}, the least of this advisor, for: {proposed}; expected {}: {:.4} \
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
        replaces: None,
    })
}

/// The advisors there are. Clones are cheap.
#[derive(Clone)]
pub struct Registry(Vec<Arc<dyn AnyAdvisor>>);

impl Registry {
    /// None at all.
    #[must_use]
    pub fn empty() -> Self {
        Self(Vec::new())
    }

    /// These and one more; one of the same kind takes its place.
    #[must_use]
    pub fn with<A: Advisor>(mut self) -> Self {
        self.0.retain(|advisor| advisor.kind() != Kind::from_static(A::KIND));
        self.0.push(Arc::new(Erased::<A>(PhantomData)));
        self
    }

    /// All of them, in the order in which they are listed everywhere.
    pub fn advisors(&self) -> impl Iterator<Item = &dyn AnyAdvisor> {
        self.0.iter().map(AsRef::as_ref)
    }

    /// Their kinds.
    #[must_use]
    pub fn kinds(&self) -> Vec<Kind> {
        self.advisors().map(AnyAdvisor::kind).collect()
    }

    /// The kinds as a sentence lists them: `scaling, rightsizing, ttl or threshold`.
    #[must_use]
    pub fn kinds_text(&self) -> String {
        let kinds: Vec<String> = self.kinds().iter().map(ToString::to_string).collect();
        match kinds.split_last() {
            Some((last, [])) => last.clone(),
            Some((last, others)) => format!("{} or {last}", others.join(", ")),
            None => String::new(),
        }
    }

    /// The advisors as a table of Markdown, one row each; `docs/advisors/README.md` holds it.
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

    /// The advisor of a kind.
    #[must_use]
    pub fn get(&self, kind: Kind) -> Option<&dyn AnyAdvisor> {
        self.advisors().find(|advisor| advisor.kind() == kind)
    }

    /// The kind of this name.
    ///
    /// # Errors
    /// [`AdviseError::UnknownKind`], which names those there are.
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
}
