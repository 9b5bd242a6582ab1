//! Specifications of the things to advise on, as plain data, grouped by advisor.

use std::{any::Any, collections::BTreeMap, fmt, sync::Arc};

use super::{Advisor, kit::Section};
use crate::calendar::Zone;

/// Specification of one thing to advise on.
pub trait AdvisorSpec: Clone + fmt::Debug + Send + Sync + Sized + 'static {
    /// Returns the configuration section that declares such specifications. None: they come from elsewhere, as alerting
    /// rules come from Prometheus rule files.
    fn section() -> Option<Section<Self>> {
        None
    }

    /// Returns the name, unique among the specifications of its advisor.
    fn name(&self) -> &str;

    /// Sets the time zone of daily seasons, if the advisor uses them.
    fn set_zone(&mut self, _zone: Option<Zone>) {}

    /// Checks every range and every expression.
    ///
    /// # Errors
    /// A message that names the error and a valid value.
    fn check(&self) -> Result<(), String>;

    /// Returns what the advisor does with this specification, in one sentence for `almanac check-config`.
    fn explain(&self) -> String;

    /// Returns the sections of the configuration that it refers to, each with the name there. One that does not exist is an
    /// error of the configuration.
    fn references(&self) -> Vec<(&'static str, &str)> {
        Vec::new()
    }
}

/// A name of another section in a specification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Noun and name of the specification, such as `pool "api"`.
    pub from: String,
    /// Section that is referred to.
    pub section: &'static str,
    /// Name there.
    pub name: String,
}

/// The specifications of all advisors.
#[derive(Clone, Default)]
pub struct AdviceSpecs {
    by_kind: BTreeMap<&'static str, Vec<Arc<dyn Any + Send + Sync>>>,
    references: Vec<Reference>,
}

impl AdviceSpecs {
    /// Adds a specification.
    pub fn push<A: Advisor>(&mut self, spec: A::Spec) {
        let from = || format!("{} {:?}", A::TARGET, spec.name());
        let references = spec.references();
        self.references.extend(references.into_iter().map(|(section, name)| Reference {
            from: from(),
            section,
            name: name.to_owned(),
        }));
        self.by_kind.entry(A::KIND).or_default().push(Arc::new(spec));
    }

    /// Returns the specifications of one advisor, in insertion order.
    pub fn of<A: Advisor>(&self) -> impl Iterator<Item = &A::Spec> {
        self.by_kind.get(A::KIND).into_iter().flatten().filter_map(|spec| spec.downcast_ref())
    }

    /// Adds the specifications of `other`.
    pub fn extend(&mut self, other: Self) {
        for (kind, specs) in other.by_kind {
            self.by_kind.entry(kind).or_default().extend(specs);
        }
        self.references.extend(other.references);
    }

    /// Returns the names of other sections that specifications refer to.
    #[must_use]
    pub fn references(&self) -> &[Reference] {
        &self.references
    }

    /// Returns whether there is no specification.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_kind.values().all(Vec::is_empty)
    }
}

impl fmt::Debug for AdviceSpecs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.by_kind.iter().map(|(kind, specs)| (kind, specs.len()))).finish()
    }
}
