//! Measures what an index costs each inserted row.

use std::collections::BTreeSet;

use almanac_engine::{advise::database::verify::literal, database::statement::quote};
use serde::Deserialize;

use super::{VerifyError, session::Session};

/// Rows of one round.
pub(super) const ROWS: usize = 500;

#[derive(Deserialize)]
struct Described {
    columns: Vec<Described1>,
    uniques: Vec<Vec<String>>,
    keys: Vec<String>,
}

#[derive(Deserialize)]
struct Described1 {
    name: String,
    #[serde(rename = "type")]
    type_name: String,
}

/// Copies rows of the table into a temporary one, with new values in unique columns, and returns the statement that inserts
/// them. The error says why rows cannot be inserted.
pub(super) async fn prepare(session: &Session, table: &str) -> Result<String, String> {
    let (schema, name) = table.split_once('.').unwrap_or(("public", table));
    let of = format!("'{}.{}'::regclass", quote(schema).replace('\'', "''"), quote(name).replace('\'', "''"));
    let describe = format!(
        "SELECT json_build_object('columns', (SELECT json_agg(json_build_object('name', attname, 'type', format_type(atttypid, atttypmod)) \
         ORDER BY attnum) FROM pg_attribute WHERE attrelid = {of} AND attnum > 0 AND NOT attisdropped AND attgenerated = ''), \
         'uniques', coalesce((SELECT json_agg((SELECT coalesce(json_agg(a.attname), '[]'::json) FROM pg_attribute a WHERE a.attrelid = {of} AND \
         a.attnum = ANY (i.indkey))) FROM pg_index i WHERE i.indrelid = {of} AND i.indisunique), '[]'::json), \
         'keys', coalesce((SELECT json_agg(a.attname) FROM pg_constraint c JOIN pg_attribute a ON a.attrelid = c.conrelid AND \
         a.attnum = ANY (c.conkey) WHERE c.conrelid = {of} AND c.contype = 'f'), '[]'::json))"
    );
    let said = |error: VerifyError| error.to_string();
    let text = session.run("the columns of the table", &describe).await.map_err(said)?.unwrap_or_default();
    let found: Described = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let mut fresh: BTreeSet<String> = BTreeSet::new();
    for unique in &found.uniques {
        if unique.iter().any(|column| fresh.contains(column)) {
            continue;
        }
        let changeable = |column: &&String| {
            found.columns.iter().any(|known| known.name == **column && value(&known.type_name, "").is_some())
        };
        let chosen = unique.iter().filter(changeable).min_by_key(|column| found.keys.contains(column));
        let Some(chosen) = chosen else {
            return Err(format!("no new values can be made for the unique columns {}", unique.join(", ")));
        };
        fresh.insert(chosen.clone());
    }
    let target = format!("{}.{}", quote(schema), quote(name));
    let columns: Vec<String> = found.columns.iter().map(|column| quote(&column.name)).collect();
    let selected: Vec<String> = found
        .columns
        .iter()
        .map(|column| {
            let own = quote(&column.name);
            let made = fresh
                .contains(&column.name)
                .then(|| value(&column.type_name, &format!("(SELECT max({own}) FROM {target})")));
            made.flatten().map_or(own.clone(), |made| format!("{made} AS {own}"))
        })
        .collect();
    let sql = format!(
        "DROP TABLE IF EXISTS pg_temp.almanac_rows; CREATE TEMP TABLE almanac_rows AS SELECT {} FROM (SELECT * FROM {target} \
         ORDER BY md5(ctid::text) LIMIT {ROWS}) AS sampled",
        selected.join(", ")
    );
    session.run("sampling rows to insert", &sql).await.map_err(said)?;
    Ok(format!(
        "INSERT INTO {target} ({0}) OVERRIDING SYSTEM VALUE SELECT {0} FROM pg_temp.almanac_rows",
        columns.join(", ")
    ))
}

/// Returns an expression of new values of a type; `largest`: the largest present value.
fn value(type_name: &str, largest: &str) -> Option<String> {
    Some(match type_name {
        "bigint" | "integer" | "smallint" | "numeric" => {
            format!("(coalesce({largest}, 0) + row_number() OVER ())::{type_name}")
        }
        "uuid" => "gen_random_uuid()".to_owned(),
        text if text == "text" || text.starts_with("character varying") => {
            format!("md5(random()::text || {})::{type_name}", literal("almanac"))
        }
        _ => return None,
    })
}
