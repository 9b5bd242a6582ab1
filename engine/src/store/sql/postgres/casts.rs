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
        | "aclitem" | "unknown" | "xml" | "citext" | "inet" | "cidr" | "int2vector" | "oidvector" | "bpchar" => {
            "VARCHAR"
        }
        "oid" => "UINTEGER",
        "xid" | "cid" | "xid8" => "BIGINT",
        "jsonb" => "JSON",
        // Instants are compared with the column `timestamp`, which is UTC.
        "timestamptz" => "TIMESTAMP",
        _ => return None,
    })
}

/// Returns the position of a type's name after `at`, which a schema may precede, and the name as it is looked up.
fn type_after(rewriter: &Rewriter<'_>, at: usize) -> (usize, String) {
    let is_qualified = rewriter.name(at + 1) == "pg_catalog" && rewriter.is(at + 2, ".");
    let last = if is_qualified { at + 3 } else { at + 1 };
    let is_quoted = rewriter.kind(last) == Some(LexemeKind::Quoted);
    (last, if is_quoted { rewriter.text(last).to_owned() } else { rewriter.name(last) })
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
    } else if let Some(plain) = type_in_duckdb(&written) {
        rewriter.replace(at + 1, last, plain);
    } else if last > at + 1 {
        rewriter.replace(at + 1, last, rewriter.text(last).to_owned());
    }
    done
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
    } else if let Some(plain) = type_in_duckdb(&written) {
        rewriter.replace(at + 1, last, plain);
    } else if last > at + 1 {
        rewriter.replace(at + 1, last, rewriter.text(last).to_owned());
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
