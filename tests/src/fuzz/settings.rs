//! Targets: the configuration, files of alerting rules, the tokens file.

#![expect(clippy::expect_used, reason = "a target without its file cannot run")]

use std::{fs, path::Path, time::Duration};

use almanac_api::{access::Auth, config::Config};
use almanac_engine::{advise::threshold::RuleFile, rules::RuleBook, signal::EvalLimits};

use super::{one_line, promql::SERIES, store};

/// A configuration file; the files that it names are not read.
pub(super) fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Config::parse(text, Path::new("almanac.toml")) {
        Ok(config) => {
            if let Err(error) = config.signal_specs() {
                one_line::check(&error);
            }
            let _ = config.learn_options();
        }
        Err(error) => one_line::check(&error),
    }
}

/// A file of alerting rules, which is also written again.
pub(super) fn rules(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let file = match RuleFile::parse("rules.yml", text) {
        Ok(file) => file,
        Err(error) => return one_line::check(&error),
    };
    let mut book = RuleBook::default();
    book.add("rules.yml", text, 60_000);
    book.faults.iter().for_each(|fault| one_line::check_text(&fault.reason));
    for group in &mut book.groups {
        // Its templates are expanded with the series of the target of expressions.
        let mut write = |_, _: &[_]| Ok(());
        let done = group.evaluate(&*SERIES, store::NOW_MS, &EvalLimits::default(), &|| Duration::ZERO, &mut write);
        done.failures.iter().for_each(|(_, reason)| one_line::check_text(reason));
    }
    let (specs, kept) = file.alerts("rules.yml");
    kept.iter().for_each(|rule| one_line::check_text(&rule.reason));
    match file.to_yaml() {
        Ok(written) => {
            let again = RuleFile::parse("rules.yml", &written)
                .unwrap_or_else(|error| panic!("a written rule file cannot be read: {error}\n{written}"));
            assert_eq!(again.alerts("rules.yml").0.len(), specs.len(), "alerts of the written file\n{written}");
        }
        Err(error) => one_line::check(&error),
    }
}

/// A tokens file.
pub(super) fn tokens(data: &[u8]) {
    let path = store::folder().join(format!("tokens-{:?}.toml", std::thread::current().id()));
    fs::write(&path, data).expect("a temporary file can be written");
    let mut config = Config::default();
    config.server.tokens_file = Some(path);
    if let Err(error) = Auth::of_config(&config) {
        one_line::check(&error);
    }
}
