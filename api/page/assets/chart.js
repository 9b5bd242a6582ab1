// Draws pictures, as the service describes them, with uPlot; without it, or for those who prefer it, as tables.
import { element, isUtc, quantity, request, showTimes, table, timeText } from "./api.js";

const drawn = new Set();

/** Colour, width and dashes of each role; roles differ without colour too. */
function style(role, index) {
  const css = getComputedStyle(document.documentElement);
  const colour = (name) => css.getPropertyValue(`--${name}`).trim();
  const styles = {
    measured: { stroke: colour("ink"), width: 1.25 },
    proposed: { stroke: colour("proposed"), width: 2.25 },
    present: { stroke: colour("present"), width: 1.75, dash: [8, 4] },
    compared: { stroke: colour("compared"), width: 1.5, dash: [[2, 3], [10, 3, 2, 3], [5, 5]][index % 3] },
    limit: { stroke: colour("limit"), width: 1.75, dash: [12, 3, 3, 3] },
    lower: { stroke: colour("band-line"), width: 0.75 },
    upper: { stroke: colour("band-line"), width: 0.75 },
  };
  return styles[role] ?? styles.compared;
}

const spanNames = {
  shortfall: "falls short", incident: "incident", alert: "alert", false_alert: "false alert", learned: "learned from", missing: "no data",
  anomaly: "anomaly", deploy: "deploy",
};

function shade(role) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--span-${role.replace("_", "-")}`).trim() || "rgba(128,128,128,.2)";
}

/** Marks spans of the x axis behind the lines, each role in a lane of its own at the top, and marks as vertical lines. */
function overlay(picture, isTime) {
  const scale = (value) => (isTime ? value / 1000 : value);
  const roles = [...new Set((picture.spans ?? []).map((span) => span.role))].filter((role) => role !== "learned");
  return {
    hooks: {
      drawClear: [(u) => {
        const { ctx, bbox } = u;
        ctx.save();
        ctx.beginPath();
        ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
        ctx.clip();
        for (const span of picture.spans ?? []) {
          const from = u.valToPos(scale(span.from), "x", true);
          const to = Math.max(u.valToPos(scale(span.to), "x", true), from + 2 * devicePixelRatio);
          ctx.fillStyle = shade(span.role);
          ctx.globalAlpha = span.role === "learned" ? 0.5 : 1;
          const lane = 6 * devicePixelRatio;
          const at = roles.indexOf(span.role);
          if (span.role === "learned") ctx.fillRect(from, bbox.top, to - from, bbox.height);
          else {
            ctx.fillRect(from, bbox.top + at * (lane + 2), to - from, lane);
            ctx.globalAlpha = 0.12;
            ctx.fillRect(from, bbox.top, to - from, bbox.height);
          }
        }
        ctx.restore();
      }],
      draw: [(u) => {
        const { ctx, bbox } = u;
        ctx.save();
        ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
        (picture.marks ?? []).forEach((mark, idx) => {
          const x = u.valToPos(scale(mark.at), "x", true);
          if (x < bbox.left || x > bbox.left + bbox.width) return;
          const { stroke, dash } = style(mark.role === "now" ? "measured" : mark.role, idx);
          ctx.strokeStyle = stroke;
          ctx.fillStyle = stroke;
          ctx.lineWidth = 1.5 * devicePixelRatio;
          ctx.setLineDash((dash ?? []).map((length) => length * devicePixelRatio));
          ctx.beginPath();
          ctx.moveTo(x, bbox.top);
          ctx.lineTo(x, bbox.top + bbox.height);
          ctx.stroke();
          const width = ctx.measureText(mark.label).width;
          const right = x + width + 8 * devicePixelRatio < bbox.left + bbox.width;
          ctx.textAlign = right ? "left" : "right";
          ctx.fillText(mark.label, x + (right ? 4 : -4) * devicePixelRatio, bbox.top + (idx + 1) * 14 * devicePixelRatio);
        });
        ctx.restore();
      }],
    },
  };
}

/** Adds the band between a lower and the next upper line. */
function bands(lines, fill) {
  const found = [];
  lines.forEach((line, idx) => {
    if (line.role !== "lower") return;
    const upper = lines.findIndex((other, at) => at > idx && other.role === "upper");
    if (upper > 0) found.push({ series: [upper + 1, idx + 1], fill });
  });
  return found;
}

function options(picture, width, height) {
  const css = getComputedStyle(document.documentElement);
  const ink = css.getPropertyValue("--quiet").trim();
  const grid = css.getPropertyValue("--grid").trim();
  const isTime = picture.x.kind === "time";
  const unit = picture.y.unit;
  const value = (_, v) => (v === null || v === undefined ? "–" : quantity(v, unit));
  const axis = { stroke: ink, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1 }, font: "12px system-ui, sans-serif" };
  let compared = 0;
  const { uPlot } = window;
  return {
    width, height,
    tzDate: isUtc() ? (ts) => uPlot.tzDate(new Date(ts * 1000), "Etc/UTC") : undefined,
    fmtDate: (template) => uPlot.fmtDate(template.replaceAll("{h}", "{HH}").replaceAll("{aa}", "").replaceAll("{M}/{D}/{YY}", "{YYYY}-{MM}-{DD}").replaceAll("{M}/{D}", "{MM}-{DD}")),
    scales: { x: { time: isTime, distr: picture.x.scale === "log" ? 3 : 1 }, y: { range: range(picture) } },
    axes: [
      { ...axis, ...(isTime ? {} : { values: (_, splits) => splits.map((v) => (v === null ? "" : quantity(v, picture.x.unit))) }), space: 70 },
      { ...axis, label: picture.y.label, labelSize: 18, labelFont: "12px system-ui, sans-serif", labelGap: 0, values: (_, splits) => splits.map((v) => quantity(v, unit)), size: (u, values) => Math.max(46, ...(values ?? []).map((text) => 18 + 7.5 * text.length)) },
    ],
    series: [
      { label: picture.x.label, value: (_, v) => (v === null || v === undefined ? "–" : isTime ? timeText(v * 1000, true) : quantity(v, picture.x.unit)) },
      ...picture.lines.map((line) => {
        const { stroke, width: thick, dash } = style(line.role, line.role === "compared" ? compared++ : 0);
        const points = line.shape === "points";
        return {
          label: line.name, stroke, width: points ? 0 : thick, dash, value, spanGaps: false,
          paths: points ? () => null : line.shape === "steps" ? uPlot.paths.stepped({ align: 1 }) : undefined,
          points: { show: points, size: 7, fill: stroke, space: 0 },
        };
      }),
    ],
    bands: bands(picture.lines, css.getPropertyValue("--band").trim()),
    cursor: { points: { size: 7 }, drag: { x: true, y: false } },
    legend: { live: true },
    plugins: [overlay(picture, isTime)],
  };
}

/** Returns the range of the y axis: with zero for shares and where it is near; lanes of spans have room at the top. */
function range(picture) {
  const lanes = new Set((picture.spans ?? []).filter((span) => span.role !== "learned").map((span) => span.role)).size;
  return (_, low, high) => {
    if (low === null || high === null) return [0, 1];
    let from = low > 0 && low < high * 0.6 ? 0 : low;
    let to = high;
    if (from === to) { from -= Math.abs(from) * 0.1 || 1; to += Math.abs(to) * 0.1 || 1; }
    const room = (to - from) * 0.04;
    return [from === 0 ? 0 : from - room, to + room + (to - from) * 0.05 * lanes];
  };
}

function data(picture) {
  const x = picture.x.kind === "time" ? picture.x.values.map((ms) => ms / 1000) : picture.x.values;
  return [x, ...picture.lines.map((line) => line.values)];
}

/** Returns the numbers of a picture as a table of at most 200 rows. */
function numbers(picture) {
  const { values } = picture.x;
  const every = Math.max(1, Math.ceil(values.length / 200));
  const text = (v) => (picture.x.kind === "time" ? timeText(v, true) : quantity(v, picture.x.unit));
  const rows = values.flatMap((v, idx) => (idx % every === 0
    ? [[text(v), ...picture.lines.map((line) => quantity(line.values[idx], picture.y.unit))]] : []));
  return table([picture.x.label, ...picture.lines.map((line) => line.name)], rows, `numbers of ${picture.title}`);
}

/** Draws one picture into an element and keeps it as wide as that. */
export function draw(into, picture, height = 280) {
  const plot = element("div", { class: "plot", role: "img", "aria-label": `${picture.title}. ${picture.text ?? ""}` });
  const roles = [...new Set((picture.spans ?? []).map((span) => span.role))];
  const lanes = roles.filter((role) => role !== "learned");
  const key = roles.length === 0 ? null : element("p", { class: "key" }, ...roles.flatMap((role) => {
    const count = picture.spans.filter((span) => span.role === role).length;
    const where = role === "learned" ? "shaded" : `lane ${lanes.indexOf(role) + 1}`;
    return [element("span", { class: `swatch ${role.replace("_", "-")}` }), `${where}: ${spanNames[role] ?? role} (${count}) `];
  }));
  const details = element("details", { class: "numbers" }, element("summary", {}, "Numbers"));
  details.addEventListener("toggle", () => { if (details.open && details.childElementCount === 1) details.append(numbers(picture)); });
  const figure = element("figure", {}, picture.title ? element("figcaption", {}, element("strong", {}, picture.title), " ", picture.text ?? "") : null, plot, key, details);
  into.append(figure);
  showTimes(figure);
  if (!window.uPlot || picture.x.values.length === 0) {
    plot.remove();
    details.open = true;
    return;
  }
  let chart = null;
  const paint = () => {
    const width = Math.floor(plot.clientWidth);
    if (width < 50) return;
    chart?.destroy();
    chart = new window.uPlot(options(picture, width, height), data(picture), plot);
  };
  let last = 0;
  new ResizeObserver(() => {
    const width = Math.floor(plot.clientWidth);
    if (width === last) return;
    last = width;
    if (chart) chart.setSize({ width, height }); else paint();
  }).observe(plot);
  drawn.add(() => plot.isConnected && paint());
}

document.addEventListener("almanac:redraw", () => { for (const paint of drawn) paint(); });

const place = document.querySelector("[data-pictures]");
if (place) {
  place.replaceChildren(element("p", { class: "empty" }, "Replaying …"));
  try {
    const { pictures, missing } = await request(place.dataset.pictures);
    place.replaceChildren();
    if (missing) place.append(element("p", { class: "note" }, `Some pictures are missing: ${missing}`));
    else if (pictures.length === 0) place.append(element("p", { class: "empty" }, "This advisor has no picture; its figures are below."));
    for (const picture of pictures) draw(place, picture);
  } catch (error) {
    place.replaceChildren(element("p", { class: "empty" }, `The pictures could not be made: ${error.message}`));
  }
}

