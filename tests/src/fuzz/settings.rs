//! Targets: the configuration, files of alerting rules, the tokens file.

#![expect(clippy::expect_used, reason = "a target without its file cannot run")]

use std::{fs, path::Path};

use almanac_api::{access::Auth, config::Config};
use almanac_engine::advise::threshold::RuleFile;

use super::{one_line, store};

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
