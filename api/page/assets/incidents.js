// The timeline of incidents, and the form that labels one.
import { isUtc, notice, post, timeText } from "./api.js";

const place = document.querySelector("[data-timeline]");
const end = Number(place.dataset.end);
let begin = Number(place.dataset.begin);
const SVG = "http://www.w3.org/2000/svg";

function shape(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text) made.append(text);
  return made;
}

function lane(selector) {
  return [...document.querySelectorAll(selector)].map((row) => ({
    from: Date.parse(row.dataset.start), to: row.dataset.end ? Date.parse(row.dataset.end) : row.hasAttribute("data-incident") ? end : Date.parse(row.dataset.start),
    name: row.dataset.name,
  }));
}

function paint() {
  const width = Math.max(300, place.clientWidth);
  const lanes = [["suspected", lane("#suspected-list > li")], ["labelled", lane("[data-incident]")], ["deploys", lane("[data-deploy]")]];
  const left = 84;
  // Where everything is recent, the timeline begins shortly before it.
  const first = Math.min(...lanes.flatMap(([, rows]) => rows.map((row) => row.from)));
  if (Number.isFinite(first)) begin = Math.max(Number(place.dataset.begin), Math.min(first - (end - first) * 0.05, end - 60000));
  const x = (ms) => left + (Math.min(Math.max(ms, begin), end) - begin) / (end - begin) * (width - left - 12);
  const svg = shape("svg", { viewBox: `0 0 ${width} 118`, width, height: 118, role: "img", "aria-label": `Timeline: ${lanes.map(([name, rows]) => `${rows.length} ${name}`).join(", ")}` });
  lanes.forEach(([name, rows], idx) => {
    const y = 8 + idx * 30;
    svg.append(shape("text", { x: 0, y: y + 15, class: "axis" }, name), shape("line", { x1: left, x2: width - 12, y1: y + 11, y2: y + 11, class: "grid" }));
    for (const row of rows) {
      const bar = name === "deploys"
        ? shape("path", { d: `M${x(row.from)} ${y + 2}l6 9-6 9-6-9z`, class: "deploy" })
        : shape("rect", { x: x(row.from), y: y + 2, width: Math.max(3, x(row.to) - x(row.from)), height: 18, rx: 2, class: name });
      bar.append(shape("title", {}, `${row.name}: ${timeText(row.from)} to ${timeText(row.to)}`));
      svg.append(bar);
    }
  });
  const ticks = Math.max(1, Math.floor((width - left) / 190));
  for (let idx = 0; idx <= ticks; idx += 1) {
    const ms = begin + (end - begin) * idx / ticks;
    const anchor = idx === 0 ? "start" : idx === ticks ? "end" : "middle";
    svg.append(shape("text", { x: x(ms), y: 112, "text-anchor": anchor, class: "axis" }, timeText(ms)));
  }
  place.replaceChildren(svg);
}

paint();
new ResizeObserver(paint).observe(place);
document.addEventListener("almanac:redraw", paint);

const form = document.querySelector("form[data-label]");
const local = (ms) => { const at = new Date(ms - (isUtc() ? 0 : new Date(ms).getTimezoneOffset() * 60000)); return at.toISOString().slice(0, 19); };
const read = (text) => Date.parse(isUtc() ? `${text}Z` : text);

async function send(incident) {
  try {
    await post("/v1/events", [{ type: "incident", ...incident }]);
    location.reload();
  } catch (error) {
    notice(`This did not work: ${error.message}`);
  }
}

document.addEventListener("click", (event) => {
  const mark = event.target.closest("[data-verdict]");
  if (mark) {
    const row = mark.closest("[data-incident]");
    const incident = { started_at: Date.parse(row.dataset.start), title: row.dataset.name, source: mark.dataset.source, verdict: mark.dataset.verdict };
    if (row.dataset.end) incident.ended_at = Date.parse(row.dataset.end);
    else if (incident.verdict === "false") incident.ended_at = Date.now();
    if (mark.dataset.target) incident.target = mark.dataset.target;
    send(incident);
    return;
  }
  const button = event.target.closest("[data-label-from]");
  if (!button || !form) return;
  form.elements.from.value = local(Date.parse(button.dataset.labelFrom));
  form.elements.to.value = local(Date.parse(button.dataset.labelTo));
  form.elements.target.value = button.dataset.labelTarget;
  form.elements.verdict.value = button.dataset.labelVerdict;
  form.elements.title.focus();
});

form?.addEventListener("submit", (event) => {
  event.preventDefault();
  const fields = Object.fromEntries(new FormData(form));
  const started = read(fields.from);
  const ended = fields.to ? read(fields.to) : null;
  if (ended === null && fields.verdict === "false") { notice("Say until when there was no incident."); form.elements.to.focus(); return; }
  if (ended !== null && ended < started) { notice("The end is before the start."); form.elements.to.focus(); return; }
  const incident = { started_at: started, title: fields.title.trim(), source: "web page", verdict: fields.verdict };
  if (ended !== null) incident.ended_at = ended;
  if (fields.target.trim()) incident.target = fields.target.trim();
  send(incident);
});
