//! Parses the parameters that select recommendations.

use almanac_engine::{
    advise::{AdviseError, Registry},
    store::rows::{Kind, RecommendationFilter, UnknownWord},
};
use almanac_models::Timestamp;

use crate::http::{ApiError, Params, shared::parse_time};

/// The parameters of the list.
pub(super) const LIST: [&str; 8] = ["kind", "target", "state", "since", "limit", "format", "page", "cursor"];

/// The parameters of the stream.
pub(super) const STREAM: [&str; 6] = ["kind", "target", "state", "since", "limit", "after"];

/// Returns the filter of a query string; `known`: the parameters that it may have.
pub(super) fn filter(params: &Params, known: &[&str], registry: &Registry) -> Result<RecommendationFilter, ApiError> {
    params.only(known)?;
    let since = params
        .get("since")
        .map(|text| {
            parse_time(text, 1.0).map(Timestamp::from_millis).ok_or_else(|| {
                let message = format!("since {text:?} is neither RFC 3339 nor epoch milliseconds");
                ApiError::bad_request("invalid_parameter", message)
            })
        })
        .transpose()?;
    Ok(RecommendationFilter {
        kinds: kinds(&params.list("kind"), registry)?,
        states: words(&params.list("state"))?,
        // Not split at commas: the name of an alert may contain them.
        targets: params.all("target").map(str::to_owned).collect(),
        updated_since: since,
        limit: params.number("limit")?,
        ..RecommendationFilter::default()
    })
}

/// Parses names of kinds; rejects those that no advisor has.
pub(in crate::http) fn kinds(names: &[String], registry: &Registry) -> Result<Vec<Kind>, ApiError> {
    let wrong = |error: AdviseError| ApiError::bad_request("invalid_parameter", error.to_string());
    names.iter().map(|name| registry.kind(name).map_err(wrong)).collect()
}

fn words<T: std::str::FromStr<Err = UnknownWord>>(texts: &[String]) -> Result<Vec<T>, ApiError> {
    let wrong = |error: UnknownWord| ApiError::bad_request("invalid_parameter", error.to_string());
    texts.iter().map(|text| text.parse().map_err(wrong)).collect()
}
