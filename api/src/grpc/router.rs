//! Builds the router of the gRPC listener.

use axum::{
    Router,
    extract::{Request, State},
    middleware,
    routing::post,
};
use tower_http::{catch_panic::CatchPanicLayer, trace::TraceLayer};

use super::{
    access::require_ingest,
    keda,
    otlp::{METHODS, export},
    status::{unknown_method, write_status},
};
use crate::http::{AppState, bound_bodies, count_requests, identify, panicked, request_span, time_out_slow_bodies};

/// Returns the router of the gRPC listener.
///
/// Middleware from the outside in: request id, tracing, errors as a status, request metrics, panics, token (of OTLP), slow bodies, memory of bodies.
pub(crate) fn router(state: AppState) -> Router {
    let bodies = middleware::from_fn_with_state(state.budget.clone(), bound_bodies);
    let slow = middleware::from_fn_with_state(state.clone(), time_out_slow_bodies);
    let token = middleware::from_fn_with_state(state.clone(), require_ingest);
    let mut otlp = Router::new();
    for (path, signal) in METHODS {
        let method = move |state: State<AppState>, request: Request| export(signal, state, request);
        otlp = otlp.route(path, post(method));
    }
    // `layer` wraps what is already there: the last layer is the outermost.
    otlp.layer(bodies.clone())
        .layer(slow.clone())
        .layer(token)
        .merge(keda::routes().layer(bodies).layer(slow))
        .fallback(unknown_method)
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn_with_state(state.clone(), count_requests))
        .layer(middleware::from_fn(write_status))
        .layer(TraceLayer::new_for_grpc().make_span_with(request_span))
        .layer(middleware::from_fn(identify))
        .with_state(state)
}
