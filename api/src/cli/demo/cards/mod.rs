//! The cards that the demo prints: one for each recommendation, with the figures that it rests on.

mod card;
mod choose;
mod database;
mod load;
mod replayed;
mod text;

pub(crate) use card::recommendation;
pub(super) use card::{further, others};
pub(super) use choose::choose;
pub(super) use text::{count, number, paragraph, table};
