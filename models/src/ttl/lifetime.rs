//! Abstracts over fixed and hourly times-to-live, so that one replay serves both.

/// How long a copy lives, by the moment of its fill: a fixed time-to-live in milliseconds, or one by the hour
/// ([`HourlyTtl`](super::HourlyTtl)).
pub trait Lifetime: Copy {
    /// Returns the time-to-live in milliseconds of a copy filled at `filled_ms`.
    fn ttl_ms(self, filled_ms: i64) -> i64;
}

impl Lifetime for i64 {
    fn ttl_ms(self, _filled_ms: i64) -> i64 {
        self
    }
}
