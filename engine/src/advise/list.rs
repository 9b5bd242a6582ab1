//! The advisors of this build, one line each: everything that derives from an advisor begins here.

use super::{Registry, rightsizing::Rightsizing, scaling::Scaling, threshold::Threshold, ttl::Ttl};

impl Default for Registry {
    /// Every advisor of this build.
    fn default() -> Self {
        Self::empty().with::<Scaling>().with::<Rightsizing>().with::<Ttl>().with::<Threshold>()
    }
}
