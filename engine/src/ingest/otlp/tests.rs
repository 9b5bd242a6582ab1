//! Tests of OTLP against a store.
