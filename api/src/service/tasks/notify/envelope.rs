//! The body and the signature of a delivery.

use almanac_engine::store::rows::NoticeRow;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;

use crate::http::iso;

/// Content type of the body: CloudEvents 1.0, JSON format, structured mode.
pub(super) const CONTENT_TYPE: &str = "application/cloudevents+json";

/// Returns the notice as a CloudEvent (CloudEvents 1.0, JSON event format). It is the same on every attempt.
pub(super) fn body(notice: &NoticeRow) -> Vec<u8> {
    json!({
        "specversion": "1.0",
        "id": notice.id,
        "source": "almanac",
        "type": format!("almanac.{}", notice.notice_type),
        "subject": notice.subject,
        "time": iso(notice.at.millis()),
        "datacontenttype": "application/json",
        "data": notice.data,
    })
    .to_string()
    .into_bytes()
}

/// Returns the value of `X-Almanac-Signature`: `sha256=` and the HMAC of the body in hexadecimal digits.
pub(super) fn signature(secret: &[u8], body: &[u8]) -> Option<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).ok()?;
    mac.update(body);
    let digits: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    Some(format!("sha256={digits}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231, test case 2.
    #[test]
    fn the_signature_is_hmac_sha256() {
        let expected = "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(signature(b"Jefe", b"what do ya want for nothing?").unwrap(), expected);
    }
}
