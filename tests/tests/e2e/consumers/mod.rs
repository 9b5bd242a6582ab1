//! Doors for consumers of answers: webhooks and streams, agents, judged objectives.

mod mcp;
mod notices;
mod targets;

use std::sync::Arc;

use almanac_engine::{
    advise::Registry,
    ledger::Ledger,
    store::{
        Store,
        rows::{Effect, Kind, Patch, RecommendationRow, State},
    },
};
use almanac_models::Timestamp;
use serde_json::json;

/// Writes a recommendation that was proposed at a time, and returns its identifier.
fn propose(store: &Store, at: Timestamp) -> String {
    let ledger = Ledger::new(store.clone(), Arc::new(Registry::default())).unwrap();
    let row = RecommendationRow {
        id: String::new(),
        kind: Kind::from_static("ttl"),
        target: "pages".into(),
        current: json!({"ttl_seconds": 60}),
        proposed: json!({"ttl_seconds": 600}),
        valid_from: at,
        valid_until: None,
        effect: Effect {
            metric: "hit_ratio".into(),
            unit: "1".into(),
            value: 0.9,
            lower: 0.8,
            upper: 0.95,
            level: 0.8,
        },
        confidence: 0.9,
        reason: "more hits".into(),
        evidence: json!({"before": 0.5, "terms": null}),
        patch: Patch { format: "text".into(), body: "600".into() },
        state: State::Proposed,
        created_at: at,
        updated_at: at,
        evidence_at: at,
        replaces: None,
    };
    ledger.propose(vec![row], at).unwrap();
    ledger.list(&Default::default()).unwrap()[0].id.clone()
}
