//! Builds the router: all routes, and the middleware around them. Also generates the OpenAPI description.

use axum::{
    Extension, Router,
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
    AppState, advice, external_metrics, grafana,
    guard::{guard, time_out_slow_bodies},
    ingest,
    mcp::{self, Mcp},
    notices, operate, page, prometheus, recommendations, rows,
    shared::{
        REQUEST_ID, bound_bodies, identify, panicked, query_limit, refuse_large_bodies, request_span, reshape_errors,
        unknown_path,
    },
    sql,
};

/// Title, licence and security of the OpenAPI description; the paths come from the routes.
#[derive(OpenApi)]
#[openapi(info(
    title = "Almanac",
    description = "Stores metrics; serves forecasts, anomalies, and recommendations with their evidence.",
    license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
), modifiers(&Token), security(("token" = []), ()))]
struct Description;

/// Adds the bearer token to the description; it is required on any address but loopback.
struct Token;

impl Modify for Token {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        openapi.components.get_or_insert_default().add_security_scheme("token", bearer);
    }
}

/// Returns all routes. `max_body`: largest body with data in bytes; bodies of the other routes are queries.
fn routes(max_body: usize) -> OpenApiRouter<AppState> {
    OpenApiRouter::with_openapi(Description::openapi())
        .merge(ingest::routes().layer(DefaultBodyLimit::max(max_body)))
        .merge(recommendations::routes())
        .merge(advice::routes())
        .merge(notices::routes())
        .merge(external_metrics::routes())
        .merge(rows::routes())
        .merge(sql::routes())
        .merge(prometheus::routes())
        .merge(grafana::routes())
        .merge(operate::routes())
        .merge(mcp::routes())
}

/// Returns the service's router.
///
/// Middleware from the outside in: request id, tracing, request metrics, panics, CORS, compression, error format, guard
/// (names, tokens, scopes, audit), slow bodies, body limits. Errors are reformatted before they are compressed, because that reads their bodies.
pub fn router(state: AppState) -> Router {
    let max_body = state.config.server.max_body.bytes();
    let (router, _) = routes(max_body).split_for_parts();
    let tools = Mcp::new(&state, router.clone().with_state(state.clone()));
    let metrics = middleware::from_fn_with_state(state.clone(), operate::count_requests);
    let large = middleware::from_fn_with_state(state.clone(), refuse_large_bodies);
    let bodies = middleware::from_fn_with_state(state.budget.clone(), bound_bodies);
    let slow = middleware::from_fn_with_state(state.clone(), time_out_slow_bodies);
    let guard = middleware::from_fn_with_state(state.clone(), guard);
    // `layer` wraps what is already there: the last layer is the outermost.
    router
        .merge(page::routes())
        .layer(Extension(tools))
        .fallback(unknown_path)
        .layer(DefaultBodyLimit::max(query_limit(max_body)))
        .layer(bodies)
        .layer(large)
        .layer(slow)
        .layer(guard)
        .layer(middleware::from_fn(reshape_errors))
        .layer(CompressionLayer::new().gzip(true))
        .layer(cors(&state.config.server.cors_origins))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(metrics)
        .layer(TraceLayer::new_for_http().make_span_with(request_span))
        .layer(middleware::from_fn(identify))
        .with_state(state)
}

/// Returns the OpenAPI description, generated from the routes.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    routes(0).into_openapi()
}

/// Allows web pages of the given origins to call the API, `*` for all.
fn cors(origins: &[String]) -> CorsLayer {
    let allowed = if origins.iter().any(|origin| origin == "*") {
        AllowOrigin::any()
    } else {
        AllowOrigin::list(origins.iter().filter_map(|origin| origin.trim_end_matches('/').parse::<HeaderValue>().ok()))
    };
    CorsLayer::new()
        .allow_origin(allowed)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([
            header::CONTENT_TYPE,
            header::AUTHORIZATION,
            header::ACCEPT,
            header::IF_NONE_MATCH,
            REQUEST_ID,
            mcp::PROTOCOL_VERSION,
            mcp::METHOD,
            mcp::NAME,
        ])
        .expose_headers([header::ETAG, header::RETRY_AFTER, REQUEST_ID])
}
