//! `almanac check-config`: says what each section of the configuration does, and what is wrong with it.

use std::{io::Write, path::Path};

use almanac_engine::advise::threshold::KeptRule;

use super::sections::{Section, sections};
use crate::{
    chain,
    cli::{CliError, Global, output, serve},
    config::Config,
    service,
};

/// Runs the command; the options are those of `serve`, with the same meaning. No store is opened, so that it may run beside the service.
///
/// # Errors
/// A usage error for the first fault; each further fault is a line on stderr before it.
pub fn run(args: serve::Args, global: &Global) -> Result<(), CliError> {
    let (config, auth) = args.settings(global)?;
    let (specs, kept) = config.advice_specs().map_err(|error| CliError::usage(chain(&error)))?;
    config.signal_specs().map_err(|error| CliError::usage(chain(&error)))?;
    let mut faults = service::start_faults(&config);
    faults.extend(kept.iter().filter(|rule| is_file(rule)).map(|rule| format!("alerts.rule_files: {}", rule.reason)));

    let mut out = output::stdout();
    let file = args.store.config.clone().unwrap_or_else(|| Config::DEFAULT_FILE.into());
    writeln!(out, "{}\n", title(&file))?;
    for (webhook, path) in config.webhooks.iter().filter_map(|one| Some((one, one.secret_file.as_ref()?))) {
        if let Err(error) = std::fs::read(config.folder.join(path)) {
            faults.push(format!(
                "webhook {:?}: secret_file {} cannot be read: {error}",
                webhook.shown(),
                path.display()
            ));
        }
    }
    let others: Vec<&KeptRule> = kept.iter().filter(|rule| !is_file(rule)).collect();
    for Section { name, sentences } in sections(&config, &specs, &others, auth.is_required()) {
        writeln!(out, "{name}")?;
        for sentence in sentences {
            writeln!(out, "  {sentence}")?;
        }
        writeln!(out)?;
    }
    let Some((last, others)) = faults.split_last() else {
        writeln!(out, "No fault was found; almanac serve accepts this configuration.")?;
        return Ok(out.flush()?);
    };
    out.flush()?;
    for fault in others {
        crate::say!("almanac: {fault}");
    }
    Err(CliError::usage(last))
}

/// Returns whether a whole rule file is not used, rather than a rule of it.
fn is_file(rule: &KeptRule) -> bool {
    rule.group.is_empty() && rule.alert.is_empty()
}

fn title(file: &Path) -> String {
    if file.exists() {
        format!("Configuration of {}.", file.display())
    } else {
        format!("There is no {} here, so that every key has its default.", file.display())
    }
}
