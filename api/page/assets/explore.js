// PromQL with completion and a chart, SQL with a table, and the same for a shell and a notebook.
import { digits, element, request, table } from "./api.js";
import { draw } from "./chart.js";

const promql = document.querySelector("[data-promql]");
const sql = document.querySelector("[data-sql]");
const part = (name) => document.querySelector(`[data-part="${name}"]`);
const needsToken = document.querySelector("[data-same]").dataset.token === "yes";
const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

function same(curl, python) {
  document.getElementById("as-curl").textContent = curl;
  document.getElementById("as-python").textContent = python;
}

const curlStart = `curl -s${needsToken ? ' -H "Authorization: Bearer $ALMANAC_TOKEN"' : ""}`;
const pythonStart = `import ${needsToken ? "os, " : ""}requests\nurl = ${JSON.stringify(location.origin)}\n${needsToken ? 'headers = {"Authorization": f"Bearer {os.environ[\'ALMANAC_TOKEN\']}"}\n' : "headers = {}\n"}`;

const functions = ["rate(", "increase(", "irate(", "sum(", "sum by (", "avg(", "max(", "min(", "count(", "histogram_quantile(0.95, ", "avg_over_time(", "max_over_time(", "quantile_over_time(0.95, ", "predict_linear(", "topk(5, ", "delta(", "label_replace("];
let metrics = [];
request("/api/v1/label/__name__/values?limit=20000").then((found) => { metrics = found.data; }).catch(() => {});

/** Completes the last word of the expression: metrics, functions, and after a brace the labels of the metric. */
let asked = 0;
async function complete(field) {
  const before = field.value.slice(0, field.selectionStart);
  const after = field.value.slice(field.selectionStart);
  const inside = before.match(/([a-zA-Z_:][\w:]*)\{[^{}]*?(?:([a-zA-Z_]\w*)\s*(?:=~?|!=|!~)\s*"([^"]*)|([a-zA-Z_]\w*)?)$/);
  const turn = ++asked;
  let words = [];
  let start = before.length;
  if (inside) {
    const [, metric, label, value, name] = inside;
    const select = `match[]=${encodeURIComponent(metric)}&limit=200`;
    if (label) {
      words = (await request(`/api/v1/label/${encodeURIComponent(label)}/values?${select}`)).data.map((found) => `${JSON.stringify(found).slice(1)}`);
      start -= value.length;
    } else {
      words = (await request(`/api/v1/labels?${select}`)).data.filter((found) => found !== "__name__").map((found) => `${found}="`);
      start -= (name ?? "").length;
    }
  } else {
    const word = before.match(/[a-zA-Z_:][\w:]*$/)?.[0] ?? "";
    start -= word.length;
    const wanted = word.toLowerCase();
    const all = [...functions, ...metrics];
    words = wanted ? [...all.filter((known) => known.toLowerCase().startsWith(wanted)), ...all.filter((known) => known.toLowerCase().indexOf(wanted) > 0)] : [];
  }
  if (turn !== asked) return;
  const typed = before.slice(start).toLowerCase();
  const fitting = words.filter((word) => inside ? word.toLowerCase().startsWith(typed) : true).slice(0, 40);
  document.getElementById("completions").replaceChildren(...fitting.map((word) => element("option", { value: before.slice(0, start) + word + after })));
}
promql.elements.query.addEventListener("input", (event) => complete(event.target).catch(() => {}));

const name = (labels) => {
  const { __name__: metric = "", ...rest } = labels;
  const pairs = Object.entries(rest).map(([key, value]) => `${key}=${JSON.stringify(value)}`).join(", ");
  return pairs ? `${metric}{${pairs}}` : metric || "value";
};

async function runPromql() {
  const place = part("promql");
  const query = promql.elements.query.value.trim();
  if (!query) return;
  const seconds = Number(promql.elements.span.value);
  place.replaceChildren(element("p", { class: "empty" }, "Running …"));
  const form = (end) => {
    const step = Math.max(5, Math.ceil(seconds / 600));
    return { query, start: String(Math.floor((end - seconds) / step) * step), end: String(Math.floor(end / step) * step), step: String(step) };
  };
  const values = form(Math.floor(Date.now() / 1000));
  history.replaceState(null, "", `/explore?${new URLSearchParams({ query })}`);
  const { origin } = location;
  same(`${curlStart} ${quoted(`${origin}/api/v1/query_range`)} --data-urlencode ${quoted(`query=${query}`)} -d start=${values.start} -d end=${values.end} -d step=${values.step}`,
    `${pythonStart}form = ${JSON.stringify(values)}\nresult = requests.post(url + "/api/v1/query_range", data=form, headers=headers).json()["data"]["result"]`);
  try {
    const began = performance.now();
    const { data } = await request("/api/v1/query_range", { method: "POST", body: new URLSearchParams(values) });
    const took = Math.round(performance.now() - began);
    place.replaceChildren();
    const result = data.resultType === "matrix" ? data.result : [];
    if (result.length === 0) { place.append(element("p", { class: "empty" }, "No series has values in this span.")); return; }
    const shown = result.slice(0, 20);
    const times = [...new Set(shown.flatMap((series) => series.values.map(([at]) => at * 1000)))].sort((a, b) => a - b);
    const at = new Map(times.map((time, idx) => [time, idx]));
    const lines = shown.map((series, idx) => {
      const column = new Array(times.length).fill(null);
      for (const [time, value] of series.values) { const number = Number(value); column[at.get(time * 1000)] = Number.isFinite(number) ? number : null; }
      return { name: name(series.metric), role: ["proposed", "present", "measured", "compared", "limit"][idx % 5], shape: "line", values: column };
    });
    place.append(element("p", { class: "quiet" }, `${result.length} series in ${took} ms${result.length > shown.length ? `; the first ${shown.length} are drawn` : ""}.`));
    draw(place, { title: "", x: { kind: "time", label: "time", unit: "ms", values: times }, y: { label: "value", unit: "" }, lines }, 320);
    place.append(table(["series", "last value"], result.slice(0, 200).map((series) => [name(series.metric), digits(Number(series.values.at(-1)[1]))]), "last values"));
  } catch (error) {
    place.replaceChildren(element("p", { class: "problem" }, error.message));
  }
}
promql.addEventListener("submit", (event) => { event.preventDefault(); runPromql(); });

async function runSql() {
  const place = part("sql");
  const statement = sql.elements.sql.value.trim();
  place.replaceChildren(element("p", { class: "empty" }, "Running …"));
  const body = JSON.stringify({ sql: statement });
  same(`${curlStart} -H 'Content-Type: application/json' ${quoted(`${location.origin}/v1/sql`)} -d ${quoted(body)}`,
    `${pythonStart}import pyarrow as pa\nanswer = requests.post(url + "/v1/sql", json=${body}, headers=headers | {"Accept": "application/vnd.apache.arrow.stream"})\nframe = pa.ipc.open_stream(answer.content).read_pandas()`);
  try {
    const began = performance.now();
    const answer = await request("/v1/sql", { method: "POST", headers: { "content-type": "application/json" }, body });
    const took = Math.round(performance.now() - began);
    const text = (value) => (value === null ? "NULL" : typeof value === "object" ? JSON.stringify(value) : typeof value === "number" ? digits(value) : String(value));
    const most = 500;
    place.replaceChildren(element("p", { class: "quiet" }, `${answer.rows.length} rows in ${took} ms${answer.rows.length > most ? `; the first ${most} are shown` : ""}${answer.truncated ? "; the answer was cut off at a limit" : ""}.`),
      table(answer.columns.map((column, idx) => `${column} (${answer.types[idx]})`), answer.rows.slice(0, most).map((row) => row.map(text)), "rows"));
  } catch (error) {
    place.replaceChildren(element("p", { class: "problem" }, error.message));
  }
}
sql?.addEventListener("submit", (event) => { event.preventDefault(); runSql(); });
sql?.elements.sql.addEventListener("keydown", (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); runSql(); } });

if (promql.elements.query.value) runPromql();
