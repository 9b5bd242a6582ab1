// Checks node-postgres on a service: client.mjs HOST PORT TOKEN. Prints a line `ok …` for each check.
import assert from 'node:assert/strict';
import pg from 'pg';
import Cursor from 'pg-cursor';

const [host, port, password] = process.argv.slice(2);
const client = new pg.Client({ host, port: Number(port), user: 'anyone', password, database: 'almanac' });
await client.connect();
const { rows } = await client.query(
  'SELECT x.timestamp, x.value, s.labels, s.name FROM samples x JOIN series s USING (series_id) WHERE x.value >= $1 AND s.name = $2 ORDER BY 1',
  [50, 'cpu'],
);
assert.equal(rows.length, 10);
assert.deepEqual(rows[0].labels, { job: 'api' });
assert.ok(rows[0].timestamp instanceof Date);
const named = { name: 'counts', text: 'SELECT count(*)::INTEGER AS n FROM samples WHERE series_id = ANY($1)', values: [[0, 1, 2]] };
assert.equal((await client.query(named)).rows[0].n, 60);
assert.equal((await client.query(named)).rows[0].n, 60);
await assert.rejects(client.query('DELETE FROM samples'), { code: '25006' });
await assert.rejects(client.query('SELEC 1'), { code: '42601' });
await client.query('BEGIN');
const cursor = client.query(new Cursor('SELECT value FROM samples ORDER BY timestamp'));
assert.equal((await cursor.read(25)).length, 25);
assert.equal((await cursor.read(100)).length, 35);
await cursor.close();
await client.query('ROLLBACK');
await client.end();
console.log('ok node-postgres');
