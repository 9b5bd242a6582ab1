//! Tests of PromQL: tables of expressions and expected results over small fixtures.

mod aggregations;
mod binary;
mod fixture;
mod functions;
mod histograms;
mod limits;
mod messages;
mod parsing;
mod properties;
mod ranges;
mod selectors;
