//! OTLP over gRPC: the method `Export` of the services for metrics, traces and logs.

use almanac_engine::ingest::otlp::{Encoding, Signal};
use axum::{
    body::Body,
    extract::{Request, State},
    response::Response,
};
use bytes::Bytes;
use tonic::{Status, codec::CompressionEncoding, server::Grpc};
use tower::service_fn;

use super::{codec::BytesCodec, status::status_of};
use crate::http::{AppState, answer, receive};

/// Paths of the methods, with what they take.
pub(super) const METHODS: [(&str, Signal); 3] = [
    ("/opentelemetry.proto.collector.metrics.v1.MetricsService/Export", Signal::Metrics),
    ("/opentelemetry.proto.collector.trace.v1.TraceService/Export", Signal::Traces),
    ("/opentelemetry.proto.collector.logs.v1.LogsService/Export", Signal::Logs),
];

/// Stores an export; the answer comes when it is on disk.
pub(super) async fn export(signal: Signal, State(state): State<AppState>, request: Request) -> Response {
    let limit = state.ingest.limits().decoded_bytes;
    let work = service_fn(move |message: tonic::Request<Bytes>| {
        let state = state.clone();
        async move {
            let received = receive(&state, signal, Encoding::Protobuf, message.into_inner()).await;
            let summary = received.map_err(|error| status_of(&error))?;
            Ok::<_, Status>(tonic::Response::new(answer(signal, &summary)))
        }
    });
    let mut grpc = Grpc::new(BytesCodec).accept_compressed(CompressionEncoding::Gzip).max_decoding_message_size(limit);
    grpc.unary(work, request).await.map(Body::new)
}
