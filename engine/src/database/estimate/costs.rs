//! Cost constants of PostgreSQL's planner, and the times that scans really take.

use crate::database::{Catalogue, memory};

/// Bytes of a page.
pub(super) const PAGE: f64 = 8192.0;

/// Planner settings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Costs {
    /// `seq_page_cost`.
    pub seq_page: f64,
    /// `random_page_cost`.
    pub random_page: f64,
    /// `cpu_tuple_cost`.
    pub cpu_tuple: f64,
    /// `cpu_index_tuple_cost`.
    pub cpu_index_tuple: f64,
    /// `cpu_operator_cost`.
    pub cpu_operator: f64,
    /// `effective_cache_size`, in pages.
    pub cache_pages: f64,
    /// `max_parallel_workers_per_gather`.
    pub workers: f64,
    /// How much more frequent than the mean the values are that statements ask for; 1: as frequent as the mean. Requests
    /// mostly concern active users, whose rows are many.
    pub skew: f64,
}

impl Default for Costs {
    fn default() -> Self {
        Self {
            seq_page: 1.0,
            random_page: 4.0,
            cpu_tuple: 0.01,
            cpu_index_tuple: 0.005,
            cpu_operator: 0.0025,
            cache_pages: 524_288.0,
            workers: 2.0,
            skew: 1.0,
        }
    }
}

impl Costs {
    /// Reads the settings of a catalogue; a missing or unreadable one has PostgreSQL's default.
    #[must_use]
    pub fn of(catalogue: &Catalogue) -> Self {
        let read = |name: &str, or: f64| {
            let found = catalogue.settings.get(name).and_then(|text| text.trim().parse::<f64>().ok());
            found.filter(|value| value.is_finite() && *value >= 0.0).unwrap_or(or)
        };
        let default = Self::default();
        Self {
            seq_page: read("seq_page_cost", default.seq_page),
            random_page: read("random_page_cost", default.random_page),
            cpu_tuple: read("cpu_tuple_cost", default.cpu_tuple),
            cpu_index_tuple: read("cpu_index_tuple_cost", default.cpu_index_tuple),
            cpu_operator: read("cpu_operator_cost", default.cpu_operator),
            cache_pages: catalogue
                .settings
                .get("effective_cache_size")
                .and_then(|text| memory::bytes(text, PAGE))
                .map(|bytes| bytes / PAGE)
                .unwrap_or(default.cache_pages),
            workers: read("max_parallel_workers_per_gather", default.workers).min(8.0),
            skew: default.skew,
        }
    }
}

/// Work in milliseconds, with pages in memory. The constants are of the order that sequential and index scans of
/// PostgreSQL 15 show on a server processor; the advisor scales them to the measured time of each statement.
pub(super) mod work {
    /// Reading one page in order.
    pub(in super::super) const PAGE: f64 = 0.001;
    /// Reading one tuple.
    pub(in super::super) const TUPLE: f64 = 0.000_045;
    /// Testing one condition on a tuple.
    pub(in super::super) const OPERATOR: f64 = 0.000_02;
    /// Testing a pattern on a tuple.
    pub(in super::super) const PATTERN: f64 = 0.000_3;
    /// Computing an expression of a tuple, such as `lower(email)`.
    pub(in super::super) const EXPRESSION: f64 = 0.000_3;
    /// Descending an index.
    pub(in super::super) const DESCENT: f64 = 0.003;
    /// Reading one entry of an index.
    pub(in super::super) const ENTRY: f64 = 0.000_1;
    /// Reading one tuple of a page that the entry before did not need.
    pub(in super::super) const FETCH: f64 = 0.000_6;
    /// Comparing two tuples in a sort.
    pub(in super::super) const COMPARE: f64 = 0.000_08;
    /// Putting one tuple into a hash table, or looking one up.
    pub(in super::super) const HASH: f64 = 0.000_15;
    /// Starting and ending one execution.
    pub(in super::super) const EXECUTION: f64 = 0.02;
}
