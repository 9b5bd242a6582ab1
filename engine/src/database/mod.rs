//! What the service knows about the databases that applications use.

pub mod traces;
