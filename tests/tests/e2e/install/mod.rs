//! The program as it is installed: what it says about itself and its configuration, and the files of `docs/deploy`.

mod check_config;
mod deploy;
mod files;
mod progress;
