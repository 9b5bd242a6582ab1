//! `almanac verify`: measures recommendations before they are applied.

mod command;
mod print;
mod source;

pub use command::{Args, Command, Database, run};
