//! The rules of the house, held by a test: which crate may use which, under what licences, and that
//! what the documents name exists.

mod arrows;
mod documents;
mod licences;
