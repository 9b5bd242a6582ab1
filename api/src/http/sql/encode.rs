//! Encodes SQL results as JSON, CSV, NDJSON and Arrow IPC.

use almanac_engine::store::SqlAnswer;
use arrow::{error::ArrowError, ipc::writer::StreamWriter};

use super::cell::{string, text, write_json};

/// Encoding of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// `{"columns", "types", "rows", "truncated"}`
    Json,
    /// A header and one line per row; NULL is an empty cell.
    Csv,
    /// One object per line.
    NdJson,
    /// Arrow's IPC stream.
    Arrow,
}

impl Encoding {
    /// Returns the content type.
    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Csv => "text/csv; charset=utf-8",
            Self::NdJson => "application/x-ndjson",
            Self::Arrow => "application/vnd.apache.arrow.stream",
        }
    }
}

/// Appends a result to `out` in the given encoding.
pub(crate) fn encode(answer: &SqlAnswer, encoding: Encoding, out: &mut Vec<u8>) -> Result<(), ArrowError> {
    match encoding {
        Encoding::Json => json(answer, out),
        Encoding::Csv => csv(answer, out),
        Encoding::NdJson => ndjson(answer, out),
        Encoding::Arrow => {
            let mut writer = StreamWriter::try_new(out, &answer.schema)?;
            for batch in &answer.batches {
                writer.write(batch)?;
            }
            writer.finish()
        }
    }
}

fn json(answer: &SqlAnswer, out: &mut Vec<u8>) -> Result<(), ArrowError> {
    out.extend_from_slice(br#"{"columns":"#);
    strings(out, answer.schema.fields().iter().map(|field| field.name().as_str()));
    out.extend_from_slice(br#","types":"#);
    strings(out, answer.types.iter().map(String::as_str));
    out.extend_from_slice(br#","rows":["#);
    let mut first = true;
    for batch in &answer.batches {
        for row in 0..batch.num_rows() {
            out.extend_from_slice(if first { b"[" } else { b",[" });
            first = false;
            for (idx, column) in batch.columns().iter().enumerate() {
                if idx > 0 {
                    out.push(b',');
                }
                write_json(column, row, out)?;
            }
            out.push(b']');
        }
    }
    out.extend_from_slice(if answer.truncated { br#"],"truncated":true}"# } else { br#"],"truncated":false}"# });
    Ok(())
}

fn ndjson(answer: &SqlAnswer, out: &mut Vec<u8>) -> Result<(), ArrowError> {
    // The quoted names are the same in every row, so they are encoded once.
    let names: Vec<Vec<u8>> = answer
        .schema
        .fields()
        .iter()
        .map(|field| {
            let mut name = Vec::new();
            string(&mut name, field.name());
            name
        })
        .collect();
    for batch in &answer.batches {
        for row in 0..batch.num_rows() {
            for (idx, (name, column)) in names.iter().zip(batch.columns()).enumerate() {
                out.push(if idx == 0 { b'{' } else { b',' });
                out.extend_from_slice(name);
                out.push(b':');
                write_json(column, row, out)?;
            }
            out.extend_from_slice(b"}\n");
        }
    }
    Ok(())
}

fn csv(answer: &SqlAnswer, out: &mut Vec<u8>) -> Result<(), ArrowError> {
    let wrong = |error: csv::Error| ArrowError::CsvError(error.to_string());
    let mut writer = csv::Writer::from_writer(out);
    writer.write_record(answer.schema.fields().iter().map(|field| field.name())).map_err(wrong)?;
    for batch in &answer.batches {
        for row in 0..batch.num_rows() {
            for column in batch.columns() {
                writer.write_field(text(column, row)?).map_err(wrong)?;
            }
            // Ends the row.
            writer.write_record(None::<&[u8]>).map_err(wrong)?;
        }
    }
    writer.flush()?;
    Ok(())
}

fn strings<'a>(out: &mut Vec<u8>, all: impl Iterator<Item = &'a str>) {
    out.push(b'[');
    for (idx, one) in all.enumerate() {
        if idx > 0 {
            out.push(b',');
        }
        string(out, one);
    }
    out.push(b']');
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::{
        array::{
            ArrayRef, BooleanArray, Decimal128Array, Float64Array, Int64Array, ListArray, MapBuilder, RecordBatch,
            StringArray, StringBuilder, TimestampMicrosecondArray, TimestampMillisecondArray,
        },
        datatypes::Int32Type,
    };

    use super::*;

    fn answer() -> SqlAnswer {
        let mut labels = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
        labels.keys().append_value("job");
        labels.values().append_value("a\"b");
        labels.append(true).unwrap();
        labels.append(false).unwrap();
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("n", Arc::new(Int64Array::from(vec![Some(9_007_199_254_740_993), None]))),
            ("x", Arc::new(Float64Array::from(vec![0.1, f64::NAN]))),
            ("t", Arc::new(StringArray::from(vec![Some("a,b"), None]))),
            ("b", Arc::new(BooleanArray::from(vec![true, false]))),
            ("ms", Arc::new(TimestampMillisecondArray::from(vec![1_795_419_624_385, -1]))),
            ("us", Arc::new(TimestampMicrosecondArray::from(vec![1_795_419_624_385_001, 0]))),
            ("sum", Arc::new(Decimal128Array::from(vec![i128::MAX, 3]).with_precision_and_scale(38, 0).unwrap())),
            ("list", Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), None]), None]))),
            ("labels", Arc::new(labels.finish())),
        ];
        let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true))).unwrap();
        let types = batch.schema().fields().iter().map(|field| field.data_type().to_string()).collect();
        SqlAnswer { schema: batch.schema(), types, batches: vec![batch], truncated: true }
    }

    fn encoded(encoding: Encoding) -> String {
        let mut out = Vec::new();
        encode(&answer(), encoding, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn json_keeps_integers_exact_and_writes_non_finite_numbers_as_strings() {
        let text = encoded(Encoding::Json);
        let body: serde_json::Value = serde_json::from_str(&text).unwrap();
        let expected = r#"[[9007199254740993,0.1,"a,b",true,"2026-11-23T07:40:24.385Z","2026-11-23T07:40:24.385001Z",170141183460469231731687303715884105727,[1,null],{"job":"a\"b"}],[null,"NaN",null,false,"1969-12-31T23:59:59.999Z","1970-01-01T00:00:00.000Z",3,null,null]]"#;
        // Compared as text: a JSON parser may round integers to doubles.
        assert!(text.contains(&format!("\"rows\":{expected}")), "{text}");
        assert_eq!(body["truncated"], true);
        assert_eq!(body["columns"][0], "n");
    }

    #[test]
    fn non_finite_numbers_round_trip() {
        let values = [f64::INFINITY, f64::NEG_INFINITY, f64::NAN, -0.0, 5e-324, f64::MAX];
        let narrow: Vec<f32> = vec![f32::INFINITY, f32::NEG_INFINITY, f32::NAN, -0.0, 0.1, f32::MAX];
        let columns: [(&str, ArrayRef); 2] = [
            ("x", Arc::new(Float64Array::from(values.to_vec()))),
            ("y", Arc::new(arrow::array::Float32Array::from(narrow.clone()))),
        ];
        let batch = RecordBatch::try_from_iter_with_nullable(columns.map(|(n, c)| (n, c, true))).unwrap();
        let answer = SqlAnswer { schema: batch.schema(), types: Vec::new(), batches: vec![batch], truncated: false };
        for encoding in [Encoding::Json, Encoding::NdJson, Encoding::Csv] {
            let mut out = Vec::new();
            encode(&answer, encoding, &mut out).unwrap();
            let text = String::from_utf8(out).unwrap();
            let cells: Vec<[String; 2]> = match encoding {
                Encoding::Csv => text
                    .lines()
                    .skip(1)
                    .map(|line| line.split_once(',').unwrap())
                    .map(|(x, y)| [x.into(), y.into()])
                    .collect(),
                _ => {
                    let rows: Vec<serde_json::Value> = if encoding == Encoding::Json {
                        serde_json::from_str::<serde_json::Value>(&text).unwrap()["rows"].as_array().unwrap().clone()
                    } else {
                        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
                    };
                    let plain =
                        |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    let cell =
                        |row: &serde_json::Value, idx: usize, key: &str| plain(row.get(idx).unwrap_or(&row[key]));
                    rows.iter().map(|row| [cell(row, 0, "x"), cell(row, 1, "y")]).collect()
                }
            };
            for ((cell, value), narrow) in cells.iter().zip(values).zip(&narrow) {
                let (x, y): (f64, f64) = (cell[0].parse().unwrap(), cell[1].parse().unwrap());
                assert!(x.to_bits() == value.to_bits() || (x.is_nan() && value.is_nan()), "{encoding:?} {cell:?}");
                #[expect(clippy::cast_possible_truncation, reason = "the column has 32 bits")]
                let y = y as f32;
                assert!(y.to_bits() == narrow.to_bits() || (y.is_nan() && narrow.is_nan()), "{encoding:?} {cell:?}");
            }
        }
    }

    #[test]
    fn ndjson_is_one_object_per_line() {
        let body = encoded(Encoding::NdJson);
        let lines: Vec<serde_json::Value> = body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0]["labels"]["job"], "a\"b");
    }

    #[test]
    fn csv_quotes_cells_with_commas_and_quotes() {
        let body = encoded(Encoding::Csv);
        let mut lines = body.lines();
        assert_eq!(lines.next().unwrap(), "n,x,t,b,ms,us,sum,list,labels");
        assert_eq!(
            lines.next().unwrap(),
            r#"9007199254740993,0.1,"a,b",true,2026-11-23T07:40:24.385Z,2026-11-23T07:40:24.385001Z,170141183460469231731687303715884105727,"[1,null]","{""job"":""a\""b""}""#
        );
        assert_eq!(lines.next().unwrap(), ",NaN,,false,1969-12-31T23:59:59.999Z,1970-01-01T00:00:00.000Z,3,,");
    }

    #[test]
    fn arrow_round_trips() {
        let mut out = Vec::new();
        encode(&answer(), Encoding::Arrow, &mut out).unwrap();
        let reader = arrow::ipc::reader::StreamReader::try_new(out.as_slice(), None).unwrap();
        let batches: Vec<RecordBatch> = reader.map(Result::unwrap).collect();
        assert_eq!(batches, answer().batches);
    }
}
