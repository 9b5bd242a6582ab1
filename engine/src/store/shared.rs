use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use duckdb::Connection;
use parking_lot::{Mutex, RwLock};

use super::{
    StoreError, StoreOptions,
    error::failed_to,
    index::Registry,
    segment::Layout,
    write::{Queue, Recent, Writer},
};

/// What all clones of a store, its writer and its readers share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) path: PathBuf,
    pub(super) options: StoreOptions,
    pub(super) registry: RwLock<Registry>,
    pub(super) recent: RwLock<Recent>,
    pub(super) layout: RwLock<Layout>,
    pub(super) queue: Queue,
    pub(super) counters: Counters,
    /// One compaction at a time.
    pub(super) compacting: Mutex<()>,
    pub(super) readers: Readers,
}

/// What is counted since the start.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) commits: AtomicU64,
    pub(super) commits_failed: AtomicU64,
    pub(super) commit_us: AtomicU64,
    pub(super) written: AtomicU64,
    pub(super) unchanged: AtomicU64,
    pub(super) late: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) compactions: AtomicU64,
}

/// Adds to a counter.
pub(super) fn count(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Ordering::Relaxed);
}

/// Idle connections for reading; as many are made as are used at once.
#[derive(Debug)]
pub(super) struct Readers {
    idle: Mutex<Vec<Connection>>,
    /// The connection that others are cloned from; taken when the store closes.
    root: Mutex<Option<Connection>>,
    closed: AtomicBool,
}

impl Readers {
    pub(super) fn new(root: Connection) -> Self {
        Self { idle: Mutex::default(), root: Mutex::new(Some(root)), closed: AtomicBool::new(false) }
    }

    /// Reads with a connection of its own.
    pub(super) fn with<T>(&self, read: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let idle = self.idle.lock().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self.connect()?,
        };
        let answer = read(&connection);
        if !self.closed.load(Ordering::Acquire) {
            self.idle.lock().push(connection);
        }
        answer
    }

    /// A new connection.
    pub(super) fn connect(&self) -> Result<Connection, StoreError> {
        let root = self.root.lock();
        let root = root.as_ref().ok_or(StoreError::Closed)?;
        root.try_clone().map_err(failed_to("connect to the database"))
    }

    /// Gives the file up as soon as no reader is left.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.root.lock().take();
        self.idle.lock().clear();
    }
}

impl Shared {
    /// Does something on the writer's thread, between two groups, and waits for it.
    pub(super) fn on_writer<T: Send + 'static>(
        &self,
        task: impl FnOnce(&mut Writer) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (sender, receiver) = futures::channel::oneshot::channel();
        self.queue.push_task(Box::new(move |writer| {
            let _ = sender.send(task(writer));
        }))?;
        futures::executor::block_on(receiver).unwrap_or(Err(StoreError::Closed))
    }
}

/// Runs the writer until its queue is closed, then drops its connection.
pub(super) fn spawn_writer(shared: &Arc<Shared>, writer: Writer) -> Result<std::thread::JoinHandle<()>, StoreError> {
    let path = shared.path.clone();
    std::thread::Builder::new()
        .name("almanac-writer".into())
        .spawn(move || writer.run())
        .map_err(|error| StoreError::Open { path, detail: error.to_string() })
}
