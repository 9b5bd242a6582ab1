"""Checks a PostgreSQL client of Python on a service: clients.py HOST PORT TOKEN CLIENT. Prints a line `ok CLIENT`."""

import asyncio
import datetime
import decimal
import sys
import threading
import time

import asyncpg
import psycopg
import psycopg2
import psycopg2.extras
import sqlalchemy

HOST, PORT, TOKEN, CLIENT = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
DSN = f"host={HOST} port={PORT} user=anyone password={TOKEN} dbname=anything"
SAMPLES = "SELECT s.name, x.timestamp, x.value, s.labels FROM samples x JOIN series s USING (series_id) WHERE s.name = {} ORDER BY 2"


def with_psycopg2():
    connection = psycopg2.connect(DSN)
    cursor = connection.cursor()
    cursor.execute(SAMPLES.format("%s"), ("cpu",))
    rows = cursor.fetchall()
    assert len(rows) == 60 and rows[0][0] == "cpu", rows[:2]
    assert isinstance(rows[0][1], datetime.datetime) and rows[0][3] == {"job": "api"}, rows[0]
    connection.commit()
    named = connection.cursor("pages")
    named.itersize = 7
    named.execute("SELECT value FROM samples ORDER BY timestamp")
    assert len(list(named)) == 60
    named.close()
    try:
        cursor.execute("INSERT INTO samples VALUES (1)")
        raise AssertionError("a write was accepted")
    except psycopg2.errors.ReadOnlySqlTransaction:
        connection.rollback()
    try:
        cursor.execute("SELECT nothing FROM samples")
        raise AssertionError("an unknown column was accepted")
    except psycopg2.errors.UndefinedColumn as error:
        assert error.diag.statement_position == "8", error.diag.statement_position
        connection.rollback()
    connection.close()


def with_psycopg():
    with psycopg.connect(DSN) as connection:
        for binary in (False, True):
            cursor = connection.execute(SAMPLES.format("%s"), ("cpu",), binary=binary)
            rows = cursor.fetchall()
            assert len(rows) == 60 and rows[59][2] == 59.0, rows[-1]
        since = rows[30][1]
        cursor = connection.execute(
            "SELECT count(*), sum(1::BIGINT), 1.25::DECIMAL(9, 2), DATE '2026-01-02', INTERVAL 90 MINUTE, ['a', NULL], true, 'é'"
            " FROM samples WHERE timestamp >= %s AND value < %b AND series_id = ANY(%s)",
            (since, 1000.0, [1, 2, 3, 0]), binary=True,
        )
        row = cursor.fetchone()
        assert row[0] == 30 and row[1] == decimal.Decimal(30) and row[2] == decimal.Decimal("1.25"), row
        assert row[3] == datetime.date(2026, 1, 2) and row[4] == datetime.timedelta(minutes=90), row
        assert row[5] == ["a", None] and row[6] is True and row[7] == "é", row
        with connection.cursor(name="page") as pages:
            pages.itersize = 10
            pages.execute("SELECT value FROM samples WHERE value >= %s ORDER BY timestamp", (20.0,))
            assert len(list(pages)) == 40
        with connection.cursor(name="page", binary=True) as pages:
            pages.execute("SELECT value FROM samples ORDER BY timestamp")
            assert pages.fetchmany(3) == [(0.0,), (1.0,), (2.0,)]
        with connection.cursor().copy("COPY (SELECT value, 'x' FROM samples ORDER BY 1 LIMIT 2) TO STDOUT") as copied:
            assert list(copied.rows()) == [("0", "x"), ("1", "x")]
    with psycopg.connect(DSN, autocommit=True) as connection:
        stopped = []

        def run():
            try:
                connection.execute("SELECT count(*) FROM range(100000000) a, range(100000000) b WHERE a.range + b.range = 1")
            except psycopg.errors.QueryCanceled:
                stopped.append(time.monotonic())

        thread = threading.Thread(target=run)
        thread.start()
        time.sleep(1)
        connection.cancel()
        thread.join(8)
        assert stopped, "the cancel request had no effect"
        assert connection.execute("SELECT 42").fetchone() == (42,)


def with_sqlalchemy():
    url = sqlalchemy.URL.create("postgresql+psycopg2", "anyone", TOKEN, HOST, PORT, "almanac")
    engine = sqlalchemy.create_engine(url)
    inspector = sqlalchemy.inspect(engine)
    assert "samples" in inspector.get_view_names() and inspector.get_table_names() == [], inspector.get_view_names()
    columns = {column["name"]: str(column["type"]) for column in inspector.get_columns("samples")}
    assert columns == {"series_id": "BIGINT", "timestamp": "TIMESTAMP", "value": "DOUBLE PRECISION"}, columns
    assert inspector.get_pk_constraint("samples")["constrained_columns"] == [] and inspector.get_indexes("samples") == []
    assert inspector.get_foreign_keys("samples") == [] and inspector.get_unique_constraints("samples") == []
    assert inspector.get_check_constraints("samples") == [] and inspector.get_schema_names() == ["information_schema", "public"]
    assert "sample" in inspector.get_table_comment("samples")["text"], inspector.get_table_comment("samples")
    assert inspector.has_table("samples") and not inspector.has_table("nothing")
    metadata = sqlalchemy.MetaData()
    metadata.reflect(engine, views=True)
    assert len(metadata.tables) == len(inspector.get_view_names()), metadata.tables.keys()
    samples, series = metadata.tables["samples"], metadata.tables["series"]
    with engine.connect() as connection:
        statement = sqlalchemy.select(sqlalchemy.func.count()).select_from(samples).where(samples.c.value > 9.5)
        assert connection.execute(statement).scalar() == 50
        joined = samples.join(series, samples.c.series_id == series.c.series_id)
        statement = sqlalchemy.select(series.c.name, series.c.labels, samples.c.timestamp).select_from(joined)
        first = connection.execute(statement.order_by(samples.c.timestamp).limit(1)).one()
        assert first.name == "cpu" and first.labels == {"job": "api"}, first
        assert isinstance(first.timestamp, datetime.datetime), first
    engine.dispose()
    engine = sqlalchemy.create_engine(url.set(drivername="postgresql+psycopg"))
    inspector = sqlalchemy.inspect(engine)
    assert "series" in inspector.get_view_names() and inspector.get_indexes("series") == []
    assert {column["name"] for column in inspector.get_columns("series")} >= {"series_id", "name", "labels"}
    with engine.connect() as connection:
        assert connection.execute(sqlalchemy.text("SELECT count(*) FROM samples WHERE value > :v"), {"v": 9.5}).scalar() == 50
    engine.dispose()


async def with_asyncpg():
    connection = await asyncpg.connect(host=HOST, port=PORT, user="anyone", password=TOKEN, database="almanac", ssl=False)
    rows = await connection.fetch("SELECT timestamp, value, series_id FROM samples WHERE value > $1 AND timestamp > $2 LIMIT $3",
                                  9.5, datetime.datetime(2020, 1, 1), 5)
    assert len(rows) == 5 and isinstance(rows[0]["timestamp"], datetime.datetime), rows
    assert await connection.fetchval("SELECT count(*) FROM samples WHERE series_id = ANY($1)", [0, 1, 2]) == 60
    assert await connection.fetchval("SELECT sum(1::BIGINT) FROM samples") == decimal.Decimal(60)
    async with connection.transaction():
        values = [row["value"] async for row in connection.cursor("SELECT value FROM samples ORDER BY timestamp", prefetch=7)]
    assert values == [float(n) for n in range(60)]
    statement = await connection.prepare("SELECT name, labels, [1, 2] AS list FROM series WHERE name = $1")
    assert [a.type.name for a in statement.get_attributes()] == ["text", "json", "int4[]"], statement.get_attributes()
    assert (await statement.fetchrow("cpu"))["list"] == [1, 2]
    statement = await connection.prepare(
        "SELECT [1::BIGINT, NULL], ['a', 'b,c'], 1.25::DECIMAL(9, 2), {'x': 1}, '{\"y\": 2}'::JSON, now()::TIMESTAMP, $1::DOUBLE[],"
        " [now()::TIMESTAMP], [1.5::DECIMAL(4, 1)], $2::TEXT[]"
    )
    row = await statement.fetchrow([0.5, None], ["é", ""])
    assert row[0] == [1, None] and row[1] == ["a", "b,c"] and row[2] == decimal.Decimal("1.25"), row
    assert row[3] == '{"x":1}' and row[4] == '{"y": 2}' and isinstance(row[5], datetime.datetime), row
    assert row[6] == [0.5, None] and isinstance(row[7][0], datetime.datetime), row
    assert row[8] == [decimal.Decimal("1.5")] and row[9] == ["é", ""], row
    assert [dict(row) for row in await statement.fetch(None, None)][0] is not None
    async with connection.transaction(readonly=True):
        cursor = await connection.cursor("SELECT value FROM samples ORDER BY timestamp")
        assert [row[0] for row in await cursor.fetch(3)] == [0.0, 1.0, 2.0]
        assert await cursor.forward(50) == 50 and [row[0] for row in await cursor.fetch(10)] == [53.0, 54.0, 55.0, 56.0, 57.0, 58.0, 59.0]
    try:
        await connection.fetch("SELECT * FROM nothing")
        raise AssertionError("an unknown table was accepted")
    except asyncpg.UndefinedTableError:
        pass
    await connection.close()
    # A pool resets a connection when it is given back.
    pool = await asyncpg.create_pool(host=HOST, port=PORT, user="anyone", password=TOKEN, database="almanac", ssl=False, min_size=1, max_size=1)
    async with pool.acquire() as pooled:
        await pooled.execute("SET statement_timeout = 1234")
        assert await pooled.fetchval("SHOW statement_timeout") == "1234"
    async with pool.acquire() as pooled:
        assert await pooled.fetchval("SHOW statement_timeout") == "0"
        assert await pooled.fetchval("SELECT count(*) FROM samples") == 60
    await pool.close()


CHECKS = {
    "psycopg2": with_psycopg2,
    "psycopg": with_psycopg,
    "sqlalchemy": with_sqlalchemy,
    "asyncpg": lambda: asyncio.run(with_asyncpg()),
}
CHECKS[CLIENT]()
print("ok", CLIENT)
