//! Delivers notices to one webhook, in order, until each is accepted or given up.

use std::{fs, path::PathBuf, time::Duration};

use almanac_engine::store::{
    Store, StoreError,
    rows::{DeadLetterRow, NoticeRow, WebhookRow},
};
use reqwest::{Client, StatusCode, header::CONTENT_TYPE as CONTENT_TYPE_NAME, redirect::Policy};

use super::envelope::{CONTENT_TYPE, body, signature};
use crate::{chain, config::Webhook, http::AppState};

/// Wait after the first failed attempt; it doubles up to the longest.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_LONGEST: Duration = Duration::from_secs(300);
/// Wait after an error of the store.
const STORE_WAIT: Duration = Duration::from_secs(5);
/// Notices that are read at a time.
const PAGE: usize = 50;

/// Why an attempt failed.
#[derive(Debug, PartialEq, Eq)]
enum Failure {
    /// A later attempt may succeed.
    Later(String),
    /// The receiver will never accept this notice.
    Never(String),
}

struct Delivery {
    store: Store,
    webhook: Webhook,
    /// Name in logs and tables.
    shown: String,
    secret_file: Option<PathBuf>,
    client: Client,
}

/// Delivers until the service shuts down.
pub(super) async fn run(state: AppState, webhook: Webhook) {
    let built = Client::builder()
        .user_agent(concat!("almanac/", env!("CARGO_PKG_VERSION")))
        .no_proxy()
        .redirect(Policy::none())
        .timeout(webhook.timeout.duration())
        .build();
    let client = match built {
        Ok(client) => client,
        Err(error) => {
            tracing::error!(webhook = webhook.shown(), error = %chain(&error), "webhook cannot be called");
            return;
        }
    };
    let secret_file = webhook.secret_file.as_ref().map(|path| state.config.folder.join(path));
    let delivery = Delivery { store: state.store.clone(), shown: webhook.shown(), secret_file, client, webhook };
    let mut noticed = state.noticed.subscribe();
    loop {
        noticed.borrow_and_update();
        let wait = match delivery.step(&state).await {
            Ok(wait) => wait,
            Err(_) if state.stopping.is_cancelled() => return,
            Err(error) => {
                tracing::warn!(webhook = delivery.shown, error = %chain(&error), "webhook waits for the store");
                Some(STORE_WAIT)
            }
        };
        match wait {
            Some(wait) => tokio::select! {
                () = state.stopping.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
            },
            None => tokio::select! {
                () = state.stopping.cancelled() => return,
                changed = noticed.changed() => if changed.is_err() { return },
            },
        }
    }
}

impl Delivery {
    /// Delivers what waits. Returns the time until the next attempt after a failure; `None` when nothing waits.
    async fn step(&self, state: &AppState) -> Result<Option<Duration>, StoreError> {
        let mut row = self
            .blocking(|store, name| {
                let known = store.webhooks()?.into_iter().find(|row| row.webhook == name);
                Ok(match known {
                    Some(row) => row,
                    // Only later notices.
                    None => {
                        let row = WebhookRow::new(name, store.newest_notice()?, crate::http::now());
                        store.put_webhook(row.clone())?;
                        row
                    }
                })
            })
            .await?;
        loop {
            let after = row.delivered_seq;
            let page = self.blocking(move |store, _| store.notices(after, &[], Some(PAGE))).await?;
            let Some(last) = page.last().map(|notice| notice.seq) else { return Ok(None) };
            for notice in page.into_iter().filter(|notice| self.webhook.on.contains(&notice.notice_type)) {
                if state.stopping.is_cancelled() {
                    return Ok(None);
                }
                let failure = tokio::select! {
                    () = state.stopping.cancelled() => return Ok(None),
                    attempted = self.attempt(&notice) => attempted.err(),
                };
                row = self.record(row, &notice, failure, state).await?;
                if row.failing_since.is_some() {
                    return Ok(Some(wait_after(row.attempts)));
                }
            }
            if row.delivered_seq < last {
                row.delivered_seq = last;
                self.put(row.clone()).await?;
            }
        }
    }

    /// Stores the result of an attempt.
    async fn record(
        &self,
        mut row: WebhookRow,
        notice: &NoticeRow,
        failure: Option<Failure>,
        state: &AppState,
    ) -> Result<WebhookRow, StoreError> {
        let now = state.clock.now();
        row.updated_at = now;
        row.attempts += 1;
        let (error, is_final) = match failure {
            None => {
                row = WebhookRow {
                    delivered_seq: notice.seq,
                    delivered: row.delivered + 1,
                    attempts: 0,
                    failing_since: None,
                    error: None,
                    ..row
                };
                self.put(row.clone()).await?;
                return Ok(row);
            }
            Some(Failure::Never(error)) => (error, true),
            Some(Failure::Later(error)) => {
                let since = *row.failing_since.get_or_insert(now);
                // While the clock is in doubt nothing is given up.
                let waited = now.millis().saturating_sub(since.millis());
                (error, waited >= self.webhook.give_up_after.millis() && state.steady_now().is_ok())
            }
        };
        if row.attempts == 1 || is_final {
            let attempts = row.attempts;
            tracing::warn!(
                webhook = self.shown,
                notice = notice.id,
                attempts,
                error,
                is_final,
                "webhook did not accept a notice"
            );
        }
        if !is_final {
            row.error = Some(error);
            self.put(row.clone()).await?;
            return Ok(row);
        }
        let letter = DeadLetterRow {
            webhook: self.shown.clone(),
            seq: notice.seq,
            id: notice.id.clone(),
            at: now,
            attempts: row.attempts,
            error: error.clone(),
        };
        row = WebhookRow {
            delivered_seq: notice.seq,
            dead: row.dead + 1,
            attempts: 0,
            failing_since: None,
            error: Some(error),
            ..row
        };
        let stored = row.clone();
        self.blocking(move |store, _| store.put_dead_letter(letter, stored)).await?;
        Ok(row)
    }

    /// Posts a notice once.
    async fn attempt(&self, notice: &NoticeRow) -> Result<(), Failure> {
        let body = body(notice);
        let mut request = self
            .client
            .post(self.webhook.url.expose())
            .header(CONTENT_TYPE_NAME, CONTENT_TYPE)
            .header("X-Almanac-Delivery", &notice.id);
        if let Some(path) = &self.secret_file {
            let secret = fs::read(path)
                .map_err(|error| Failure::Later(format!("secret_file {} cannot be read: {error}", path.display())))?;
            let signed = signature(secret.trim_ascii_end(), &body).filter(|_| !secret.trim_ascii_end().is_empty());
            let signed = signed.ok_or_else(|| Failure::Later(format!("secret_file {} is empty", path.display())))?;
            request = request.header("X-Almanac-Signature", signed);
        }
        // The error may repeat the address with its secrets.
        let sent = request.body(body).send().await.map_err(|error| Failure::Later(chain(&error.without_url())))?;
        judged(sent.status())
    }

    async fn put(&self, row: WebhookRow) -> Result<(), StoreError> {
        self.blocking(move |store, _| store.put_webhook(row)).await
    }

    /// Runs work on the store on a thread that may block; it gets the name of the webhook.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store, String) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (store, shown) = (self.store.clone(), self.shown.clone());
        match tokio::task::spawn_blocking(move || work(&store, shown)).await {
            Ok(result) => result,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => Err(StoreError::Closed),
        }
    }
}

/// Judges the status of an answer. A redirect is not followed: the signed body would go to another receiver.
fn judged(status: StatusCode) -> Result<(), Failure> {
    let told = format!("the receiver answered {status}");
    match status {
        _ if status.is_success() => Ok(()),
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
            Err(Failure::Later(told))
        }
        // An address or a token that is wrong is repaired by people; the notice is still right.
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => Err(Failure::Later(told)),
        _ if status.is_client_error() => Err(Failure::Never(told)),
        _ => Err(Failure::Later(told)),
    }
}

/// Returns the wait after a number of failed attempts.
fn wait_after(attempts: u64) -> Duration {
    let doublings = u32::try_from(attempts.saturating_sub(1)).unwrap_or(u32::MAX).min(16);
    (RETRY_FIRST * 2_u32.pow(doublings)).min(RETRY_LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_five_minutes() {
        let seconds = |attempts: u64| wait_after(attempts).as_secs();
        assert_eq!([1, 2, 3, 9, 10, 1_000].map(seconds), [1, 2, 4, 256, 300, 300]);
    }

    #[test]
    fn what_the_receiver_can_never_accept_is_not_repeated() {
        assert_eq!(judged(StatusCode::ACCEPTED), Ok(()));
        for status in [429, 404, 401, 302, 500, 503] {
            assert!(matches!(judged(StatusCode::from_u16(status).unwrap()), Err(Failure::Later(_))), "{status}");
        }
        for status in [400, 410, 413, 422] {
            assert!(matches!(judged(StatusCode::from_u16(status).unwrap()), Err(Failure::Never(_))), "{status}");
        }
    }
}
