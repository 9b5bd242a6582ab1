//! Data for examples, tests and measurements: a simulator with known ground truth, telemetry recorded from real
//! servers, and loaders of public data sets. The public sets themselves are not part of the project.

pub mod loaders;
pub mod recorded;
pub mod simulator;
