// Cache-aside over ioredis that reports reads and writes to Almanac. No dependencies; Node 18 or later.
// With node-redis, `redis.set(…, 'PX', ttl)` is `redis.set(…, { PX: ttl })`; the rest is the same.

/**
 * Sends events in the background; never blocks or fails its caller. Create one per process.
 *
 * sample: report one key in this many, chosen by its hash; capacity: largest number of waiting events, beyond it the oldest are
 * dropped; intervalMs: milliseconds between two requests.
 */
export class Reporter {
  static BATCH = 5_000;
  #events = [];
  #batch = []; // being sent; kept until it is acknowledged
  #sending = null;

  constructor(url, { sample = 1, capacity = 20_000, intervalMs = 1_000, token } = {}) {
    this.url = `${url.replace(/\/+$/, '')}/v1/events`;
    this.headers = { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) };
    this.bound = Math.floor(2 ** 32 / Math.max(1, Math.trunc(sample)));
    this.capacity = capacity;
    this.timer = setInterval(() => void this.flush(), intervalMs);
    this.timer.unref();
  }

  report(cache, key, op, more) {
    if (hash(key) >= this.bound) return;
    this.#events.push({ type: 'cache', timestamp: Date.now(), cache, key, op, ...more });
    // A tenth at a time, since removing the first element of an array is expensive.
    if (this.#events.length > this.capacity) this.#events.splice(0, Math.ceil(this.capacity / 10));
  }

  /** Sends the waiting events, one request at a time. Never rejects. */
  flush() {
    this.#sending ??= this.#drain().finally(() => (this.#sending = null));
    return this.#sending;
  }

  /** Sends the waiting events, without retries, and stops. */
  async close() {
    clearInterval(this.timer);
    await this.#sending;
    await this.flush();
  }

  async #drain() {
    for (;;) {
      this.#batch.push(...this.#events.splice(0, Reporter.BATCH - this.#batch.length));
      if (this.#batch.length === 0 || !(await this.#send(JSON.stringify(this.#batch)))) return;
      this.#batch = [];
    }
  }

  /** Returns whether the batch is done: stored, or rejected for good. The same batch sent twice counts once. */
  async #send(body) {
    try {
      const signal = AbortSignal.timeout(5_000);
      const { status } = await fetch(this.url, { method: 'POST', headers: this.headers, body, signal });
      return status < 500 && status !== 408 && status !== 429;
    } catch {
      return false;
    }
  }
}

/** Cache-aside. redis: an ioredis client; name: as in `[[cache]]`; ttlMs: time-to-live in milliseconds; values are text. */
export class Cache {
  constructor(redis, name, ttlMs, reporter) {
    Object.assign(this, { redis, name, ttlMs, reporter });
  }

  /** Returns the value of `key`, a string; `load(key)` reads it from the origin on a miss. */
  async get(key, load) {
    const cached = await this.redis.get(`${this.name}:${key}`);
    if (cached !== null) {
      this.reporter.report(this.name, key, 'get');
      return cached;
    }
    const started = performance.now();
    let value;
    try {
      value = await load(key);
    } finally {
      this.reporter.report(this.name, key, 'get', { miss_cost_ms: performance.now() - started });
    }
    await this.redis.set(`${this.name}:${key}`, value, 'PX', this.ttlMs);
    return value;
  }

  /** Call this after the origin's value of `key` has changed; `drop` drops the copy too. */
  async written(key, { drop = false } = {}) {
    this.reporter.report(this.name, key, 'write');
    if (drop) {
      await this.redis.del(`${this.name}:${key}`);
      this.reporter.report(this.name, key, 'delete');
    }
  }
}

/** FNV-1a over UTF-8 with the finalizer of MurmurHash3, 32 bits: the same in every language. */
function hash(key) {
  let h = 0x811c9dc5;
  for (const byte of Buffer.from(key)) h = Math.imul(h ^ byte, 0x01000193);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
