//! What DBeaver, DataGrip and Metabase ask when they connect and open the tree of tables, in statements with the same
//! relations, functions, casts and joins.

use tokio_postgres::SimpleQueryMessage;

use super::Service;

/// Statements, with the value of the first column of the first row; `None` where there is no row.
const ASKED: [(&str, Option<&str>); 32] = [
    ("SELECT current_schema(), session_user", Some("public")),
    ("SELECT current_database() AS a, current_schemas(false) AS b", Some("almanac")),
    ("SELECT version()", Some("PostgreSQL 15.0 (Almanac)")),
    ("SHOW search_path", Some("public")),
    ("SHOW TRANSACTION ISOLATION LEVEL", Some("read committed")),
    ("SHOW DateStyle", Some("ISO, MDY")),
    ("SELECT round(extract(epoch FROM pg_postmaster_start_time() AT TIME ZONE 'UTC')) > 0", Some("t")),
    (
        "SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN NULL ELSE (pg_catalog.txid_current() % 4294967296)::varchar::bigint END",
        Some("1"),
    ),
    (
        "SELECT l.transactionid::varchar::bigint FROM pg_catalog.pg_locks l WHERE l.transactionid IS NOT NULL ORDER BY pg_catalog.age(l.transactionid) DESC LIMIT 1",
        None,
    ),
    ("SELECT db.oid, db.* FROM pg_catalog.pg_database db WHERE NOT datistemplate AND datallowconn", Some("16384")),
    (
        "SELECT n.oid::bigint, n.xmin, n.nspname, d.description, pg_catalog.pg_get_userbyid(n.nspowner) FROM pg_catalog.pg_namespace n LEFT JOIN pg_catalog.pg_description d ON n.oid = d.objoid ORDER BY CASE WHEN nspname = pg_catalog.current_schema() THEN -1::bigint ELSE n.oid::bigint END",
        Some("2200"),
    ),
    (
        "SELECT n.oid, n.*, d.description FROM pg_catalog.pg_namespace n LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid = n.oid AND d.objsubid = 0 AND d.classoid = 'pg_namespace'::regclass ORDER BY nspname DESC",
        Some("2200"),
    ),
    (
        "SELECT nspname <> ALL ('{pg_toast,information_schema}'::text[]) FROM pg_namespace WHERE nspname = 'public'",
        Some("t"),
    ),
    (
        "SELECT r.oid::bigint, rolname, rolsuper, rolconfig, d.description FROM pg_catalog.pg_roles r LEFT JOIN pg_catalog.pg_shdescription d ON d.objoid = r.oid",
        Some("10"),
    ),
    ("SELECT member, roleid FROM pg_catalog.pg_auth_members ORDER BY member, roleid::text", None),
    (
        "SELECT t.oid::bigint, t.spcname, t.xmin, pg_catalog.pg_tablespace_location(t.oid), t.spcoptions FROM pg_catalog.pg_tablespace t",
        Some("1663"),
    ),
    (
        "SELECT t.oid, t.spcacl FROM pg_catalog.pg_tablespace t UNION ALL SELECT d.oid, d.datacl FROM pg_catalog.pg_database d ORDER BY 1",
        Some("1663"),
    ),
    ("SELECT setting FROM pg_catalog.pg_settings WHERE name = 'standard_conforming_strings'", Some("on")),
    (
        "SELECT string_agg(word, ',') <> '' FROM pg_catalog.pg_get_keywords() WHERE word <> ALL ('{a,abs,absolute}'::text[])",
        Some("t"),
    ),
    (
        "SELECT name, is_dst FROM pg_catalog.pg_timezone_names UNION DISTINCT SELECT abbrev, is_dst FROM pg_catalog.pg_timezone_abbrevs",
        None,
    ),
    (
        "SELECT t.oid, t.*, c.relkind, format_type(nullif(t.typbasetype, 0), t.typtypmod), d.description FROM pg_catalog.pg_type t LEFT OUTER JOIN pg_catalog.pg_type et ON et.oid = t.typelem LEFT OUTER JOIN pg_catalog.pg_class c ON c.oid = t.typrelid LEFT OUTER JOIN pg_catalog.pg_description d ON t.oid = d.objoid WHERE t.typname IS NOT NULL AND (c.relkind IS NULL OR c.relkind = 'c') AND (et.typcategory IS NULL OR et.typcategory <> 'C') ORDER BY t.oid",
        Some("16"),
    ),
    (
        "SELECT c.oid, c.relname, d.description, pg_catalog.pg_get_expr(c.relpartbound, c.oid), pg_catalog.pg_get_partkeydef(c.oid) FROM pg_catalog.pg_class c LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid = c.oid AND d.objsubid = 0 AND d.classoid = 'pg_class'::regclass WHERE c.relnamespace = 2200 AND c.relkind NOT IN ('i', 'I', 'c') AND c.relname = 'samples'",
        Some("472331196"),
    ),
    (
        "SELECT c.relname, (SELECT array_agg(i.inhparent) FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid) FROM pg_catalog.pg_class c WHERE c.relname = 'series'",
        Some("series"),
    ),
    (
        "SELECT c.oid, pg_catalog.pg_total_relation_size(c.oid), pg_catalog.pg_relation_size(c.oid) FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relname = 'samples'",
        Some("472331196"),
    ),
    (
        "SELECT a.attname, pg_catalog.pg_get_expr(ad.adbin, ad.adrelid, true), dsc.description, dep.objid FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON a.attrelid = c.oid LEFT JOIN pg_catalog.pg_attrdef ad ON (a.attrelid, a.attnum) = (ad.adrelid, ad.adnum) LEFT JOIN pg_catalog.pg_description dsc ON c.oid = dsc.objoid AND a.attnum = dsc.objsubid LEFT JOIN pg_depend dep ON dep.refobjid = a.attrelid AND dep.deptype = 'i' WHERE NOT a.attisdropped AND c.oid = 472331196 ORDER BY a.attnum",
        Some("series_id"),
    ),
    (
        "SELECT i.*, i.indkey AS keys, c.relname, pg_catalog.pg_get_expr(i.indpred, i.indrelid), pg_catalog.pg_stat_get_numscans(i.indexrelid) FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = 472331196",
        None,
    ),
    (
        "SELECT c.oid, t.relname, CASE WHEN c.contype = 'c' THEN \"substring\"(pg_get_constraintdef(c.oid), 7) END FROM pg_catalog.pg_constraint c JOIN pg_catalog.pg_class t ON t.oid = c.conrelid WHERE c.conrelid = 472331196",
        None,
    ),
    (
        "SELECT typinput = 'pg_catalog.array_in'::regproc AS is_array, typtype, typname FROM pg_catalog.pg_type LEFT JOIN (SELECT ns.oid AS nspoid, ns.nspname, r.r FROM pg_namespace AS ns JOIN (SELECT s.r, (current_schemas(false))[s.r] AS nspname FROM generate_series(1, array_upper(current_schemas(false), 1)) AS s(r)) AS r USING (nspname)) AS sp ON sp.nspoid = typnamespace WHERE pg_type.oid = 1016 ORDER BY sp.r, pg_type.oid DESC",
        Some("t"),
    ),
    (
        "SELECT e.oid, n.nspname = ANY(current_schemas(true)), e.typname FROM pg_catalog.pg_type t JOIN pg_catalog.pg_type e ON t.typelem = e.oid JOIN pg_catalog.pg_namespace n ON t.typnamespace = n.oid WHERE t.oid = '1016'",
        Some("20"),
    ),
    ("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()", None),
    (
        "SELECT nspname AS \"TABLE_SCHEM\" FROM pg_catalog.pg_namespace WHERE nspname !~ '^pg_' AND (nspname !~ '^pg_temp_' OR nspname = (pg_catalog.current_schemas(true))[1]) ORDER BY \"TABLE_SCHEM\" DESC",
        Some("public"),
    ),
    (
        "SELECT \"c\".\"relname\", CASE \"c\".\"relkind\" WHEN 'v' THEN 'VIEW' END, \"d\".\"description\", \"stat\".\"n_live_tup\", pg_catalog.has_any_column_privilege(current_user, '\"' || replace(\"n\".\"nspname\", '\"', '\"\"') || '\"', 'select') FROM \"pg_catalog\".\"pg_class\" AS \"c\" JOIN \"pg_catalog\".\"pg_namespace\" AS \"n\" ON \"c\".\"relnamespace\" = \"n\".\"oid\" LEFT JOIN \"pg_catalog\".\"pg_description\" AS \"d\" ON (\"c\".\"oid\" = \"d\".\"objoid\") AND (\"d\".\"objsubid\" = '0') AND (\"d\".\"classoid\" = 'pg_class'::regclass) LEFT JOIN \"pg_stat_user_tables\" AS \"stat\" ON \"c\".\"relname\" = \"stat\".\"relname\" WHERE \"n\".\"nspname\" IN ('public') AND \"c\".\"relname\" = 'samples'",
        Some("samples"),
    ),
];

#[test]
fn statements_of_database_tools_are_answered() {
    Service::start("").with_client(|client| async move {
        for set in [
            "SET extra_float_digits = 3",
            "SET application_name = 'DBeaver 25.1.5 - Main <almanac>'",
            "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ UNCOMMITTED",
            "SET search_path = \"$user\",\"public\"",
        ] {
            client.batch_execute(set).await.unwrap_or_else(|error| panic!("{set}: {error:?}"));
        }
        for (sql, expected) in ASKED {
            let received = client.simple_query(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
            let row = received.iter().find_map(|message| match message {
                SimpleQueryMessage::Row(row) => Some(row),
                _ => None,
            });
            assert_eq!(row.map(|row| row.get(0)), expected.map(Some), "{sql}");
        }
    });
}
