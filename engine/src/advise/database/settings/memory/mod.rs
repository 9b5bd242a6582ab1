//! Memory of statements and of the buffer cache.
//!
//! `need` computes the memory with which a node of a plan writes no temporary file, `families` the needs of statement families,
//! `work_mem` decides on their sum, and `shared_buffers` on the cache.

mod families;
mod need;
mod shared_buffers;
mod work_mem;

pub(super) use shared_buffers::decide as shared_buffers;
pub(super) use work_mem::decide as work_mem;

#[cfg(test)]
mod tests;
