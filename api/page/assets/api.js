// Requests to the HTTP API, and what pages share: numbers, times, the notice line.

/** Sends a request and returns its JSON; an error has the message of the service. */
export async function request(path, options = {}) {
  const response = await fetch(path, { credentials: "same-origin", ...options });
  if (response.status === 401) {
    location.assign(`/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`);
  }
  const text = await response.text();
  let body = null;
  try { body = text ? JSON.parse(text) : null; } catch { /* Not JSON: the text is the message. */ }
  if (!response.ok) {
    const message = body?.message ?? (typeof body?.error === "string" ? body.error : body?.error?.message) ?? text;
    throw new Error(message || `status ${response.status}`);
  }
  return body;
}

/** Posts JSON. */
export function post(path, body) {
  return request(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
}

/** Shows one line at the bottom of the page, which screen readers announce. */
export function notice(text) {
  const line = document.getElementById("notice");
  line.textContent = text;
  line.classList.add("shown");
  clearTimeout(notice.timer);
  notice.timer = setTimeout(() => line.classList.remove("shown"), 8000);
}

/** Reads a setting of this browser. */
export function setting(name, otherwise) {
  try { return localStorage.getItem(`almanac.${name}`) ?? otherwise; } catch { return otherwise; }
}

/** Keeps a setting of this browser. */
export function keep(name, value) {
  try { localStorage.setItem(`almanac.${name}`, value); } catch { /* Private windows may refuse. */ }
}

export const isUtc = () => setting("zone", "local") === "utc";

/** Returns a time in the reader's zone or in UTC. */
export function timeText(ms, withSeconds = false) {
  const options = {
    year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", hourCycle: "h23",
    ...(withSeconds ? { second: "2-digit" } : {}), ...(isUtc() ? { timeZone: "UTC" } : {}),
  };
  const parts = Object.fromEntries(new Intl.DateTimeFormat("en-GB", options).formatToParts(ms).map((p) => [p.type, p.value]));
  const seconds = withSeconds ? `:${parts.second}` : "";
  return `${parts.year}-${parts.month}-${parts.day} ${parts.hour}:${parts.minute}${seconds}${isUtc() ? " UTC" : ""}`;
}

/** Texts of the service in which instants are written as RFC 3339. */
const PROSE = ".lead, .card > p, dd, figcaption, section[aria-labelledby=figures] td, section[aria-labelledby=setting] td";
const STAMP = /\b\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?Z/;

/** Makes each instant in a text an element of its own. */
function markTimes(within) {
  for (const place of within.querySelectorAll(PROSE)) {
    const walker = document.createTreeWalker(place, NodeFilter.SHOW_TEXT, (node) => (
      STAMP.test(node.data) && !node.parentElement.closest("time, code, pre") ? NodeFilter.FILTER_ACCEPT : NodeFilter.FILTER_SKIP));
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const found = STAMP.exec(node.data);
      const rest = node.splitText(found.index);
      rest.splitText(found[0].length);
      rest.replaceWith(element("time", { datetime: found[0] }, found[0]));
      walker.currentNode = node;
    }
  }
}

/** Shows every instant in the reader's zone or in UTC. */
export function showTimes(within = document) {
  markTimes(within);
  for (const time of within.querySelectorAll("time[datetime]")) {
    const ms = Date.parse(time.dateTime);
    if (!Number.isNaN(ms)) {
      time.textContent = timeText(ms);
      time.title = new Date(ms).toISOString();
    }
  }
}

/** Returns a number with three significant digits. */
export function digits(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e12)) return value.toExponential(2);
  return new Intl.NumberFormat("en-GB", { maximumSignificantDigits: size >= 1000 ? 15 : 3, maximumFractionDigits: 6 })
    .format(size >= 100 ? Math.round(value) : value).replaceAll(",", "\u202f");
}

/** Returns a number with its unit: shares in percent, seconds and bytes with a fitting multiple. */
export function quantity(value, unit) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  if (unit === "1") return Math.abs(value) <= 1.5 ? `${digits(value * 100)} %` : digits(value);
  if (unit === "ms") return quantity(value / 1000, "s");
  if (unit === "s") {
    const size = Math.abs(value);
    const steps = [[1, 0.001, "ms"], [120, 1, "s"], [7200, 60, "min"], [172800, 3600, "h"], [Infinity, 86400, "d"]];
    const [, divisor, name] = size === 0 ? [0, 1, "s"] : steps.find(([end]) => size < end);
    return `${digits(value / divisor)} ${name}`;
  }
  if (unit === "bytes") {
    const names = ["B", "KiB", "MiB", "GiB", "TiB"];
    let at = 0;
    let rest = value;
    while (Math.abs(rest) >= 1024 && at < names.length - 1) { rest /= 1024; at += 1; }
    return `${digits(rest)} ${names[at]}`;
  }
  return unit ? `${digits(value)} ${unit}` : digits(value);
}

/** Creates an element with attributes and children. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** Creates a table in a region that scrolls. */
export function table(heads, rows, label) {
  const head = element("thead", {}, element("tr", {}, ...heads.map((text) => element("th", { scope: "col" }, text))));
  const cell = (value) => (value instanceof Node ? value : String(value ?? "–"));
  const body = element("tbody", {}, ...rows.map((row) => element("tr", {},
    ...row.map((value, idx) => (idx === 0 ? element("th", { scope: "row" }, cell(value)) : element("td", {}, cell(value)))))));
  return element("div", { class: "wide", tabindex: "0", role: "region", "aria-label": label }, element("table", {}, head, body));
}
