//! Keeps a power cut that failed in a folder, so that it can be judged again.

use std::{fs, path::Path};

use super::cuts::Cut;
use crate::faults::{harness::Sent, run::Options};

/// Writes the recording and the cut, and returns what happened with the command that judges it again.
pub(super) fn keep(options: &Options, journal: &[u8], sent: &[Sent], cut: &Cut, what: &str) -> String {
    let folder = options.kept.join(format!("power-cut-{}-{}", options.seed, cut.seed));
    let written = || -> Result<(), Box<dyn std::error::Error>> {
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("journal"), journal)?;
        fs::write(folder.join("sent.json"), serde_json::to_vec(sent)?)?;
        fs::write(folder.join("cut.json"), serde_json::to_vec(cut)?)?;
        Ok(())
    };
    let place = format!("after {} changes, {:?} left: {what}", cut.records, cut.left);
    match written() {
        Ok(()) => format!("{place}; again: make faults REPLAY={}", folder.display()),
        Err(error) => format!("{place}; the recording could not be kept: {error}"),
    }
}

/// Reads what [`keep`] wrote.
///
/// # Errors
/// The file that is missing or not readable.
pub(super) fn load(folder: &Path) -> Result<(Vec<u8>, Vec<Sent>, Cut), String> {
    let read =
        |name: &str| fs::read(folder.join(name)).map_err(|error| format!("{}: {error}", folder.join(name).display()));
    let parsed = |error: serde_json::Error| format!("{}: {error}", folder.display());
    let sent = serde_json::from_slice(&read("sent.json")?).map_err(parsed)?;
    let cut = serde_json::from_slice(&read("cut.json")?).map_err(parsed)?;
    Ok((read("journal")?, sent, cut))
}
