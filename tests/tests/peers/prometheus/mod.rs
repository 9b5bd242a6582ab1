//! With a real Prometheus: the same answers to the same expressions, forwarded samples, and rules that promtool accepts.

mod answers;
mod comparison;
mod data;
mod exporters;
mod expressions;
mod forwarding;
mod rules;
mod server;
