//! State shared by all clones of a store, its writer thread and its readers.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use duckdb::Connection;
use parking_lot::{Mutex, RwLock};

use crate::store::{
    StoreError, StoreOptions,
    cache::{MetadataCache, TargetCache},
    error::failed_to,
    file::{OpenedFile, log_path},
    index::Registry,
    read::BlockCache,
    segment::{Held, SegmentLayout},
    write::{Queue, RecentHistograms, RecentSamples, Writer},
};

/// Time for which a checkpoint waits for reads that began before the tables were last changed.
pub(in crate::store) const CHECKPOINT_WAIT: Duration = Duration::from_secs(2);
/// Time between two attempts to write a checkpoint that has to wait for a read.
const CHECKPOINT_RETRY: Duration = Duration::from_millis(200);

/// State shared by all clones of a store, its writer thread and its readers.
#[derive(Debug)]
pub(in crate::store) struct Shared {
    pub(in crate::store) path: PathBuf,
    pub(in crate::store) options: StoreOptions,
    pub(in crate::store) registry: RwLock<Registry>,
    /// One more than the highest series number; appends read it without the registry's lock, which a query may hold.
    pub(in crate::store) series_end: AtomicU32,
    pub(in crate::store) recent: RwLock<RecentSamples>,
    /// Spans of the stored native histograms.
    pub(in crate::store) histograms: RwLock<RecentHistograms>,
    pub(in crate::store) layout: RwLock<SegmentLayout>,
    pub(in crate::store) queue: Queue,
    pub(in crate::store) counters: Counters,
    /// Reason of a fatal error of DuckDB; set once.
    pub(in crate::store) stopped: OnceLock<String>,
    /// Whether a deletion has removed rows of segments since the last checkpoint.
    pub(in crate::store) rewritten: AtomicBool,
    /// Whether the file is being copied, so that no checkpoint is written.
    pub(in crate::store) copying: AtomicBool,
    /// Number of statements that workers run. A checkpoint makes each begin anew, so that the writer waits with one if it can.
    pub(in crate::store) statements: AtomicU64,
    /// Held during a compaction, a deletion or a backup, which exclude each other.
    pub(in crate::store) compacting: Mutex<()>,
    pub(in crate::store) readers: Readers,
    /// Blocks that reads have used.
    pub(in crate::store) blocks: BlockCache,
    pub(in crate::store) metadata: MetadataCache,
    pub(in crate::store) targets: TargetCache,
    /// The database file, to notice that it was moved.
    pub(in crate::store) opened: OpenedFile,
    /// Why the writer cannot go on for now; `None` in normal operation.
    pub(in crate::store) broken: Mutex<Option<String>>,
    /// Samples that were acknowledged before this opening and are not in the store.
    pub(in crate::store) lost: u64,
    /// Rows that retention holds back, by table.
    pub(in crate::store) held: Mutex<Held>,
}

/// Counters since the start.
#[derive(Debug, Default)]
pub(in crate::store) struct Counters {
    pub(in crate::store) commits: AtomicU64,
    pub(in crate::store) commits_failed: AtomicU64,
    pub(in crate::store) commit_us: AtomicU64,
    pub(in crate::store) written: AtomicU64,
    pub(in crate::store) unchanged: AtomicU64,
    pub(in crate::store) late: AtomicU64,
    pub(in crate::store) refused: AtomicU64,
    pub(in crate::store) compactions: AtomicU64,
}

/// Adds to a counter.
pub(in crate::store) fn count(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Ordering::Relaxed);
}

/// Pool of read connections. It grows to the highest number that was in use at once.
#[derive(Debug)]
pub(in crate::store) struct Readers {
    idle: Mutex<Vec<Connection>>,
    /// Connection that new ones are cloned from; `None` once the store is closed.
    root: Mutex<Option<Connection>>,
    closed: AtomicBool,
    /// Reads and compactions that found a damaged block, since the start.
    damaged: AtomicU64,
}

impl Readers {
    pub(in crate::store) fn new(root: Connection) -> Self {
        Self {
            idle: Mutex::default(),
            root: Mutex::new(Some(root)),
            closed: AtomicBool::new(false),
            damaged: AtomicU64::new(0),
        }
    }

    /// Runs `read` with a connection of the pool.
    pub(in crate::store) fn with<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let idle = self.idle.lock().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self.connect()?,
        };
        let answer = read(&connection);
        // After `close` the connection must be dropped: DuckDB releases the file with the last one.
        if !self.closed.load(Ordering::Acquire) {
            self.idle.lock().push(connection);
        }
        self.note_damage(&answer);
        answer
    }

    /// Counts and logs a damaged block.
    pub(in crate::store) fn note_damage<T>(&self, result: &Result<T, StoreError>) {
        if let Err(StoreError::DamagedBlock { detail }) = result {
            count(&self.damaged, 1);
            tracing::error!(
                detail,
                "a part of the store is damaged; restore a backup, or save the rest with almanac repair"
            );
        }
    }

    /// Returns how often a damaged block was found, since the start.
    pub(in crate::store) fn damaged(&self) -> u64 {
        self.damaged.load(Ordering::Relaxed)
    }

    /// Opens a connection outside the pool, for long work such as compaction.
    pub(in crate::store) fn connect(&self) -> Result<Connection, StoreError> {
        let root = self.root.lock();
        let root = root.as_ref().ok_or(StoreError::Closed)?;
        root.try_clone().map_err(failed_to("connect to the database"))
    }

    /// Closes idle connections; the file is released when the last reader returns.
    pub(in crate::store) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.root.lock().take();
        self.idle.lock().clear();
    }
}

impl Shared {
    /// Path of the write-ahead log beside the file.
    pub(in crate::store) fn log_path(&self) -> PathBuf {
        log_path(&self.path)
    }

    /// Writes a checkpoint on the writer thread. One that has to wait for a read is tried again, and samples are taken meanwhile.
    ///
    /// # Errors
    /// `Reading`: the read has not ended within `wait`. `Copying`, `DiskFull`, `Open`, `Database`, `Closed`.
    pub(in crate::store) fn checkpoint(&self, wait: Duration) -> Result<(), StoreError> {
        let end = Instant::now() + wait;
        loop {
            match self.on_writer(|writer| writer.checkpoint()) {
                Err(StoreError::Reading) if Instant::now() < end => std::thread::sleep(CHECKPOINT_RETRY),
                written => return written,
            }
        }
    }

    /// Runs a task on the writer thread between two groups, and waits for its result.
    pub(in crate::store) fn on_writer<T: Send + 'static>(
        &self,
        task: impl FnOnce(&mut Writer) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.opened.check()?;
        let (sender, receiver) = futures::channel::oneshot::channel();
        self.queue.push_task(Box::new(move |writer| {
            let _ = sender.send(task(writer));
        }))?;
        futures::executor::block_on(receiver).unwrap_or(Err(StoreError::Closed))
    }
}

/// Starts the writer thread, which ends when the queue is closed and empty.
pub(in crate::store) fn spawn_writer(
    shared: &Arc<Shared>,
    writer: Writer,
) -> Result<std::thread::JoinHandle<()>, StoreError> {
    let (path, state) = (shared.path.clone(), Arc::clone(shared));
    std::thread::Builder::new()
        .name("almanac-writer".into())
        .spawn(move || {
            if catch_unwind(AssertUnwindSafe(|| writer.run())).is_err() {
                let _ = state.stopped.set("the writer panicked and could not recover".to_owned());
                state.queue.abandon();
            }
        })
        .map_err(|error| StoreError::Open { path, detail: error.to_string() })
}
