//! `POST /v1/admin/backup`: the store as one file, as it was when the request came.

use std::{fs, io::ErrorKind, path::Path};

use axum::{
    body::{Body, Bytes},
    extract::State,
    http::{HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures::{StreamExt, stream};
use tokio::io::AsyncReadExt;

use crate::http::{ApiError, AppState, ErrorBody, Lane};

/// Header with the number of samples in the backup.
pub(crate) const SAMPLES: HeaderName = HeaderName::from_static("almanac-samples");
/// Bytes that are sent at once.
const PART: usize = 256 << 10;

/// Returns a copy of the store, with everything that was acknowledged before the request.
///
/// Samples are taken meanwhile; compactions wait. The copy is first made beside the store's file, which needs its size once more, and
/// is gone when it has been sent. It is a store of its own: `almanac restore`, or any release of at least this version, opens it.
#[utoipa::path(post, path = "/v1/admin/backup", operation_id = "backup", tag = "operate",
    responses((status = 200, description = "the store as a DuckDB file; the header `almanac-samples` has its samples", content_type = "application/octet-stream"), (status = 403, description = "the token lacks the scope admin", body = ErrorBody), (status = 409, description = "another backup is being made", body = ErrorBody), (status = 507, description = "the disk has no space for a copy", body = ErrorBody)))]
pub(super) async fn backup(State(state): State<AppState>) -> Result<Response, ApiError> {
    let (store, path) = (state.store.clone(), state.store.download_path());
    let work = move || {
        let report = store.backup(&path, &mut |_, _| {})?;
        let opened = fs::File::open(&path);
        // The open file stays readable without its name, and nothing is left when the service is killed.
        let removed = remove(&path);
        let file = opened.map_err(|error| failed(&error))?;
        removed.map(|()| (file, report))
    };
    let (file, report) = state.run(Lane::Backup, work).await?;
    tracing::info!(samples = report.samples, bytes = report.bytes, "backup made");
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_LENGTH, report.bytes.to_string()),
        (SAMPLES, report.samples.to_string()),
    ];
    let parts = stream::unfold(tokio::fs::File::from_std(file), |mut file| async move {
        let mut part = vec![0; PART];
        match file.read(&mut part).await {
            Ok(0) => None,
            Ok(read) => {
                part.truncate(read);
                Some((Ok::<_, std::io::Error>(Bytes::from(part)), file))
            }
            Err(error) => Some((Err(error), file)),
        }
    });
    // A body may be asked once more after its end.
    Ok((headers, Body::from_stream(parts.fuse())).into_response())
}

fn remove(path: &Path) -> Result<(), ApiError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(failed(&error)),
        _ => Ok(()),
    }
}

fn failed(error: &std::io::Error) -> ApiError {
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "backup_failed", format!("the backup cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use almanac_engine::store::{Store, StoreOptions};
    use serde_json::json;

    use super::*;
    use crate::http::tests::TestService;

    #[test]
    fn the_answer_is_a_store_with_all_samples() {
        let service = TestService::new();
        let stats = service.store().stats();
        let reply = service.post_json("/v1/admin/backup", &json!({}));
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
        let samples = (stats.samples_hot + stats.samples_late + stats.samples_cold).to_string();
        assert_eq!(reply.headers[SAMPLES].to_str().unwrap(), samples);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("b.duckdb");
        fs::write(&path, &reply.body).unwrap();
        let copy = Store::open(&path, StoreOptions::default()).unwrap();
        assert_eq!(copy.stats().series, stats.series);
        assert_eq!((copy.stats().samples_cold, copy.stats().samples_hot), (stats.samples_cold, stats.samples_hot));
        assert!(!service.store().download_path().exists());
    }
}
