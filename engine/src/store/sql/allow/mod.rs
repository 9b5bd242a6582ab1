//! Allow lists of the functions and tables that analysts may use, by name.
//!
//! The following functions are excluded on purpose. Those that:
//! - read files, settings or the catalogue (`read_*`, `glob`, `duckdb_*`, `pragma_*`, `current_setting`);
//! - have side effects (`checkpoint`, `nextval`, `setseed`, `write_log`) or pause the query;
//! - run text as SQL (`query`, `json_execute_serialized_sql`);
//! - build one huge value without checking for interrupts (`repeat`, `lpad`, `rpad`, `bar`, `format`, `printf`,
//!   `list_resize`, `bitstring`, `flatten`, edit distances);
//! - take a lambda: they multiply lists by lists outside the memory limit;
//! - recurse into a JSON value (`json_structure`, `json_transform`, `json_contains`, `json_merge_patch`), because a
//!   deeply nested one overflows the stack, which ends the process.

mod nested;
mod rules;
mod scalar;

pub(super) use rules::{is_function_allowed, is_information_allowed, is_window_allowed, wildcard};
