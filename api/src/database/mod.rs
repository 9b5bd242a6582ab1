//! Connections to watched PostgreSQL databases: address, TLS, session.
//!
//! An address may have a password. It is in no error, log line or debug output.

mod address;
mod client;
mod tls;
pub mod verify;

pub use address::{Address, AddressError};
pub use client::{DatabaseClient, DatabaseError};
