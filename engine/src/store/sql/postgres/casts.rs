//! Translates casts to types that DuckDB does not have. A cast to an object identifier's type, such as `regclass`, looks a
//! name up, or returns the name of an identifier.

use super::{lexer::LexemeKind, rewriter::Rewriter};
use crate::store::schema::{namespace_oid, relation_oid};

/// Types of object identifiers that have a function `…_oid` for a name and `…_name` for an identifier.
const REGISTERED: [&str; 4] = ["regclass", "regnamespace", "regrole", "regtype"];

/// Returns what a type of PostgreSQL is in DuckDB, where the name differs or means something else.
fn type_in_duckdb(name: &str) -> Option<&'static str> {
    Some(match name {
        "name" | "regproc" | "regprocedure" | "regoper" | "regoperator" | "\"char\"" | "cstring" | "pg_node_tree"
        | "aclitem" | "unknown" | "int2vector" | "oidvector" | "bpchar" => "VARCHAR",
        "oid" => "UINTEGER",
        "xid" | "cid" | "xid8" => "BIGINT",
        "jsonb" => "JSON",
        _ => return None,
    })
}

/// Type of an instant. It is converted to UTC and compared with the column `timestamp`, which has no zone: DuckDB compares
/// no instants with timestamps, and drops the offset where it casts a text to a timestamp. Before `AT TIME ZONE` it stays
/// an instant: the conversion of a timestamp is the opposite one.
const WITH_ZONE: &str = "timestamptz";

/// Returns the position of the end of a type's name after `at`, which a schema may precede, and the name as it is looked up.
fn type_after(rewriter: &Rewriter<'_>, at: usize) -> (usize, String) {
    let is_qualified = rewriter.name(at + 1) == "pg_catalog" && rewriter.is(at + 2, ".");
    let last = if is_qualified { at + 3 } else { at + 1 };
    if rewriter.kind(last) == Some(LexemeKind::Quoted) {
        return (last, rewriter.text(last).to_owned());
    }
    let name = rewriter.name(last);
    let has_zone = ["with", "time", "zone"].iter().zip(last + 1..).all(|(word, idx)| rewriter.is(idx, word));
    if name == "timestamp" && has_zone { (last + 3, WITH_ZONE.to_owned()) } else { (last, name) }
}

/// Translates `… :: [pg_catalog .] type` and returns the number of lexemes that are done.
pub(super) fn cast(rewriter: &mut Rewriter<'_>, at: usize) -> usize {
    let (last, written) = type_after(rewriter, at);
    let done = last + 1 - at;
    let before = at.checked_sub(1);
    let constant = before.filter(|before| rewriter.kind(*before) == Some(LexemeKind::Text));
    if let Some(before) = constant
        && translate_constant(rewriter, before, last, &written)
    {
        return done;
    }
    if REGISTERED.contains(&written.as_str()) && !rewriter.is(last + 1, "[") {
        // A parameter is a name; other values are identifiers of the catalogue.
        let is_name = before
            .is_some_and(|before| matches!(rewriter.kind(before), Some(LexemeKind::Parameter | LexemeKind::Text)));
        let start = rewriter.operand_start(at);
        rewriter.insert_before(start, format!("postgres.\"{written}_{}\"(", if is_name { "oid" } else { "name" }));
        rewriter.replace(at, last, ")");
    } else if written == WITH_ZONE && !rewriter.is(last + 1, "[") {
        let target = if rewriter.is_zoned(last + 1) { "TIMESTAMPTZ" } else { "TIMESTAMPTZ::TIMESTAMP" };
        rewriter.replace(at + 1, last, target);
    } else {
        plain_type(rewriter, at + 1, last, &written);
    }
    done
}

/// Replaces the name of a type from `first` to `last` by that of DuckDB.
fn plain_type(rewriter: &mut Rewriter<'_>, first: usize, last: usize, written: &str) {
    if let Some(plain) = type_in_duckdb(written) {
        rewriter.replace(first, last, plain);
    } else if last == first + 2 && rewriter.is(first + 1, ".") {
        rewriter.replace(first, last, rewriter.text(last).to_owned());
    }
}

/// Translates `AS type )` of a `CAST`, and returns the number of lexemes that are done.
pub(super) fn cast_as(rewriter: &mut Rewriter<'_>, at: usize) -> usize {
    let (last, written) = type_after(rewriter, at);
    if !rewriter.is(last + 1, ")") && !rewriter.is(last + 1, "[") {
        return 1;
    }
    let open = rewriter.open_around(at).filter(|open| rewriter.before(*open).eq_ignore_ascii_case("cast"));
    let Some(open) = open else { return 1 };
    if REGISTERED.contains(&written.as_str()) && rewriter.is(last + 1, ")") {
        let is_name =
            matches!(rewriter.kind(open + 1), Some(LexemeKind::Parameter | LexemeKind::Text)) && open + 2 == at;
        let form = if is_name { "oid" } else { "name" };
        rewriter.replace(open - 1, open - 1, format!("postgres.\"{written}_{form}\""));
        rewriter.replace(at, last, "");
    } else if written == WITH_ZONE && rewriter.is(last + 1, ")") && rewriter.is_zoned(last + 2) {
        rewriter.replace(at + 1, last, "TIMESTAMPTZ");
    } else if written == WITH_ZONE && rewriter.is(last + 1, ")") {
        rewriter.insert_before(open - 1, "CAST(");
        rewriter.replace(at + 1, last, "TIMESTAMPTZ) AS TIMESTAMP");
    } else {
        plain_type(rewriter, at + 1, last, &written);
    }
    last + 1 - at
}

/// Translates a text constant with its cast: `'samples'::regclass` and `'{a,b}'::text[]`. Returns whether it did.
fn translate_constant(rewriter: &mut Rewriter<'_>, before: usize, last: usize, written: &str) -> bool {
    let constant = rewriter.text(before).trim_matches('\'').to_owned();
    let plain = constant.strip_prefix("pg_catalog.").unwrap_or(&constant);
    let known = match written {
        "regclass" => {
            let name = plain.strip_prefix("public.").unwrap_or(plain).trim_matches('"').to_lowercase();
            name.parse().ok().or_else(|| relation_oid(&name))
        }
        "regnamespace" => plain.parse().ok().or_else(|| namespace_oid(plain.trim_matches('"'))),
        "regproc" | "regprocedure" => {
            // The catalogue has the names of functions without their schema.
            rewriter.replace(before, last, format!("'{plain}'"));
            return true;
        }
        _ => None,
    };
    if let Some(oid) = known {
        rewriter.replace(before, last, format!("{oid}::UINTEGER"));
        return true;
    }
    if rewriter.is(last + 1, "[")
        && rewriter.is(last + 2, "]")
        && let Some(items) = constant.strip_prefix('{').and_then(|items| items.strip_suffix('}'))
    {
        rewriter.replace(before, before, format!("'[{items}]'"));
    }
    false
}
