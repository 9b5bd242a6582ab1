//! Disks that are full, read-only or slow for a while: what the service answers meanwhile, and that it works again afterwards.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, atomic::Ordering},
    thread,
    time::{Duration, Instant},
};

use super::{
    harness::{CallClass, Field, Load, Service, Setup, Shim, locked, start},
    run::{Options, Table},
};

/// No space left, and a file system that is read-only.
const ENOSPC: i32 = 28;
const EROFS: i32 = 30;
/// Time before the fault, and of the fault.
const BEFORE: Duration = Duration::from_millis(1_500);
const DURING: Duration = Duration::from_secs(6);
/// Longest time until the service works again, more than the 5 s between its attempts to rebuild its memory.
const PATIENCE: Duration = Duration::from_secs(40);
/// Size of the small file system.
const DISK: &str = "size=96m";

/// A disk with a fault that can be switched on and off.
trait Fault {
    fn begin(&mut self) -> Result<(), String>;
    fn end(&mut self) -> Result<(), String>;
    /// Whether batches may be refused meanwhile.
    fn refuses(&self) -> bool {
        true
    }
}

/// Fills a small file system to its last byte while the service works, and empties it again.
pub(super) fn full(options: &Options) -> Result<Table, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let mut disk = SmallDisk::mount(folder.path())?;
    let setup = disk.setup(Setup::busy(&options.almanac, folder.path()));
    disturb(options, &setup, &mut disk)
}

/// Refuses everything that makes a file longer, although the system reports free space, as a quota does.
pub(super) fn quota(options: &Options) -> Result<Table, String> {
    shimmed(options, |shim| shim.fail_all(ENOSPC, CallClass::CHANGES), true)
}

/// Refuses every change, as a file system does that the kernel has made read-only.
pub(super) fn read_only(options: &Options) -> Result<Table, String> {
    shimmed(options, |shim| shim.fail_all(EROFS, CallClass::CHANGES), true)
}

/// Delays every write by 5 ms and every sync by 300 ms.
pub(super) fn slow(options: &Options) -> Result<Table, String> {
    let delay = |shim: &Shim| {
        shim.set(Field::DelayWrite, 5_000);
        shim.set(Field::DelaySync, 300_000);
    };
    shimmed(options, delay, false)
}

fn shimmed(options: &Options, begin: fn(&Shim), refuses: bool) -> Result<Table, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let shim = Arc::new(Shim::new(false)?);
    let setup = Setup { shim: Some(Arc::clone(&shim)), ..Setup::busy(&options.almanac, folder.path()) };
    disturb(options, &setup, &mut Shimmed { shim, begin, refuses })
}

struct Shimmed {
    shim: Arc<Shim>,
    begin: fn(&Shim),
    refuses: bool,
}

impl Fault for Shimmed {
    fn begin(&mut self) -> Result<(), String> {
        (self.begin)(&self.shim);
        Ok(())
    }

    fn end(&mut self) -> Result<(), String> {
        self.shim.heal();
        Ok(())
    }

    fn refuses(&self) -> bool {
        self.refuses
    }
}

/// A file system in memory, in a mount namespace of its own, which ends with its process.
struct SmallDisk {
    holder: Child,
    folder: PathBuf,
}

impl SmallDisk {
    fn mount(folder: &Path) -> Result<Self, String> {
        let script = format!("mount -t tmpfs -o {DISK} none \"$0\" && echo mounted && cat");
        let mut command = Command::new("unshare");
        command.args(["-U", "-r", "-m", "sh", "-c", &script]).arg(folder);
        let mut holder = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("unshare (util-linux) cannot be run: {error}"))?;
        let mut line = String::new();
        let answer = holder.stdout.take().map(|out| BufReader::new(out).read_line(&mut line));
        let disk = Self { holder, folder: folder.to_owned() };
        match answer {
            Some(Ok(_)) if line.trim() == "mounted" => Ok(disk),
            _ => Err("a file system cannot be mounted: user namespaces are needed".to_owned()),
        }
    }

    /// Returns the folder as the harness sees it.
    fn seen(&self) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.holder.id()));
        root.join(self.folder.strip_prefix("/").unwrap_or(&self.folder))
    }

    /// Puts the service into the namespace.
    fn setup(&self, setup: Setup) -> Setup {
        let pid = self.holder.id().to_string();
        let enter = ["nsenter", "-t", &pid, "-U", "-m", "--preserve-credentials", "--", "sh", "-c"];
        let mut wrapper: Vec<String> = enter.map(str::to_owned).to_vec();
        wrapper.push(format!("cd '{}' && exec \"$@\"", self.folder.display()));
        wrapper.push("sh".to_owned());
        Setup { seen: self.seen(), wrapper, ..setup }
    }

    fn filler(&self) -> PathBuf {
        self.seen().join("filler")
    }
}

impl Fault for SmallDisk {
    fn begin(&mut self) -> Result<(), String> {
        let mut filler = File::create(self.filler()).map_err(|error| error.to_string())?;
        let zeros = vec![0; 1 << 20];
        let mut part = zeros.len();
        // In ever smaller parts, until not a page is left.
        while part >= 4096 {
            if filler.write_all(&zeros[..part]).is_err() {
                part /= 4;
            }
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), String> {
        fs::remove_file(self.filler()).map_err(|error| error.to_string())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// Runs the load on a service whose disk has a fault for a while.
fn disturb(options: &Options, setup: &Setup, fault: &mut dyn Fault) -> Result<Table, String> {
    let load = Arc::new(Load::default());
    load.expects_failures.store(fault.refuses(), Ordering::SeqCst);
    let mut service = Service::start(setup)?;
    let mut threads = start(&load, &service.handle(), options.seed);
    thread::sleep(BEFORE);
    let before = load.acknowledged();
    fault.begin()?;
    let (mut reads, mut answered) = (0_u64, 0_u64);
    let started = Instant::now();
    while started.elapsed() < DURING && service.ended().is_none() {
        reads += 1;
        answered += u64::from(service.status("/api/v1/query?query=count(x)&time=1767226000") == Some(200));
        thread::sleep(Duration::from_millis(50));
    }
    let log = service.log();
    let during = load.acknowledged() - before;
    fault.end()?;
    let healed = Instant::now();
    let has_ended = service.ended().is_some();
    if has_ended {
        load.end(threads)?;
        if !log.iter().any(|line| line.contains("ERROR") && line.contains("the store failed")) {
            return Err(format!("the service ended without a line that says why: {}", log.join("; ")));
        }
        service = Service::start(setup)?;
        threads = start(&load, &service.handle(), options.seed + 10);
    } else if answered < reads {
        return Err(format!("{answered} of {reads} queries were answered during the fault: {}", log.join("; ")));
    }
    // Two batches of each sender: the first may have waited since before.
    let wanted = load.acknowledged() + 4;
    while load.acknowledged() < wanted {
        if healed.elapsed() > PATIENCE || service.ended().is_some() {
            return Err(format!("the service does not work again: {}; {}", load.failed(), service.log().join("; ")));
        }
        thread::sleep(Duration::from_millis(10));
    }
    let again = healed.elapsed();
    load.end(threads)?;
    service.judge(&mut *locked(&load.model)?)?;
    if service.metric("almanac_store_ready") != Some(1.0) {
        return Err("the service takes batches and is not ready".to_owned());
    }
    service.stop()?;
    Service::start(setup)?.judge(&mut *locked(&load.model)?)?;
    let mut table = Table::new(&[
        "batches before",
        "during",
        "refused at first, by status",
        "queries answered during",
        "the process ended",
        "ms until it works again",
        "batches in all",
        "samples compared",
    ]);
    table.row([
        before.to_string(),
        during.to_string(),
        load.failed(),
        format!("{answered} of {reads}"),
        if has_ended { "yes" } else { "no" }.to_owned(),
        again.as_millis().to_string(),
        load.acknowledged().to_string(),
        locked(&load.model)?.samples().to_string(),
    ]);
    Ok(table)
}
