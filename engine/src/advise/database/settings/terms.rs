//! Measurement terms of an applied recommendation on a setting.

use serde::{Deserialize, Serialize};

/// What the effect of a setting is measured by. `database` is the name in the configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "measures", rename_all = "snake_case")]
pub enum SettingsTerms {
    /// Temporary bytes of one execution of each family before, less those of its executions now.
    TemporaryBytes {
        /// Database.
        database: String,
        /// Families with their temporary bytes of one execution before.
        families: Vec<FamilyBefore>,
    },
    /// Time of one execution of each family before, less that of its executions now.
    StatementTime {
        /// Database.
        database: String,
        /// Families with their milliseconds of one execution before.
        families: Vec<FamilyBefore>,
    },
    /// Time of reading blocks for each block that was asked for before, less that of the blocks now.
    ReadTime {
        /// Database.
        database: String,
        /// Milliseconds of reading for each block that was found or read, before.
        before_ms: f64,
    },
    /// Share of dead rows.
    DeadShare {
        /// Database.
        database: String,
        /// Table as `schema.name`.
        table: String,
    },
    /// Share of all-visible pages.
    VisibleShare {
        /// Database.
        database: String,
        /// Table as `schema.name`.
        table: String,
    },
    /// Share of updates without new index entries.
    HotShare {
        /// Database.
        database: String,
        /// Table as `schema.name`.
        table: String,
    },
    /// Peak of the connections.
    Connections {
        /// Database.
        database: String,
        /// Connections that roles without special rights may have.
        usable: f64,
    },
}

/// A statement family before the change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FamilyBefore {
    /// Fingerprint.
    pub family: String,
    /// Value of one execution, in the unit of the terms.
    pub before: f64,
}
