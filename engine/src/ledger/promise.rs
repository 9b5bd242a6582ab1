//! The typed part of a recommendation's evidence: by what it is measured, and how to come back from it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::store::rows::{Patch, RecommendationRow};

/// The part of the evidence that a machine reads back; the other figures beside it are for people.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Promise {
    /// The metric of the effect at the setting before.
    #[serde(default)]
    pub before: Option<f64>,
    /// What a machine applies to come back to that setting.
    #[serde(default)]
    pub way_back: Option<Patch>,
    /// By what the proposal is measured once it is applied, as its advisor wrote it.
    #[serde(default)]
    pub terms: Value,
    /// By what the setting before is measured; none: by the same.
    #[serde(default)]
    pub terms_before: Option<Value>,
}

impl Promise {
    /// The promise of a recommendation.
    ///
    /// Releases before the schema's version 3 kept the terms among the other figures, and those of an alerting rule before the
    /// change as `rule_before`; such rows are read as well.
    ///
    /// # Errors
    /// When a part cannot be read back.
    pub fn of(row: &RecommendationRow) -> Result<Self, serde_json::Error> {
        let mut promise = Self::deserialize(&row.evidence)?;
        if row.evidence.get("terms").is_none() {
            promise.terms.clone_from(&row.evidence);
            promise.terms_before =
                row.evidence.get("rule_before").map(|rule| Value::from_iter([("rule".to_owned(), rule.clone())]));
        }
        Ok(promise)
    }

    /// The promise among other evidence, a JSON object.
    ///
    /// # Errors
    /// When a part cannot be written as JSON.
    pub fn write(&self, mut evidence: Value) -> Result<Value, serde_json::Error> {
        let own = serde_json::to_value(self)?;
        if let (Value::Object(evidence), Value::Object(own)) = (&mut evidence, own) {
            evidence.extend(own);
        }
        Ok(evidence)
    }
}
