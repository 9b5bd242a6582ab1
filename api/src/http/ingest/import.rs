//! `POST /v1/import`: imports a file of samples that is sent as the body.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use almanac_engine::ingest::{
    files::FileError,
    import::{ImportError, ImportFormat, ImportOptions, ImportReport, import_file, import_isolated},
};
use axum::{
    Extension, Json,
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
    http::{ApiError, AppState, ErrorBody, Lane, Params, guard::AuditNote},
};

/// Maximum size of the body before decompression. It is written to a temporary file next to the store before it is
/// read.
const MAX_BYTES: u64 = 8 << 30;

/// Time for which the next part of the body may stay away.
const MAX_IDLE: Duration = Duration::from_secs(30);

/// Result of an import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct ImportBody {
    /// Samples of the file, all on disk.
    pub(crate) samples: u64,
    /// Distinct series of the file.
    pub(crate) series: u64,
    /// Notes on how the file was read, such as timestamps in seconds; left out if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) notes: Vec<String>,
}

/// Stores the samples of a CSV, Parquet, JSON or Prometheus text file, optionally compressed by gzip.
///
/// The whole body is checked before anything is stored; an error names line, column and value. The format is taken from
/// `format` (csv, parquet, ndjson, prometheus), else from the extension in `file`, else from the content type, else
/// from the body. A table without a column `series` requires `series`, the name of the metric, unless each of its
/// columns is a series.
#[utoipa::path(post, path = "/v1/import", tag = "senders",
    params(("format" = Option<String>, Query, description = "csv, parquet, ndjson or prometheus"),
        ("series" = Option<String>, Query, description = "name of the metric, for a table without one"),
        ("file" = Option<String>, Query, description = "name of the file, used in messages and for its extension")),
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "the file"),
    responses((status = 200, description = "all samples are on disk", body = ImportBody),
        (status = 400, description = "the file is invalid; nothing is stored", body = ErrorBody),
        (status = 413, description = "the file is too large", body = ErrorBody)))]
pub(super) async fn import(
    State(state): State<AppState>,
    Extension(note): Extension<AuditNote>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<ImportBody>, ApiError> {
    let params = Params::parse(uri.query().unwrap_or_default().as_bytes());
    params.only(&["format", "series", "file"])?;
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let name = params.get("file").map_or("body", base_name);
    note.set(format!("file {name:?}"));
    let options = ImportOptions {
        format: format(&params, name, content_type)?,
        name: params.get("series").map(str::to_owned),
        now: state.clock.now(),
    };
    // Next to the store: /tmp may be small, and that disk has to have room for the samples anyway.
    let (store_folder, prefix) = spool_place(&state.config.store.path);
    let folder = TempDir::with_prefix_in(prefix, store_folder).map_err(spool_failed)?;
    let path = folder.path().join(name);
    // Held until the import ends: a waiting file takes space on the disk.
    let spooled = state.lanes.enter(Lane::Spool).await?;
    spool(body, &path).await?;
    let (ingest, decoder) = (state.ingest.clone(), state.decoder.clone());
    state
        .run(Lane::Import, move || {
            let _spooled = spooled;
            let report = match decoder {
                Some(decoder) => import_isolated(&ingest, decoder.command(), decoder.memory(), &path, &options),
                None => import_file(&ingest, &path, &options, &mut |_, _| {}),
            };
            let report = report.map_err(|error| refuse(error, &folder))?;
            let ImportReport { samples, series, notes, .. } = report;
            Ok::<_, ApiError>(Json(ImportBody { samples, series, notes }))
        })
        .await
}

/// Returns the folder of spooled files and the prefix of their folders, which has the store's name: several stores may be
/// in one folder.
fn spool_place(store: &Path) -> (&Path, String) {
    let folder = store.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = store.file_name().unwrap_or_default().to_string_lossy();
    (folder, format!(".almanac-import-{name}-"))
}

/// Removes what imports of a killed service have left beside its store. The caller has the store open, so that no other
/// service uses these folders.
pub(crate) fn remove_spooled(store: &Path) {
    let (folder, prefix) = spool_place(store);
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    // The random end has no dash, which tells the store `a` from the store `a-b`.
    let is_spooled = |name: &str| {
        name.strip_prefix(&prefix).is_some_and(|end| !end.is_empty() && end.chars().all(|c| c.is_ascii_alphanumeric()))
    };
    for entry in entries.flatten().filter(|entry| entry.file_name().to_str().is_some_and(is_spooled)) {
        let path = entry.path();
        match std::fs::remove_dir_all(&path) {
            Ok(()) => tracing::info!(path = %path.display(), "the rest of an interrupted import was removed"),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "the rest of an interrupted import was not removed")
            }
        }
    }
}

/// Returns the last component of a path, so that no file is written outside of the temporary folder.
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
            let message = format!("format {other:?} is not one of csv, parquet, ndjson, prometheus");
            Err(ApiError::bad_request("invalid_parameter", message))
        }
        // The extension takes precedence over the content type, which clients often set to a default.
        None if name.contains('.') => Ok(None),
        None => Ok(content_type.and_then(ImportFormat::of_content_type)),
    }
}

/// Writes the body to `path`, up to [`MAX_BYTES`].
async fn spool(body: Body, path: &PathBuf) -> Result<(), ApiError> {
    let mut file = BufWriter::with_capacity(1 << 18, File::create(path).await.map_err(spool_failed)?);
    let mut stream = body.into_data_stream();
    let mut bytes = 0;
    loop {
        let Ok(chunk) = tokio::time::timeout(MAX_IDLE, stream.next()).await else {
            let message = format!("no part of the body arrived for {} s", MAX_IDLE.as_secs());
            return Err(ApiError::new(StatusCode::REQUEST_TIMEOUT, "body_idle", message));
        };
        let Some(chunk) = chunk else { break };
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

/// Returns the error for a failed import, without the path of the temporary folder in its message.
fn refuse(error: ImportError, folder: &TempDir) -> ApiError {
    let message = chain(&error).replace(&format!("{}/", folder.path().display()), "");
    match error {
        ImportError::Store { source, .. } => {
            tracing::error!(error = %message, "import failed");
            source.into()
        }
        ImportError::File(FileError::TooLarge { .. }) | ImportError::Decoded { is_large: true, .. } => {
            ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message)
        }
        ImportError::SeriesLimit { .. } => ApiError::bad_request("series_limit", message),
        ImportError::LabelLimit { .. } => ApiError::bad_request("label_limit", message),
        ImportError::Ended { .. } => {
            tracing::warn!(error = %message, "decoding an import ended its process");
            ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "decoding_ended", message)
        }
        _ => ApiError::bad_request("invalid_file", message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_component_of_a_name_is_used() {
        let check = |file: &str, expected: &str| assert_eq!(base_name(file), expected);
        check("a.csv", "a.csv");
        check("/etc/passwd", "passwd");
        check("..\\..\\x.csv", "x.csv");
        check("..", "body");
        check("a/", "body");
    }
}
