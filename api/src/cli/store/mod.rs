//! Commands that open a store themselves, or use a running service with `--url`.

mod backend;
pub mod backup;
pub mod check;
pub mod compact;
pub mod delete;
pub mod export;
pub mod import;
pub mod learn;
pub mod recommend;
mod remote;
pub mod repair;
pub mod restore;
pub mod sql;

pub(super) use backend::existing;
pub(super) use backend::given_token;
pub use backend::{Backend, BackendArgs, ServiceAddress, StoreArgs};
pub use remote::{Answer, Remote};
