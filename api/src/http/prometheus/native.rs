//! Native histograms in the JSON of Prometheus' API.

use almanac_engine::histogram::Histogram;

use super::answer::{write_number, write_time};

/// Writes a time and a histogram: `[1,{"count":"3","sum":"5","buckets":[[0,"1","2","3"]]}]`. The first number of a bucket
/// says which bounds belong to it: 0 the upper, 1 the lower, 2 neither, 3 both.
pub(super) fn write_histogram(out: &mut Vec<u8>, time_ms: i64, histogram: &Histogram) {
    let quoted = |out: &mut Vec<u8>, value: f64| {
        out.push(b'"');
        write_number(out, value);
        out.push(b'"');
    };
    out.push(b'[');
    write_time(out, time_ms);
    out.extend_from_slice(br#",{"count":"#);
    quoted(out, histogram.count);
    out.extend_from_slice(br#","sum":"#);
    quoted(out, histogram.sum);
    let buckets = histogram.buckets();
    for (idx, bucket) in buckets.iter().filter(|bucket| bucket.count != 0.0).enumerate() {
        out.extend_from_slice(if idx == 0 { br#","buckets":["# } else { b"," });
        let rule = match (bucket.lower_inclusive, bucket.upper_inclusive) {
            (false, true) => b'0',
            (true, false) => b'1',
            (false, false) => b'2',
            (true, true) => b'3',
        };
        out.extend_from_slice(&[b'[', rule]);
        for value in [bucket.lower, bucket.upper, bucket.count] {
            out.push(b',');
            quoted(out, value);
        }
        out.push(b']');
    }
    if buckets.iter().any(|bucket| bucket.count != 0.0) {
        out.push(b']');
    }
    out.extend_from_slice(b"}]");
}

#[cfg(test)]
mod tests {
    use almanac_engine::histogram::CUSTOM_SCHEMA;

    use super::*;

    #[test]
    fn buckets_are_written_from_the_lowest_to_the_highest() {
        let check = |histogram: &Histogram, expected: &str| {
            let mut out = Vec::new();
            write_histogram(&mut out, 1500, histogram);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        };
        let exponential = Histogram {
            schema: 0,
            count: 6.0,
            sum: 1.5,
            zero_count: 1.0,
            zero_threshold: 0.5,
            positive: vec![(0, 2.0), (2, 1.5)],
            negative: vec![(1, 1.5)],
            ..Histogram::default()
        };
        check(
            &exponential,
            r#"[1.500,{"count":"6","sum":"1.5","buckets":[[1,"-2","-1","1.5"],[3,"-0.5","0.5","1"],[0,"0.5","1","2"],[0,"2","4","1.5"]]}]"#,
        );
        let custom = Histogram {
            schema: CUSTOM_SCHEMA,
            count: 3.0,
            sum: 9.0,
            custom: vec![1.0, 2.0].into(),
            positive: vec![(0, 1.0), (2, 2.0)],
            ..Histogram::default()
        };
        check(&custom, r#"[1.500,{"count":"3","sum":"9","buckets":[[3,"-Inf","1","1"],[0,"2","+Inf","2"]]}]"#);
        check(&Histogram::default(), r#"[1.500,{"count":"0","sum":"0"}]"#);
    }
}
