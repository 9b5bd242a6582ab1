//! With a real Prometheus: the same answers to the same expressions, forwarded samples, remote read, rules that promtool
//! accepts and evaluates alike, and alerts that an Alertmanager gets.

mod alerting;
mod answers;
mod comparison;
mod data;
mod exporters;
mod expressions;
mod forwarding;
mod native;
mod reading;
mod rule_states;
mod rules;
mod self_alerts;
mod server;
