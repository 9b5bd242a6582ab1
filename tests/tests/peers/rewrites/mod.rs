//! Rewritten statements on a real PostgreSQL: results are equal to those of the statements before, on random tables.

mod cases;
mod database;
mod loops;
mod pages;
mod refused;
mod results;
mod tables;
