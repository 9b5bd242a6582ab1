//! The section `[promql]`: which experimental parts of PromQL the API and the rules accept.

use almanac_engine::signal::{Feature, Query};
use serde::Deserialize;

/// Experimental parts of PromQL, `[promql]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Promql {
    /// Names of Prometheus' feature flags.
    pub features: Vec<String>,
}

impl Promql {
    /// Checks the names; the error lists the known ones.
    pub(in crate::config) fn check(&self) -> Result<(), String> {
        match self.features.iter().find(|name| Feature::named(name).is_none()) {
            None => Ok(()),
            Some(unknown) => {
                let known: Vec<&str> = Feature::ALL.iter().map(|feature| feature.name()).collect();
                Err(format!("promql.features has {unknown:?}; known are {}", known.join(", ")))
            }
        }
    }

    /// Whether a feature is enabled.
    #[must_use]
    pub fn enables(&self, feature: Feature) -> bool {
        self.features.iter().any(|name| name == feature.name())
    }

    /// Rejects an expression with a construct whose feature is not enabled.
    ///
    /// # Errors
    /// A sentence that names the construct and the key.
    pub fn permit(&self, query: &Query) -> Result<(), String> {
        match query.experimental().find(|(feature, _)| !self.enables(*feature)) {
            None => Ok(()),
            Some((feature, what)) => Err(format!(
                "{what} is experimental and not enabled; [promql] features = [{:?}] enables it",
                feature.name()
            )),
        }
    }
}
