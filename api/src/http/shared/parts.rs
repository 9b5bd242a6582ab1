//! Bodies of responses in parts, so that a large response is never in memory as a whole.

use std::{convert::Infallible, iter};

use axum::body::{Body, Bytes};
use futures::stream;

use super::limits::Reserved;

/// Size in bytes from which a part is sent.
pub(in crate::http) const PART_BYTES: usize = 64 << 10;

/// Returns a body of parts, which are computed when the client reads them. A body of one part has a length.
///
/// `reserved`: memory of the data behind the parts; released with the body.
pub(in crate::http) fn body_of(mut parts: impl Iterator<Item = Vec<u8>> + Send + 'static, reserved: Reserved) -> Body {
    let mut first = Vec::new();
    while first.len() < PART_BYTES {
        match parts.next() {
            Some(part) if first.is_empty() => first = part,
            Some(part) => first.extend_from_slice(&part),
            None => return Body::from(first),
        }
    }
    let all = iter::once(first).chain(parts).map(move |part| {
        let _reserved = &reserved;
        Ok::<_, Infallible>(Bytes::from(part))
    });
    Body::from_stream(stream::iter(all))
}

/// Encodes items as parts of some [`PART_BYTES`]. `write` appends one item; its number counts from 0.
pub(in crate::http) fn parts_of<T: Send + 'static>(
    items: Vec<T>,
    mut write: impl FnMut(usize, T, &mut Vec<u8>) + Send + 'static,
) -> impl Iterator<Item = Vec<u8>> + Send + 'static {
    let mut items = items.into_iter().enumerate();
    iter::from_fn(move || {
        let mut part = Vec::new();
        while part.len() < PART_BYTES {
            match items.next() {
                Some((number, item)) => write(number, item, &mut part),
                None => break,
            }
        }
        (!part.is_empty()).then_some(part)
    })
}

#[cfg(test)]
mod tests {
    use axum::body::{HttpBody, to_bytes};

    use super::*;

    #[tokio::test]
    async fn a_body_has_all_parts_in_order() {
        for items in [0, 1, 5, 200_000] {
            let parts = parts_of((0..items).collect(), |number, item: usize, out| {
                assert_eq!(number, item);
                out.extend_from_slice(format!("{item}\n").as_bytes());
            });
            let body = body_of(parts, Reserved::default());
            assert_eq!(body.size_hint().exact().is_some(), items < 10, "{items}");
            let text = to_bytes(body, usize::MAX).await.unwrap();
            let expected: String = (0..items).map(|item| format!("{item}\n")).collect();
            assert!(text == expected.as_bytes(), "{items}");
        }
    }
}
