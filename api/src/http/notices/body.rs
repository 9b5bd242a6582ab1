//! The content of a notice, the same in webhooks and streams.

use almanac_engine::notice::News;
use serde_json::{Value, json};

use crate::http::{
    recommendations::RecommendationBody,
    rows::{BreachBody, object},
};

/// Returns the content: a recommendation as in the list but for its evidence, which may be long and is at its address;
/// other things as flat rows with their state.
pub(crate) fn data(news: &News<'_>) -> Value {
    let with_state = |mut object: Value, state: &str| {
        if let Value::Object(fields) = &mut object {
            fields.insert("state".to_owned(), state.into());
        }
        object
    };
    let (_, state, _) = news.names();
    match news {
        News::Recommendation(row) => {
            let mut body = json!(RecommendationBody::from((*row).clone()));
            if let Value::Object(fields) = &mut body {
                fields.remove("evidence");
            }
            body
        }
        News::Breach(breach) => with_state(json!(BreachBody::from((*breach).clone())), &state),
        News::Cleared(alert, element) => json!({"alert": alert, "element": element, "state": state}),
        News::Incident(row) => with_state(object(*row), &state),
        News::Anomaly(row) => with_state(object(*row), &state),
    }
}
