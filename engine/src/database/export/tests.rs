//! Tests of reading exported files.

use super::*;
use crate::database::{IndexKey, TableKind};

const OLD: &str = "userid,dbid,queryid,query,calls,total_time,min_time,max_time,mean_time,stddev_time,rows,shared_blks_hit,shared_blks_read,temp_blks_read,temp_blks_written\n\
    10,5,1,SELECT * FROM tasks WHERE id = $1,10,20.5,1,9,2.05,1.5,10,100,5,0,0\n\
    11,5,1,\"select *\nfrom tasks where id = $1\",10,29.5,1,12,2.95,1.5,10,100,5,3,4\n\
    10,5,2,<insufficient privilege>,1,1,1,1,1,0,1,1,1,0,0\n";

#[test]
fn statements_of_one_family_are_summed_and_hidden_ones_counted() {
    let file = read_statements("s.csv", OLD.as_bytes()).unwrap();
    let [found] = &file.workload.statements[..] else { panic!("{file:?}") };
    assert_eq!((found.calls, found.total_ms, found.longest_ms, found.blocks_temporary), (20.0, 50.0, Some(12.0), 7.0));
    assert_eq!(found.statement, "SELECT * FROM tasks WHERE id = $1");
    assert_eq!(file.notes.len(), 1);
    assert!(file.notes[0].starts_with("1 of 3 statements have no visible text"), "{:?}", file.notes);
}

#[test]
fn statements_of_several_databases_are_a_note() {
    let file = read_statements("s.csv", OLD.replace("11,5,1", "11,6,1").as_bytes()).unwrap();
    assert!(file.notes[1].starts_with("the statements are those of 2 databases"), "{:?}", file.notes);
}

#[test]
fn csv_with_other_delimiters_and_json_give_the_same() {
    let comma = "query,calls,total_exec_time\nSELECT 1,2,3.5\n";
    let expected = read_statements("s.csv", comma.as_bytes()).unwrap();
    let others = [
        "\u{feff}query;calls;total_exec_time\r\nSELECT 1;2;3,5\r\n",
        "QUERY\tCALLS\tTOTAL_EXEC_TIME\nSELECT 1\t2\t3.5\n",
        "[{\"query\": \"SELECT 1\", \"calls\": 2, \"total_exec_time\": 3.5}]",
        "{\"query\": \"SELECT 1\", \"calls\": 1, \"mean_exec_time\": 3.5}\n{\"query\": \"SELECT 1\", \"calls\": \"1\", \"mean_time\": 0}\n",
    ];
    for text in others {
        assert_eq!(read_statements("s", text.as_bytes()).unwrap(), expected, "{text}");
    }
}

#[test]
fn an_error_names_file_line_and_what_would_be_right() {
    let check = |bytes: &[u8], expected: &str| {
        let message = read_statements("s.csv", bytes).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
        assert!(!message.contains('\n'), "{message}");
    };
    check(b"", "s.csv: the file is empty; expected an export of pg_stat_statements as CSV");
    check(
        b"query,calls\nSELECT 1,2\n",
        "s.csv line 1: there is no column total_exec_time in the header (query, calls)",
    );
    check(
        b" query | calls | total_exec_time\n-------+---\n",
        "s.csv line 1: the file is a table of psql, not CSV; \\copy",
    );
    check(
        b"query,calls,total_exec_time\nSELECT 1,2,3\nSELECT 2,x,3\n",
        "s.csv line 3: calls is \"x\"; expected a number of at least 0",
    );
    check(b"query,calls,total_exec_time\nSELECT 1,2,-3\n", "s.csv line 2: total_exec_time is \"-3\"");
    check(
        b"query,calls,total_exec_time\nSELECT a, b,2,3\n",
        "s.csv line 2: the line has 4 values, the header 3 columns; quote",
    );
    check(b"[{\"query\": \"a\",\n \"calls\": }]", "s.csv line 2: the text is not JSON: expected value");
    check(b"[1]", "s.csv: a statement is a JSON object");
    let row = "{\"query\": \"a\", \"calls\": 1, \"total_exec_time\": 1}\n";
    check(format!("{row}\n{row}{{\"calls\": }}").as_bytes(), "s.csv line 4: the text is not JSON");
    check(format!("{row}{row}\n[1]\n{{}}").as_bytes(), "s.csv: a statement is a JSON object");
    check(format!("{row}{row}\n{{}}").as_bytes(), "s.csv line 4: there is no key query");
    check(b"{\"query\": \"a\", \"calls\": 1}", "there is no key total_exec_time (query, calls)");
    check(b"query,calls,total_exec_time\n\xff", "s.csv line 2: the file is not UTF-8");
}

/// A schema as `pg_dump` of PostgreSQL 15 writes it, shortened.
const DUMP: &str = r#"--
-- PostgreSQL database dump
--
\restrict UJEeYtELGky7SsikKoG31a
SET statement_timeout = 0;
SELECT pg_catalog.set_config('search_path', '', false);
CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public;
COMMENT ON EXTENSION pg_trgm IS 'text similarity; measurement';
CREATE FUNCTION public.f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM a; RETURN NULL; END $$;
CREATE TYPE public.mood AS ENUM ('sad', 'ok');
CREATE TABLE public.ev (
    id bigint NOT NULL,
    at timestamp with time zone NOT NULL
)
PARTITION BY RANGE (at);
ALTER TABLE public.ev OWNER TO postgres;
CREATE TABLE public.ev1 (
    id bigint NOT NULL,
    at timestamp with time zone NOT NULL
);
CREATE TABLE public.tasks (
    id bigint NOT NULL,
    user_id bigint NOT NULL,
    title character varying(200),
    status text DEFAULT 'open'::text NOT NULL,
    due timestamp with time zone,
    tags text[],
    data jsonb,
    feeling public.mood,
    amount numeric(10,2) DEFAULT 0.0,
    low text GENERATED ALWAYS AS (lower((title)::text)) STORED,
    CONSTRAINT tasks_status_check CHECK ((status = ANY (ARRAY['open'::text, 'done'::text])))
)
WITH (fillfactor='90');
CREATE MATERIALIZED VIEW public.mv AS
 SELECT tasks.status, count(*) AS count FROM public.tasks GROUP BY tasks.status
  WITH NO DATA;
CREATE TABLE public.users (
    id bigint NOT NULL,
    "Email" text NOT NULL
);
ALTER TABLE public.users ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.users_id_seq
    START WITH 1
);
ALTER TABLE ONLY public.ev ATTACH PARTITION public.ev1 FOR VALUES FROM ('2026-01-01 00:00:00+00') TO ('2027-01-01 00:00:00+00');
ALTER TABLE ONLY public.ev
    ADD CONSTRAINT ev_pkey PRIMARY KEY (id, at);
ALTER TABLE ONLY public.ev1
    ADD CONSTRAINT ev1_pkey PRIMARY KEY (id, at);
ALTER TABLE ONLY public.users
    ADD CONSTRAINT "users_Email_key" UNIQUE ("Email");
ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (id);
CREATE INDEX tasks_lower_status_idx ON public.tasks USING btree (lower((title)::text), status text_pattern_ops);
CREATE INDEX tasks_title_idx ON public.tasks USING gin (title public.gin_trgm_ops);
CREATE INDEX tasks_user_id_due_title_idx ON public.tasks USING btree (user_id, due DESC NULLS LAST) INCLUDE (title) WHERE (status = 'open'::text);
ALTER INDEX public.ev_pkey ATTACH PARTITION public.ev1_pkey;
ALTER TABLE ONLY public.tasks
    ADD CONSTRAINT tasks_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;
CREATE TRIGGER t AFTER INSERT ON public.tasks FOR EACH ROW EXECUTE FUNCTION public.f();
\unrestrict UJEeYtELGky7SsikKoG31a
"#;

#[test]
fn a_dump_gives_tables_indexes_and_keys() {
    let file = read_schema("schema.sql", DUMP.as_bytes()).unwrap();
    let catalogue = &file.catalogue;
    let unknown = file.notes.iter().find(|note| note.contains("not understood"));
    assert_eq!(unknown, None);
    assert!(catalogue.extensions.contains_key("pg_trgm"));
    let table = |name: &str| catalogue.table(None, name).unwrap();
    assert_eq!((table("ev").kind, table("mv").kind), (TableKind::Partitioned, TableKind::MaterializedView));
    assert_eq!(table("ev1").parent.as_deref(), Some("public.ev"));
    let of = |table: &crate::database::Table, name: &str| {
        table.indexes.iter().find(|index| index.name == name).unwrap().clone()
    };
    assert_eq!(of(table("ev1"), "ev1_pkey").parent.as_deref(), Some("public.ev_pkey"));
    let users = table("users");
    let unique = of(users, "users_Email_key");
    assert_eq!((unique.unique, unique.primary, unique.constraint.as_deref()), (true, false, Some("users_Email_key")));
    assert_eq!(unique.keys[0].column.as_deref(), Some("Email"));
    let tasks = table("tasks");
    assert_eq!(tasks.fill_factor, Some(90));
    let types: Vec<(&str, &str, bool)> =
        tasks.columns.iter().map(|column| (column.name.as_str(), column.type_name.as_str(), column.not_null)).collect();
    assert_eq!(
        types,
        [
            ("id", "bigint", true),
            ("user_id", "bigint", true),
            ("title", "character varying(200)", false),
            ("status", "text", true),
            ("due", "timestamp with time zone", false),
            ("tags", "text[]", false),
            ("data", "jsonb", false),
            ("feeling", "public.mood", false),
            ("amount", "numeric(10,2)", false),
            ("low", "text", false),
        ]
    );
    let partial = of(tasks, "tasks_user_id_due_title_idx");
    let key = |column: &str, descending, nulls_first| IndexKey {
        column: Some(column.to_owned()),
        descending,
        nulls_first,
        ..IndexKey::default()
    };
    assert_eq!(partial.keys, [key("user_id", false, false), key("due", true, false)]);
    assert_eq!(
        (partial.include.as_slice(), partial.predicate.as_deref()),
        (&["title".to_owned()][..], Some("(status = 'open'::text)"))
    );
    let expression = of(tasks, "tasks_lower_status_idx");
    assert_eq!(expression.keys[0].expression.as_deref(), Some("lower((title)::text)"));
    assert_eq!(expression.keys[1].operator_class.as_deref(), Some("text_pattern_ops"));
    let gin = of(tasks, "tasks_title_idx");
    assert_eq!((gin.method.as_str(), gin.keys[0].operator_class.as_deref()), ("gin", Some("gin_trgm_ops")));
    let foreign = &tasks.foreign_keys[0];
    assert_eq!((foreign.references.as_str(), &foreign.referred[..]), ("public.users", &["id".to_owned()][..]));
}

#[test]
fn migrations_by_hand_are_read_too() {
    let sql = "create table a (id serial primary key, name varchar(20) unique, at timestamptz not null default now(),
        b int8 references b(id)); create index on a (name desc, at); create unique index u on a (at);
        alter table a add column c bool, drop column name; drop index if exists missing; CREATE TABLE x (y nonsense nonsense z);";
    let file = read_schema("m.sql", sql.as_bytes()).unwrap();
    let a = file.catalogue.table(None, "a").unwrap();
    let types: Vec<&str> = a.columns.iter().map(|column| column.type_name.as_str()).collect();
    assert_eq!(types, ["integer", "timestamp with time zone", "bigint", "boolean"]);
    let names: Vec<&str> = a.indexes.iter().map(|index| index.name.as_str()).collect();
    assert_eq!(names, ["a_pkey", "u"], "an index of a dropped column goes with it");
    assert_eq!(a.foreign_keys[0].name, "a_b_fkey");
    assert!(
        file.notes[0].starts_with(
            "1 statements about tables or indexes were not understood and left out: line 3, CREATE TABLE x"
        ),
        "{:?}",
        file.notes
    );
}

#[test]
fn names_with_quotes_and_renames_are_read_or_a_note() {
    let sql = r#"CREATE TABLE s."A""b.c" ("X" text); CREATE INDEX i ON s."A""b.c" ("X" COLLATE "C");
        CREATE VIEW "v""w" AS SELECT 1; ALTER TABLE s."A""b.c" RENAME COLUMN "X" TO y;"#;
    let file = read_schema("m.sql", sql.as_bytes()).unwrap();
    let table = file.catalogue.table(Some("s"), "A\"b.c").unwrap();
    assert_eq!(table.indexes[0].keys[0].column.as_deref(), Some("X"));
    assert!(file.catalogue.table(None, "v\"w").is_some());
    assert!(file.notes[0].contains("renamed tables and columns are not read"), "{:?}", file.notes);
}

#[test]
fn a_schema_as_json_is_a_catalogue_and_a_wrong_file_is_refused() {
    let json = r#"{"version": 150018, "tables": [{"schema": "public", "name": "a", "rows": 5, "columns": [{"name": "id", "type": "bigint"}]}]}"#;
    let file = read_schema("s.json", json.as_bytes()).unwrap();
    assert_eq!(file.catalogue.table(None, "a").unwrap().column("id").unwrap().type_name, "bigint");
    assert!(file.notes[0].contains("run ANALYZE"), "{:?}", file.notes);
    let check = |bytes: &[u8], expected: &str| {
        let message = read_schema("s.json", bytes).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    };
    check(b"{}", "s.json: the file defines no table; expected the output of database-export.sql");
    check(b"{\"tables\": 5}", "s.json line 1: invalid type");
    check(b"PGDMP\x01\xff", "s.json: the file is an archive of pg_dump; write it as text");
    check(b"SELECT 1;", "the file defines no table");
}

#[test]
fn plans_come_from_json_or_a_log_and_the_newest_and_slowest_are_kept() {
    let plan = |ms: f64| {
        format!(
            "{{\"Query Text\": \"SELECT * FROM a WHERE b = 5\", \"Plan\": {{\"Node Type\": \"Seq Scan\", \"Relation Name\": \"a\", \"Plan Rows\": 3, \"Actual Rows\": 900, \"Actual Total Time\": {ms}, \"Filter\": \"(b = 5)\"}}}}"
        )
    };
    let durations = |text: &str| {
        let file = read_plans("p.json", text.as_bytes(), false).unwrap();
        assert!(file.plans.iter().all(|plan| plan.root.filter.as_deref() == Some("(b = $1)")), "{file:?}");
        file.plans.iter().map(|plan| plan.duration_ms.unwrap()).collect::<Vec<f64>>()
    };
    assert_eq!(durations(&plan(5.0)), [5.0]);
    assert_eq!(durations(&format!("[{}, {}]", plan(9.0), plan(5.0))), [5.0, 9.0]);
    assert_eq!(durations(&[plan(1.0), plan(9.0), plan(3.0), plan(9.5)].join("\n")), [9.5]);
    let log = format!("[12] LOG:  duration: 7.5 ms  plan:\n\t{}\n", plan(7.0));
    assert_eq!(durations(&log), [7.5]);
    let unnamed = read_plans("p.json", br#"[{"Plan": {"Node Type": "Result"}}]"#, false).unwrap();
    assert!(unnamed.notes[0].starts_with("1 of 1 plans have no \"Query Text\""));
    let error = |text: &str| read_plans("p.json", text.as_bytes(), false).unwrap_err().to_string();
    assert!(error("hello").contains("no plan and no duration"), "{}", error("hello"));
    assert!(error("[{\"a\": 1}]").contains("p.json line 1: an entry is no plan"));
    assert!(error("{\"a\":\n1").contains("p.json line 2: the text is not JSON"));
}
