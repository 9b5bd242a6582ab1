//! Exponential histograms as native ones.

use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogramDataPoint, exponential_histogram_data_point::Buckets as Counts,
};

use crate::histogram::{Buckets, Histogram, MAX_BUCKETS, SCHEMAS};

/// Converts a data point. A finer scale than the finest schema is reduced to it, which loses no count.
///
/// # Errors
/// What is wrong with the point.
pub(super) fn native(point: &ExponentialHistogramDataPoint) -> Result<Histogram, String> {
    let finest = i32::from(*SCHEMAS.end());
    if point.scale < i32::from(*SCHEMAS.start()) {
        return Err(format!(
            "scale {} is less than {}, the coarsest of native histograms",
            point.scale,
            SCHEMAS.start()
        ));
    }
    let side = |counts: &Option<Counts>| -> Result<Buckets, String> {
        let Some(counts) = counts else { return Ok(Buckets::new()) };
        let shift = (point.scale - finest).clamp(0, 62);
        let mut buckets = Buckets::new();
        for (number, &count) in (0_i64..).zip(&counts.bucket_counts) {
            if count == 0 {
                continue;
            }
            // The bucket with the index 0 begins at 1 here, in Prometheus it ends there.
            let index = i64::from(counts.offset) + number + 1;
            let index = i32::try_from(((index - 1) >> shift) + 1)
                .ok()
                .filter(|index| index.unsigned_abs() < i32::MAX.unsigned_abs() - 2)
                .ok_or_else(|| format!("the offset {} is beyond the buckets of a native histogram", counts.offset))?;
            match buckets.last_mut() {
                Some(last) if last.0 == index => last.1 += to_f64(count),
                _ => buckets.push((index, to_f64(count))),
            }
        }
        Ok(buckets)
    };
    let histogram = Histogram {
        schema: i8::try_from(point.scale.min(finest)).unwrap_or(0),
        zero_threshold: point.zero_threshold,
        zero_count: to_f64(point.zero_count),
        count: to_f64(point.count),
        sum: point.sum.unwrap_or(0.0),
        positive: side(&point.positive)?,
        negative: side(&point.negative)?,
        ..Histogram::default()
    };
    histogram.check().map_err(|error| error.to_string())?;
    Ok(histogram)
}

/// Adds the total of the earlier deltas to a delta. Buckets of many intervals together may be too many: they are merged,
/// which loses no count.
///
/// # Errors
/// What is wrong with the sum.
pub(super) fn accumulated(mut delta: Histogram, before: &Histogram) -> Result<Histogram, String> {
    delta.add(before).map_err(|error| error.to_string())?;
    while delta.positive.len() + delta.negative.len() > MAX_BUCKETS && delta.schema > *SCHEMAS.start() {
        let coarser = delta.schema - 1;
        delta = delta.with_schema(coarser);
    }
    delta.check().map_err(|error| error.to_string())?;
    Ok(delta)
}

/// Converts a count; counts above 2^53 are rounded.
#[expect(clippy::cast_precision_loss, reason = "samples are floating-point numbers")]
pub(crate) fn to_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(scale: i32, offset: i32, counts: &[u64]) -> ExponentialHistogramDataPoint {
        ExponentialHistogramDataPoint {
            scale,
            count: counts.iter().sum(),
            positive: Some(Counts { offset, bucket_counts: counts.to_vec() }),
            ..ExponentialHistogramDataPoint::default()
        }
    }

    #[test]
    fn indices_are_those_of_prometheus() {
        // Scale 0: (1, 2], (2, 4], (4, 8]; an empty bucket is left out.
        assert_eq!(native(&point(0, 0, &[8, 0, 16])).unwrap().positive, [(1, 8.0), (3, 16.0)]);
        assert_eq!(native(&point(8, -3, &[1, 2])).unwrap().positive, [(-2, 1.0), (-1, 2.0)]);
    }

    #[test]
    fn finer_scales_are_reduced() {
        let fine = native(&point(10, 0, &[1, 2, 3, 4, 5])).unwrap();
        assert_eq!((fine.schema, fine.positive), (8, vec![(1, 10.0), (2, 5.0)]));
        assert_eq!(native(&point(20, i32::MAX, &[1])).unwrap().positive, [(524_288, 1.0)]);
    }

    #[test]
    fn totals_of_many_intervals_have_a_bounded_number_of_buckets() {
        let mut total = native(&point(8, 0, &[1; 200])).unwrap();
        for interval in 1..20 {
            total = accumulated(native(&point(8, interval * 200, &[1; 200])).unwrap(), &total).unwrap();
            assert!(total.positive.len() <= 2048, "{interval}: {}", total.positive.len());
        }
        // 4000 buckets of schema 8 are 2000 of schema 7, and no observation is lost.
        assert_eq!((total.schema, total.positive.len(), total.count), (7, 2000, 4000.0));
        assert_eq!((total.positive[0], total.positive[1999]), ((1, 2.0), (2000, 2.0)));
    }

    #[test]
    fn what_cannot_be_stored_is_named() {
        assert_eq!(
            native(&point(-5, 0, &[1])).unwrap_err(),
            "scale -5 is less than -4, the coarsest of native histograms"
        );
        assert_eq!(
            native(&point(0, i32::MAX, &[1])).unwrap_err(),
            "the offset 2147483647 is beyond the buckets of a native histogram"
        );
        let many = native(&point(0, 0, &[1; 3_000])).unwrap_err();
        assert_eq!(many, "3000 buckets are more than 2048");
        let negative = ExponentialHistogramDataPoint { zero_threshold: -1.0, ..point(0, 0, &[1]) };
        assert!(native(&negative).unwrap_err().starts_with("the zero threshold is -1"));
    }
}
