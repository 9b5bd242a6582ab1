//! The command `almanac grafana export DIR`.

use std::path::PathBuf;

use super::{
    dashboards,
    files::{Exported, File, write_all},
    rules, sources,
};
use crate::{
    cli::{CliError, Global, store::StoreArgs},
    config::Config,
};

/// Options of `grafana`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// What to do for Grafana.
    #[command(subcommand)]
    pub command: GrafanaCommand,
}

/// Commands for Grafana.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum GrafanaCommand {
    /// Write data sources, dashboards and alerting rules as provisioning files
    Export(ExportArgs),
}

/// Options of `grafana export`.
#[derive(Debug, Clone, clap::Args)]
pub struct ExportArgs {
    /// Folder to write to, such as /etc/grafana/provisioning; created if it does not exist
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    /// Address at which Grafana reaches this service [that of server.listen]
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// Folder of the dashboards in Grafana
    #[arg(long, value_name = "NAME", default_value = "Almanac")]
    pub folder: String,
    /// Path at which Grafana finds DIR, if it is mounted elsewhere, as in a container [the absolute path of DIR]
    #[arg(long, value_name = "PATH")]
    pub mounted_at: Option<String>,
    /// Configuration file [almanac.toml, if it exists]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// A usage error for an invalid configuration, address or name; a failure when a file cannot be written, or exists and
/// was not written by this command. Then nothing is written.
pub fn run(args: Args, _global: &Global) -> Result<(), CliError> {
    let GrafanaCommand::Export(args) = args.command;
    let config = StoreArgs { db: None, config: args.config.clone() }.config()?;
    let url = match &args.url {
        Some(url) => address(url)?,
        None => own_address(&config),
    };
    let folder = args.folder.trim();
    if folder.is_empty() || folder.chars().any(|c| c.is_control() || c == '/') {
        return Err(CliError::usage(format!(
            "--folder {:?} is not the name of a folder, such as Almanac",
            args.folder
        )));
    }
    let mounted = match &args.mounted_at {
        Some(path) if path.starts_with('/') => path.trim_end_matches('/').to_owned(),
        Some(path) => {
            let example = "/etc/grafana/provisioning";
            return Err(CliError::usage(format!("--mounted-at {path:?} is not an absolute path, such as {example}")));
        }
        None => {
            let absolute = std::path::absolute(&args.dir)
                .map_err(|error| CliError::failed(format!("{}: {error}", args.dir.display())))?;
            let Some(text) = absolute.to_str() else {
                return Err(CliError::usage(format!("{} is not UTF-8; use --mounted-at", absolute.display())));
            };
            text.trim_end_matches('/').to_owned()
        }
    };
    let exported = write_all(&args.dir, &files(&url, folder, &mounted))?;
    crate::say!("almanac: {}", summary(&args, &exported, &url));
    Ok(())
}

/// Returns every exported file. `mounted`: path at which Grafana finds the export's folder.
fn files(url: &str, folder: &str, mounted: &str) -> Vec<File> {
    let mut files = sources::files(url, folder, mounted);
    files.extend(dashboards::files());
    files.extend(rules::files());
    files
}

fn summary(args: &ExportArgs, exported: &Exported, url: &str) -> String {
    format!(
        "{} files written to {}, {} unchanged; they read {url}, with the token in the environment variable {} of Grafana",
        exported.written,
        args.dir.display(),
        exported.unchanged,
        sources::TOKEN_VARIABLE,
    )
}

/// Returns the address of the service of this configuration. An address for all interfaces becomes that of loopback.
fn own_address(config: &Config) -> String {
    let mut listen = config.server.listen;
    if listen.ip().is_unspecified() {
        listen.set_ip(if listen.is_ipv4() {
            std::net::Ipv4Addr::LOCALHOST.into()
        } else {
            std::net::Ipv6Addr::LOCALHOST.into()
        });
    }
    let scheme = if config.server.tls_cert.is_some() { "https" } else { "http" };
    format!("{scheme}://{listen}")
}

/// Checks an address and returns it without a trailing slash.
fn address(text: &str) -> Result<String, CliError> {
    let wrong = |why: &str| {
        CliError::usage(format!("--url {text:?} {why}; write the service's address, such as http://almanac:9797"))
    };
    let url = reqwest::Url::parse(text).map_err(|error| wrong(&format!("is not a URL ({error})")))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(wrong("does not begin with http:// or https://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        // Without the address, which has a secret.
        return Err(CliError::usage("--url has a user or password, which would be in the files; use a token"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("has a query or fragment"));
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked() {
        assert_eq!(address("http://almanac:9797/").unwrap(), "http://almanac:9797");
        assert_eq!(address("https://example.com/almanac").unwrap(), "https://example.com/almanac");
        for wrong in ["almanac:9797", "ftp://a", "http://", "http://a?b=c", "", "9797"] {
            let message = address(wrong).unwrap_err().to_string();
            assert!(message.contains("http://almanac:9797"), "{wrong}: {message}");
        }
        let secret = address("http://user:hunter2@almanac").unwrap_err().to_string();
        assert!(secret.contains("password") && !secret.contains("hunter2"), "{secret}");
    }

    #[test]
    fn the_address_is_that_of_the_configuration() {
        let mut config = Config::default();
        assert_eq!(own_address(&config), "http://127.0.0.1:9797");
        config.server.listen = "[::]:80".parse().unwrap();
        config.server.tls_cert = Some("cert.pem".into());
        assert_eq!(own_address(&config), "https://[::1]:80");
    }
}
