//! `make fuzz`: runs every target on mutations of its corpus for some seconds each, and reports what failed.
//!
//! `fuzz-decoders [--seconds S] [--seed N] [--only NAME,…] [--keep FOLDER]` (defaults 30, 1, all, `target/fuzz`). Each
//! target runs in a process of its own, so that an abort or a lack of memory ends no other target and its input is known.

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use almanac_tests::fuzz::{TARGETS, corpus, remove_store, run::run, target};

/// Time after the end of a run at which a target that still works on one input is ended.
const GRACE: Duration = Duration::from_secs(120);

#[derive(Debug, Clone)]
struct Options {
    seconds: u64,
    seed: u64,
    only: Vec<String>,
    keep: PathBuf,
    /// Runs this target in this process.
    child: Option<String>,
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let options = options()?;
    fs::create_dir_all(&options.keep)?;
    if let Some(name) = &options.child {
        return child(name, &options);
    }
    let mut failed = Vec::new();
    for (name, _) in
        TARGETS.iter().filter(|(name, _)| options.only.is_empty() || options.only.iter().any(|o| o == name))
    {
        if !parent(name, &options)? {
            failed.push(*name);
        }
    }
    if failed.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("failed: {}; the inputs are in {}", failed.join(", "), options.keep.display());
    Ok(ExitCode::FAILURE)
}

fn options() -> Result<Options, Box<dyn Error>> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    let mut options = Options { seconds: 30, seed: 1, only: Vec::new(), keep: target.join("fuzz"), child: None };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| format!("{word} needs a value"))?;
        match word.as_str() {
            "--seconds" => options.seconds = value.parse()?,
            "--seed" => options.seed = value.parse()?,
            "--only" => options.only = value.split(',').map(str::to_owned).collect(),
            "--keep" => options.keep = value.into(),
            "--child" => options.child = Some(value),
            other => return Err(format!("unknown option {other}").into()),
        }
    }
    if let Some(unknown) = options.only.iter().find(|name| target_is_unknown(name)) {
        let known: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
        return Err(format!("unknown target {unknown}; the targets are {}", known.join(", ")).into());
    }
    Ok(options)
}

fn target_is_unknown(name: &str) -> bool {
    target(name).is_none()
}

/// Runs a target in a process of its own; false if it failed.
fn parent(name: &str, options: &Options) -> Result<bool, Box<dyn Error>> {
    let (seconds, seed) = (options.seconds.to_string(), options.seed.to_string());
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--child", name, "--seconds", &seconds, "--seed", &seed]).arg("--keep").arg(&options.keep);
    // The default message of a panic repeats what the report says.
    let mut process = command.stdin(Stdio::null()).spawn()?;
    let end = Instant::now() + Duration::from_secs(options.seconds) + GRACE;
    let status = loop {
        if let Some(status) = process.try_wait()? {
            break status;
        }
        if Instant::now() > end {
            process.kill()?;
            process.wait()?;
            keep_last(name, &options.keep, "still works on an input")?;
            return Ok(false);
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    if status.code().is_none() {
        keep_last(name, &options.keep, &format!("the process ended: {status}"))?;
    }
    Ok(status.success())
}

/// Keeps the input on which a process ended.
fn keep_last(name: &str, keep: &Path, what: &str) -> Result<(), Box<dyn Error>> {
    let kept = keep.join(format!("{name}-ended"));
    fs::rename(keep.join(format!("{name}.last")), &kept)?;
    eprintln!("{name:16} {what}: {}", kept.display());
    Ok(())
}

/// Runs a target in this process and prints one line, and one more for each failure.
fn child(name: &str, options: &Options) -> Result<ExitCode, Box<dyn Error>> {
    let target = target(name).ok_or("unknown target")?;
    let corpus = corpus::read(name)?.into_iter().map(|(_, data)| data).collect();
    std::panic::set_hook(Box::new(|_| {}));
    let end = Instant::now() + Duration::from_secs(options.seconds);
    let report = run((name, target), corpus, options.seed, end, &options.keep)?;
    remove_store();
    eprintln!(
        "{name:16} {:>9} inputs, {:>4} failed, slowest {:>6.0?} of processor time, memory up to {} MiB",
        report.inputs,
        report.failures.len(),
        report.slowest,
        report.peak_mib
    );
    for (message, path) in &report.failures {
        eprintln!("    {}: {}", path.display(), message.chars().take(400).collect::<String>());
    }
    Ok(if report.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
