//! The files of a store besides their contents: the write-ahead log's tail, the record of what was committed, and
//! whether the database file is still in its place; and copies of them.

mod backup;
mod checksum;
mod log;
mod new_file;
mod place;
mod record;
mod recover;
mod repair;

pub use backup::BackupReport;
pub(super) use backup::{backup, restore};
pub use new_file::NewFile;
pub(super) use place::{OpenedFile, checkpoints};
pub(super) use record::{Committed, StateFile};
pub(super) use recover::{Recovered, download_path, log_path, recover};
pub(super) use repair::repair;
pub use repair::{RepairReport, RepairStage, TableReport};
