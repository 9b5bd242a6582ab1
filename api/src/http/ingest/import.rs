//! `POST /v1/import`: a file of samples as a body.

use std::{
    io,
    path::{Path, PathBuf},
};

use almanac_engine::ingest::import::{ImportError, ImportFormat, ImportOptions, ImportReport, import_file};
use axum::{
    Json,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, Uri, header::CONTENT_TYPE},
};
use futures::StreamExt;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use tokio::{
    fs::File,
    io::{AsyncWriteExt, BufWriter},
};
use utoipa::ToSchema;

use crate::{
    chain,
    http::{ApiError, AppState, ErrorBody, Params},
};

/// Largest body of an import, as it comes over the wire: it is written beside the store before it is read.
const MAX_BYTES: u64 = 8 << 30;

/// What an import did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct ImportBody {
    /// Samples of the file; all are on disk.
    pub(crate) samples: u64,
    /// Distinct series of the file.
    pub(crate) series: u64,
    /// What to know of how the file was read, such as timestamps that count seconds; left out when there is nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) notes: Vec<String>,
}

/// Stores the samples of a file: CSV, Parquet, JSON or Prometheus text, compressed by gzip or not.
///
/// The whole body is checked before anything is stored; a fault is answered with line, column and value. The format is
/// decided by `format` (csv, parquet, ndjson, prometheus), by `file` (its ending), by the content type or by the body.
/// A table without a column `series` needs `series`, the metric's name, unless each of its columns is a series.
#[utoipa::path(post, path = "/v1/import", tag = "senders",
    params(("format" = Option<String>, Query, description = "csv, parquet, ndjson or prometheus"),
        ("series" = Option<String>, Query, description = "the metric's name when the table names none"),
        ("file" = Option<String>, Query, description = "the file's name, for messages and its ending")),
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "the file"),
    responses((status = 200, description = "all samples are on disk", body = ImportBody),
        (status = 400, description = "a fault in the file; nothing is stored", body = ErrorBody),
        (status = 413, description = "the file is too large", body = ErrorBody)))]
pub(super) async fn import(
    State(state): State<AppState>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<ImportBody>, ApiError> {
    let params = Params::parse(uri.query().unwrap_or_default().as_bytes());
    params.only(&["format", "series", "file"])?;
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let name = params.get("file").map_or("body", base_name);
    let options = ImportOptions {
        format: format(&params, name, content_type)?,
        name: params.get("series").map(str::to_owned),
        now: state.clock.now(),
    };
    let beside = state.config.store.path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = TempDir::with_prefix_in(".almanac-import-", beside.unwrap_or(Path::new("."))).map_err(spool_failed)?;
    let path = folder.path().join(name);
    spool(body, &path).await?;
    let ingest = state.ingest.clone();
    state
        .blocking(move || {
            let report =
                import_file(&ingest, &path, &options, &mut |_, _| {}).map_err(|error| refuse(error, &folder))?;
            let ImportReport { samples, series, notes, .. } = report;
            Ok::<_, ApiError>(Json(ImportBody { samples, series, notes }))
        })
        .await
}

/// The last part of a path, so that nothing is written outside of the folder.
fn base_name(file: &str) -> &str {
    match file.rsplit(['/', '\\']).next() {
        Some("" | "." | "..") | None => "body",
        Some(name) => name,
    }
}

fn format(params: &Params, name: &str, content_type: Option<&str>) -> Result<Option<ImportFormat>, ApiError> {
    match params.get("format") {
        Some("csv") => Ok(Some(ImportFormat::Csv)),
        Some("parquet") => Ok(Some(ImportFormat::Parquet)),
        Some("ndjson") => Ok(Some(ImportFormat::Ndjson)),
        Some("prometheus") => Ok(Some(ImportFormat::PrometheusText)),
        Some(other) => {
            let message = format!("format {other:?} is none of csv, parquet, ndjson and prometheus");
            Err(ApiError::bad_request("invalid_parameter", message))
        }
        // The file's ending says more than a content type, which clients set by habit.
        None if name.contains('.') => Ok(None),
        None => Ok(content_type.and_then(ImportFormat::of_content_type)),
    }
}

async fn spool(body: Body, path: &PathBuf) -> Result<(), ApiError> {
    let mut file = BufWriter::with_capacity(1 << 18, File::create(path).await.map_err(spool_failed)?);
    let mut stream = body.into_data_stream();
    let mut bytes = 0;
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|error| ApiError::bad_request("incomplete_body", chain(&error)))?;
        bytes += chunk.len() as u64;
        if bytes > MAX_BYTES {
            let message = format!("the file has more than {MAX_BYTES} bytes; split it, or use `almanac import`");
            return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message));
        }
        file.write_all(&chunk).await.map_err(spool_failed)?;
    }
    file.flush().await.map_err(spool_failed)
}

fn spool_failed(error: io::Error) -> ApiError {
    if error.kind() == io::ErrorKind::StorageFull {
        return ApiError::new(
            StatusCode::INSUFFICIENT_STORAGE,
            "disk_full",
            "no space is left on the disk of the store",
        );
    }
    ApiError::internal(&error)
}

/// The answer to a file that cannot be imported, without the name of the folder that the caller does not know.
fn refuse(error: ImportError, folder: &TempDir) -> ApiError {
    let message = chain(&error).replace(&format!("{}/", folder.path().display()), "");
    match error {
        ImportError::Store { source, .. } => {
            tracing::error!(error = %message, "an import failed");
            source.into()
        }
        ImportError::SeriesLimit { .. } => ApiError::bad_request("series_limit", message),
        _ => ApiError::bad_request("invalid_file", message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leaves_the_folder() {
        let check = |file: &str, expected: &str| assert_eq!(base_name(file), expected);
        check("a.csv", "a.csv");
        check("/etc/passwd", "passwd");
        check("..\\..\\x.csv", "x.csv");
        check("..", "body");
        check("a/", "body");
    }
}
