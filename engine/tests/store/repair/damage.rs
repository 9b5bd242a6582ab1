//! Repairs of files with changed and missing bytes.

use super::{BLOCK, HEADERS, Stopped, noise, what};

/// Changes 16 bytes.
fn scratch(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut changed = bytes.to_vec();
    let mut next = noise(at as u64);
    changed[at..at + 16].iter_mut().for_each(|byte| *byte ^= next().to_le_bytes()[0] | 1);
    changed
}

#[test]
fn a_damaged_block_of_values_costs_only_its_samples() {
    let stopped = Stopped::new();
    let cold = stopped.cold();
    let segments = stopped.ask::<i64>(&format!(
        "SELECT count(*) FROM pragma_storage_info('{cold}') WHERE column_name = 'values' AND segment_type = 'BLOB'"
    ));
    assert!(segments[0] > 8, "{segments:?}");
    for nth in [0, 5] {
        let at = stopped.block_of(&cold, "values", nth);
        let block = (at - HEADERS) / BLOCK;
        // The samples whose values are in the block.
        let expected: i64 = stopped
            .ask::<i64>(&format!(
                "SELECT sum(count)::BIGINT FROM {cold} AS rows, (SELECT start, count AS length FROM pragma_storage_info('{cold}')
                     WHERE column_name = 'values' AND segment_type = 'BLOB' AND block_id = {block}) AS segment
                 WHERE rows.rowid >= start AND rows.rowid < start + length"
            ))
            .remove(0);
        let repaired = stopped.repaired(&scratch(&stopped.bytes, at + 30_000)).unwrap();
        let missing = repaired.check(&stopped.samples, "values");
        let expected = u64::try_from(expected).unwrap();
        assert_eq!((missing as u64, repaired.counted()), (expected, expected), "{nth}");
        assert!(repaired.report.lost.iter().all(|damage| damage.what.starts_with("load{pod=")));
        // Hours that are stored are kept.
        let rows = repaired.report.tables.iter().find(|table| table.name == "rollup_1h").unwrap().rows;
        assert_eq!(rows, stopped.ask::<u64>("SELECT count(*)::UBIGINT FROM store.rollup_1h").remove(0));
    }
}

#[test]
fn a_damaged_block_of_rows_costs_only_its_samples() {
    let stopped = Stopped::new();
    let hot = stopped
        .ask::<String>("SELECT 'store.hot_' || max(segment_id) FROM store.segments WHERE kind = 'hot' AND NOT frozen")
        .remove(0);
    let at = stopped.block_of(&hot, "value", 0);
    let block = (at - HEADERS) / BLOCK;
    let rows: i64 = stopped
        .ask::<i64>(&format!(
            "SELECT sum(count)::BIGINT FROM pragma_storage_info('{hot}')
             WHERE column_name = 'value' AND segment_type = 'DOUBLE' AND block_id = {block}"
        ))
        .remove(0);
    assert!((1_000..19_000).contains(&rows), "{rows}");
    let repaired = stopped.repaired(&scratch(&stopped.bytes, at + 30_000)).unwrap();
    let rows = u64::try_from(rows).unwrap();
    assert_eq!((repaired.check(&stopped.samples, "rows") as u64, repaired.counted()), (rows, rows));
}

#[test]
fn a_damaged_block_of_another_table_leaves_the_samples() {
    let stopped = Stopped::new();
    let at = stopped.block_of("store.anomalies", "value", 1);
    let repaired = stopped.repaired(&scratch(&stopped.bytes, at + 20_000)).unwrap();
    assert_eq!(repaired.check(&stopped.samples, "anomalies"), 0);
    let [lost] = repaired.report.lost.as_slice() else { panic!("{:?}", repaired.report.lost) };
    let rows: u64 = lost.what.strip_suffix(" rows of table anomalies").unwrap().parse().unwrap();
    let saved = repaired.report.tables.iter().find(|table| table.name == "anomalies").unwrap().rows;
    assert_eq!((saved + rows, rows > 1_000, saved > 5_000), (20_000, true, true));
}

/// The labels, the list of segments and the version of the schema are in a block that small tables share.
#[test]
fn samples_are_saved_without_their_labels_and_without_the_list_of_segments() {
    let stopped = Stopped::new();
    for table in ["series", "segments", "meta"] {
        let blocks: Vec<i64> = stopped.ask(&format!(
            "SELECT DISTINCT block_id FROM pragma_storage_info('store.{table}') WHERE block_id >= 0 ORDER BY 1"
        ));
        let mut bytes = stopped.bytes.clone();
        for block in blocks {
            bytes = scratch(&bytes, HEADERS + usize::try_from(block).unwrap() * BLOCK + 100);
        }
        let repaired = stopped.repaired(&bytes).unwrap();
        let missing = repaired.check_with(&stopped.samples, &stopped.earlier, table);
        assert!(missing as u64 <= repaired.counted() + 250, "{table}: {:?}", repaired.report.lost);
        assert!(what(&repaired.report.lost).iter().any(|what| what.ends_with(&format!("rows of table {table}"))));
        assert!(repaired.samples.len() > 90_000, "{table}: {:?}", repaired.report.lost);
        if table == "series" {
            assert_eq!((repaired.report.unnamed, repaired.report.series), (40, 40));
        }
    }
}

#[test]
fn a_changed_bit_is_corrected_also_where_it_would_cost_the_whole_file() {
    let stopped = Stopped::new();
    let metadata: Vec<i64> = stopped.ask("SELECT block_id FROM pragma_metadata_info()");
    let metadata = HEADERS + usize::try_from(metadata[0]).unwrap() * BLOCK;
    let values = stopped.block_of(&stopped.cold(), "values", 2);
    // In the main header, the valid database header, the list of tables, and values.
    let valid = if stopped.bytes[4_104] > stopped.bytes[8_200] { 4_096 } else { 8_192 };
    for (at, is_unique) in [(52, true), (valid + 16, false), (metadata + 2_000, false), (values + 40_000, true)] {
        for bit in [1, 6] {
            let mut bytes = stopped.bytes.clone();
            bytes[at] ^= 1 << bit;
            let name = format!("byte {at}, bit {bit}");
            match stopped.repaired(&bytes) {
                Ok(repaired) => {
                    assert_eq!((repaired.check(&stopped.samples, &name), repaired.report.corrected), (0, 1), "{name}");
                    assert_eq!(repaired.report.lost, [], "{name}");
                }
                Err(error) => assert!(!is_unique, "{name}: {error}"),
            }
        }
    }
    // Several bytes of the list of tables cannot be corrected.
    let error = stopped.repaired(&scratch(&stopped.bytes, metadata + 8)).err().unwrap().to_string();
    assert!(error.starts_with("nothing can be saved of ") && error.ends_with("; restore a backup"), "{error}");
    // The main header has nothing that a new one lacks.
    let repaired = stopped.repaired(&scratch(&stopped.bytes, 8)).unwrap();
    assert_eq!((repaired.check(&stopped.samples, "main header"), repaired.report.lost.as_slice()), (0, [].as_slice()));
}

#[test]
fn no_damage_makes_a_wrong_sample() {
    let stopped = Stopped::new();
    let mut next = noise(99);
    let (mut saved, mut refused) = (0, 0);
    for round in 0..16 {
        let mut bytes = stopped.bytes.clone();
        let mut place = |length: usize| usize::try_from(next()).unwrap() % length;
        match round % 4 {
            0 => (0..=round % 3).for_each(|_| {
                let at = place(bytes.len());
                bytes[at] ^= 1 << place(8);
            }),
            1 => bytes = scratch(&bytes, place(bytes.len() - 16)),
            2 => {
                let at = place(bytes.len() - 8_192) / 512 * 512;
                bytes[at..at + 512].fill(0);
            }
            _ => (0..20).for_each(|_| bytes = scratch(&bytes, HEADERS + place(bytes.len() - HEADERS - 16))),
        }
        match stopped.repaired(&bytes) {
            Ok(repaired) => {
                repaired.check_with(&stopped.samples, &stopped.earlier, &format!("round {round}"));
                saved += 1;
            }
            Err(error) => {
                refused += 1;
                assert!(!error.to_string().contains('\n'), "{error}");
            }
        }
    }
    assert!(saved >= 8, "{saved} saved, {refused} refused");
}

#[test]
fn a_truncated_file_gives_what_its_tables_still_have() {
    let stopped = Stopped::new();
    let all = stopped.bytes.len();
    for length in [0, 100, 4_096, HEADERS, HEADERS + 10, all / 4, all / 2, all - 3 * BLOCK, all - BLOCK - 1, all - 1] {
        match stopped.repaired(&stopped.bytes[..length]) {
            Ok(repaired) => {
                repaired.check_with(&stopped.samples, &stopped.earlier, &format!("{length} of {all}"));
            }
            Err(error) => {
                let error = error.to_string();
                assert!(error.starts_with("nothing can be saved of ") && !error.contains('\n'), "{length}: {error}");
            }
        }
    }
}
