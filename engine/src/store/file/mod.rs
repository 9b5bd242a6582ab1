//! The files of a store besides their contents: the write-ahead log's tail, the record of what was committed, and
//! whether the database file is still in its place; and copies of them.

mod backup;
mod checksum;
mod format;
mod log;
mod new_file;
mod place;
mod record;
mod recover;
mod repair;
mod spare;

pub use backup::BackupReport;
pub(super) use backup::{backup, restore};
pub(super) use format::HEADERS;
pub use new_file::NewFile;
pub(super) use place::{OpenedFile, checkpoints, resolved};
pub(super) use record::{Committed, StateFile};
pub(super) use recover::{Recovered, download_path, log_path, recover, remove_unborn};
pub(super) use repair::repair;
pub use repair::{RepairReport, RepairStage, TableReport};
pub(super) use spare::{remove as remove_spare, save as save_spare};
