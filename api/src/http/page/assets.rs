//! Files of the page: scripts, styles and the icon, inside the binary.

use std::sync::LazyLock;

use axum::{
    extract::Path,
    http::{
        HeaderMap, StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, X_CONTENT_TYPE_OPTIONS},
    },
    response::{IntoResponse, Response},
};
use ring::digest::{SHA256, digest};

use crate::http::ApiError;

/// A file: name, content type, content.
type Asset = (&'static str, &'static str, &'static [u8]);

const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

macro_rules! own {
    ($name:literal) => {
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/page/assets/", $name))
    };
}

macro_rules! library {
    ($name:literal) => {
        include_bytes!(concat!(env!("OUT_DIR"), "/", $name))
    };
}

const ASSETS: &[Asset] = &[
    ("page.css", STYLE, own!("page.css")),
    ("theme.js", SCRIPT, own!("theme.js")),
    ("page.js", SCRIPT, own!("page.js")),
    ("api.js", SCRIPT, own!("api.js")),
    ("chart.js", SCRIPT, own!("chart.js")),
    ("signal.js", SCRIPT, own!("signal.js")),
    ("incidents.js", SCRIPT, own!("incidents.js")),
    ("explore.js", SCRIPT, own!("explore.js")),
    ("icon.svg", "image/svg+xml", own!("icon.svg")),
    // uPlot, MIT; without it the page has tables in place of charts.
    ("uplot.js", SCRIPT, library!("uplot.js")),
    ("uplot.css", STYLE, library!("uplot.css")),
    ("uplot-license.txt", TEXT, library!("uplot-license.txt")),
];

/// Version of all files, for their addresses: a new release never uses an old file.
pub(super) static VERSION: LazyLock<String> = LazyLock::new(|| {
    let all: Vec<u8> = ASSETS.iter().flat_map(|(_, _, content)| content.iter().copied()).collect();
    digest(&SHA256, &all).as_ref()[..6].iter().map(|byte| format!("{byte:02x}")).collect()
});

/// Returns whether the binary has the chart library.
pub(super) fn has_charts() -> bool {
    ASSETS.iter().any(|(name, _, content)| *name == "uplot.js" && !content.is_empty())
}

/// Returns a file.
pub(super) async fn asset(Path(file): Path<String>, headers: HeaderMap) -> Response {
    let Some((_, kind, content)) = ASSETS.iter().find(|(name, _, _)| *name == file) else {
        return ApiError::not_found("not_found", format!("the page has no file {file:?}")).into_response();
    };
    let tag = format!("\"{}\"", *VERSION);
    // Scripts import each other without a version, so browsers ask again, which costs one small answer.
    let head = [
        (CONTENT_TYPE, (*kind).to_owned()),
        (CACHE_CONTROL, "no-cache".to_owned()),
        (ETAG, tag.clone()),
        (X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    if headers.get(IF_NONE_MATCH).is_some_and(|known| known.as_bytes().ends_with(tag.as_bytes())) {
        return (StatusCode::NOT_MODIFIED, head).into_response();
    }
    (head, *content).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Largest size of all files of a page that the browser loads, compressed, in bytes.
    const MAX_COMPRESSED: usize = 150_000;

    #[test]
    fn all_files_together_are_small_and_the_charts_are_there() {
        use std::io::Write;
        let mut compressed = 0;
        for (name, _, content) in ASSETS {
            // Without npm `make setup` has no chart library, and the page shows tables.
            assert!(!content.is_empty() || name.starts_with("uplot"), "{name} is empty");
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(content).unwrap();
            compressed += encoder.finish().unwrap().len();
        }
        assert!(compressed < MAX_COMPRESSED, "{compressed} bytes");
        assert_eq!(has_charts(), option_env!("ALMANAC_UPLOT_DIR").is_some());
    }

    #[test]
    fn nothing_is_loaded_from_elsewhere() {
        for (name, _, content) in ASSETS.iter().filter(|(name, _, _)| !name.starts_with("uplot")) {
            let text = String::from_utf8_lossy(content);
            for scheme in ["http://", "https://"] {
                let foreign =
                    text.match_indices(scheme).filter(|(at, _)| !text[*at..].starts_with("http://www.w3.org/"));
                assert_eq!(foreign.count(), 0, "{name} names another host");
            }
        }
    }
}
