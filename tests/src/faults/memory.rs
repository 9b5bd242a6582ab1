//! A limit of memory: what the service needs under load, that it lives within a limit above that, and what a kill by the kernel loses.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
    thread,
    time::{Duration, Instant},
};

use super::{
    harness::{Load, Service, Setup, locked, start},
    run::{Options, Table},
};

/// Budgets of the configuration: bodies, queue, recent samples, labels.
const CONFIG: &str = "[server]\nmax_in_flight = \"32MiB\"\n[store]\nqueue = \"4MiB\"\nrecent = \"16MiB\"\nmax_label_memory = \"16MiB\"\n";
/// Their sum, recent samples with an eighth of spare room; beside them the rows of a log of 32 MiB in DuckDB's memory, which are twice as
/// long there, what a compaction or a query takes for a while, and the program with its threads.
const PROMISED: u64 = (32 + 4 + 18 + 16 + 64 + 192) << 20;
/// Time of the load.
const DURING: Duration = Duration::from_secs(12);
/// Longest time until the service works in its limit.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs the load without a limit, with one that suffices, and with one that does not.
pub(super) fn limited(options: &Options) -> Result<Table, String> {
    let mut table = Table::new(&["limit MiB", "batches", "peak MiB", "ended by the kernel", "samples compared"]);
    let (base, _) = round(options, None, &mut table)?;
    let Some(group) = Group::new()? else {
        return Ok(table);
    };
    // Memory of the files in the cache counts too, but the kernel takes it back.
    let enough = base + (64 << 20);
    let (_, was_killed) = round(options, Some((&group, enough)), &mut table)?;
    if was_killed {
        return Err(format!("the service was ended at {} MiB, although it had {} before", enough >> 20, base >> 20));
    }
    round(options, Some((&group, base * 2 / 3)), &mut table)?;
    Ok(table)
}

/// Runs the load once, and returns the peak of memory and whether the kernel ended the service.
fn round(options: &Options, limit: Option<(&Group, u64)>, table: &mut Table) -> Result<(u64, bool), String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let mut setup = Setup::busy(&options.almanac, folder.path());
    setup.config = setup.config.replace("[store]\n", CONFIG);
    let free = setup.clone();
    if let Some((group, bytes)) = limit {
        group.limit(bytes)?;
        setup.wrapper = group.wrapper();
    }
    let load = Arc::new(Load::default());
    load.expects_failures.store(limit.is_some(), Ordering::SeqCst);
    let mut service = Service::start(&setup)?;
    let threads = start(&load, &service.handle(), options.seed);
    let started = Instant::now();
    let mut peak = 0;
    while started.elapsed() < DURING && service.ended().is_none() {
        peak = peak.max(service.peak_bytes().unwrap_or(0));
        thread::sleep(Duration::from_millis(50));
    }
    load.end(threads)?;
    if peak > PROMISED {
        return Err(format!(
            "the service took {} MiB; its budgets and the program are {} MiB",
            peak >> 20,
            PROMISED >> 20
        ));
    }
    let was_killed = service.ended().is_some();
    let mut service = if was_killed { Service::start(&free)? } else { service };
    service.judge(&mut *locked(&load.model)?)?;
    if service.ended().is_some() || started.elapsed() > DURING + PATIENCE {
        return Err("the service does not work again".to_owned());
    }
    table.row([
        limit.map_or_else(|| "none".to_owned(), |(_, bytes)| (bytes >> 20).to_string()),
        load.acknowledged().to_string(),
        (peak >> 20).to_string(),
        if was_killed { "yes" } else { "no" }.to_owned(),
        locked(&load.model)?.samples().to_string(),
    ]);
    Ok((peak, was_killed))
}

/// A control group of memory; removed when dropped.
struct Group {
    folder: PathBuf,
    file: &'static str,
}

impl Group {
    /// Makes a group, of version 2 or 1; `None` where none can be made.
    fn new() -> Result<Option<Self>, String> {
        let name = format!("almanac-faults-{}", std::process::id());
        for (root, file) in [("/sys/fs/cgroup", "memory.max"), ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")] {
            let folder = Path::new(root).join(&name);
            if fs::create_dir(&folder).is_err() {
                continue;
            }
            let group = Self { folder, file };
            if group.folder.join(file).exists() {
                return Ok(Some(group));
            }
        }
        Ok(None)
    }

    fn limit(&self, bytes: u64) -> Result<(), String> {
        let path = self.folder.join(self.file);
        fs::write(&path, bytes.to_string()).map_err(|error| format!("{}: {error}", path.display()))
    }

    /// Returns the command that enters the group before it runs another.
    fn wrapper(&self) -> Vec<String> {
        let enter = format!("echo $$ > '{}' && exec \"$@\"", self.folder.join("cgroup.procs").display());
        ["sh", "-c", &enter, "sh"].map(str::to_owned).to_vec()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // The kernel needs a moment until the last process has left.
        for _ in 0..50 {
            if fs::remove_dir(&self.folder).is_ok() {
                break;
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}
