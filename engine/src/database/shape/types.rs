//! What a statement reads and how it restricts, joins and orders it.

use std::collections::BTreeSet;

/// Meaning of a statement for the choice of indexes and rewrites.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Shape {
    /// What the statement does.
    pub verb: Verb,
    /// Its query blocks: the main one first, then subqueries, CTEs and parts of set operations.
    pub blocks: Vec<Block>,
    /// Table that is written, as `schema.name`; none: the statement only reads, or the table is unknown.
    pub written: Option<String>,
    /// Columns that an UPDATE sets.
    pub assigned: BTreeSet<String>,
    /// Names of relations that the catalogue does not know, such as functions, CTEs and views excepted.
    pub unknown: BTreeSet<String>,
}

/// Verb of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Verb {
    /// SELECT.
    Select,
    /// INSERT.
    Insert,
    /// UPDATE.
    Update,
    /// DELETE.
    Delete,
    /// MERGE, DDL, transaction control, and all else.
    #[default]
    Other,
}

/// One query block: a SELECT with its relations, or the scan of an UPDATE or DELETE.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Block {
    /// Relations of FROM in their order.
    pub relations: Vec<Relation>,
    /// Conjuncts that restrict one relation.
    pub filters: Vec<Filter>,
    /// Equalities between two relations.
    pub joins: Vec<Join>,
    /// Keys of ORDER BY, when all are columns or expressions of relations of this block; else empty.
    pub order: Vec<OrderKey>,
    /// Whether ORDER BY has a key that is not in `order`, such as an aggregate.
    pub is_order_computed: bool,
    /// Keys of GROUP BY and DISTINCT that are columns or expressions of relations of this block.
    pub group: Vec<(usize, Key)>,
    /// Whether rows are grouped, or made distinct.
    pub is_grouped: bool,
    /// Whether the result is one row of aggregates.
    pub is_aggregate: bool,
    /// Whether every aggregate counts rows.
    pub counts_only: bool,
    /// LIMIT.
    pub limit: Option<Amount>,
    /// OFFSET.
    pub offset: Option<Amount>,
    /// Place of the block in the statement.
    pub role: Role,
    /// Block that contains this one.
    pub parent: Option<usize>,
    /// Whether it refers to a relation of an outer block, so that it runs once for each outer row.
    pub is_correlated: bool,
    /// Whether rows are locked: FOR UPDATE, FOR SHARE, or the scan of an UPDATE or DELETE.
    pub locks: bool,
}

/// Place of a block in its statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Role {
    /// The statement itself.
    #[default]
    Main,
    /// A subquery that gives one value.
    Scalar,
    /// A subquery of EXISTS or NOT EXISTS.
    Exists,
    /// A subquery of IN, ANY or ALL.
    In,
    /// A subquery of NOT IN.
    NotIn,
    /// A subquery in FROM.
    Derived,
    /// A common table expression.
    Cte,
    /// A part of UNION, INTERSECT or EXCEPT.
    Part,
}

/// A relation of a block.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Relation {
    /// Table as `schema.name`; none: a subquery, a function, a CTE or an unknown table.
    pub table: Option<String>,
    /// Name by which the block refers to it.
    pub alias: String,
    /// Columns of it that the block uses.
    pub columns: BTreeSet<String>,
    /// Whether all columns are used (`*`).
    pub is_whole: bool,
    /// Whether it is on the nullable side of an outer join, so that it cannot be read first.
    pub is_optional: bool,
    /// Block that gives its rows, for a subquery in FROM and a CTE.
    pub block: Option<usize>,
}

/// Indexed thing: a column, or an expression over one relation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// A column.
    Column(String),
    /// An expression without qualifiers, as `sqlparser` prints it.
    Expression(String),
}

impl Key {
    /// Returns the column's name, if it is one.
    #[must_use]
    pub fn column(&self) -> Option<&str> {
        match self {
            Self::Column(name) => Some(name),
            Self::Expression(_) => None,
        }
    }
}

/// A conjunct that restricts one relation.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    /// Index of the relation in its block.
    pub relation: usize,
    /// What is tested.
    pub key: Key,
    /// Test on it.
    pub test: Test,
}

/// Test of a filter.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// `= value`.
    Equal(Operand),
    /// `IN (…)` or `= ANY(…)` of this many values; none: unknown.
    In(Option<usize>),
    /// `<`, `<=`, `>`, `>=` against a value.
    Range {
        /// Whether the value bounds it from above.
        is_upper: bool,
        /// The value.
        operand: Operand,
    },
    /// `IS NULL`.
    IsNull,
    /// `IS NOT NULL`.
    IsNotNull,
    /// A Boolean column that must be true or false.
    Is(bool),
    /// `LIKE` or `ILIKE` with a pattern.
    Like {
        /// Whether case is ignored.
        is_insensitive: bool,
        /// Form of the pattern.
        pattern: Pattern,
    },
    /// Operator of an inverted index: `@@`, `@>`, `<@`, `&&`, `?`.
    Contains(String),
    /// `<>`, `NOT LIKE`, `OR` and whatever else no index serves.
    Other,
}

/// Form of a LIKE pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pattern {
    /// It begins with a fixed text.
    Prefix,
    /// It begins with a wildcard.
    Infix,
    /// It is a parameter.
    Unknown,
}

/// Value that a key is compared with.
#[derive(Debug, Clone, PartialEq)]
pub enum Operand {
    /// A literal.
    Literal(String),
    /// Placeholder `$n`; 0: a placeholder of another style.
    Parameter(usize),
    /// A column of an outer block.
    Outer,
    /// An expression without columns of this block, such as `now() - interval '1 day'`.
    Computed,
    /// A scalar subquery.
    Subquery,
}

/// An equality between columns of two relations.
#[derive(Debug, Clone, PartialEq)]
pub struct Join {
    /// One side: relation and column or expression.
    pub left: (usize, Key),
    /// The other side.
    pub right: (usize, Key),
}

/// A key of ORDER BY.
#[derive(Debug, Clone, PartialEq)]
pub struct OrderKey {
    /// Index of the relation in its block.
    pub relation: usize,
    /// Column or expression.
    pub key: Key,
    /// Whether the order is descending.
    pub is_descending: bool,
    /// Whether NULLs come first.
    pub nulls_first: bool,
}

/// Value of LIMIT or OFFSET.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Amount {
    /// A literal.
    Known(f64),
    /// Placeholder `$n`; 0: another expression.
    Parameter(usize),
}
