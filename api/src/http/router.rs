//! All routes in one router, with the layers around them.

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::{HeaderValue, Method, header},
    middleware,
};
use tower_http::{
    catch_panic::CatchPanicLayer,
    compression::CompressionLayer,
    cors::{AllowOrigin, CorsLayer},
    trace::TraceLayer,
};
use utoipa::{
    Modify, OpenApi,
    openapi::security::{Http, HttpAuthScheme, SecurityScheme},
};
use utoipa_axum::router::OpenApiRouter;

use super::{
    AppState, advice, grafana, ingest, operate, prometheus, recommendations, rows,
    shared::{panicked, refuse_large_bodies, require_token, reshape_errors, unknown_path},
    sql,
};

/// Title and licence of the interface's description; the paths come from the routes.
#[derive(OpenApi)]
#[openapi(info(
    title = "Almanac",
    description = "Metrics in; forecasts, anomalies and recommendations with proof out.",
    license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
), modifiers(&Token), security(("token" = []), ()))]
struct Description;

/// The token that a service on another address than loopback asks for.
struct Token;

impl Modify for Token {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        openapi.components.get_or_insert_default().add_security_scheme("token", bearer);
    }
}

fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::with_openapi(Description::openapi())
        .merge(ingest::routes())
        .merge(recommendations::routes())
        .merge(advice::routes())
        .merge(rows::routes())
        .merge(sql::routes())
        .merge(prometheus::routes())
        .merge(grafana::routes())
        .merge(operate::routes())
}

/// The service as one router.
///
/// From the outside in: tracing, panics, origins, compression, shape of errors, token, limits, routes. Errors are
/// shaped before they are compressed.
pub fn router(state: AppState) -> Router {
    let (router, _) = routes().split_for_parts();
    let metrics = middleware::from_fn_with_state(state.clone(), operate::count_requests);
    let large = middleware::from_fn_with_state(state.clone(), refuse_large_bodies);
    let token = middleware::from_fn_with_state(state.clone(), require_token);
    router
        .fallback(unknown_path)
        .layer(DefaultBodyLimit::max(state.config.server.max_body.bytes()))
        .layer(large)
        .layer(token)
        .layer(middleware::from_fn(reshape_errors))
        .layer(CompressionLayer::new().gzip(true))
        .layer(cors(&state.config.server.cors_origins))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(metrics)
        .layer(TraceLayer::new_for_http())
        .with_state(state)
}

/// The interface's description, generated from the routes.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    routes().into_openapi()
}

/// Lets pages of the given origins call: Grafana's browser access mode.
fn cors(origins: &[String]) -> CorsLayer {
    let allowed = if origins.iter().any(|origin| origin == "*") {
        AllowOrigin::any()
    } else {
        AllowOrigin::list(origins.iter().filter_map(|origin| origin.trim_end_matches('/').parse::<HeaderValue>().ok()))
    };
    CorsLayer::new()
        .allow_origin(allowed)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([header::CONTENT_TYPE, header::AUTHORIZATION, header::ACCEPT, header::IF_NONE_MATCH])
        .expose_headers([header::ETAG, header::RETRY_AFTER])
}
