// The charts of one signal: history with band and forecast, anomalies, seasons, residuals, accuracy, the series behind it.
import { digits, element, quantity, request, table, timeText } from "./api.js";
import { draw } from "./chart.js";

const root = document.querySelector("[data-signal]");
const part = (name) => root.querySelector(`[data-part="${name}"]`);
const signal = root.dataset.signal;
const expression = root.dataset.expr;
const stepMs = Number(root.dataset.step);
const seasons = root.dataset.seasons.split(",").filter(Boolean).map(Number);
const spans = [["6 h", 6], ["1 d", 24], ["7 d", 168], ["30 d", 720]];

const empty = (text) => element("p", { class: "empty" }, text);
const query = (values) => new URLSearchParams(values).toString();

/** Merges rows with times into one axis. */
function merged(...lists) {
  const times = [...new Set(lists.flat().map((row) => Date.parse(row.time)))].sort((a, b) => a - b);
  const at = new Map(times.map((time, idx) => [time, idx]));
  return { times, column: (rows, field) => {
    const column = new Array(times.length).fill(null);
    for (const row of rows) column[at.get(Date.parse(row.time))] = row[field];
    return column;
  } };
}

/** Keeps at most `most` buckets; of each the first, the lowest and the highest value. */
function thinned(rows, most) {
  if (rows.length <= most) return rows;
  const size = Math.ceil(rows.length / (most / 3));
  const kept = [];
  for (let from = 0; from < rows.length; from += size) {
    const bucket = rows.slice(from, from + size);
    const by = (better) => bucket.reduce((a, b) => (b.value !== null && (a.value === null || better(b.value, a.value)) ? b : a));
    const chosen = new Set([bucket[0], by((x, y) => x < y), by((x, y) => x > y), ...bucket.filter((row) => row.is_anomaly).slice(0, 3)]);
    kept.push(...bucket.filter((row) => chosen.has(row)));
  }
  return kept;
}

const bounds = [...document.querySelectorAll("[data-bound]")].map((row) => ({ name: row.dataset.rule, value: Number(row.dataset.bound) }));

async function show(hours) {
  const history = part("history");
  history.replaceChildren(empty("Reading …"));
  try {
    const newest = await request(`/v1/anomalies?${query({ signal, min_score: 0, limit: 1 })}`);
    const end = newest.length > 0 ? Date.parse(newest[0].time) : Date.now();
    const from = end - hours * 3600000;
    const [scored, ahead] = await Promise.all([
      request(`/v1/anomalies?${query({ signal, min_score: 0, from, to: end, limit: 50000 })}`),
      request(`/v1/forecasts?${query({ signal, from: end + 1, limit: 2000 })}`),
    ]);
    history.replaceChildren();
    if (scored.length === 0 && ahead.length === 0) {
      history.append(empty("Nothing is scored in this span yet."));
      return;
    }
    const rows = thinned(scored, 1500);
    const { times, column } = merged(rows, ahead);
    const either = (a, b) => a.map((value, idx) => value ?? b[idx]);
    const odd = scored.filter((row) => row.is_anomaly);
    const lines = [
      { name: "lower end", role: "lower", shape: "line", values: either(column(rows, "yhat_lower"), column(ahead, "yhat_lower_95")) },
      { name: "upper end", role: "upper", shape: "line", values: either(column(rows, "yhat_upper"), column(ahead, "yhat_upper_95")) },
      { name: "expected", role: "compared", shape: "line", values: either(column(rows, "yhat"), column(ahead, "yhat")) },
      { name: "measured", role: "measured", shape: "line", values: column(rows, "value") },
      { name: "anomaly", role: "limit", shape: "points", values: column(rows.filter((row) => row.is_anomaly), "value") },
    ];
    for (const { name, value } of bounds) lines.push({ name: `bound of ${name}`, role: "limit", shape: "line", values: times.map(() => value) });
    draw(history, {
      title: "", x: { kind: "time", label: "time", unit: "ms", values: times }, y: { label: signal, unit: "" }, lines,
      marks: [{ at: end, role: "now", label: "newest" }], spans: [],
    }, 320);
    showAnomalies(odd);
    showResiduals(scored);
    showAccuracy(scored);
  } catch (error) {
    history.replaceChildren(empty(`Not read: ${error.message}`));
  }
}

function showAnomalies(rows) {
  const place = part("anomalies");
  if (rows.length === 0) { place.replaceChildren(empty("None in this span.")); return; }
  const kinds = Map.groupBy ? Map.groupBy(rows, (row) => row.kind) : new Map([["all", rows]]);
  const summary = [...kinds].map(([kind, list]) => `${list.length} of kind ${kind ?? "value"}`).join(", ");
  const newest = rows.slice(-50).reverse().map((row) => [timeText(Date.parse(row.time), true), row.kind ?? "value", digits(row.value),
    digits(row.yhat), `${digits(row.yhat_lower)} to ${digits(row.yhat_upper)}`, digits(row.score)]);
  place.replaceChildren(element("p", {}, `${summary}${rows.length > 50 ? "; the newest 50 are listed" : ""}.`),
    table(["time", "kind", "measured", "expected", "band", "score"], newest, "list of anomalies"));
}

function showResiduals(rows) {
  const place = part("residuals");
  place.replaceChildren();
  const known = rows.filter((row) => row.value !== null && row.yhat !== null);
  if (known.length < 10) { place.append(empty("There are fewer than ten scored points in this span.")); return; }
  const kept = thinned(known.map((row) => ({ ...row, value: row.value - row.yhat })), 1200);
  draw(place, {
    title: "Measured minus expected", text: "A good model leaves no pattern here.",
    x: { kind: "time", label: "time", unit: "ms", values: kept.map((row) => Date.parse(row.time)) }, y: { label: "residual", unit: "" },
    lines: [{ name: "residual", role: "measured", shape: "line", values: kept.map((row) => row.value) },
      { name: "zero", role: "compared", shape: "line", values: kept.map(() => 0) }],
  }, 180);
}

/** Accuracy over time: share of points inside the band and mean absolute error, in at most 30 parts of the span. */
function showAccuracy(rows) {
  const place = part("accuracy");
  place.replaceChildren();
  const known = rows.filter((row) => row.value !== null && row.yhat !== null);
  if (known.length < 60) return;
  const size = Math.ceil(known.length / 30);
  const parts = [];
  for (let from = 0; from < known.length; from += size) parts.push(known.slice(from, from + size));
  const share = (list) => list.filter((row) => row.value >= row.yhat_lower && row.value <= row.yhat_upper).length / list.length;
  draw(place, {
    title: "Share of points inside the band", text: `${quantity(share(known), "1")} of this span.`,
    x: { kind: "time", label: "time", unit: "ms", values: parts.map((list) => Date.parse(list[0].time)) }, y: { label: "share", unit: "1" },
    lines: [{ name: "inside", role: "proposed", shape: "steps", values: parts.map(share) }],
  }, 150);
}

/** Each season as one small picture: the median and the middle 80 % of each part of the season. */
async function showSeasons() {
  const place = part("seasons");
  if (seasons.length === 0) { place.append(empty("No season was found in this signal.")); return; }
  const newest = await request(`/v1/anomalies?${query({ signal, min_score: 0, limit: 1 })}`);
  const end = newest.length > 0 ? Date.parse(newest[0].time) : Date.now();
  for (const season of seasons) {
    const step = Math.max(stepMs, Math.ceil(season / 96 / stepMs) * stepMs);
    const from = end - Math.min(8 * season, 2000 * step);
    const rows = await request(`/v1/samples?${query({ query: expression, from: Math.ceil(from / step) * step, to: end, step: `${step}ms`, limit: 50000 })}`);
    const slots = new Map();
    for (const row of rows) {
      if (row.value === null) continue;
      const slot = Math.floor((Date.parse(row.time) % season) / step) * step;
      if (!slots.has(slot)) slots.set(slot, []);
      slots.get(slot).push(row.value);
    }
    const times = [...slots.keys()].sort((a, b) => a - b);
    if (times.length < 4) continue;
    const quantile = (slot, q) => { const sorted = slots.get(slot).toSorted((a, b) => a - b); return sorted[Math.round(q * (sorted.length - 1))]; };
    const box = element("div");
    place.append(box);
    draw(box, {
      title: `Season of ${quantity(season, "ms")}`, text: "Median and middle 80 % of the last seasons, from the start of the season in UTC.",
      x: { kind: "number", label: "time in the season", unit: "ms", values: times }, y: { label: signal, unit: "" },
      lines: [{ name: "tenth", role: "lower", shape: "line", values: times.map((slot) => quantile(slot, 0.1)) },
        { name: "ninetieth", role: "upper", shape: "line", values: times.map((slot) => quantile(slot, 0.9)) },
        { name: "median", role: "proposed", shape: "line", values: times.map((slot) => quantile(slot, 0.5)) }],
    }, 180);
  }
  if (place.childElementCount === 0) place.append(empty("The store holds too little of these seasons."));
}

/** The series that the selectors of the expression name. */
async function showRaw() {
  const place = document.querySelector("[data-raw]");
  const names = [...new Set(expression.match(/[a-zA-Z_:][a-zA-Z0-9_:]*(?=\s*[{[])|\b[a-zA-Z_:][a-zA-Z0-9_:]*\b(?!\s*\()/g) ?? [])];
  const known = new Set((await request("/api/v1/label/__name__/values")).data);
  const used = names.filter((name) => known.has(name));
  if (used.length === 0) { place.replaceChildren(empty("No stored metric is named in the expression.")); return; }
  const form = new URLSearchParams(used.map((name) => ["match[]", name]));
  form.append("limit", "100");
  const found = (await request(`/api/v1/series?${form}`)).data;
  const text = ({ __name__: name, ...labels }) => `${name}{${Object.entries(labels).map(([key, value]) => `${key}=${JSON.stringify(value)}`).join(", ")}}`;
  place.replaceChildren(element("p", { class: "quiet" }, `${found.length}${found.length >= 100 ? " or more" : ""} series.`),
    element("ul", { class: "plain mono" }, ...found.slice(0, 100).map((labels) => element("li", {},
      element("a", { href: `/explore?${query({ query: text(labels) })}` }, text(labels))))));
}

const chooser = document.querySelector("[data-spans]");
spans.forEach(([name, hours], idx) => {
  const input = element("input", { type: "radio", name: "span", value: hours, checked: idx === 1 });
  chooser.append(element("label", {}, input, ` ${name}`));
});
chooser.addEventListener("change", () => show(Number(new FormData(chooser).get("span"))));
await Promise.allSettled([show(24), showSeasons().catch((error) => part("seasons").replaceChildren(empty(`Not read: ${error.message}`))),
  showRaw().catch((error) => document.querySelector("[data-raw]").replaceChildren(empty(`Not read: ${error.message}`)))]);
