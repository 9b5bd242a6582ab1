//! What all connections share.

use super::cancel::CancelKeys;
use crate::http::AppState;

/// What all connections share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) state: AppState,
    pub(super) keys: CancelKeys,
    /// Whether connections without TLS are refused: other machines can reach the address.
    pub(super) needs_tls: bool,
}
