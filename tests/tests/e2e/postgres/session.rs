//! Statements on the session: prepared statements, transactions, settings, several statements in a text, parameters.

use tokio_postgres::{SimpleQueryMessage, types::Type};

use super::{START_MS, Service, raw::Raw, received, sqlstate};

/// Returns the first value of the rows of a text of statements.
fn values(messages: &[SimpleQueryMessage]) -> Vec<Option<String>> {
    let rows = messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row.get(0).map(str::to_owned)),
        _ => None,
    });
    rows.collect()
}

#[test]
fn prepared_statements_are_kept_until_they_are_dropped() {
    Service::start("").with_client(|client| async move {
        let statement = client.prepare("SELECT count(*) FROM samples WHERE value >= $1").await.unwrap();
        assert_eq!((statement.params(), statement.columns()[0].type_()), (&[Type::FLOAT8][..], &Type::INT8));
        for (least, count) in [(0.0, 60), (59.0, 1), (60.0, 0)] {
            assert_eq!(client.query_one(&statement, &[&least]).await.unwrap().get::<_, i64>(0), count);
        }
        // The client's statements have names; DEALLOCATE and DISCARD drop them, and a text of statements the unnamed one.
        client.batch_execute("DEALLOCATE ALL").await.unwrap();
        assert_eq!(sqlstate(&client.query(&statement, &[&0.0]).await.unwrap_err()), "26000");
        let statement = client.prepare("SELECT 1").await.unwrap();
        client.batch_execute("SET application_name = 'test'; DISCARD ALL").await.unwrap();
        assert_eq!(sqlstate(&client.query(&statement, &[]).await.unwrap_err()), "26000");
        let name = client.simple_query("SHOW application_name").await.unwrap();
        assert_eq!(values(&name), [Some(String::new())]);
        client.batch_execute("DEALLOCATE unknown").await.unwrap();
        for refused in
            ["PREPARE s AS SELECT 1", "EXECUTE s", "LISTEN x", "COPY samples TO '/tmp/x'", "COPY samples FROM STDIN"]
        {
            assert_eq!(sqlstate(&client.batch_execute(refused).await.unwrap_err()), "0A000", "{refused}");
        }
        let two = client.prepare("SELECT 1; SELECT 2").await.unwrap_err();
        assert_eq!(sqlstate(&two), "42601");
    });
}

#[test]
fn a_failed_transaction_refuses_statements_until_its_end() {
    Service::start("").with_client(|client| async move {
        for begin in ["BEGIN READ ONLY", "BEGIN ISOLATION LEVEL REPEATABLE READ", "START TRANSACTION READ ONLY"] {
            client.batch_execute(begin).await.unwrap();
            client.batch_execute("SET statement_timeout = '60s'; SELECT 1").await.unwrap();
            assert_eq!(sqlstate(&client.batch_execute("SELECT nothing FROM samples").await.unwrap_err()), "42703");
            for refused in ["SELECT 1", "SET application_name = 'x'", "SHOW search_path", "BEGIN"] {
                assert_eq!(sqlstate(&client.batch_execute(refused).await.unwrap_err()), "25P02", "{begin}; {refused}");
            }
            assert_eq!(sqlstate(&client.query("SELECT 1", &[]).await.unwrap_err()), "25P02");
            client.batch_execute("ROLLBACK").await.unwrap();
            client.batch_execute("SELECT 1").await.unwrap();
        }
        // A savepoint brings a failed transaction back.
        client.batch_execute("BEGIN; SAVEPOINT s").await.unwrap();
        assert_eq!(sqlstate(&client.batch_execute("SELEC").await.unwrap_err()), "42601");
        client.batch_execute("ROLLBACK TO SAVEPOINT s; SELECT 1; COMMIT").await.unwrap();
        // Outside of a transaction an error has no effect on what follows.
        assert_eq!(sqlstate(&client.batch_execute("INSERT INTO samples VALUES (1)").await.unwrap_err()), "25006");
        client.batch_execute("SELECT 1").await.unwrap();
    });
}

#[test]
fn the_end_of_a_failed_transaction_is_a_rollback_whatever_it_is_called() {
    let service = Service::start("");
    service.with_client(|mut client| async move {
        let transaction = client.transaction().await.unwrap();
        assert!(transaction.query("SELECT 1 / 'x'", &[]).await.is_err());
        transaction.rollback().await.unwrap();
        let transaction = client.build_transaction().read_only(true).start().await.unwrap();
        assert_eq!(transaction.query_one("SELECT 42", &[]).await.unwrap().get::<_, i32>(0), 42);
        transaction.commit().await.unwrap();
    });
}

#[test]
fn settings_are_changed_shown_and_refused() {
    Service::start("").with_client(|client| async move {
        let show = async |sql: &str| values(&client.simple_query(sql).await.unwrap())[0].clone().unwrap();
        assert_eq!(show("SHOW server_version").await, "15.0");
        assert_eq!(show("SHOW transaction isolation level").await, "read committed");
        client.batch_execute("SET extra_float_digits = 3; SET SESSION application_name TO 'a b'").await.unwrap();
        assert_eq!(show("SHOW extra_float_digits").await, "3");
        assert_eq!(show("SHOW application_name").await, "a b");
        client.batch_execute("RESET application_name; SET jit = off; SET TIME ZONE 'UTC'").await.unwrap();
        assert_eq!(show("SHOW TimeZone").await, "UTC");
        let refused = client.batch_execute("SET client_encoding = 'LATIN1'").await.unwrap_err();
        assert_eq!(received(&refused).0, "22023");
        assert_eq!(sqlstate(&client.batch_execute("SET statement_timeout = 'soon'").await.unwrap_err()), "22023");
        client.batch_execute("SET statement_timeout = 300").await.unwrap();
        let slow = "SELECT count(*) FROM range(100000000) a, range(100000000) b WHERE a.range + b.range = 1";
        assert_eq!(sqlstate(&client.batch_execute(slow).await.unwrap_err()), "57014");
    });
}

#[test]
fn settings_of_a_transaction_end_with_it_and_options_are_settings() {
    Service::start("").with_client(|client| async move {
        let timeout =
            async || values(&client.simple_query("SHOW statement_timeout").await.unwrap())[0].clone().unwrap();
        for (sql, expected) in [
            ("BEGIN; SET LOCAL statement_timeout = '7s'", "7s"),
            ("COMMIT", "0"),
            ("SET LOCAL statement_timeout = '7s'", "0"),
            ("BEGIN; SET statement_timeout = '7s'; ROLLBACK", "0"),
            ("BEGIN; SET LOCAL statement_timeout = '6s'; SET statement_timeout = '7s'; COMMIT", "7s"),
            ("RESET ALL", "0"),
        ] {
            client.batch_execute(sql).await.unwrap();
            assert_eq!(timeout().await, expected, "{sql}");
        }
    });
    let service = Service::start("");
    super::runtime().block_on(async {
        let mut config = service.config();
        config.options("-c statement_timeout=4000 -c search_path=public");
        let (client, connection) = config.connect(tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        let shown = client.simple_query("SHOW statement_timeout").await.unwrap();
        assert_eq!(values(&shown), [Some("4000".to_owned())]);
    });
}

#[test]
fn several_statements_and_empty_ones_are_answered_in_turn() {
    let service = Service::start("");
    service.with_client(|client| async move {
        let received = client.simple_query("BEGIN; SELECT 1 AS a; SELECT 'b;c'; COMMIT; SELECT 3").await.unwrap();
        assert_eq!(values(&received), [Some("1".to_owned()), Some("b;c".to_owned()), Some("3".to_owned())]);
        // What comes after an error is not run.
        let failed = client.simple_query("SELECT 1; SELECT nothing FROM samples; SELECT 2").await.unwrap_err();
        assert_eq!(sqlstate(&failed), "42703");
        for empty in ["", ";", " ; ;", "-- a comment", "/* ; */"] {
            assert!(values(&client.simple_query(empty).await.unwrap()).is_empty(), "{empty}");
        }
        assert_eq!(client.query("", &[]).await.unwrap().len(), 0);
    });
    // The messages of an empty text, of several statements, and of an error in the middle.
    let folder = tempfile::tempdir().unwrap();
    let mut command = crate::harness::almanac(folder.path());
    command.args(["serve", "--listen", "127.0.0.1:0", "--postgres-listen", "127.0.0.1:0"]);
    let server = crate::harness::Server::from_command(command);
    let mut raw = Raw::open(super::port_of(&server));
    raw.start_up();
    raw.until_ready();
    for (sql, expected) in [
        ("", "IZ"),
        (";;", "IZ"),
        ("SELECT 1", "TDCZ"),
        ("SELECT 1; SELECT 2", "TDCTDCZ"),
        ("BEGIN; SELECT 1", "CTDCZ"),
        ("SELEC; SELECT 2", "EZ"),
        ("SELECT 1", "EZ"),
        ("ROLLBACK", "CZ"),
        ("SET jit = off", "NCZ"),
    ] {
        assert_eq!(raw.query(sql), expected, "{sql}");
    }
}

#[test]
fn parameters_of_every_kind_are_read() {
    Service::start("").with_client(|client| async move {
        let since = chrono::DateTime::from_timestamp_millis(i64::try_from(START_MS).unwrap()).unwrap().naive_utc();
        let half = since + chrono::Duration::minutes(30);
        let count = async |sql: &str, params: &[&(dyn tokio_postgres::types::ToSql + Sync)]| {
            client.query_one(sql, params).await.unwrap_or_else(|error| panic!("{sql}: {error:?}")).get::<_, i64>(0)
        };
        assert_eq!(count("SELECT count(*) FROM samples WHERE timestamp >= $1", &[&half]).await, 30);
        let zoned = half.and_utc();
        assert_eq!(count("SELECT count(*) FROM samples WHERE timestamp < $1::timestamptz", &[&zoned]).await, 30);
        let typed = client.prepare_typed("SELECT count(*) FROM samples WHERE timestamp >= $1", &[Type::TIMESTAMPTZ]);
        let typed = typed.await.unwrap();
        assert_eq!(client.query_one(&typed, &[&zoned]).await.unwrap().get::<_, i64>(0), 30);
        let ids = vec![0_i64, 1, 2, 3];
        assert_eq!(count("SELECT count(*) FROM samples WHERE series_id = ANY($1)", &[&ids]).await, 60);
        assert_eq!(count("SELECT count(*) FROM samples WHERE series_id = ANY($1)", &[&Vec::<i64>::new()]).await, 0);
        let names = vec!["cpu", "it's", "a,b", "\"x\" {y}", ""];
        assert_eq!(count("SELECT count(*) FROM series WHERE name = ANY($1)", &[&names]).await, 1);
        assert_eq!(count("SELECT count(*) FROM samples WHERE value > $1 LIMIT $2", &[&9.5, &1_i64]).await, 50);
        assert_eq!(count("SELECT count(*) FROM series WHERE name = $1", &[&"cpu' OR 'a' = 'a"]).await, 0);
        assert_eq!(count("SELECT count(*) FROM series WHERE name ~ $1", &[&"^c.u$"]).await, 1);
        assert_eq!(
            count("SELECT count(*) FROM samples WHERE ($1::BIGINT IS NULL) = $2", &[&None::<i64>, &true]).await,
            60
        );
        let row = client
            .query_one(
                "SELECT $1::INTEGER, $2::TEXT, $3::BOOLEAN, $4::SMALLINT, $5::REAL, $6::DATE, $7::TEXT[], $8::DOUBLE",
                &[&-7_i32, &"é\u{1f600}", &false, &3_i16, &0.5_f32, &half.date(), &vec![Some("a"), None], &None::<f64>],
            )
            .await
            .unwrap();
        assert_eq!((row.get::<_, i32>(0), row.get::<_, &str>(1), row.get::<_, bool>(2)), (-7, "é\u{1f600}", false));
        assert_eq!((row.get::<_, i16>(3), row.get::<_, f32>(4)), (3, 0.5));
        assert_eq!(row.get::<_, chrono::NaiveDate>(5), half.date());
        assert_eq!(row.get::<_, Vec<Option<&str>>>(6), [Some("a"), None]);
        assert_eq!(row.get::<_, Option<f64>>(7), None);
        // A value that its type cannot have, and one parameter too many.
        let wrong = client.query("SELECT $1::INTEGER", &[&"seven"]).await.unwrap_err();
        assert!(wrong.as_db_error().is_none(), "the client refuses it: {wrong:?}");
        let cast = client.query("SELECT $1::TEXT::INTEGER", &[&"seven"]).await.unwrap_err();
        assert_eq!(sqlstate(&cast), "22P02");
    });
}
