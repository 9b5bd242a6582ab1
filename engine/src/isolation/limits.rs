//! Limits of the operating system on this process: address space, processor time, open files, and no file writes.

use std::{fs, io};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Maximum number of open files of a worker.
const OPEN_FILES: u64 = 64;

/// Processor seconds beyond those of a statement, for opening the file and for DuckDB's own threads.
const SPARE_CPU_SECONDS: u64 = 10;

/// Steps by which a worker's priority is below the service's, so that ingest keeps its speed.
const NICE: i32 = 5;

/// Applies the limits to this process. `memory` is the number of bytes of address space beyond those in use now.
pub(crate) fn apply(memory: u64) -> io::Result<()> {
    let used = address_space().unwrap_or(1 << 30);
    lower(Resource::As, used.saturating_add(memory))?;
    lower(Resource::Nofile, OPEN_FILES)?;
    lower(Resource::Fsize, 0)?;
    // Without the right to lower it the priority stays.
    let _ = rustix::process::nice(NICE);
    lower(Resource::Core, 0)
}

/// Sets a limit, at most the present one.
fn lower(resource: Resource, limit: u64) -> io::Result<()> {
    let present = getrlimit(resource);
    let limit = present.maximum.map_or(limit, |maximum| maximum.min(limit));
    Ok(setrlimit(resource, Rlimit { current: Some(limit), maximum: Some(limit) })?)
}

/// Allows `seconds` of processor time on `threads` threads from now on; the operating system ends the process after
/// that, also when the service no longer does.
pub(crate) fn allow_cpu(seconds: u64, threads: u64) -> io::Result<()> {
    let allowed = cpu_seconds() + seconds.saturating_mul(threads.max(1)) + SPARE_CPU_SECONDS;
    let maximum = getrlimit(Resource::Cpu).maximum;
    let current = Some(maximum.map_or(allowed, |maximum| maximum.min(allowed)));
    Ok(setrlimit(Resource::Cpu, Rlimit { current, maximum })?)
}

/// Returns the processor seconds that this process has used.
fn cpu_seconds() -> u64 {
    let spent = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    u64::try_from(spent.tv_sec).unwrap_or(0)
}

/// Returns the bytes of address space in use; `None` where the system does not report them as Linux does.
fn address_space() -> Option<u64> {
    let pages: u64 = fs::read_to_string("/proc/self/statm").ok()?.split(' ').next()?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}
