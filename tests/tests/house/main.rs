//! Tests of the project's own rules: dependencies between crates, licences, documents that agree with the tree, and
//! source files that are compiled and open with their purpose.

mod advisors;
mod arrows;
mod documents;
mod licences;
mod modules;
mod purpose;
mod tuning;
