//! gRPC: OTLP and KEDA's external scaler on the listener of `[grpc]`.
//!
//! ```text
//! connection ─► HTTP/2 ─► limits of bodies ─► token ─► codec ─► handler
//! ```
//!
//! Connections are accepted like those of HTTP, with the same limits and TLS; the handlers call what the routes of HTTP
//! call.

mod access;
mod codec;
mod keda;
mod otlp;
mod router;
mod status;

pub(crate) use router::router;
