//! The session of a connection: messages, commands, prepared statements and portals.

mod command;
mod copy;
mod extended;
mod portal;
mod run;
mod serve;
mod settings;
mod simple;

pub(super) use command::command;
pub(super) use serve::Session;
