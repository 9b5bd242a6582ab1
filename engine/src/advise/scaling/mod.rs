//! scaling.
