//! An identified caller: name, scopes, and limits on rate and concurrency.

use std::{fmt, num::NonZeroU32, sync::Arc, time::Duration};

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter, clock::Clock};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Scope, Scopes};

/// Limits of one token; a missing one does not limit.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Limits {
    /// Requests per second, above 0 and at most a million.
    pub rate: Option<f64>,
    /// Simultaneous requests, at least 1.
    pub concurrency: Option<usize>,
}

impl Limits {
    /// Returns what is wrong with the limits.
    pub(crate) fn check(&self) -> Result<(), String> {
        if let Some(rate) = self.rate
            && !(rate > 0.0 && rate <= 1e6)
        {
            return Err(format!("rate {rate} is not above 0 and at most 1000000 requests per second"));
        }
        if self.concurrency == Some(0) {
            return Err("concurrency is at least 1".to_owned());
        }
        Ok(())
    }

    /// Returns these limits, with those of `other` where there is none.
    pub(super) fn or(self, other: Self) -> Self {
        Self { rate: self.rate.or(other.rate), concurrency: self.concurrency.or(other.concurrency) }
    }
}

/// An identified caller; cloning is cheap, and clones share their limits.
#[derive(Clone)]
pub struct Caller(Arc<Inner>);

struct Inner {
    name: Option<String>,
    scopes: Scopes,
    rate: Option<DefaultDirectRateLimiter>,
    concurrent: Option<Arc<Semaphore>>,
}

/// The caller lacks a scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("token {name:?} lacks the scope {}; it has {scopes}", scope.as_str())]
pub struct ScopeMissing {
    /// Name of the token.
    pub name: String,
    /// The scope that the work needs.
    pub scope: Scope,
    /// The scopes of the token.
    pub scopes: Scopes,
}

/// A limit of the caller is reached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{who} has reached its limit of {limit}")]
pub struct LimitReached {
    /// The token, or the service when it requires none.
    pub who: String,
    /// The limit.
    pub limit: &'static str,
    /// Time after which a repetition may succeed.
    pub retry_after: Duration,
}

/// The right to run one request; the work holds it until its answer is complete.
#[derive(Debug)]
pub struct Permit(#[expect(dead_code, reason = "held, not read")] Option<OwnedSemaphorePermit>);

impl Caller {
    /// Builds a caller; `name` is `None` for callers of a service that requires no token.
    pub(super) fn new(name: Option<&str>, scopes: Scopes, limits: Limits) -> Self {
        // A quota by its period represents rates below one per second too.
        let quota = |rate: f64| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most a million")]
            let burst = NonZeroU32::new(rate.ceil() as u32).unwrap_or(NonZeroU32::MIN);
            Quota::with_period(Duration::from_secs_f64(1.0 / rate)).map(|quota| quota.allow_burst(burst))
        };
        Self(Arc::new(Inner {
            name: name.map(str::to_owned),
            scopes,
            rate: limits.rate.and_then(quota).map(RateLimiter::direct),
            concurrent: limits.concurrency.map(|most| Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)))),
        }))
    }

    /// Whether both are the same caller, with shared limits.
    #[must_use]
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Returns the name of the token; `None` when the service requires no token.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.0.name.as_deref()
    }

    /// Returns the name for logs and the audit.
    #[must_use]
    pub fn shown(&self) -> &str {
        self.name().unwrap_or("anonymous")
    }

    /// Returns the scopes.
    #[must_use]
    pub fn scopes(&self) -> Scopes {
        self.0.scopes
    }

    /// Checks that the caller has a scope.
    ///
    /// # Errors
    /// [`ScopeMissing`].
    pub fn require(&self, scope: Scope) -> Result<(), ScopeMissing> {
        if self.0.scopes.has(scope) {
            return Ok(());
        }
        Err(ScopeMissing { name: self.shown().to_owned(), scope, scopes: self.0.scopes })
    }

    /// Counts a request against the limits.
    ///
    /// # Errors
    /// [`LimitReached`], which says when to try again.
    pub fn admit(&self) -> Result<Permit, LimitReached> {
        let who = || self.name().map_or_else(|| "this service".to_owned(), |name| format!("token {name:?}"));
        let reached = |limit, retry_after| LimitReached { who: who(), limit, retry_after };
        let permit = match &self.0.concurrent {
            None => None,
            Some(semaphore) => {
                let permit = Arc::clone(semaphore).try_acquire_owned();
                Some(permit.map_err(|_| reached("simultaneous requests", Duration::from_secs(1)))?)
            }
        };
        if let Some(limiter) = &self.0.rate
            && let Err(later) = limiter.check()
        {
            return Err(reached("requests per second", later.wait_time_from(limiter.clock().now())));
        }
        Ok(Permit(permit))
    }
}

/// Shows the name and the scopes.
impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Caller({} {})", self.shown(), self.0.scopes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_scope_is_named() {
        let caller = Caller::new(Some("ci"), "read,sql".parse().unwrap(), Limits::default());
        assert_eq!(caller.require(Scope::Sql), Ok(()));
        let error = caller.require(Scope::Admin).unwrap_err();
        assert_eq!(error.to_string(), "token \"ci\" lacks the scope admin; it has read,sql");
    }

    #[test]
    fn simultaneous_requests_and_their_rate_are_bounded() {
        let limits = Limits { rate: None, concurrency: Some(2) };
        let caller = Caller::new(Some("ci"), Scopes::all(), limits);
        let held = [caller.admit().unwrap(), caller.clone().admit().unwrap()];
        let error = caller.admit().unwrap_err();
        assert_eq!(error.to_string(), "token \"ci\" has reached its limit of simultaneous requests");
        drop(held);
        assert!(caller.admit().is_ok());
        // One request in 1000 s: the second one has to wait, on a machine of any speed.
        let slow = Caller::new(None, Scopes::all(), Limits { rate: Some(0.001), concurrency: None });
        assert!(slow.admit().is_ok());
        let error = slow.admit().unwrap_err();
        assert!(error.retry_after > Duration::from_secs(1) && error.limit == "requests per second", "{error:?}");
        let free = Caller::new(None, Scopes::all(), Limits::default());
        assert!((0..10_000).all(|_| free.admit().is_ok()));
    }
}
