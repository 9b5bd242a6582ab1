//! A response body that holds a caller's permit until the answer is complete or its client has left.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use axum::{
    body::{Body, Bytes},
    response::Response,
};
use http_body::{Body as HttpBody, Frame, SizeHint};

use crate::access::Permit;

struct HeldBody {
    body: Body,
    _permit: Permit,
}

/// Returns the response with the permit in its body.
pub(super) fn hold(response: Response, permit: Permit) -> Response {
    response.map(|body| Body::new(HeldBody { body, _permit: permit }))
}

impl HttpBody for HeldBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
