//! ttl.
