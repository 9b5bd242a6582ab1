//! Runs a server as a child process and reads what Linux knows of it: memory, processor time, descriptors, threads. Used by the
//! bench and the soak.

use std::{
    fs::{self, File},
    io,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

/// Longest time until a server has ended after SIGTERM.
const STOP: Duration = Duration::from_secs(120);
/// Number of lines of its output that an error shows.
const SHOWN: usize = 8;

/// Running server; killed when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a program whose output is appended to the file `log`.
    ///
    /// # Errors
    /// When the program or the file cannot be opened.
    pub(crate) fn start(command: &mut Command, log: &Path) -> io::Result<Self> {
        let output = File::options().create(true).append(true).open(log)?;
        let child = command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output).spawn();
        let child = child.map_err(|error| {
            io::Error::new(error.kind(), format!("{}: {error}", command.get_program().to_string_lossy()))
        })?;
        Ok(Self { child, log: log.to_owned() })
    }

    /// Fails with the last lines of the output if the program has ended.
    pub(crate) fn check(&mut self) -> io::Result<()> {
        let Some(status) = self.child.try_wait()? else { return Ok(()) };
        Err(io::Error::other(format!("the server has ended ({status}): {}", self.last_lines())))
    }

    /// Returns the lines of the output so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        fs::read_to_string(&self.log).unwrap_or_default().lines().map(str::to_owned).collect()
    }

    /// Returns the last lines of the output, separated by semicolons.
    pub(crate) fn last_lines(&self) -> String {
        let lines = self.lines();
        lines[lines.len().saturating_sub(SHOWN)..].join("; ")
    }

    /// Kills the program with SIGKILL and waits for its end.
    pub(crate) fn kill(&mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(drop)
    }

    /// Ends the program with SIGTERM.
    ///
    /// # Errors
    /// When it is still there after two minutes; it is killed then.
    pub(crate) fn stop(&mut self) -> io::Result<()> {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            kill_process(pid, Signal::TERM)?;
        }
        let started = Instant::now();
        while self.child.try_wait()?.is_none() {
            if started.elapsed() > STOP {
                self.kill()?;
                return Err(io::Error::other(format!("the server does not end at SIGTERM: {}", self.last_lines())));
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Returns the processor seconds used so far; `None` where `/proc` does not exist.
    pub(crate) fn cpu_seconds(&self) -> Option<f64> {
        let text = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).ok()?;
        let mut fields = text.rsplit_once(')')?.1.split_whitespace().skip(11);
        // utime and stime, in ticks of 1/100 s.
        let ticks: f64 = fields.next()?.parse::<f64>().ok()? + fields.next()?.parse::<f64>().ok()?;
        Some(ticks / 100.0)
    }

    /// Returns the peak memory so far in MiB; `None` where `/proc` does not exist.
    pub(crate) fn peak_mib(&self) -> Option<f64> {
        Some(self.status("VmHWM:")? / 1024.0)
    }

    /// Returns the memory in MiB; `None` where `/proc` does not exist.
    pub(crate) fn memory_mib(&self) -> Option<f64> {
        Some(self.status("VmRSS:")? / 1024.0)
    }

    /// Returns the number of threads; `None` where `/proc` does not exist.
    pub(crate) fn threads(&self) -> Option<f64> {
        self.status("Threads:")
    }

    /// Returns the number of open descriptors; `None` where `/proc` does not exist.
    pub(crate) fn descriptors(&self) -> Option<f64> {
        let count = fs::read_dir(format!("/proc/{}/fd", self.child.id())).ok()?.count();
        u32::try_from(count).ok().map(f64::from)
    }

    /// Returns the memory of all child processes in MiB; `None` where Linux does not list them.
    pub(crate) fn children_mib(&self) -> Option<f64> {
        let mut kib = 0.0;
        // A child is listed under the thread that started it.
        for thread in fs::read_dir(format!("/proc/{}/task", self.child.id())).ok()? {
            // A thread may end while the folder is read.
            let Ok(text) = fs::read_to_string(thread.ok()?.path().join("children")) else { continue };
            let children = text.split_whitespace().filter_map(|word| word.parse().ok());
            kib += children.filter_map(|child| status(child, "VmRSS:")).sum::<f64>();
        }
        Some(kib / 1024.0)
    }

    fn status(&self, name: &str) -> Option<f64> {
        status(self.child.id(), name)
    }
}

/// Returns a number of a process' status file.
fn status(pid: u32, name: &str) -> Option<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

/// Returns a free port of the loopback interface.
pub(crate) fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Returns the total length of the files below a folder, without folders of the name `left_out`.
pub(crate) fn bytes_below(folder: &Path, left_out: &str) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if !metadata.is_dir() {
            metadata.len()
        } else if entry.file_name() == left_out {
            0
        } else {
            bytes_below(&entry.path(), left_out)?
        };
    }
    Ok(bytes)
}
