//! Tests of findings without a database.
