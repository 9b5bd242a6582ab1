//! The protocol: announces the tools that the caller may use and answers their calls.

use std::sync::Arc;

use axum::{body::Body, extract::Request, http::HeaderName, response::Response};
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, Implementation, InitializeResult,
        ListToolsResult, PaginatedRequestParams, ServerCapabilities, Tool as Described, ToolAnnotations,
    },
    service::RequestContext,
    transport::streamable_http_server::{
        StreamableHttpServerConfig, StreamableHttpService, session::never::NeverSessionManager,
    },
};
use serde_json::{Map, Value, json};

use super::{
    inside::{Inside, may},
    tools::{Arguments, TOOLS, Tool},
};
use crate::{
    access::Caller,
    http::{AppState, shared::query_limit},
};

/// Headers of the protocol that pages of other origins may send.
pub(in crate::http) const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
pub(in crate::http) const METHOD: HeaderName = HeaderName::from_static("mcp-method");
pub(in crate::http) const NAME: HeaderName = HeaderName::from_static("mcp-name");

/// What a client tells its language model about the service.
const INSTRUCTIONS: &str = "Almanac keeps metrics of running services, learns what is normal, and recommends changes \
    with evidence from recorded data. All tools read only. Times are UTC. For a problem, start with explain_incident; \
    for possible improvements, with list_recommendations; for own questions, with list_metrics and query_promql, or \
    describe_tables and run_sql.";

/// Answers messages of the protocol; cloning is cheap.
#[derive(Clone)]
pub(in crate::http) struct Mcp(StreamableHttpService<Handler, NeverSessionManager>);

impl Mcp {
    /// `router`: the service's routes without the middleware in front of them.
    pub(in crate::http) fn new(state: &AppState, router: axum::Router) -> Self {
        let handler = Handler { inside: Inside::new(router), clock: state.clock.clone() };
        // Names and origins are checked by the middleware, which knows `server.hosts` and the tokens.
        let config = StreamableHttpServerConfig::default()
            .with_legacy_session_mode(false)
            .with_json_response(true)
            .disable_allowed_hosts()
            .disable_allowed_origins()
            .with_max_request_body_bytes(query_limit(state.config.server.max_body.bytes()))
            .with_cancellation_token(state.stopping.clone());
        Self(StreamableHttpService::new(move || Ok(handler.clone()), Arc::new(NeverSessionManager::default()), config))
    }

    /// Answers one message.
    pub(super) async fn answer(&self, request: Request) -> Response {
        self.0.handle(request).await.map(Body::new)
    }
}

/// The tools of the service.
#[derive(Debug, Clone)]
struct Handler {
    inside: Inside,
    clock: crate::http::Clock,
}

impl ServerHandler for Handler {
    fn get_info(&self) -> InitializeResult {
        InitializeResult::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new("almanac", env!("CARGO_PKG_VERSION")).with_title("Almanac"))
            .with_instructions(INSTRUCTIONS)
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let caller = caller(&context)?;
        let tools = TOOLS.iter().filter(|tool| may(&caller, tool.route).is_ok()).map(described).collect();
        Ok(ListToolsResult::with_all_items(tools))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let Some(tool) = TOOLS.iter().find(|tool| tool.name == request.name) else {
            return Err(ErrorData::invalid_params(
                format!("there is no tool {:?}; see tools/list", request.name),
                None,
            ));
        };
        let given = request.arguments.unwrap_or_default();
        // What the caller can repair is an answer of the tool: clients show the errors of the protocol to nobody.
        Ok(match self.run(tool, &given, &caller(&context)?).await {
            Ok(answer) => CallToolResult::structured(answer),
            Err(message) => CallToolResult::error(vec![ContentBlock::text(message)]),
        }
        .into())
    }
}

impl Handler {
    async fn run(&self, tool: &Tool, given: &Map<String, Value>, caller: &Caller) -> Result<Value, String> {
        let arguments = Arguments::check(given, tool.arguments)?;
        let call = (tool.call)(&arguments, self.clock.now())?;
        let answer = self.inside.call(caller, tool.route, call).await?;
        // A structured answer is an object.
        Ok(if answer.is_object() { answer } else { json!({"rows": answer}) })
    }
}

fn described(tool: &Tool) -> Described {
    let hints = ToolAnnotations::new().read_only(true).destructive(false).idempotent(true).open_world(false);
    Described::new(tool.name, tool.description, tool.schema()).with_title(tool.title).with_annotations(hints)
}

/// Returns the caller that the middleware has identified.
fn caller(context: &RequestContext<RoleServer>) -> Result<Caller, ErrorData> {
    let parts = context.extensions.get::<axum::http::request::Parts>();
    let caller = parts.and_then(|parts| parts.extensions.get::<Caller>()).cloned();
    caller.ok_or_else(|| ErrorData::internal_error("the caller is not known", None))
}
