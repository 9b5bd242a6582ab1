//! `almanac grafana`: data sources, dashboards and alerting rules as provisioning files.

mod command;
mod dashboards;
mod files;
mod rules;
mod sources;

pub use command::{Args, run};
