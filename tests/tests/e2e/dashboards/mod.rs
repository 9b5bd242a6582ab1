//! The dashboards and rules that `almanac grafana export` writes, on a store with the simulated application.

mod application;
mod export;
mod interpolate;
mod panels;
mod queries;
