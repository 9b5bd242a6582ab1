//! `/api/v1/read`: remote read, by which another Prometheus or Thanos reads samples. `message` has the wire format,
//! `chunk` encodes samples as Prometheus stores them, `route` answers.

mod chunk;
mod message;
mod route;

pub(super) use route::{__path_read, read};
