//! Tests of normalised texts, families and the parser.

use super::{family, literals, normalize, parse, quote};

#[test]
fn literals_become_placeholders_after_the_highest_one() {
    assert_eq!(normalize("SELECT 1"), "SELECT $1");
    assert_eq!(normalize("SELECT $2, 'x' -- secret\n , E'a\\'b' /* 7 */;"), "SELECT $2, $3 , $4");
    assert_eq!(normalize("SELECT  $$it's$$,\n 0x1F, 1.5e3 FROM \"T\"\"x\""), "SELECT $1, $2, $3 FROM \"T\"\"x\"");
    assert_eq!(literals("SELECT 7 WHERE a = 'it''s' AND b = $1"), [(2, "7".to_owned()), (3, "it's".to_owned())]);
}

#[test]
fn an_open_quote_keeps_no_literal() {
    let text = normalize("SELECT a FROM t WHERE b = 'secret");
    assert!(!text.contains("secret"), "{text}");
    assert!(text.ends_with('…'), "{text}");
}

#[test]
fn one_family_has_one_fingerprint() {
    let same = [
        "SELECT a FROM t WHERE b = 1 AND c IN (1, 2, 3)",
        "select a from t where b = $1 and c in ($2)",
        "SELECT a\nFROM t -- comment\nWHERE b = %s AND c IN (%s, %s)",
        "SELECT a FROM t WHERE b = %(b)s AND c IN (%(c)s)",
        "SELECT a FROM t WHERE b = :b AND c IN (:c, :d);",
        "SELECT a FROM t WHERE b = ? AND c IN (?, ?, ?)",
        "SELECT a FROM t WHERE b = -1 AND c IN ($1 /*, ... */)",
    ];
    for text in same {
        assert_eq!(family(text), family(same[0]), "{text}");
        assert_eq!(family(&normalize(text)), family(same[0]), "{text}");
    }
    let rows = ["INSERT INTO t (a, b) VALUES (1, 2)", "INSERT INTO t (a, b) VALUES ($1,$2), ($3,$4), ($5,$6)"];
    assert_eq!(family(rows[0]), family(rows[1]));
}

#[test]
fn different_statements_have_different_families() {
    let texts = [
        "SELECT a FROM t WHERE b = $1",
        "SELECT a FROM t WHERE b > $1",
        "SELECT a FROM t WHERE b = $1 OR c = $2",
        "SELECT a FROM t WHERE b - $1 > $2",
        "SELECT a FROM t WHERE j ? $1",
        "SELECT a FROM t WHERE b = a",
        "SELECT \"A\" FROM t WHERE b = $1",
        "SELECT a::date FROM t WHERE b = $1",
        "SELECT a FROM t WHERE b % s = $1",
    ];
    for (idx, text) in texts.iter().enumerate() {
        for other in texts.iter().skip(idx + 1) {
            assert_ne!(family(text), family(other), "{text} and {other}");
        }
    }
}

#[test]
fn normalised_texts_of_pg_stat_statements_are_parsed() {
    for text in [
        "SELECT a FROM t WHERE d > timestamp $1 AND EXTRACT($2 FROM d) = $3",
        "SELECT a FROM t WHERE d > now() - INTERVAL $1 AND ip << inet $2",
        "SELECT a FROM t WHERE a IN ($1 /*, ... */) AND (a, b) < ($2, $3)",
    ] {
        assert!(parse(text).is_ok(), "{text}: {:?}", parse(text));
    }
}

#[test]
fn hostile_texts_are_refused_or_read_without_harm() {
    let deep = format!("SELECT {}1{}", "(".repeat(20_000), ")".repeat(20_000));
    assert!(parse(&deep).is_err());
    assert_eq!(family(&deep).len(), 16);
    let long = format!("SELECT '{}'", "x".repeat(600_000));
    assert!(normalize(&long).len() < 32);
    assert!(parse(&long).is_err());
    assert!(parse("").is_err());
    assert!(parse("SELECT 1; SELECT 2").is_err());
    let _ = family("'\u{0}\u{feff}$$ $a$ \"");
}

#[test]
fn names_are_quoted_where_needed() {
    assert_eq!(quote("tasks"), "tasks");
    assert_eq!(quote("user"), "\"user\"");
    assert_eq!(quote("Tasks\"x"), "\"Tasks\"\"x\"");
    assert_eq!(quote("2nd"), "\"2nd\"");
}

#[test]
fn a_chain_of_operators_that_would_be_too_deep_is_refused() {
    for word in ["OR", "AND", "||", "UNION SELECT"] {
        let text = format!("SELECT {}", vec!["1"; 5_000].join(&format!(" {word} ")));
        let error = parse(&text).unwrap_err().to_string();
        assert!(error.contains("4999 operators; at most 2000 are read"), "{error}");
    }
    let list = vec!["$1"; 20_000].join(", ");
    assert!(parse(&format!("SELECT 1 FROM t WHERE a IN ({list})")).is_ok());
}
