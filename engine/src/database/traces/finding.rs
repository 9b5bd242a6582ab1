//! A loop of statements that was found, with its evidence.

use serde::{Deserialize, Serialize};

use super::{RouteKey, Statement};

/// What a repeated statement is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoopKind {
    /// A read for each row of another result (N+1).
    NPlusOne,
    /// Rows that are inserted, changed or deleted one by one; many of them fit into one statement.
    Batch,
    /// A statement that is repeated at a regular pause, such as a worker's look for new work. It is no fault.
    Polling,
}

/// How the calls of a loop follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoopForm {
    /// One after the other.
    Serial,
    /// Overlapping, as by `asyncio.gather`.
    Parallel,
    /// Alternating with the calls of another loop.
    Interleaved,
    /// A cache answers most of the requests, or most calls of a request; the loop shows when it does not.
    WarmCache,
}

/// The library that made the statements, by the name of its instrumentation scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Orm {
    /// SQLAlchemy.
    SqlAlchemy,
    /// Django's ORM.
    Django,
    /// Active Record of Rails.
    ActiveRecord,
    /// Hibernate, also below Spring Data.
    Hibernate,
    /// Prisma.
    Prisma,
}

impl Orm {
    /// Returns the ORM that a scope belongs to.
    ///
    /// ```
    /// use almanac_engine::database::traces::Orm;
    ///
    /// assert_eq!(Orm::of_scope("opentelemetry.instrumentation.sqlalchemy"), Some(Orm::SqlAlchemy));
    /// assert_eq!(Orm::of_scope("opentelemetry.instrumentation.asyncpg"), None);
    /// ```
    #[must_use]
    pub fn of_scope(scope: &str) -> Option<Self> {
        let scope = scope.to_ascii_lowercase();
        let known = [
            ("sqlalchemy", Self::SqlAlchemy),
            ("django", Self::Django),
            ("active_record", Self::ActiveRecord),
            ("activerecord", Self::ActiveRecord),
            ("::rails", Self::ActiveRecord),
            ("hibernate", Self::Hibernate),
            ("spring-data", Self::Hibernate),
            ("prisma", Self::Prisma),
        ];
        known.iter().find(|(part, _)| scope.contains(part)).map(|(_, orm)| *orm)
    }

    /// Returns how the ORM reads related rows of a list with one statement.
    #[must_use]
    pub fn eager_loading(self) -> &'static str {
        match self {
            Self::SqlAlchemy => "select(Parent).options(selectinload(Parent.related)); joinedload for one related row",
            Self::Django => "Parent.objects.prefetch_related(\"related\"); select_related for a foreign key",
            Self::ActiveRecord => "Parent.includes(:related)",
            Self::Hibernate => "JOIN FETCH in the query, an @EntityGraph, or hibernate.default_batch_fetch_size",
            Self::Prisma => "include: { related: true } in the query of the parent",
        }
    }
}

/// Median and 95 % quantile; counts below 64 are exact, other values are within 4.5 %.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Spread {
    /// Median.
    pub median: f64,
    /// 95 % quantile.
    pub p95: f64,
}

/// A value with its 80 % interval; for savings the range of the assumptions.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Share {
    /// Value.
    pub value: f64,
    /// Lower end.
    pub lower: f64,
    /// Upper end.
    pub upper: f64,
}

/// The read that returns the list over which the loop runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Parent {
    /// Fingerprint of its family.
    pub family: String,
    /// Its text without literals.
    pub text: String,
    /// Share of the loops that it precedes.
    pub share: f64,
}

/// A cache in front of the loop.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CacheEvidence {
    /// Reads of caches in a request of the route.
    pub lookups: Spread,
    /// Share of the calls that are directly behind a read of a cache; 0 when the spans have no such reads and the cache
    /// is deduced from the requests without a call.
    pub behind: f64,
}

/// How the number of calls grows with the rows of the parent.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct GrowthEvidence {
    /// Loops of which the rows of the parent are known.
    pub loops: u64,
    /// Calls for each further row.
    pub slope: f64,
    /// Correlation of calls and rows, in [-1, 1]; 1 is a call for each row.
    pub correlation: f64,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// The change in words.
    pub change: String,
    /// How the ORM writes it, if the spans name the ORM.
    pub eager_loading: Option<String>,
    /// The statement for all keys at once, when it has one equality; it is not checked on a database.
    pub statement: Option<String>,
}

/// A loop of statements in the requests of a route.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoopFinding {
    /// The route.
    pub route: RouteKey,
    /// What it is.
    pub kind: LoopKind,
    /// How the calls follow each other.
    pub form: LoopForm,
    /// The repeated statement: family, text, verb and database.
    pub statement: Statement,
    /// The read before the loop, if one precedes most of the loops.
    pub parent: Option<Parent>,
    /// Families that alternate with this one.
    pub partners: Vec<String>,
    /// ORM that sent the calls.
    pub orm: Option<Orm>,
    /// Requests of the route.
    pub requests: u64,
    /// Requests that show the loop, also behind a cache.
    pub looping: u64,
    /// Their share of all requests, with the 80 % interval by Wilson.
    pub share: Share,
    /// Calls of a request with the loop.
    pub calls: Spread,
    /// Whether the number of calls differs between the loops.
    pub varies: bool,
    /// Time of the calls in a request with the loop, in seconds; overlapping time counts once.
    pub seconds: Spread,
    /// Share of the time of a request with a loop; 0 when a cache hides all of them.
    pub request_share: f64,
    /// Share of the loops whose texts have placeholders and no values, so that equal texts say nothing of the parameters.
    pub placeholders_only: f64,
    /// Share of the loops that send the same statement with the same values: the first result can be kept.
    pub identical: f64,
    /// The cache in front of the loop.
    pub cache: Option<CacheEvidence>,
    /// Growth with the rows of the parent, when spans have the number of rows.
    pub growth: Option<GrowthEvidence>,
    /// Estimated saving in a request with the loop, in seconds.
    pub saved: Share,
    /// Estimated saving of statement time, in seconds a day at the observed rate of requests.
    pub saved_per_day: Share,
    /// What to do.
    pub proposal: Proposal,
}
