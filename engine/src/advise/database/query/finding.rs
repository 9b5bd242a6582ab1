//! What is found in the statements of a workload: the pattern, the statement before and after, and what that changes.

use serde::{Deserialize, Serialize};

/// Pattern of a statement that costs more than it needs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pattern {
    /// A statement for each row of another result.
    NPlusOne,
    /// Pages by OFFSET, which reads the rows of all pages before.
    Keyset,
    /// A count of all rows for every page.
    CountEveryPage,
    /// LIKE or ILIKE that no index serves.
    TextSearch,
    /// Several scalar subqueries over the same rows.
    ScalarSubqueries,
    /// Wide columns that a list reads.
    SelectStar,
    /// A list without LIMIT whose rows are many.
    MissingLimit,
    /// A cast or a function on an indexed column.
    ImplicitCast,
    /// NOT IN over a subquery.
    NotInNull,
    /// OR over columns of several tables, or over columns without indexes.
    OrColumns,
    /// A subquery that runs once for each row.
    CorrelatedSubquery,
    /// A count that is only compared with zero.
    CountAsExists,
    /// DISTINCT that removes the repeated rows of a join.
    DistinctJoin,
    /// `ORDER BY random()`.
    RandomOrder,
    /// INSERT of one row, many times.
    RowByRowInsert,
}

impl Pattern {
    /// Returns the name in evidence, such as `n_plus_one`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NPlusOne => "n_plus_one",
            Self::Keyset => "keyset",
            Self::CountEveryPage => "count_every_page",
            Self::TextSearch => "text_search",
            Self::ScalarSubqueries => "scalar_subqueries",
            Self::SelectStar => "select_star",
            Self::MissingLimit => "missing_limit",
            Self::ImplicitCast => "implicit_cast",
            Self::NotInNull => "not_in_null",
            Self::OrColumns => "or_columns",
            Self::CorrelatedSubquery => "correlated_subquery",
            Self::CountAsExists => "count_as_exists",
            Self::DistinctJoin => "distinct_join",
            Self::RandomOrder => "random_order",
            Self::RowByRowInsert => "row_by_row_insert",
        }
    }
}

/// A loop of statements that traces show.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Loop {
    /// Route of the requests, such as `GET /tasks`; none if it is unknown.
    pub route: Option<String>,
    /// Fingerprint of the repeated statement's family.
    pub family: String,
    /// Text of the repeated statement without literals.
    pub statement: String,
    /// Calls of the loop in one request that has it, median.
    pub calls: f64,
    /// Time of the loop in one request, in milliseconds, median; none if it is unknown.
    pub loop_ms: Option<f64>,
    /// How the calls follow each other, such as `serial` or `warm_cache`.
    pub form: String,
}

/// A finding on one or more statement families.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Pattern.
    pub pattern: Pattern,
    /// Fingerprints of the families, the one that is changed first.
    pub families: Vec<String>,
    /// Route, where traces name it.
    pub route: Option<String>,
    /// Calls of a loop in one request, median; none outside loops.
    pub calls_of_a_loop: Option<f64>,
    /// The statement as it is, normalised.
    pub before: String,
    /// What to do.
    pub action: Action,
    /// Another statement that answers nearly the same question with other rows, such as full-text search.
    pub alternative: Option<String>,
    /// What the change needs in the database.
    pub needs: Vec<Need>,
    /// What it saves.
    pub saving: Saving,
    /// Further facts for a reader, each one sentence.
    pub notes: Vec<String>,
}

/// What a finding proposes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Another statement.
    Rewrite(Rewrite),
    /// The same statement; what it needs makes it faster.
    Support,
    /// A change of what the application asks for, with the statement where there is one.
    Change {
        /// The change, in one sentence.
        what: String,
        /// The statement after the change.
        statement: Option<String>,
    },
    /// No change is known to be safe.
    Keep {
        /// Reason, in one sentence.
        reason: String,
    },
}

/// A rewritten statement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rewrite {
    /// Statement after the change, with placeholders `$1` to `$n`.
    pub statement: String,
    /// Where the value of each placeholder comes from, in their order.
    pub parameters: Vec<Parameter>,
    /// Statement for the first page, for pages.
    pub first: Option<FirstPage>,
    /// When the results are equal.
    pub equality: Equality,
    /// How `verify` compares the results.
    pub check: Check,
    /// Names of output columns that are added at the end.
    pub added: Vec<String>,
}

/// The statement for the first page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FirstPage {
    /// Statement.
    pub statement: String,
    /// Where the value of each placeholder comes from.
    pub parameters: Vec<Parameter>,
}

/// Source of a placeholder's value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Parameter {
    /// The placeholder of this number of the statement before.
    Same(usize),
    /// An array of the values that this placeholder has in the calls of a loop.
    Array(usize),
    /// The value of this output column in the last row of the page before.
    Last(String),
}

/// When the results of both statements are equal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Equality {
    /// Always.
    Always,
    /// When this holds.
    When(String),
    /// They differ in this.
    Different(String),
}

/// Comparison of the results of both statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// The same rows, each as often.
    Multiset,
    /// The same rows in the same order.
    Ordered,
    /// The rows of all calls of a loop against those of one call, each as often; added columns are left out.
    Loop,
    /// All pages after each other against all pages of the statement before with the same tie-breaker.
    Pages,
    /// The rows of the table afterwards.
    Written,
    /// The number of rows that differ is reported.
    Difference,
}

/// What a change needs in the database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Need {
    /// An extension.
    Extension(String),
    /// An index.
    Index(IndexNeed),
}

/// An index that a change needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexNeed {
    /// Table as `schema.name`.
    pub table: String,
    /// Access method.
    pub method: String,
    /// Keys as `CREATE INDEX` writes them, with direction and operator class.
    pub keys: Vec<String>,
}

impl IndexNeed {
    /// Returns the keys in parentheses, such as `USING gin (title gin_trgm_ops)` after the table.
    #[must_use]
    pub fn definition(&self) -> String {
        format!("{} USING {} ({})", self.table, self.method, self.keys.join(", "))
    }
}

/// Estimated saving.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Saving {
    /// Share of the family's time that is saved, in [0, 1].
    pub share: f64,
    /// Lower end of its interval.
    pub lower: f64,
    /// Upper end of its interval.
    pub upper: f64,
    /// Seconds of statement time a day at `share`; none if the span of the workload is unknown.
    pub seconds_a_day: Option<f64>,
    /// What the estimate rests on, in one sentence.
    pub rests_on: String,
}
