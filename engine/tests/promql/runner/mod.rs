//! Runs scripts in the test language of Prometheus (`load`, `clear`, `eval`) against the evaluator. Used by the test of
//! the own scripts and by the example that measures a folder of others.

mod histograms;
mod judge;
mod memory;
mod run;
mod script;
mod values;

pub(crate) use run::{Verdict, run};
