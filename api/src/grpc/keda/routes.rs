//! Routes of the external scaler: one for each method.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    response::Response,
    routing::post,
};
use tonic::{Status, server::Grpc};
use tonic_prost::ProstCodec;
use tower::service_fn;

use super::{
    calls::{Sender, is_active, metric_spec, metrics, workload},
    message::{GetMetricSpecResponse, GetMetricsRequest, GetMetricsResponse, IsActiveResponse, ScaledObjectRef},
    streams::{activity, metric_specs},
};
use crate::{
    grpc::access::{address, bearer},
    http::AppState,
};

/// Largest message of a caller in bytes: names and a few values.
const MAX_MESSAGE_BYTES: usize = 64 << 10;

/// Returns the routes.
pub(in crate::grpc) fn routes() -> Router<AppState> {
    Router::new()
        .route("/externalscaler.ExternalScaler/IsActive", post(call_is_active))
        .route("/externalscaler.ExternalScaler/StreamIsActive", post(call_stream_is_active))
        .route("/externalscaler.ExternalScaler/GetMetricSpec", post(call_metric_spec))
        .route("/externalscaler.ExternalScaler/GetMetrics", post(call_metrics))
        .route("/externalscaler.ExternalScaler/StreamMetricSpec", post(call_stream_metric_spec))
}

fn sender_of(request: &Request) -> Arc<Sender> {
    Arc::new(Sender { token: bearer(request.headers()), address: address(request) })
}

async fn call_is_active(State(state): State<AppState>, request: Request) -> Response {
    let sender = sender_of(&request);
    let work = service_fn(move |message: tonic::Request<ScaledObjectRef>| {
        let (state, sender) = (state.clone(), Arc::clone(&sender));
        async move {
            let (name, _permit) = workload(&state, &sender, message.get_ref()).await?;
            is_active(&state, &name).await.map(tonic::Response::new)
        }
    });
    let mut grpc = Grpc::new(ProstCodec::<IsActiveResponse, ScaledObjectRef>::default())
        .max_decoding_message_size(MAX_MESSAGE_BYTES);
    grpc.unary(work, request).await.map(Body::new)
}

async fn call_metric_spec(State(state): State<AppState>, request: Request) -> Response {
    let sender = sender_of(&request);
    let work = service_fn(move |message: tonic::Request<ScaledObjectRef>| {
        let (state, sender) = (state.clone(), Arc::clone(&sender));
        async move {
            workload(&state, &sender, message.get_ref()).await?;
            Ok::<_, Status>(tonic::Response::new(metric_spec()))
        }
    });
    let mut grpc = Grpc::new(ProstCodec::<GetMetricSpecResponse, ScaledObjectRef>::default())
        .max_decoding_message_size(MAX_MESSAGE_BYTES);
    grpc.unary(work, request).await.map(Body::new)
}

async fn call_metrics(State(state): State<AppState>, request: Request) -> Response {
    let sender = sender_of(&request);
    let work = service_fn(move |message: tonic::Request<GetMetricsRequest>| {
        let (state, sender) = (state.clone(), Arc::clone(&sender));
        async move { metrics(&state, &sender, message.get_ref()).await.map(tonic::Response::new) }
    });
    let mut grpc = Grpc::new(ProstCodec::<GetMetricsResponse, GetMetricsRequest>::default())
        .max_decoding_message_size(MAX_MESSAGE_BYTES);
    grpc.unary(work, request).await.map(Body::new)
}

async fn call_stream_is_active(State(state): State<AppState>, request: Request) -> Response {
    let sender = sender_of(&request);
    let work = service_fn(move |message: tonic::Request<ScaledObjectRef>| {
        let (state, sender) = (state.clone(), Arc::clone(&sender));
        async move {
            let (name, permit) = workload(&state, &sender, message.get_ref()).await?;
            Ok::<_, Status>(tonic::Response::new(Box::pin(activity(state, name, permit))))
        }
    });
    let mut grpc = Grpc::new(ProstCodec::<IsActiveResponse, ScaledObjectRef>::default())
        .max_decoding_message_size(MAX_MESSAGE_BYTES);
    grpc.server_streaming(work, request).await.map(Body::new)
}

async fn call_stream_metric_spec(State(state): State<AppState>, request: Request) -> Response {
    let sender = sender_of(&request);
    let work = service_fn(move |message: tonic::Request<ScaledObjectRef>| {
        let (state, sender) = (state.clone(), Arc::clone(&sender));
        async move {
            let (_, permit) = workload(&state, &sender, message.get_ref()).await?;
            Ok::<_, Status>(tonic::Response::new(Box::pin(metric_specs(state, permit))))
        }
    });
    let mut grpc = Grpc::new(ProstCodec::<GetMetricSpecResponse, ScaledObjectRef>::default())
        .max_decoding_message_size(MAX_MESSAGE_BYTES);
    grpc.server_streaming(work, request).await.map(Body::new)
}
