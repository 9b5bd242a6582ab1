//! Copies the segments of samples: blocks whose checksums agree, and rows.

use std::collections::{BTreeMap, HashSet};

use arrow::{
    array::{Array, AsArray, BooleanArray, RecordBatch},
    compute::filter_record_batch,
    datatypes::{Int64Type, TimestampMillisecondType, UInt32Type, UInt64Type},
};

use super::{
    rows::{LostSamples, Target},
    source::{LostRows, Source},
};
use crate::store::{
    StoreError,
    error::failed_to,
    segment::{BLOCK_COLUMNS, BLOCK_DEFINITION, Segment, SegmentKind, each_block, flaw},
    write::LateColumns,
};

/// Columns of a table of rows.
const ROWS: &str = "series_id UINTEGER NOT NULL, timestamp TIMESTAMP_MS NOT NULL, value DOUBLE";
/// Schema version since which cold segments are blocks.
const BLOCKS_SINCE: u32 = 8;

/// The segments of the new file.
#[derive(Debug, Default)]
pub(super) struct SavedSegments {
    /// Frozen segments sorted by series and time, with their columns for the first and last timestamp.
    pub(super) cold: Vec<(Segment, [&'static str; 2])>,
    /// Names of all tables.
    pub(super) tables: Vec<(String, u64)>,
}

impl SavedSegments {
    /// Returns the number of samples.
    pub(super) fn samples(&self) -> u64 {
        self.tables.iter().map(|(_, rows)| rows).sum()
    }
}

/// An entry of the list of segments.
#[derive(Debug, Clone, Copy, Default)]
struct Listed {
    frozen: bool,
    since: Option<i64>,
}

/// Copies all segments. `tables`: of the damaged file; `version`: of its schema.
pub(super) fn copy_segments(
    source: &mut Source,
    target: &mut Target<'_>,
    tables: &[(String, i64)],
    version: u32,
    lost: &mut LostSamples,
) -> Result<SavedSegments, StoreError> {
    let (list, is_whole) = list(source, tables, lost)?;
    target.run("DROP TABLE store.hot_1; DROP TABLE store.late_2; DELETE FROM store.segments")?;
    let mut saved = SavedSegments::default();
    let (mut active, mut last, mut written) = (HashSet::new(), 0, HashSet::new());
    for (table, rows) in tables {
        let Some((kind, id)) = parse(table) else { continue };
        last = last.max(id);
        let listed = list.get(&(kind.as_str(), id)).copied();
        if listed.is_none() && is_whole {
            // The table of a compaction that was interrupted: its samples are in other segments.
            (target.count)(rows.unsigned_abs());
            continue;
        }
        written.insert((kind.as_str(), id));
        let is_cold = matches!(kind, SegmentKind::Cold | SegmentKind::Rows);
        let has_blocks = kind == SegmentKind::Cold && version >= BLOCKS_SINCE;
        // Without the list a cold segment may repeat samples of others. As late rows that come first, its samples are kept once.
        let as_kind = if listed.is_none() && is_cold { SegmentKind::Late } else { kind };
        let segment = Segment::empty(id, as_kind);
        let name = segment.name();
        target.run(&format!("CREATE TABLE {} ({})", segment.table(), definition(as_kind, has_blocks)))?;
        let from = (table.as_str(), *rows);
        if has_blocks {
            copy_blocks(source, target, from, &name, as_kind == SegmentKind::Late, lost)?;
        } else {
            let seq = if as_kind != SegmentKind::Late {
                ""
            } else if kind == SegmentKind::Late {
                ", seq"
            } else {
                ", -1::BIGINT AS seq"
            };
            let columns = format!("series_id, timestamp, value{seq}");
            let gone = target.copy(source, from, &name, &columns, &mut |batch| Ok(Some(batch)))?;
            name_lost_rows(source, table, &gone, lost);
        }
        // One segment of each kind takes new rows.
        let is_active = !is_cold && listed.is_some_and(|listed| !listed.frozen) && active.insert(as_kind.as_str());
        let ends = if has_blocks && as_kind == SegmentKind::Cold {
            ["begin_at", "end_at"]
        } else {
            ["timestamp", "timestamp"]
        };
        let measured = measure(target, segment, ends)?;
        let since = listed.and_then(|listed| listed.since).map_or_else(|| "NULL".to_owned(), |since| since.to_string());
        target.run(&if is_active { listed_active(&measured, &since) } else { measured.listed() })?;
        saved.tables.push((name, measured.rows));
        if is_cold && as_kind != SegmentKind::Late {
            saved.cold.push((measured, ends));
        }
    }
    for kind in [SegmentKind::Hot, SegmentKind::Late] {
        if !active.contains(kind.as_str()) {
            last += 1;
            let segment = Segment::empty(last, kind);
            target.run(&format!("CREATE TABLE {} ({})", segment.table(), definition(kind, false)))?;
            target.run(&listed_active(&segment, "NULL"))?;
        }
    }
    for (kind, id) in list.keys().filter(|key| !written.contains(*key)) {
        lost.add_unknown(&format!("{kind}_{id}"), 0, "rows are known", "the file does not have the table");
    }
    Ok(saved)
}

fn definition(kind: SegmentKind, has_blocks: bool) -> String {
    match kind {
        SegmentKind::Late => format!("{ROWS}, seq BIGINT NOT NULL"),
        SegmentKind::Cold if has_blocks => BLOCK_DEFINITION.to_owned(),
        SegmentKind::Hot | SegmentKind::Cold | SegmentKind::Rows => ROWS.to_owned(),
    }
}

/// Returns the statement that lists a segment that takes rows.
fn listed_active(segment: &Segment, since: &str) -> String {
    format!(
        "INSERT INTO store.segments (segment_id, kind, frozen, since_ms) VALUES ({}, '{}', false, {since})",
        segment.id,
        segment.kind.as_str()
    )
}

/// Returns the kind and number in the name of a segment's table.
fn parse(table: &str) -> Option<(SegmentKind, u64)> {
    let (kind, id) = table.rsplit_once('_')?;
    Some((SegmentKind::parse(kind)?, id.parse().ok()?))
}

/// The listed segments by kind and number.
type SegmentList = BTreeMap<(&'static str, u64), Listed>;

/// Reads the list of segments. Returns also whether it is complete.
fn list(
    source: &mut Source,
    tables: &[(String, i64)],
    lost: &mut LostSamples,
) -> Result<(SegmentList, bool), StoreError> {
    let mut list = BTreeMap::new();
    let Some((table, rows)) = tables.iter().find(|(table, _)| table == "segments") else {
        return Ok((list, false));
    };
    let gone = source.read(table, "segment_id, kind, frozen, since_ms", *rows, &mut |batch| {
        let ids = batch.column(0).as_primitive::<UInt64Type>();
        let kinds = batch.column(1).as_string::<i32>();
        let (frozen, since) = (batch.column(2).as_boolean(), batch.column(3).as_primitive::<Int64Type>());
        for row in 0..batch.num_rows() {
            let Some(kind) = SegmentKind::parse(kinds.value(row)) else { continue };
            let since = (!since.is_null(row)).then(|| since.value(row));
            list.insert((kind.as_str(), ids.value(row)), Listed { frozen: frozen.value(row), since });
        }
        Ok(())
    })?;
    if let Some((rows, reason)) = super::rows::total(source, table, &gone) {
        lost.add_unknown(table, rows, "rows", &format!("{reason}; the segments are found by their names"));
        return Ok((list, false));
    }
    Ok((list, true))
}

/// Copies the sound blocks of a table, or their samples as late rows.
fn copy_blocks(
    source: &mut Source,
    target: &mut Target<'_>,
    from: (&str, i64),
    into: &str,
    as_rows: bool,
    lost: &mut LostSamples,
) -> Result<(), StoreError> {
    let mut kept = |batch: RecordBatch| {
        let (mut is_sound, mut late) = (Vec::with_capacity(batch.num_rows()), LateColumns::default());
        each_block(&batch, |block| {
            let flaw = flaw(block);
            is_sound.push(flaw.is_none());
            if let Some(reason) = flaw {
                lost.add(block.series, (block.begin, block.end), u64::from(block.count), &reason);
            } else if as_rows {
                let (mut timestamps, mut values) = (Vec::new(), Vec::new());
                if block.decode(&mut timestamps, &mut values).is_ok() {
                    timestamps.iter().zip(values).for_each(|(at, value)| late.push(block.series, *at, value, -1));
                }
            }
            Ok(())
        })?;
        if as_rows {
            return late.into_batch().map(Some).map_err(|error| unwritable(&error));
        }
        filter_record_batch(&batch, &BooleanArray::from(is_sound)).map(Some).map_err(|error| unwritable(&error))
    };
    let gone = target.copy(source, from, into, BLOCK_COLUMNS, &mut kept)?;
    name_lost_blocks(source, from.0, &gone, lost);
    Ok(())
}

fn unwritable(error: &arrow::error::ArrowError) -> StoreError {
    StoreError::InvalidRow { table: "samples", detail: error.to_string() }
}

/// Names the series of lost blocks, as far as their other columns can be read.
fn name_lost_blocks(source: &mut Source, table: &str, gone: &[LostRows], lost: &mut LostSamples) {
    let columns = "series_id, begin_at, end_at, count";
    name_lost(source, table, (gone, columns, "blocks of samples"), lost, |lost, batch, reason| {
        let [series, count] = [0, 3].map(|column| batch.column(column).as_primitive::<UInt32Type>().values());
        let [begin, end] =
            [1, 2].map(|column| batch.column(column).as_primitive::<TimestampMillisecondType>().values());
        for row in 0..batch.num_rows() {
            lost.add(series[row], (begin[row], end[row]), u64::from(count[row]), reason);
        }
    });
}

/// Names the series of lost rows, as far as their other columns can be read.
fn name_lost_rows(source: &mut Source, table: &str, gone: &[LostRows], lost: &mut LostSamples) {
    name_lost(source, table, (gone, "series_id, timestamp", "samples"), lost, |lost, batch, reason| {
        let series = batch.column(0).as_primitive::<UInt32Type>().values();
        let at = batch.column(1).as_primitive::<TimestampMillisecondType>().values();
        series.iter().zip(at).for_each(|(series, at)| lost.add(*series, (*at, *at), 1, reason));
    });
}

/// Has `add` add the lost rows of which some columns can be read, and adds the others without a series. `what`: the rows, these columns, and
/// what a row is.
fn name_lost(
    source: &mut Source,
    table: &str,
    (gone, columns, unit): (&[LostRows], &str, &str),
    lost: &mut LostSamples,
    add: impl Fn(&mut LostSamples, &RecordBatch, &str),
) {
    for LostRows { rows, reason } in gone {
        let all = source.count(table, rows);
        let named = source.read_within(table, columns, rows, &mut |batch| add(lost, batch, reason));
        if named < all {
            lost.add_unknown(table, all - named, unit, reason);
        }
    }
}

/// Counts the samples of a segment of the new file, and determines its time span.
fn measure(target: &Target<'_>, mut segment: Segment, [first, last]: [&str; 2]) -> Result<Segment, StoreError> {
    let samples = if first == "begin_at" { "coalesce(sum(count), 0)::BIGINT" } else { "count(*)" };
    let sql = format!("SELECT {samples}, epoch_ms(min({first})), epoch_ms(max({last})) FROM {}", segment.table());
    let (rows, min, max): (i64, Option<i64>, Option<i64>) = target
        .connection
        .query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .map_err(failed_to("measure a segment"))?;
    segment.add(rows.unsigned_abs(), min.zip(max));
    Ok(segment)
}
