"""Packs the tables of a service's store into small Parquet files with a manifest. Parquet files in, Parquet files out."""

import hashlib
import json
import re
import sys

DATABASE = "app"
# Series that the advisors on pools, batches and settings read.
SERIES = (r"^(db_pool_(in_use|size|checkouts_total|(hold|wait)_seconds_(bucket|sum|count))|db_batch_(rows|seconds)_(bucket|sum|count)"
          r"|pg_server_connections|pg_connections|pg_oldest_transaction_seconds|pg_database_.*_total)$")
# Recorded file -> query on the store of the service.
QUERIES = {
    "samples": f"SELECT s.series, a.timestamp, a.value FROM samples AS a JOIN series AS s USING (series_id) WHERE regexp_matches(s.name, '{SERIES}')",
    "request_statements": "SELECT * FROM request_statements",
    **{table: f"SELECT * FROM {table} WHERE database = '{DATABASE}'"
       for table in ("database_statements", "database_statement_use", "database_table_use", "database_index_use", "database_hours",
                     "database_catalogues")}}
OPTIONS = "(FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 15, ROW_GROUP_SIZE 1000000, PARQUET_VERSION v2)"
JOB, INSTANCE = re.compile(r'job="([^"]*)"'), re.compile(r'instance="[^"]*"')


def relabelled(series):
    """Returns a series with the job `app` and its process as the instance, so that it is none of another recording and names no address."""
    found = JOB.search(series)
    if not found:
        return series
    return JOB.sub('job="app"', INSTANCE.sub(f'instance="{found[1]}"', series))


def without_paths(catalogue):
    """Returns the text of a catalogue without the settings that are paths of the recording machine."""
    tree = json.loads(catalogue)
    tree["settings"] = {name: value for name, value in tree["settings"].items() if "/" not in value}
    return json.dumps(tree, separators=(",", ":"))


def pack(source, target, manifest):
    """Writes the files of `QUERIES` from the folder `source` to the folder `target`, and `manifest` with their sizes and hashes."""
    import duckdb
    db = duckdb.connect()
    db.execute("SET threads = 1")
    manifest["files"] = {}
    for name in QUERIES:
        db.execute(f"CREATE TABLE {name} AS SELECT * FROM read_parquet('{quoted(source / name)}.parquet')")
    for (series,) in db.execute("SELECT DISTINCT series FROM samples").fetchall():
        db.execute("UPDATE samples SET series = $new WHERE series = $old", {"new": relabelled(series), "old": series})
    for (text,) in db.execute("SELECT catalogue FROM database_catalogues").fetchall():
        db.execute("UPDATE database_catalogues SET catalogue = $new WHERE catalogue = $old", {"new": without_paths(text), "old": text})
    for name in QUERIES:
        path = target / f"{name}.parquet"
        db.execute(f"COPY (FROM {name} ORDER BY ALL) TO '{quoted(path)}' {OPTIONS}")
        rows = db.execute(f"SELECT count(*) FROM {name}").fetchone()[0]
        if not rows:
            raise RuntimeError(f"the service stored nothing in {name}")
        manifest["files"][path.name] = {"rows": rows, "bytes": path.stat().st_size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
        print(f"{name}: {rows} rows, {path.stat().st_size} bytes", file=sys.stderr)
    (target / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")


def quoted(path):
    """Returns a path as a part of an SQL string."""
    return str(path).replace("'", "''")
