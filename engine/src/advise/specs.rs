//! Everything that advice is wanted on: specifications by advisor, as plain data.

use std::{any::Any, collections::BTreeMap, fmt, sync::Arc};

use super::{Advisor, kit::Section};
use crate::calendar::Zone;

/// One thing that advice is wanted on.
pub trait AdvisorSpec: Clone + fmt::Debug + Send + Sync + Sized + 'static {
    /// The section of the configuration that declares such things; none where they come from elsewhere, as alerting rules do from
    /// the files that Prometheus reads.
    fn section() -> Option<Section<Self>> {
        None
    }

    /// The name, unique among the specifications of its advisor.
    fn name(&self) -> &str;

    /// Sets the clocks that days follow, where the advisor has days.
    fn set_zone(&mut self, _zone: Option<Zone>) {}

    /// Checks every range and every expression.
    ///
    /// # Errors
    /// What is wrong and what would be right.
    fn check(&self) -> Result<(), String>;
}

/// The specifications of all advisors.
#[derive(Clone, Default)]
pub struct AdviceSpecs {
    by_kind: BTreeMap<&'static str, Vec<Arc<dyn Any + Send + Sync>>>,
}

impl AdviceSpecs {
    /// Adds one.
    pub fn push<A: Advisor>(&mut self, spec: A::Spec) {
        self.by_kind.entry(A::KIND).or_default().push(Arc::new(spec));
    }

    /// Those of one advisor, in the order in which they were added.
    pub fn of<A: Advisor>(&self) -> impl Iterator<Item = &A::Spec> {
        self.by_kind.get(A::KIND).into_iter().flatten().filter_map(|spec| spec.downcast_ref())
    }

    /// Adds those of `other`.
    pub fn extend(&mut self, other: Self) {
        for (kind, specs) in other.by_kind {
            self.by_kind.entry(kind).or_default().extend(specs);
        }
    }

    /// Whether no advice is wanted on anything.
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
