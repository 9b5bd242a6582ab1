//! `GET /v1/scaling/{workload}`: the recommended replicas of a workload, for KEDA and custom autoscalers.

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

use crate::http::{ApiError, AppState, ErrorBody, Lane, shared::iso};

/// Recommended number of replicas, valid now.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Replicas {
    /// Name of the workload.
    workload: String,
    /// Recommended replicas: the larger of `decided` and `floor`, within the workload's limits.
    pub(crate) replicas: u32,
    /// Replicas by the forecast, or by the reactive rule while the forecast's coverage is too low.
    decided: u32,
    /// Replicas that the current demand needs.
    floor: u32,
    /// Current demand.
    demand: f64,
    /// Time of the decision.
    decided_at: String,
    /// End of validity.
    valid_until: String,
    /// Id of the recommendation.
    recommendation: String,
}

/// Returns the replicas for KEDA's metrics-api scaler (`valueLocation: replicas`); an error if no number is valid now.
#[utoipa::path(get, path = "/v1/scaling/{workload}", tag = "recommendations",
    params(("workload" = String, Path, description = "name of the workload in the configuration")),
    responses(
        (status = 200, description = "the recommended replicas", body = Replicas),
        (status = 404, description = "unknown workload, or no recommendation for it", body = ErrorBody),
        (status = 503, description = "no valid number: the recommendation is dismissed or too old, or demand cannot be read", body = ErrorBody),
    ))]
pub(super) async fn replicas(
    State(state): State<AppState>,
    Path(name): Path<String>,
) -> Result<Json<Replicas>, ApiError> {
    recommended_replicas(&state, &name).await.map(Json)
}

/// Returns the recommended replicas of a workload.
///
/// # Errors
/// 404 for an unknown workload or one without a recommendation, 503 when no number is valid now.
pub(crate) async fn recommended_replicas(state: &AppState, name: &str) -> Result<Replicas, ApiError> {
    let Some(spec) = state.config.advice.of::<Scaling>().find(|workload| workload.name == name).cloned() else {
        return Err(ApiError::not_found("unknown_workload", format!("no [[workload]] has the name {name:?}")));
    };
    let (ledger, store, now) = (state.ledger.clone(), state.store.clone(), state.clock.now());
    // An autoscaler must not wait for dashboards, so this is not the lane of evaluations.
    state
        .run(Lane::Vital, move || {
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
        .await
}
