//! The advisors of this build. A new advisor is added here; tables, checks and endpoints derive from this list.

use super::{
    Registry,
    batch::Batches,
    database::{index::Indexes, query::Queries, settings::Settings},
    pool::Pool,
    rightsizing::Rightsizing,
    scaling::Scaling,
    threshold::Threshold,
    ttl::Ttl,
};

impl Default for Registry {
    /// Returns a registry of every advisor of this build.
    fn default() -> Self {
        Self::empty()
            .with::<Scaling>()
            .with::<Rightsizing>()
            .with::<Ttl>()
            .with::<Threshold>()
            .with::<Indexes>()
            .with::<Queries>()
            .with::<Settings>()
            .with::<Batches>()
            .with::<Pool>()
    }
}
