"""Packs the CSV files of a complete or interrupted recording into small Parquet files. Shared with the recorder.

By hand: `python3 -m datasets.app.export.pack DIR`.
"""

import hashlib
import json
import sys
from pathlib import Path

import duckdb

# Constant series that are kept.
KEEP_CONSTANT = r"^(up|app_build_info|db_pool_size|queue_depth|redis_memory_max_bytes|redis_config_maxmemory|pg_up|redis_up|node_memory_MemTotal_bytes)\{"


def pack(out):
    """Writes samples.parquet, cache_events.parquet, incidents.parquet and deploys.parquet, and their hashes to the manifest."""
    out = Path(out)
    quoted = str(out).replace("'", "''")
    db = duckdb.connect()
    # Without detection of the format, which fails for a file without a line, as of a process that used no cache.
    db.execute("SET threads = 1")
    db.execute(f"CREATE TABLE series AS SELECT * FROM read_csv('{quoted}/series.csv', auto_detect=false, delim='\t', header=false, quote='', "
               "escape='', columns={'id': 'INTEGER', 'series': 'VARCHAR'})")
    db.execute(f"CREATE TABLE raw AS SELECT * FROM read_csv('{quoted}/samples.csv', auto_detect=false, delim=',', header=false, ignore_errors=true, "
               "columns={'id': 'INTEGER', 'ms': 'BIGINT', 'value': 'DOUBLE'})")
    options = "(FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 15, ROW_GROUP_SIZE 1000000, PARQUET_VERSION v2)"
    db.execute(f"""
        COPY (
          WITH kept AS (
            SELECT id, any_value(series) AS series FROM raw JOIN series USING (id) GROUP BY id
            HAVING count(DISTINCT value) > 1 OR regexp_matches(any_value(series), '{KEEP_CONSTANT}'))
          SELECT series, make_timestamp_ms(ms) AS timestamp, value FROM raw JOIN kept USING (id) ORDER BY series, ms
        ) TO '{quoted}/samples.parquet' {options}""")
    db.execute(f"""
        COPY (
          SELECT make_timestamp_ms(ms) AS timestamp, cache, key, op, hit = 1 AS hit,
            CASE WHEN bytes > 65535 THEN 65535 ELSE bytes END::USMALLINT AS bytes,
            CASE WHEN miss_cost_ms > 65535 THEN 65535 ELSE round(miss_cost_ms) END::USMALLINT AS miss_cost_ms
          FROM read_csv('{quoted}/cache_events.*.csv', auto_detect=false, delim=',', header=false, ignore_errors=true, null_padding=true, columns={{
            'ms': 'BIGINT', 'cache': 'VARCHAR', 'key': 'VARCHAR', 'op': 'VARCHAR', 'hit': 'TINYINT', 'bytes': 'BIGINT',
            'miss_cost_ms': 'DOUBLE'}}) ORDER BY ms, cache, key
        ) TO '{quoted}/cache_events.parquet' {options}""")
    db.execute("CREATE TABLE events (kind VARCHAR, started_at BIGINT, ended_at BIGINT, title VARCHAR, target VARCHAR)")
    for line in (out / "events.csv").read_text().splitlines():
        db.execute("INSERT INTO events VALUES ($kind, $started_at, $ended_at, $title, $target)", json.loads(line))
    db.execute(f"""COPY (SELECT make_timestamp_ms(started_at) AS started_at, make_timestamp_ms(ended_at) AS ended_at, kind,
        title, target FROM events WHERE kind <> 'deploy' ORDER BY 1) TO '{quoted}/incidents.parquet' {options}""")
    db.execute(f"""COPY (SELECT make_timestamp_ms(ended_at) AS at, target AS service, title AS version
        FROM events WHERE kind = 'deploy' ORDER BY 1) TO '{quoted}/deploys.parquet' {options}""")
    manifest = json.loads((out / "manifest.json").read_text())
    manifest["files"] = {}
    for name in ("samples", "cache_events", "incidents", "deploys"):
        path = out / f"{name}.parquet"
        rows = db.execute("SELECT count(*) FROM read_parquet($path)", {"path": str(path)}).fetchone()[0]
        manifest["files"][path.name] = {"rows": rows, "bytes": path.stat().st_size,
                                        "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    (out / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    for name, facts in manifest["files"].items():
        print(f"{name}: {facts['rows']} rows, {facts['bytes']} bytes", file=sys.stderr)


if __name__ == "__main__":
    pack(sys.argv[1])
