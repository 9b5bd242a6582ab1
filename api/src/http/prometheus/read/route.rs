//! The route of remote read.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use almanac_engine::{
    learn::LearnedSource,
    series::{Labels, Matcher, SampleSource, SeriesHistograms, SeriesSamples},
    signal::SignalError,
};
use axum::{
    body::Bytes,
    extract::State,
    http::header::{CONTENT_ENCODING, CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use prost::Message;

use super::{
    chunk::{SAMPLES_PER_CHUNK, encode},
    message::{
        Chunk, ChunkedReadResponse, ChunkedSeries, QueryResult, ReadRequest, ReadResponse, SAMPLES,
        STREAMED_XOR_CHUNKS, Sample, TimeSeries, XOR, frame, histogram, labels, matchers,
    },
};
use crate::http::{
    AppState,
    prometheus::{
        answer::PromError,
        query::{EvaluationError, evaluate_within, evaluation_error},
    },
    shared::body_of,
};

/// Largest request after decompression in bytes.
const MAX_REQUEST: usize = 1 << 20;
/// Most samples of an answer in chunks.
const MAX_STREAMED: usize = 20_000_000;
/// Most samples of an answer in one message.
const MAX_SAMPLES: usize = 5_000_000;
/// Memory of a sample in bytes while it waits for the client.
const BYTES_PER_SAMPLE: usize = 16;
/// Memory of a sample in bytes in one message, before and after compression.
const BYTES_PER_MESSAGE_SAMPLE: usize = 48;
/// Most samples of a frame: about a megabyte before they are encoded.
const SAMPLES_PER_FRAME: usize = 500 * SAMPLES_PER_CHUNK;
/// Time for which a response waits for memory.
const MEMORY_WAIT: Duration = Duration::from_secs(10);
/// Timeout of reading.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Answers a remote read: samples in one message, or chunks in a stream, as the client prefers.
#[utoipa::path(post, path = "/api/v1/read", tag = "prometheus",
    request_body(content_type = "application/x-protobuf", description = "snappy block of prometheus.ReadRequest"),
    responses((status = 200, description = "snappy block of prometheus.ReadResponse, or frames of prometheus.ChunkedReadResponse"), (status = 400, description = "invalid request"), (status = 422, description = "too many samples"), (status = 503, description = "timeout")))]
pub(in crate::http::prometheus) async fn read(
    State(state): State<AppState>,
    body: Bytes,
) -> Result<Response, PromError> {
    let request = decoded(&body)?;
    let accepted = &request.accepted_response_types;
    let response_type = match accepted.iter().find(|kind| matches!(**kind, SAMPLES | STREAMED_XOR_CHUNKS)) {
        Some(kind) => *kind,
        None if accepted.is_empty() => SAMPLES,
        None => {
            let message =
                format!("none of the response types {accepted:?} is known; known are 0 (samples) and 1 (chunks)");
            return Err(PromError::bad_data(message));
        }
    };
    let most = if response_type == SAMPLES { MAX_SAMPLES } else { MAX_STREAMED };
    let source = LearnedSource::new(state.store.clone(), state.clock.now());
    let series = evaluate_within(&state, TIMEOUT, move |limits| {
        // Compiles patterns, which can take long.
        let selectors = request.queries.iter().map(matchers).collect::<Result<Vec<_>, _>>();
        let selectors = match selectors {
            Ok(selectors) => selectors,
            Err(message) => return Ok(Err(message)),
        };
        let (mut left, mut all, mut histograms) = (most, Vec::new(), Vec::new());
        for (query, selector) in request.queries.iter().zip(&selectors) {
            if limits.cancel.is_cancelled() {
                return Err(SignalError::Cancelled);
            }
            let span = (query.start_timestamp_ms, query.end_timestamp_ms);
            let series = selected(&source, selector, span, left, most)?;
            left -= series.iter().map(|one| one.timestamps.len()).sum::<usize>();
            all.push(series);
            let found = source
                .select_histograms(selector, span.0, span.1, left)
                .map_err(|error| limited(error.into(), most))?;
            left = left.saturating_sub(weight(&found));
            histograms.push(found);
        }
        Ok(Ok((all, histograms)))
    });
    let (series, histograms) = series.await.map_err(evaluation_error)?.map_err(PromError::bad_data)?;
    let samples: usize = series.iter().flatten().map(|one| one.timestamps.len()).sum();
    let weight: usize = histograms.iter().map(|found| weight(found)).sum();
    // Chunks hold floats only, so that an answer with histograms is one message.
    let has_histograms = weight > 0;
    if has_histograms && response_type != SAMPLES && !accepted.contains(&SAMPLES) {
        return Err(PromError::bad_data(
            "the series have native histograms, which are answered as samples only: accept the response type 0 (samples)",
        ));
    }
    let samples = samples + weight;
    if has_histograms && samples > MAX_SAMPLES {
        return Err(evaluation_error(EvaluationError::Signal(SignalError::TooManySamples { limit: MAX_SAMPLES })));
    }
    if response_type == SAMPLES || has_histograms {
        let reserved = state.answers.reserve(samples.saturating_mul(BYTES_PER_MESSAGE_SAMPLE), MEMORY_WAIT).await?;
        let packed =
            tokio::task::spawn_blocking(move || snap::raw::Encoder::new().compress_vec(&message(series, histograms)));
        let packed = packed.await.map_err(|error| PromError::internal(&error))?;
        let packed = packed.map_err(|error| PromError::internal(&error))?;
        let headers = [(CONTENT_TYPE, "application/x-protobuf"), (CONTENT_ENCODING, "snappy")];
        return Ok((headers, body_of(std::iter::once(packed), reserved)).into_response());
    }
    let reserved = state.answers.reserve(samples.saturating_mul(BYTES_PER_SAMPLE), MEMORY_WAIT).await?;
    let kind = "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse";
    Ok(([(CONTENT_TYPE, kind)], body_of(frames(series), reserved)).into_response())
}

/// Decodes a request: a snappy block with a protobuf message.
fn decoded(body: &[u8]) -> Result<ReadRequest, PromError> {
    let wrong = |what: String| PromError::bad_data(format!("the body is not a remote read request: {what}"));
    let length = snap::raw::decompress_len(body).map_err(|error| wrong(error.to_string()))?;
    if length > MAX_REQUEST {
        return Err(wrong(format!("it has {length} bytes, at most {MAX_REQUEST} are allowed")));
    }
    let bytes = snap::raw::Decoder::new().decompress_vec(body).map_err(|error| wrong(error.to_string()))?;
    ReadRequest::decode(bytes.as_slice()).map_err(|error| wrong(error.to_string()))
}

/// Reads the series of a query; the limit in an error is that of the request.
fn selected(
    source: &LearnedSource,
    selector: &[Matcher],
    (start_ms, end_ms): (i64, i64),
    left: usize,
    most: usize,
) -> Result<Vec<SeriesSamples>, SignalError> {
    source.select(selector, start_ms, end_ms, left).map_err(|error| limited(error.into(), most))
}

fn limited(error: SignalError, most: usize) -> SignalError {
    match error {
        SignalError::TooManySamples { .. } => SignalError::TooManySamples { limit: most },
        other => other,
    }
}

/// Returns the weight of histograms in samples.
fn weight(series: &[SeriesHistograms]) -> usize {
    series.iter().flat_map(|one| &one.histograms).map(|histogram| histogram.weight()).sum()
}

/// Returns the answer in one message. Each series is dropped when it is encoded.
fn message(queries: Vec<Vec<SeriesSamples>>, histograms: Vec<Vec<SeriesHistograms>>) -> Vec<u8> {
    let results = queries.into_iter().zip(histograms).map(|(series, histograms)| {
        let mut all: BTreeMap<Labels, TimeSeries> = BTreeMap::new();
        let of = |labels_of: &Labels| TimeSeries { labels: labels(labels_of), ..TimeSeries::default() };
        for one in series {
            let samples = one.timestamps.iter().zip(&one.values);
            let samples = samples.map(|(&timestamp, &value)| Sample { value, timestamp }).collect();
            all.insert(one.labels.clone(), TimeSeries { samples, ..of(&one.labels) });
        }
        for one in histograms {
            let histograms = one.timestamps.iter().zip(&one.histograms).map(|(at, found)| histogram(*at, found));
            all.entry(one.labels.clone()).or_insert_with(|| of(&one.labels)).histograms = histograms.collect();
        }
        QueryResult { timeseries: all.into_values().collect() }
    });
    ReadResponse { results: results.collect() }.encode_to_vec()
}

/// Returns the frames of the answer: one or more for each series, each encoded when the client reads it.
fn frames(queries: Vec<Vec<SeriesSamples>>) -> impl Iterator<Item = Vec<u8>> + Send + 'static {
    (0_i64..).zip(queries).flat_map(|(query_index, series)| {
        series.into_iter().flat_map(move |one| {
            let one = Arc::new(one);
            let starts: Vec<usize> = (0..one.timestamps.len()).step_by(SAMPLES_PER_FRAME).collect();
            starts.into_iter().map(move |start| {
                let end = (start + SAMPLES_PER_FRAME).min(one.timestamps.len());
                let chunks = one.timestamps[start..end]
                    .chunks(SAMPLES_PER_CHUNK)
                    .zip(one.values[start..end].chunks(SAMPLES_PER_CHUNK))
                    .map(|(times, values)| Chunk {
                        min_time_ms: times[0],
                        max_time_ms: times[times.len() - 1],
                        encoding: XOR,
                        data: encode(times, values),
                    });
                let chunked_series = vec![ChunkedSeries { labels: labels(&one.labels), chunks: chunks.collect() }];
                frame(&ChunkedReadResponse { chunked_series, query_index })
            })
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_bodies_are_refused() {
        for body in [&b""[..], b"no snappy", b"\xff\xff\xff\xff\x7f"] {
            assert!(decoded(body).is_err(), "{body:?}");
        }
        let packed = snap::raw::Encoder::new().compress_vec(&[0xff; 8]).unwrap();
        assert!(decoded(&packed).is_err());
        let large = snap::raw::Encoder::new().compress_vec(&vec![0; MAX_REQUEST + 1]).unwrap();
        assert!(decoded(&large).is_err());
        assert_eq!(decoded(&snap::raw::Encoder::new().compress_vec(&[]).unwrap()).unwrap(), ReadRequest::default());
    }

    #[test]
    fn long_series_have_several_frames() {
        let timestamps: Vec<i64> = (0..100_000).map(|idx| idx * 15_000).collect();
        let labels = almanac_engine::series::Labels::from_pairs([("__name__", "up")]).unwrap();
        let series = SeriesSamples { labels, values: vec![1.0; timestamps.len()], timestamps };
        let frames: Vec<Vec<u8>> = frames(vec![vec![], vec![series]]).collect();
        assert_eq!(frames.len(), 2);
        let mut chunks = 0;
        for frame in frames {
            let mut rest = frame.as_slice();
            let length = prost::encoding::decode_varint(&mut rest).unwrap();
            assert_eq!(rest.len() as u64, length + 4);
            let message = ChunkedReadResponse::decode(&rest[4..]).unwrap();
            assert_eq!(message.query_index, 1);
            chunks += message.chunked_series[0].chunks.len();
        }
        assert_eq!(chunks, 100_000_usize.div_ceil(120));
    }
}
