// Grafana's own Prometheus data source, headless: node client.mjs BUNDLE URL FROM_MS TO_MS
//
// The store has cpu{host="web-1"|"web-2", job="api"} and the counter http_requests_total{job="api", handler}, each every
// minute from FROM_MS to TO_MS.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { JSDOM } from 'jsdom';
import { Backend } from './backend.mjs';

const [bundle, service, fromMs, toMs] = process.argv.slice(2);

/** Starts a browser's window with the bundle. */
function load() {
  const { window } = new JSDOM('<!doctype html><body></body>', { url: 'http://localhost/', runScripts: 'outside-only', pretendToBeVisual: true });
  for (const name of ['fetch', 'Request', 'Response', 'Headers', 'TextEncoder', 'TextDecoder', 'structuredClone']) {
    window[name] ??= globalThis[name];
  }
  const ignored = class { observe() {} unobserve() {} disconnect() {} };
  window.ResizeObserver ??= ignored;
  window.IntersectionObserver ??= ignored;
  window.matchMedia ??= () => ({ matches: false, addListener() {}, removeListener() {}, addEventListener() {}, removeEventListener() {} });
  window.console = { ...console, warn() {}, info() {}, debug() {} };
  window.eval(readFileSync(bundle, 'utf8'));
  return window.grafana;
}

const grafana = load();
const backend = new Backend(service);
const { dateTime } = grafana.data;
const range = { from: dateTime(Number(fromMs)), to: dateTime(Number(toMs)), raw: { from: 'now-1h', to: 'now' } };
const templates = {
  replace: (text, scoped = {}) => (text ?? '').replace(/\$(\w+)/g, (whole, name) => scoped[name]?.value ?? whole),
  getVariables: () => [],
  containsTemplate: () => false,
  updateTimeRange() {},
};
grafana.runtime.setBackendSrv({
  fetch: (options) => grafana.from(backend.fetch(options)),
  get: async (url, params) => (await backend.fetch({ url, params })).data,
});
grafana.runtime.setTemplateSrv(templates);

function source(jsonData = {}) {
  return new grafana.PrometheusDatasource(
    { id: 1, uid: 'almanac', name: 'Almanac', type: 'prometheus', url: '/api/datasources/proxy/1', access: 'proxy', readOnly: false, meta: { id: 'prometheus', info: {} }, jsonData: { httpMethod: 'POST', prometheusType: 'Prometheus', prometheusVersion: '3.0.0', ...jsonData } },
    templates,
  );
}

const plain = (value) => JSON.parse(JSON.stringify(value));
const texts = (list) => plain(list).map((entry) => entry.text).sort();

async function panel(ds, ...targets) {
  const request = {
    app: 'dashboard', requestId: 'Q1', panelId: 1, dashboardUID: 'd', timezone: 'utc', range, rangeRaw: range.raw, interval: '1m', intervalMs: 60_000,
    maxDataPoints: 60, scopedVars: {}, startTime: Date.now(), targets: targets.map((target, at) => ({ refId: 'ABCDEF'[at], ...target })),
  };
  return grafana.lastValueFrom(ds.query(request));
}

const checks = {
  async health() {
    const result = await source().testDatasource();
    assert.equal(result.status, 'success', JSON.stringify(result));
  },
  async 'start: metrics, labels, metadata'() {
    const ds = source();
    await ds.init();
    await ds.languageProvider.start(range);
    assert.ok(plain(ds.languageProvider.retrieveMetrics()).includes('cpu'));
    assert.deepEqual(plain(await ds.languageProvider.queryLabelKeys(range, '{__name__="cpu"}')).sort(), ['__name__', 'host', 'job']);
    assert.deepEqual(plain(await ds.languageProvider.queryLabelValues(range, 'host', '{job="api"}')).sort(), ['web-1', 'web-2']);
    const metadata = plain(await ds.languageProvider.queryMetricsMetadata());
    assert.equal(metadata.http_requests_total?.type, 'counter', JSON.stringify(metadata));
    assert.equal(metadata.http_requests_total.help, 'Requests.');
  },
  async variables() {
    for (const ds of [source(), source({ httpMethod: 'GET' }), source({ seriesEndpoint: true })]) {
      assert.deepEqual(texts(await ds.metricFindQuery('label_values(cpu, host)', { range })), ['web-1', 'web-2']);
      assert.deepEqual(texts(await ds.metricFindQuery('label_values(cpu{host="web-1"}, host)', { range })), ['web-1']);
      assert.deepEqual(texts(await ds.metricFindQuery('metrics(cp.*)', { range })), ['cpu']);
      assert.ok(texts(await ds.metricFindQuery('label_names()', { range })).includes('handler'));
      const values = texts(await ds.metricFindQuery('query_result(count(cpu))', { range }));
      assert.equal(values.length, 1);
      assert.match(values[0], /^\{\} 2 \d+$/);
    }
  },
  async 'ad-hoc filters'() {
    const ds = source();
    const queries = [{ refId: 'A', expr: 'cpu' }];
    assert.ok(texts(await ds.getTagKeys({ filters: [], timeRange: range, queries })).includes('host'));
    assert.deepEqual(texts(await ds.getTagValues({ key: 'host', filters: [], timeRange: range, queries })), ['web-1', 'web-2']);
    const filters = [{ key: 'host', operator: '=', value: 'web-2' }];
    const expr = ds.enhanceExprWithAdHocFilters(filters, 'sum by (host) (cpu)');
    const { data } = await panel(ds, { expr, range: true });
    assert.deepEqual(plain(data.map((frame) => frame.fields[1].labels.host)), ['web-2']);
  },
  async 'range and instant queries'() {
    const ds = source();
    const { data, error } = await panel(
      ds,
      { expr: 'cpu', range: true, legendFormat: '{{host}}' },
      { expr: 'sum by (handler) (rate(http_requests_total[5m]))', range: true },
      { expr: 'topk(1, cpu)', instant: true, format: 'table' },
      { expr: '1 + 1', instant: true },
    );
    assert.equal(error, undefined, JSON.stringify(error));
    const of = (refId) => data.filter((frame) => frame.refId === refId);
    assert.equal(of('A').length, 2);
    assert.ok(of('A')[0].length > 50, `${of('A')[0].length} points`);
    assert.equal(of('B').length, 1);
    // The counter rises by 60 per minute.
    const rates = plain(of('B')[0].fields[1].values).filter((value) => value !== null);
    assert.ok(Math.abs(rates.at(-1) - 1) < 1e-9, `${rates.at(-1)}`);
    assert.ok(of('C')[0].fields.some((field) => field.name === 'host'), 'a table has a column for each label');
    assert.equal(of('D')[0].fields.at(-1).values[0], 2);
  },
  async 'an error names the place in the expression'() {
    const { error, errors } = await panel(source(), { expr: 'sum by host (cpu)', range: true });
    assert.match((error ?? errors?.[0])?.message ?? '', /line 1, column/);
  },
  async annotations() {
    const ds = source();
    const annotation = ds.annotations.prepareAnnotation({ name: 'busy', expr: 'cpu{host="web-2"} > bool 1', step: '60s', titleFormat: '{{host}}', tagKeys: 'job' });
    const { data } = await panel(ds, { ...annotation.target, refId: 'Anno', range: true });
    const events = await grafana.lastValueFrom(ds.annotations.processEvents(annotation, data));
    assert.equal(events.length, 1, 'one span');
    assert.equal(events[0].title, 'web-2');
    assert.deepEqual(plain(events[0].tags), ['api']);
    assert.ok(events[0].timeEnd > events[0].time);
  },
};

let failed = 0;
for (const [name, check] of Object.entries(checks)) {
  try {
    await check();
    console.log(`ok ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED ${name}: ${error?.stack ?? JSON.stringify(error)}`);
  }
}
console.log(`${backend.sent.length} requests`);
process.exit(failed ? 1 : 0);
