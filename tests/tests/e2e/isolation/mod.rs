//! SQL in worker processes: the answers are right after any history, and a statement ends at worst its own worker.

mod history;
mod hostile;
