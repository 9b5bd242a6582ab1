//! Portals with fetch sizes, cursors, pipelining, cancel requests, and errors with SQLSTATE and position.

use futures::{TryStreamExt, future::join_all};
use tokio_postgres::{NoTls, error::ErrorPosition, types::ToSql};

use super::{Service, received, sqlstate};

#[test]
fn portals_and_cursors_give_their_rows_in_portions() {
    Service::start("").with_client(|mut client| async move {
        let transaction = client.transaction().await.unwrap();
        let statement = transaction.prepare("SELECT value FROM samples WHERE value >= $1 ORDER BY 1").await.unwrap();
        let portal = transaction.bind(&statement, &[&10.0]).await.unwrap();
        let mut sizes = Vec::new();
        loop {
            let rows = transaction.query_portal(&portal, 20).await.unwrap();
            sizes.push(rows.len());
            if rows.is_empty() {
                break;
            }
        }
        assert_eq!(sizes, [20, 20, 10, 0]);
        transaction.batch_execute("DECLARE c NO SCROLL CURSOR FOR SELECT value FROM samples ORDER BY 1").await.unwrap();
        let fetched = transaction.query("FETCH FORWARD 7 FROM c", &[]).await.unwrap();
        assert_eq!(fetched.len(), 7);
        transaction.batch_execute("MOVE 50 IN c").await.unwrap();
        let rest = transaction.query("FETCH ALL FROM c", &[]).await.unwrap();
        let rest: Vec<String> = rest.iter().map(|row| row.get::<_, f64>(0).to_string()).collect();
        assert_eq!(rest, ["57", "58", "59"]);
        transaction.batch_execute("CLOSE c").await.unwrap();
        assert_eq!(sqlstate(&transaction.query("FETCH c", &[]).await.unwrap_err()), "34000");
        transaction.rollback().await.unwrap();
        // A cursor without a transaction, and one that goes backward.
        let alone = client.batch_execute("DECLARE c CURSOR FOR SELECT 1").await.unwrap_err();
        assert_eq!(sqlstate(&alone), "25P01");
        client.batch_execute("DECLARE h CURSOR WITH HOLD FOR SELECT 1").await.unwrap();
        assert_eq!(sqlstate(&client.batch_execute("FETCH BACKWARD 1 FROM h").await.unwrap_err()), "0A000");
        assert_eq!(client.query("FETCH h", &[]).await.unwrap().len(), 1);
    });
}

#[test]
fn rows_are_streamed_and_statements_pipelined() {
    Service::start("").with_client(|client| async move {
        let none: [&dyn ToSql; 0] = [];
        let rows = client.query_raw("SELECT range::INTEGER FROM range(20000)", none).await.unwrap();
        let sum = rows.try_fold(0_i64, async |sum, row| Ok(sum + i64::from(row.get::<_, i32>(0)))).await.unwrap();
        assert_eq!(sum, 20_000 * 19_999 / 2);
        // Thirty statements are sent before the first answer is read; two of them fail.
        let statement = client.prepare("SELECT count(*) FROM samples WHERE value < $1").await.unwrap();
        let bounds: Vec<f64> = (0..30).map(f64::from).collect();
        let answers = join_all(bounds.iter().map(async |bound| {
            if [7.0, 21.0].contains(bound) {
                return Err(sqlstate(&client.query("SELECT nothing FROM samples", &[]).await.unwrap_err()));
            }
            let row = client.query_one(&statement, &[bound]).await;
            row.map(|row| row.get::<_, i64>(0)).map_err(|error| sqlstate(&error))
        }));
        for (number, answer) in answers.await.into_iter().enumerate() {
            let expected =
                if [7, 21].contains(&number) { Err("42703".to_owned()) } else { Ok(number.try_into().unwrap()) };
            assert_eq!(answer, expected, "{number}");
        }
    });
}

#[test]
fn rows_are_copied_out_as_text_and_csv() {
    Service::start("").with_client(|client| async move {
        let copied = async |sql: &str| {
            let stream = client.copy_out(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
            let parts: Vec<_> = stream.try_collect().await.unwrap();
            String::from_utf8(parts.concat()).unwrap()
        };
        let rows = "SELECT value, 'a,\"b\"' AS t, NULL AS n FROM samples ORDER BY 1 LIMIT 2";
        assert_eq!(copied(&format!("COPY ({rows}) TO STDOUT")).await, "0\ta,\"b\"\t\\N\n1\ta,\"b\"\t\\N\n");
        let csv = copied(&format!("COPY ({rows}) TO STDOUT WITH (FORMAT csv, HEADER)")).await;
        assert_eq!(csv, "value,t,n\n0,\"a,\"\"b\"\"\",\n1,\"a,\"\"b\"\"\",\n");
        assert_eq!(copied("COPY samples (value) TO STDOUT").await.lines().count(), 60);
        let failed = client.batch_execute("COPY (SELECT nothing FROM samples) TO STDOUT").await.unwrap_err();
        assert_eq!(failed.as_db_error().unwrap().position(), Some(&ErrorPosition::Original(14)));
        assert_eq!(sqlstate(&failed), "42703");
        assert_eq!(client.query_one("SELECT 42", &[]).await.unwrap().get::<_, i32>(0), 42);
    });
}

#[test]
fn a_running_statement_is_cancelled_and_the_connection_stays_open() {
    Service::start("").with_client(|client| async move {
        let cancel = client.cancel_token();
        let slow = "SELECT count(*) FROM range(100000000) a, range(100000000) b WHERE a.range + b.range = 1";
        let query = client.query(slow, &[]);
        tokio::pin!(query);
        let failed = loop {
            tokio::select! {
                answer = &mut query => break answer.unwrap_err(),
                () = tokio::time::sleep(std::time::Duration::from_millis(300)) => cancel.cancel_query(NoTls).await.unwrap(),
            }
        };
        let (code, message) = received(&failed);
        assert_eq!((code.as_str(), message.as_str()), ("57014", "the query was cancelled"));
        // A late request may still reach the next statement; those after it run.
        let answers = join_all((0..3).map(async |_| client.query_one("SELECT 42", &[]).await));
        let last = answers.await.pop().unwrap();
        assert_eq!(last.unwrap().get::<_, i32>(0), 42);
    });
}

#[test]
fn errors_name_their_state_and_position() {
    Service::start("").with_client(|client| async move {
        // The position is that of the character, from 1, in the text that the client sent.
        for (sql, state, at) in [
            ("SELECT 'é', nothing FROM samples", "42703", Some("nothing")),
            ("SELECT 1 FROM samples WHERE pg_catalog.version() = 'x' AND nothing > 1", "42703", Some("nothing")),
            ("SELECT value FROM pg_catalog.pg_class, samples WHERE nothing", "42703", Some("nothing")),
            ("SELECT value FROM samples WHERE value = = 1", "42601", Some("= 1")),
            ("SELECT * FROM nowhere", "42P01", None),
            ("SELECT nofunction(value) FROM samples", "42883", None),
            ("SELECT read_text('/etc/passwd')", "42883", None),
            ("SELECT * FROM read_csv('/etc/passwd')", "42883", None),
            ("SELECT * FROM '/etc/passwd'", "42P01", None),
            ("SELECT 'x'::INTEGER FROM samples", "22P02", None),
            ("SELECT 'x'::TIMESTAMP FROM samples", "22007", None),
            ("SELECT 9223372036854775807 + value::BIGINT FROM samples WHERE value = 1", "22003", None),
            ("SELECT value, count(*) FROM samples", "42803", None),
            ("SELECT 1::nosuchtype", "42704", None),
            ("SELECT 'nowhere'::regclass", "42P01", None),
            ("UPDATE samples SET value = 1", "25006", None),
            ("CREATE TABLE t (a INTEGER)", "25006", None),
            ("TRUNCATE samples", "25006", None),
            ("ATTACH 'x'", "0A000", None),
        ] {
            for is_simple in [false, true] {
                let failed = if is_simple {
                    client.batch_execute(sql).await.unwrap_err()
                } else {
                    client.query(sql, &[]).await.unwrap_err()
                };
                let received = failed.as_db_error().unwrap_or_else(|| panic!("{sql}: {failed:?}"));
                assert_eq!(received.code().code(), state, "{sql}: {received}");
                assert!(!received.message().contains('\n'), "{sql}: {received}");
                if let Some(at) = at {
                    let expected = u32::try_from(sql[..sql.find(at).unwrap()].chars().count() + 1).unwrap();
                    assert_eq!(received.position(), Some(&ErrorPosition::Original(expected)), "{sql}: {received}");
                }
            }
        }
        // In a text of several statements the position counts from the start of the text.
        let failed = client.batch_execute("SELECT 'é'; SELECT nothing FROM samples").await.unwrap_err();
        assert_eq!(failed.as_db_error().unwrap().position(), Some(&ErrorPosition::Original(20)));
        assert_eq!(client.query_one("SELECT 42", &[]).await.unwrap().get::<_, i32>(0), 42);
    });
}
