//! The typed part of a recommendation's evidence: the terms of its measurement, and the patch that undoes it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::store::rows::{Patch, RecommendationRow};

/// The part of the evidence that the engine reads. All other figures of the evidence are for people.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Promise {
    /// Value of the effect's metric at the previous setting.
    #[serde(default)]
    pub before: Option<f64>,
    /// Patch that restores the previous setting.
    #[serde(default)]
    pub way_back: Option<Patch>,
    /// Terms by which the advisor measures the effect after the application, in the advisor's own format.
    #[serde(default)]
    pub terms: Value,
    /// Terms by which the previous setting is measured; `None`: `terms`.
    #[serde(default)]
    pub terms_before: Option<Value>,
}

impl Promise {
    /// Reads the promise of a recommendation.
    ///
    /// Before version 3 of the schema the terms were fields of the evidence itself, and those of the previous alerting
    /// rule were `rule_before`. Such rows are read too.
    ///
    /// # Errors
    /// If a field has another type than expected.
    pub fn of(row: &RecommendationRow) -> Result<Self, serde_json::Error> {
        let mut promise = Self::deserialize(&row.evidence)?;
        if row.evidence.get("terms").is_none() {
            promise.terms.clone_from(&row.evidence);
            promise.terms_before =
                row.evidence.get("rule_before").map(|rule| Value::from_iter([("rule".to_owned(), rule.clone())]));
        }
        Ok(promise)
    }

    /// Adds the fields of the promise to other evidence, a JSON object.
    ///
    /// # Errors
    /// If a field cannot be written as JSON.
    pub fn write(&self, mut evidence: Value) -> Result<Value, serde_json::Error> {
        let own = serde_json::to_value(self)?;
        if let (Value::Object(evidence), Value::Object(own)) = (&mut evidence, own) {
            evidence.extend(own);
        }
        Ok(evidence)
    }
}
