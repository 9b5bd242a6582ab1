//! Translates names, casts, operators and constants of PostgreSQL to those of DuckDB, and positions back.

use super::{
    ParamKind, ParamType, casts,
    lexer::LexemeKind,
    names,
    operators::{self, MATCHES},
    rewriter::{Edit, Rewriter},
};

/// A translated statement.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::store::sql) struct Translation {
    source: String,
    /// Replacements in order, without overlaps.
    edits: Vec<Edit>,
    /// Parameters in order.
    parameters: Vec<Placed>,
}

/// A parameter in a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Placed {
    number: usize,
    /// Position of its end in bytes.
    end: usize,
    /// Whether it is converted to a time zone.
    is_zoned: bool,
}

impl Translation {
    /// Translates a statement.
    pub(in crate::store::sql) fn new(sql: &str) -> Self {
        let rewriter = rewrite(sql);
        let parameters = rewriter
            .lexemes
            .iter()
            .enumerate()
            .filter(|(_, lexeme)| lexeme.kind == LexemeKind::Parameter)
            .filter_map(|(idx, lexeme)| {
                let number = sql[lexeme.range.clone()][1..].parse().ok()?;
                Some(Placed { number, end: lexeme.range.end, is_zoned: rewriter.is_zoned(idx + 1) })
            })
            .collect();
        let mut translation = Self { source: sql.to_owned(), edits: rewriter.edits, parameters };
        translation.order();
        translation
    }

    /// Returns the translated text.
    pub(in crate::store::sql) fn text(&self) -> String {
        apply(&self.source, &self.edits)
    }

    /// Adds a cast to each parameter.
    pub(in crate::store::sql) fn cast(&mut self, types: &[ParamType]) {
        for Placed { number, end, is_zoned } in &self.parameters {
            if let Some(found) = number.checked_sub(1).and_then(|idx| types.get(idx)) {
                let is_instant = *is_zoned && *found == ParamType::one(ParamKind::TimestampTz);
                let target = if is_instant { "TIMESTAMPTZ" } else { found.sql() };
                self.edits.push(Edit { range: *end..*end, rank: 0, text: format!("::{target}") });
            }
        }
        self.order();
    }

    /// Sorts the replacements, and drops those that overlap an earlier one.
    fn order(&mut self) {
        self.edits.sort_by_key(|edit| (edit.range.start, edit.range.end, edit.rank));
        let mut from = 0;
        self.edits.retain(|edit| {
            let fits = edit.range.start >= from;
            from = if fits { edit.range.end } else { from };
            fits
        });
    }

    /// Returns the position in the source, in characters from 1, of a position in the translated text in bytes.
    pub(in crate::store::sql) fn position(&self, translated: usize) -> u64 {
        let (mut source, mut target) = (0, 0);
        for edit in &self.edits {
            let kept = edit.range.start - source;
            if translated < target + kept {
                break;
            }
            target += kept;
            source = edit.range.start;
            if translated < target + edit.text.len() {
                return characters(&self.source, source);
            }
            target += edit.text.len();
            source = edit.range.end;
        }
        characters(&self.source, source + (translated - target))
    }
}

/// Returns the number of the character at a position in bytes, from 1.
fn characters(text: &str, at: usize) -> u64 {
    text.char_indices().take_while(|(start, _)| *start < at).count() as u64 + 1
}

fn apply(source: &str, edits: &[Edit]) -> String {
    let (mut out, mut from) = (String::with_capacity(source.len() + 64), 0);
    for edit in edits {
        out.push_str(&source[from..edit.range.start]);
        out.push_str(&edit.text);
        from = edit.range.end;
    }
    out + &source[from..]
}

/// Translates a statement.
fn rewrite(sql: &str) -> Rewriter<'_> {
    let mut rewriter = Rewriter::new(sql);
    let mut at = 0;
    while at < rewriter.lexemes.len() {
        at += match (rewriter.kind(at), rewriter.text(at)) {
            (Some(LexemeKind::Symbol), "::") => casts::cast(&mut rewriter, at),
            (Some(LexemeKind::Symbol), symbol) if MATCHES.contains(&symbol) => {
                operators::matches(&mut rewriter, at, at, at + 1)
            }
            (Some(LexemeKind::Word | LexemeKind::Quoted), _) => names::word(&mut rewriter, at),
            _ => 1,
        };
    }
    rewriter
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_casts_and_operators_are_translated() {
        let check = |sql: &str, expected: &str| assert_eq!(Translation::new(sql).text(), expected, "{sql}");
        for same in
            ["SELECT 'pg_catalog.x', \"public\" FROM samples -- pg_class", "SELECT labels['a']::INTEGER, x -> 'y'", ""]
        {
            check(same, same);
        }
        check(
            "SELECT c.oid::pg_catalog.regclass FROM pg_catalog.pg_class c, pg_namespace n WHERE pg_catalog.pg_table_is_visible(c.oid)",
            "SELECT postgres.\"regclass_name\"(c.oid) FROM postgres.\"pg_class\" c, postgres.\"pg_namespace\" n WHERE postgres.\"pg_table_is_visible\"(c.oid)",
        );
        check("SELECT pg_catalog.count(*) FROM public.samples", "SELECT count(*) FROM main.samples");
        check(
            "c.relname OPERATOR(pg_catalog.~) '^(samples)$' COLLATE pg_catalog.default",
            "c.relname ~ '(?s).*(?:^(samples)$).*' ",
        );
        check(
            "a ~ b.c AND a !~ ('x' || lower(d)) AND a ~* pg_catalog.lower(e)",
            "a ~ ('(?s).*(?:' || b.c || ').*') AND a !~ ('(?s).*(?:' || ('x' || lower(d)) || ').*') AND \
             a ~ ('(?is).*(?:' || lower(e) || ').*')",
        );
        check("a !~* E'\\\\.x'", "a !~ E'(?is).*(?:\\\\.x).*'");
        check(
            "'pg_class'::regclass, '{r,v}'::text[], CAST(x AS name), CAST(x AS pg_catalog.text)",
            "1259::UINTEGER, '[r,v]'::text[], CAST(x AS VARCHAR), CAST(x AS text)",
        );
        check(
            "SELECT current_schema, current_user AS u, version()",
            "SELECT postgres.\"current_schema\"(), postgres.\"current_user\"() AS u, postgres.\"version\"()",
        );
        check("SELECT * FROM information_schema.tables t", "SELECT * FROM pg_information.\"tables\" t");
        check(
            "a::timestamptz, CAST(b AS timestamp with time zone), c::timestamp, (d + 1)::timestamptz[]",
            "a::TIMESTAMPTZ::TIMESTAMP, CAST(CAST(b AS TIMESTAMPTZ) AS TIMESTAMP), c::timestamp, (d + 1)::timestamptz[]",
        );
        check(
            "f(a, (b))::regclass, x.y[1]::oid::regtype, (SELECT 1)::regrole, $1::regclass, CAST($1 AS regtype)",
            "postgres.\"regclass_name\"(f(a, (b))), postgres.\"regtype_name\"(x.y[1]::UINTEGER), postgres.\"regrole_name\"((SELECT 1)), \
             postgres.\"regclass_oid\"($1), postgres.\"regtype_oid\"($1 )",
        );
        check(
            "SELECT i, generate_series(1, 2) AS s FROM generate_series(1, 3) i, unnest(x) AS u JOIN current_schema() c ON true",
            "SELECT i, generate_series(1, 2) AS s FROM generate_series(1, 3) i(i), unnest(x) AS u(u) JOIN \
             (SELECT postgres.\"current_schema\"() AS c) c ON true",
        );
        check(
            "SELECT json_build_object('a', user), pg_catalog.age(xmin), age(a.b), \"user\", \"collate\" FROM t \"user\"",
            "SELECT json_object('a', postgres.\"current_user\"()), postgres.\"age_of_transaction\"(xmin), age(a.b), \"user\", \"collate\" \
             FROM t \"user\"",
        );
    }

    /// Statements that another translation would answer with other values.
    #[test]
    fn patterns_instants_and_complements_keep_their_meaning() {
        let check = |sql: &str, expected: &str| assert_eq!(Translation::new(sql).text(), expected, "{sql}");
        for same in ["SELECT ~5, ~(5), 4 & ~a, (~a), ~$1", "SELECT '10.0.0.1'::inet, a::citext"] {
            check(same, same);
        }
        check("a ~ $$b'c$$", "a ~ ('(?s).*(?:' || $$b'c$$ || ').*')");
        check("a ~* CAST(b AS text)", "a ~ ('(?is).*(?:' || CAST(b AS text) || ').*')");
        check(
            "a ~ CASE WHEN b THEN CASE c WHEN 1 THEN 'x' END ELSE 'y' END AND d",
            "a ~ ('(?s).*(?:' || CASE WHEN b THEN CASE c WHEN 1 THEN 'x' END ELSE 'y' END || ').*') AND d",
        );
        check("a ~ (b)[1] AND c ~ d[2]", "a ~ ('(?s).*(?:' || (b)[1] || ').*') AND c ~ ('(?s).*(?:' || d[2] || ').*')");
        check("'x' ~ 'y' AND 5 = ~5", "'x' ~ '(?s).*(?:y).*' AND 5 = ~5");
        for zoned in [
            "'2026-07-01 12:00+00'::timestamptz AT TIME ZONE 'Europe/Berlin'",
            "(a::timestamptz) at time zone 'Europe/Berlin'",
            "timezone('Europe/Berlin', a::timestamptz)",
            "CAST(a AS timestamp with time zone) AT TIME ZONE 'UTC'",
        ] {
            let expected =
                zoned.replace("timestamptz", "TIMESTAMPTZ").replace("timestamp with time zone", "TIMESTAMPTZ");
            check(zoned, &expected);
        }
        check("SELECT 1 FROM generate_series(1, 3) OFFSET 1", "SELECT 1 FROM generate_series(1, 3) OFFSET 1");
        check("SELECT 1 FROM unnest(a) EXCEPT SELECT 2", "SELECT 1 FROM unnest(a) EXCEPT SELECT 2");
        let mut translation = Translation::new("SELECT $1 AT TIME ZONE 'UTC', $1");
        translation.cast(&[ParamType::one(ParamKind::TimestampTz)]);
        assert_eq!(translation.text(), "SELECT $1::TIMESTAMPTZ AT TIME ZONE 'UTC', $1::TIMESTAMPTZ::TIMESTAMP");
    }

    #[test]
    fn parameters_get_casts_and_positions_lead_back() {
        let mut translation = Translation::new("SELECT é, pg_catalog.version() WHERE a ~ $1 AND b > $2 AND bad");
        translation.cast(&[ParamType::one(ParamKind::Text), ParamType::one(ParamKind::Double)]);
        let text = translation.text();
        assert_eq!(
            text,
            "SELECT é, postgres.\"version\"() WHERE a ~ ('(?s).*(?:' || $1::VARCHAR || ').*') AND b > $2::DOUBLE AND bad"
        );
        let source = "SELECT é, pg_catalog.version() WHERE a ~ $1 AND b > $2 AND bad";
        for word in ["SELECT", "WHERE", "bad", "b >"] {
            let expected =
                source.chars().collect::<String>().find(word).map(|at| source[..at].chars().count() as u64 + 1);
            assert_eq!(Some(translation.position(text.find(word).unwrap())), expected, "{word}");
        }
        assert_eq!(translation.position(text.find("postgres").unwrap()), 11);
        assert!(translation.position(10_000) > 0);
    }
}
