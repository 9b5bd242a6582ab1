//! Quotes identifiers as PostgreSQL needs them.

/// Keywords that PostgreSQL does not accept as the name of a column without quotes (appendix C of its manual: reserved,
/// and reserved except as function or type).
const RESERVED: &str = "all analyse analyze and any array as asc asymmetric authorization binary both case cast check \
    collate collation column concurrently constraint create cross current_catalog current_date current_role \
    current_schema current_time current_timestamp current_user default deferrable desc distinct do else end except \
    false fetch for foreign freeze from full grant group having ilike in initially inner intersect into is isnull join \
    lateral leading left like limit localtime localtimestamp natural not notnull null offset on only or order outer \
    overlaps placing primary references returning right select session_user similar some symmetric system_user table \
    tablesample then to trailing true union unique user using variadic verbose when where window with";

/// Returns the identifier, in double quotes unless it is lower-case and no reserved keyword.
#[must_use]
pub fn quote(identifier: &str) -> String {
    let mut chars = identifier.chars();
    let starts = chars.next().is_some_and(|first| first.is_ascii_lowercase() || first == '_');
    let is_plain = starts && chars.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if is_plain && !RESERVED.split(' ').any(|word| word == identifier) {
        identifier.to_owned()
    } else {
        format!("\"{}\"", identifier.replace('"', "\"\""))
    }
}
