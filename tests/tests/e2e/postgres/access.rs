//! Who may sign in: the password is a token with the scope `sql`, also while a connection lasts.

use std::fs;

use tokio_postgres::NoTls;

use super::{Service, received, runtime};
use crate::harness::run;

#[test]
fn a_token_needs_the_scope_and_is_forgotten_when_it_is_revoked() {
    let mut reader = String::new();
    let service = Service::prepared("", |folder| {
        let made = run(folder, ["token", "new", "--scope", "read,ingest", "--name", "reader"]);
        made.stdout.trim().clone_into(&mut reader);
    });
    runtime().block_on(async {
        let connect = async |password: &str| service.config().password(password).connect(NoTls).await.err();
        for wrong in ["wrong", "alm_0000000000000000000000000000000000000000000000000000", "\u{e9}'\\"] {
            let (code, message) = received(&connect(wrong).await.unwrap_or_else(|| panic!("{wrong} was accepted")));
            assert_eq!(code, "28P01", "{wrong}");
            assert!(message.contains("almanac token new"), "{message}");
        }
        let (code, message) = received(&connect(&reader).await.unwrap());
        assert_eq!(code, "42501");
        assert!(message.contains("lacks the scope sql"), "{message}");
        // A connection ends at the first statement after its token was taken out of the file.
        let client = service.connect().await;
        assert_eq!(client.query_one("SELECT 42", &[]).await.unwrap().get::<_, i32>(0), 42);
        let path = service.folder.path().join("almanac.tokens");
        let kept = fs::read_to_string(&path).unwrap();
        let kept: Vec<&str> = kept.split("[[token]]").filter(|token| !token.contains("analyst")).collect();
        fs::write(&path, kept.join("[[token]]")).unwrap();
        let mut ended = None;
        for _ in 0..300 {
            ended = client.query_one("SELECT 42", &[]).await.err();
            if ended.is_some() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        let (code, message) = received(&ended.unwrap());
        assert_eq!(code, "57P01");
        assert!(message.contains("revoked"), "{message}");
        assert!(connect(&service.token).await.is_some());
    });
}
