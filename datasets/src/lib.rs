//! Data for examples, tests and measurements: a simulator whose truth is known, telemetry recorded
//! from real servers, and loaders of public data sets that stay outside the project.

pub mod loaders;
pub mod recorded;
pub mod simulator;
