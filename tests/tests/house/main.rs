//! The rules of the house, held by a test: which crate may use which, under what licences, that what the
//! documents name exists, and that every file is compiled.

mod advisors;
mod arrows;
mod documents;
mod licences;
mod modules;
