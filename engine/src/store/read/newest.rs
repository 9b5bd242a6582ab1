//! Finds the newest timestamp up to an instant.

use super::select::{RETRIES, instant, is_replaced};
use crate::store::{StoreError, error::failed_to, shared::Shared};

/// Returns the newest timestamp up to `until`. Only segments that extend beyond `until` are queried.
pub(in crate::store) fn newest_until(shared: &Shared, until: i64) -> Result<Option<i64>, StoreError> {
    let mut retries = 0;
    loop {
        match find_newest(shared, until) {
            Err(error) if retries < RETRIES && is_replaced(&error) => retries += 1,
            other => return other,
        }
    }
}

fn find_newest(shared: &Shared, until: i64) -> Result<Option<i64>, StoreError> {
    let layout = shared.layout.read().clone();
    let mut newest: Option<i64> = shared.histograms.read().newest_until(until);
    for segment in layout.all().filter(|segment| segment.rows > 0 && segment.min <= until) {
        let found = if segment.max <= until {
            Some(segment.max)
        } else {
            let sql = format!(
                "SELECT epoch_ms(max(timestamp)) FROM {} WHERE timestamp <= {}",
                segment.table(),
                instant(until)
            );
            shared.readers.with(|connection| {
                connection.query_row(&sql, [], |row| row.get(0)).map_err(failed_to("find the newest sample"))
            })?
        };
        newest = newest.max(found);
    }
    Ok(newest)
}
