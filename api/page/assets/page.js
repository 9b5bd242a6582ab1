// What every page does: theme, zone of times, copying, actions, fresh content, predicted breaches.
import { element, keep, notice, post, request, setting, showTimes } from "./api.js";

function select(id, otherwise, change) {
  const field = document.getElementById(id);
  if (!field) return;
  field.value = setting(id, otherwise);
  field.addEventListener("change", () => { keep(id, field.value); change(field.value); });
}

select("theme", "auto", () => document.dispatchEvent(new CustomEvent("almanac:theme")));
select("zone", "local", () => { showTimes(); document.dispatchEvent(new CustomEvent("almanac:redraw")); });
showTimes();

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) {
    const menu = document.querySelector("details.menu[open]");
    if (menu && !menu.contains(event.target)) menu.open = false;
    return;
  }
  const text = document.getElementById(button.dataset.copy).textContent;
  try {
    await navigator.clipboard.writeText(text);
    notice("Copied.");
  } catch {
    getSelection().selectAllChildren(document.getElementById(button.dataset.copy));
    notice("The browser does not allow copying; the text is selected.");
  }
});

document.addEventListener("keydown", (event) => {
  const menu = document.querySelector("details.menu[open]");
  if (event.key === "Escape" && menu) { menu.open = false; menu.querySelector("summary").focus(); }
});

document.addEventListener("submit", async (event) => {
  const form = event.target.closest("[data-actions]");
  if (!form) return;
  event.preventDefault();
  const action = event.submitter?.value;
  if (!action) return;
  const note = form.elements.note.value.trim();
  if (action === "dismiss" && !note) {
    form.elements.note.focus();
    notice("Say why it is dismissed, in the field for the note.");
    return;
  }
  for (const button of form.querySelectorAll("button")) button.disabled = true;
  try {
    const path = `/v1/recommendations/${encodeURIComponent(form.dataset.actions)}/${action}`;
    const row = await post(path, { actor: "web page", ...(note ? { note } : {}) });
    await refresh();
    notice(`The recommendation is now ${row.state}.`);
    document.querySelector("main h1")?.scrollIntoView({ block: "nearest" });
  } catch (error) {
    notice(`This did not work: ${error.message}`);
  } finally {
    for (const button of form.querySelectorAll("button")) button.disabled = false;
  }
});

/** Reads the page again and replaces what changes, unless somebody is typing in it. */
let refreshing = false;
async function refresh() {
  const live = document.getElementById("live");
  if (!live || refreshing) return;
  refreshing = true;
  try {
    const response = await fetch(location.href, { credentials: "same-origin", headers: { accept: "text/html" } });
    // The session has ended: the sign-in leads back here.
    if (response.redirected) location.assign(`/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`);
    if (!response.ok || response.redirected) return;
    const next = new DOMParser().parseFromString(await response.text(), "text/html").getElementById("live");
    if (!next) return;
    // What scripts have drawn or people have opened stays as it is.
    for (const drawn of live.querySelectorAll("[data-pictures],[data-breaches]")) {
      const name = drawn.hasAttribute("data-pictures") ? "data-pictures" : "data-breaches";
      next.querySelector(`[${name}]`)?.replaceWith(drawn);
    }
    const open = [...live.querySelectorAll("details")].map((part) => part.open);
    const filter = document.querySelector("[data-filter]")?.value;
    live.replaceChildren(...next.childNodes);
    live.dataset.revision = next.dataset.revision;
    live.toggleAttribute("data-learning", next.hasAttribute("data-learning"));
    [...live.querySelectorAll("details")].forEach((part, idx) => { if (idx < open.length) part.open = open[idx]; });
    showTimes(live);
    if (filter) { const field = document.querySelector("[data-filter]"); field.value = filter; filterRows(field); }
  } finally {
    refreshing = false;
  }
}

const isTyping = () => document.activeElement?.closest("#live input, #live textarea, #live select");

const live = document.getElementById("live");
if (live) {
  let waiting = 0;
  // The id of an event begins with the revision of the ledger; "~" is behind every recommendation of that revision.
  const events = new EventSource(`/v1/recommendations/stream?after=${live.dataset.revision}.~`);
  events.addEventListener("recommendation", (event) => {
    if (parseInt(event.lastEventId, 10) <= Number(live.dataset.revision)) return;
    clearTimeout(waiting);
    waiting = setTimeout(() => { if (!isTyping()) refresh(); }, 500);
  });
  addEventListener("pagehide", () => events.close());
  setInterval(() => { if (live.hasAttribute("data-learning") && !document.hidden && !isTyping()) refresh(); }, 4000);
  setInterval(() => { if (!document.hidden && !isTyping()) refresh(); }, 60000);
}

function filterRows(field) {
  const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const row of document.querySelectorAll(`#${field.dataset.filter} tbody tr`)) {
    const text = (row.dataset.text ?? row.textContent).toLowerCase();
    row.hidden = !words.every((word) => text.includes(word));
  }
}
document.addEventListener("input", (event) => { if (event.target.matches("[data-filter]")) filterRows(event.target); });

const breaches = document.querySelector("[data-breaches]");
if (breaches) {
  try {
    const rows = await request("/v1/breaches?limit=10");
    breaches.replaceChildren(rows.length === 0
      ? element("p", { class: "empty" }, "No signal of an alerting rule trends towards its bound.")
      : element("ul", { class: "plain" }, ...rows.map((row) => element("li", {}, element("p", {},
        element("strong", {}, row.alert), " ", element("span", { class: "quiet" }, row.element), " is expected at ",
        element("time", { datetime: row.time }, row.time), ", at the earliest ", element("time", { datetime: row.earliest }, row.earliest),
        row.latest ? ", at the latest " : ", or never", row.latest ? element("time", { datetime: row.latest }, row.latest) : null, ".")))));
    showTimes(breaches);
  } catch (error) {
    breaches.replaceChildren(element("p", { class: "empty" }, `Not read: ${error.message}`));
  }
}
