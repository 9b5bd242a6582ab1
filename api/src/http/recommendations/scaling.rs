//! The recommended replicas of one workload, for KEDA and custom autoscalers.

use almanac_engine::{
    advise::{
        Advisor,
        scaling::{Scaling, current_replicas},
    },
    store::rows::{Kind, RecommendationFilter, State as Stage},
};
use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::{ApiError, AppState, ErrorBody, shared::iso};

/// The replicas that a workload should have now.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Replicas {
    /// The workload.
    workload: String,
    /// How many there should be: the larger of `decided` and `floor`, between the workload's bounds.
    replicas: u32,
    /// What was decided on forecast, or by the reactive rule while the forecast's coverage does not hold.
    decided: u32,
    /// What the demand seen now needs.
    floor: u32,
    /// The demand seen now.
    demand: f64,
    /// When it was decided.
    decided_at: String,
    /// Until when this number may be used.
    valid_until: String,
    /// The recommendation behind it.
    recommendation: String,
}

/// The number for KEDA's metrics-api scaler (`valueLocation: replicas`): 200 only with a number that holds now.
#[utoipa::path(get, path = "/v1/scaling/{workload}", tag = "recommendations",
    params(("workload" = String, Path, description = "its name in the configuration")),
    responses(
        (status = 200, description = "the number", body = Replicas),
        (status = 404, description = "no such workload, or nothing is recommended for it", body = ErrorBody),
        (status = 503, description = "the number does not hold now: dismissed, too old, or demand cannot be read", body = ErrorBody),
    ))]
pub(super) async fn replicas(
    State(state): State<AppState>,
    Path(name): Path<String>,
) -> Result<Json<Replicas>, ApiError> {
    let Some(spec) = state.config.advice.of::<Scaling>().find(|workload| workload.name == name).cloned() else {
        return Err(ApiError::not_found("unknown_workload", format!("no [[workload]] has the name {name:?}")));
    };
    let (ledger, store, now) = (state.ledger.clone(), state.store.clone(), state.clock.now());
    // Reading demand evaluates an expression: it takes its place among the others.
    let _place = state.evaluations.acquire().await.map_err(|error| ApiError::internal(&error))?;
    let answer = state
        .blocking(move || {
            let filter = RecommendationFilter {
                kinds: vec![Kind::from_static(Scaling::KIND)],
                targets: vec![spec.name.clone()],
                ..RecommendationFilter::default()
            };
            let rows = ledger.list(&filter)?;
            let Some(row) = rows.iter().find(|row| row.state != Stage::Expired) else {
                let message = format!("nothing is recommended for workload {:?} yet", spec.name);
                return Err(ApiError::new(StatusCode::NOT_FOUND, "no_recommendation", message));
            };
            let current = current_replicas(&store, &spec, row, now)?;
            Ok(Replicas {
                workload: spec.name.clone(),
                replicas: current.replicas,
                decided: current.decided,
                floor: current.floor,
                demand: current.demand,
                decided_at: iso(current.decided_at.millis()),
                valid_until: iso(current.valid_until.millis()),
                recommendation: row.id.clone(),
            })
        })
        .await?;
    Ok(Json(answer))
}
