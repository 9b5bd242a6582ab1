//! Tests of the protobuf format on pages written by hand.

use super::{PageLimits, ProtobufError, decode};

const LIMITS: PageLimits = PageLimits { samples: 100, text_bytes: 10_000 };

fn bytes_field(number: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.extend([number << 3 | 2, u8::try_from(bytes.len()).unwrap()]);
    out.extend_from_slice(bytes);
}

fn double_field(number: u8, value: f64, out: &mut Vec<u8>) {
    out.push(number << 3 | 1);
    out.extend_from_slice(&value.to_le_bytes());
}

/// A page with one family of one histogram.
fn page(histogram: &[u8]) -> Vec<u8> {
    let (mut label, mut metric, mut family) = (Vec::new(), Vec::new(), Vec::new());
    bytes_field(1, b"job", &mut label);
    bytes_field(2, b"a\"b", &mut label);
    bytes_field(1, &label, &mut metric);
    bytes_field(7, histogram, &mut metric);
    bytes_field(1, b"latency", &mut family);
    family.extend([3 << 3, 4]);
    bytes_field(4, &metric, &mut family);
    let mut page = vec![u8::try_from(family.len()).unwrap()];
    page.extend(family);
    page
}

fn classic() -> Vec<u8> {
    let (mut bucket, mut exemplar, mut label, mut histogram) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    bytes_field(1, b"trace_id", &mut label);
    bytes_field(2, b"x", &mut label);
    bytes_field(1, &label, &mut exemplar);
    double_field(2, 0.4, &mut exemplar);
    bytes_field(3, &[8, 10, 16, 0x80, 0xca, 0xb5, 0xee, 1], &mut exemplar);
    bucket.extend([8, 2]);
    double_field(2, 0.5, &mut bucket);
    bytes_field(3, &exemplar, &mut bucket);
    histogram.extend([8, 3]);
    double_field(2, 4.5, &mut histogram);
    bytes_field(3, &bucket, &mut histogram);
    histogram
}

#[test]
fn a_classic_histogram_gives_its_series() {
    let page = decode(&page(&classic()), LIMITS).unwrap();
    let series: Vec<(&str, f64)> = page.samples.iter().map(|one| (one.series.as_str(), one.value)).collect();
    let expected = [
        (r#"{"latency_bucket","job"="a\"b","le"="0.5"}"#, 2.0),
        (r#"{"latency_bucket","job"="a\"b","le"="+Inf"}"#, 3.0),
        (r#"{"latency_count","job"="a\"b"}"#, 3.0),
        (r#"{"latency_sum","job"="a\"b"}"#, 4.5),
    ];
    assert_eq!(series, expected);
    let exemplar = &page.samples[0].exemplars[0];
    assert_eq!((exemplar.value, exemplar.timestamp_ms), (0.4, Some(10_500)));
    assert_eq!(exemplar.labels, [("trace_id".to_owned(), "x".to_owned())]);
}

#[test]
fn spans_make_it_native() {
    let mut histogram = classic();
    // Schema 1 as zigzag, one span from index -1 with two buckets, deltas 2 and -1.
    histogram.extend([5 << 3, 2]);
    bytes_field(12, &[8, 1, 16, 2], &mut histogram);
    bytes_field(13, &[4, 1], &mut histogram);
    let page = decode(&page(&histogram), LIMITS).unwrap();
    assert_eq!(page.samples.len(), 1);
    let native = page.samples[0].histogram.as_ref().unwrap();
    assert_eq!((native.schema, native.count, native.positive.clone()), (1, 3.0, vec![(-1, 2.0), (0, 1.0)]));
    assert_eq!(page.samples[0].series, r#"{"latency","job"="a\"b"}"#);
    assert_eq!(page.samples[0].exemplars.len(), 1);
    histogram.extend([5 << 3, 20]);
    let error = decode(&self::page(&histogram), LIMITS).unwrap_err().to_string();
    assert!(error.starts_with(r#"the native histogram "latency" is invalid: schema 10 is not known"#), "{error}");
}

#[test]
fn broken_pages_are_errors() {
    let whole = page(&classic());
    for end in 1..whole.len() {
        assert!(decode(&whole[..end], LIMITS).is_err(), "{end}");
    }
    assert_eq!(decode(&whole, PageLimits { samples: 2, ..LIMITS }).unwrap_err(), ProtobufError::TooMany { limit: 2 });
    assert_eq!(decode(&[0], LIMITS).unwrap_err(), ProtobufError::NoName { number: 1 });
}

#[test]
fn few_bytes_do_not_become_many_long_series() {
    // The first series has 42 bytes as text.
    let short = PageLimits { text_bytes: 50, ..LIMITS };
    assert_eq!(decode(&page(&classic()), short).unwrap_err(), ProtobufError::TooLong { limit: 50 });
    // 100 empty buckets of two bytes, and the samples of the count and the sum.
    let mut family = Vec::new();
    bytes_field(1, b"x", &mut family);
    let (metric_length, histogram_length) = (2 + 200 + 1, 200);
    family.extend([4 << 3 | 2, 0x80 | (metric_length & 0x7f), 1, 7 << 3 | 2, 0x80 | (histogram_length & 0x7f), 1]);
    family.extend([3 << 3 | 2, 0].repeat(100));
    let mut page = vec![0x80 | u8::try_from(family.len() & 0x7f).unwrap(), 1];
    page.extend(family);
    assert_eq!(decode(&page, LIMITS).unwrap_err(), ProtobufError::TooMany { limit: 100 });
    assert_eq!(decode(&page, PageLimits { samples: 103, ..LIMITS }).unwrap().samples.len(), 103);
}
