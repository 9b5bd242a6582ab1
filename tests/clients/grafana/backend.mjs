// Plays Grafana's server for its Prometheus data source: resources, health and /api/ds/query, each as requests to a
// service with Prometheus' HTTP API.

/** Seconds between the points of a query of a panel: the panel's interval, at least a second. */
const step = (query) => Math.max(1, Math.round((query.intervalMs ?? 15_000) / 1000));

export class Backend {
  /** Requests that were sent to the service: method and path. */
  sent = [];

  constructor(service) {
    this.service = service;
  }

  /** Sends a request to the service; a body is a form, as Grafana's server sends it. */
  async ask(method, path, params = {}) {
    const pairs = Object.entries(params).filter(([, value]) => value !== undefined);
    const form = new URLSearchParams();
    for (const [name, value] of pairs) {
      for (const one of [value].flat()) form.append(name, one);
    }
    this.sent.push(`${method} ${path}`);
    const url = `${this.service}/${path}`;
    const answer =
      method === 'POST'
        ? await fetch(url, { method, body: form })
        : await fetch(pairs.length ? `${url}?${form}` : url, { method });
    const text = await answer.text();
    let data;
    try {
      data = JSON.parse(text);
    } catch {
      data = { message: text };
    }
    return { status: answer.status, data };
  }

  /** Answers a request of the browser like Grafana's server. */
  async fetch({ url, method = 'GET', data, params }) {
    const path = url.replace(/^\//, '');
    const resource = path.match(/^api\/datasources\/uid\/[^/]+\/resources\/(.*)$/);
    let answer;
    if (resource) {
      const [name, query] = resource[1].split('?');
      const inUrl = Object.fromEntries(new URLSearchParams(query ?? ''));
      answer = await this.ask(method, name, { ...inUrl, ...params, ...(typeof data === 'string' ? Object.fromEntries(new URLSearchParams(data)) : data) });
    } else if (/^api\/datasources\/uid\/[^/]+\/health$/.test(path)) {
      answer = await this.health();
    } else if (path.startsWith('api/ds/query')) {
      answer = { status: 200, data: await this.queries(data) };
    } else {
      answer = { status: 404, data: { message: `no route ${path}` } };
    }
    const response = { ...answer, ok: answer.status < 400, statusText: '', headers: new Headers(), config: { url }, url };
    if (!response.ok) throw response;
    return response;
  }

  /** "Save & test": an expression without series, then the build information. */
  async health() {
    const answer = await this.ask('POST', 'api/v1/query', { query: '1+1', time: '4' });
    const value = answer.data?.data?.result?.[1];
    if (answer.status !== 200 || value !== '2') {
      return { status: 400, data: { status: 'ERROR', message: JSON.stringify(answer.data) } };
    }
    const build = await this.ask('GET', 'api/v1/status/buildinfo');
    return { status: 200, data: { status: 'OK', message: `Successfully queried ${build.data.data.version}` } };
  }

  async queries({ queries, from, to }) {
    const results = {};
    for (const query of queries) {
      const instant = query.instant && !query.range;
      const every = step(query);
      const align = (millis) => Math.floor(Number(millis) / 1000 / every) * every;
      const answer = instant
        ? await this.ask('POST', 'api/v1/query', { query: query.expr, time: Number(to) / 1000 })
        : await this.ask('POST', 'api/v1/query_range', { query: query.expr, start: align(from), end: align(to), step: every });
      results[query.refId] =
        answer.status === 200
          ? { status: 200, frames: frames(query, answer.data.data, every, instant) }
          : { status: answer.status, error: answer.data.error ?? answer.data.message, errorSource: 'downstream' };
    }
    return { results };
  }
}

/** Returns the data frames that Grafana's server makes of a result. */
function frames(query, { resultType, result }, every, instant) {
  const series = resultType === 'scalar' || resultType === 'string' ? [{ metric: {}, value: result }] : result;
  return series.map(({ metric, values, value }) => {
    const points = values ?? [value];
    const { __name__: name, ...labels } = metric;
    const number = (text) => (['NaN', '+Inf', '-Inf'].includes(text) ? null : Number(text));
    return {
      schema: {
        refId: query.refId,
        name: name ?? query.expr,
        meta: {
          type: instant ? 'numeric-multi' : 'timeseries-multi',
          typeVersion: [0, 1],
          custom: { resultType },
          executedQueryString: `Expr: ${query.expr}\nStep: ${every}s`,
        },
        fields: [
          { name: 'Time', type: 'time', typeInfo: { frame: 'time.Time' }, config: { interval: every * 1000 } },
          { name: 'Value', type: 'number', typeInfo: { frame: 'float64' }, labels: metric, config: { displayNameFromDS: query.legendFormat ? labels[query.legendFormat] : undefined } },
        ],
      },
      data: { values: [points.map(([at]) => Math.round(at * 1000)), points.map(([, text]) => number(text))] },
    };
  });
}
