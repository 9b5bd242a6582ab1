//! OTLP's doors: what HTTP and gRPC have in common, and the messages of answers.

mod export;
mod message;

pub(crate) use export::{gunzipped, receive};
pub(crate) use message::{RpcStatus, answer, answer_json, code_of, retry_details};
