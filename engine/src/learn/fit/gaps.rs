//! Serialises values with gaps: NaN becomes null, because JSON has no NaN. Used by [`super::FitJob`].

use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub(super) fn serialize<S: Serializer>(values: &[f64], serializer: S) -> Result<S::Ok, S::Error> {
    let known: Vec<Option<f64>> = values.iter().map(|value| value.is_finite().then_some(*value)).collect();
    known.serialize(serializer)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f64>, D::Error> {
    let known = Vec::<Option<f64>>::deserialize(deserializer)?;
    Ok(known.into_iter().map(|value| value.unwrap_or(f64::NAN)).collect())
}
