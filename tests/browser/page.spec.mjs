// Walks every page against the demo, against an empty store and against a service with tokens.
import AxeBuilder from "@axe-core/playwright";
import { expect, test } from "@playwright/test";

const { DEMO, EMPTY, LOCKED, TOKEN, SHOTS } = process.env;
/** Largest weight of the first load, compressed, in bytes. */
const MAX_WEIGHT = 200_000;

/** Notes console errors, and requests to other hosts, of a page. */
function watch(page, base) {
  const problems = [];
  page.on("console", (message) => { if (["error", "warning"].includes(message.type())) problems.push(message.text()); });
  page.on("pageerror", (error) => problems.push(error.message));
  page.on("request", (request) => { if (!request.url().startsWith(base) && !request.url().startsWith("data:")) problems.push(`foreign: ${request.url()}`); });
  return problems;
}

/** Waits until nothing on the page is being read any more. */
async function settled(page) {
  await expect(page.getByText("Replaying …")).toHaveCount(0);
  await expect(page.getByText("Reading …")).toHaveCount(0);
  await expect(page.getByText("Running …")).toHaveCount(0);
  await expect(page.getByText("script")).toHaveCount(0);
}

async function paths(request, base) {
  const { recommendations } = await (await request.get(`${base}/v1/recommendations`)).json();
  const signals = await (await request.get(`${base}/v1/signals`)).json();
  const kinds = ["scaling", "threshold"];
  const byKind = new Map(recommendations.map((row) => [row.kind, row.id]));
  return ["/", "/recommendations", ...[...byKind.values()].map((id) => `/recommendations/${encodeURIComponent(id)}`), "/signals",
    ...signals.slice(0, 1).map((row) => `/signals/${encodeURIComponent(row.signal)}`), "/incidents", ...kinds.map((kind) => `/subjects/${kind}`),
    "/explore", "/setup", "/sign-in"];
}

for (const [name, base] of [["demo", DEMO], ["empty", EMPTY]]) {
  for (const [scheme, width] of [["light", 1280], ["dark", 1280], ["light", 360], ["dark", 3840]]) {
    test(`every page of the ${name} service, ${scheme}, ${width} px wide`, async ({ browser, request }) => {
      const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme: scheme });
      for (const path of await paths(request, base)) {
        const page = await context.newPage();
        const problems = watch(page, base);
        await page.goto(base + path);
        await settled(page);
        expect(problems, path).toEqual([]);
        expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth), `${path} is too wide`).toBeLessThanOrEqual(0);
        const { violations } = await new AxeBuilder({ page }).analyze();
        expect(violations.map((one) => `${one.id}: ${one.nodes.map((node) => node.target).join(" ")}`), path).toEqual([]);
        if (SHOTS) await page.screenshot({ path: `${SHOTS}/${name}${path.replaceAll(/[/%]/g, "-")}-${scheme}-${width}.png`, fullPage: true });
        await page.close();
      }
      await context.close();
    });
  }
}

test("every recommendation has its pictures, and their numbers as a table", async ({ page, request }) => {
  const { recommendations } = await (await request.get(`${DEMO}/v1/recommendations`)).json();
  expect(recommendations.length).toBeGreaterThan(3);
  let drawn = 0;
  for (const id of new Map(recommendations.map((row) => [row.kind, row.id])).values()) {
    const { pictures } = await (await request.get(`${DEMO}/v1/recommendations/${encodeURIComponent(id)}/pictures`)).json();
    await page.goto(`${DEMO}/recommendations/${encodeURIComponent(id)}`);
    // The evidence of indexes, queries and settings is statements and figures.
    if (!pictures.length) continue;
    drawn += 1;
    const figure = page.locator("figure").first();
    await expect(figure.locator("canvas"), id).toHaveCount(1);
    await figure.getByText("Numbers").click();
    expect(await figure.locator("tbody tr").count(), id).toBeGreaterThan(3);
  }
  expect(drawn).toBe(5);
});

test("a signal shows history, forecast, anomalies, seasons and the series behind it", async ({ page, request }) => {
  const signals = await (await request.get(`${DEMO}/v1/signals?status=ready`)).json();
  await page.goto(`${DEMO}/signals`);
  await page.getByRole("searchbox").fill(signals[0].signal);
  await page.getByRole("link", { name: signals[0].signal, exact: true }).click();
  await expect(page.locator('[data-part="history"] canvas')).toHaveCount(1);
  await expect(page.locator('[data-part="residuals"] canvas')).toHaveCount(1);
  await expect(page.locator("[data-raw] li").first()).toBeVisible();
  await page.getByLabel("7 d").check();
  await expect(page.locator('[data-part="history"] canvas')).toHaveCount(1);
});

test("accept, then applied, with a note; the page is fresh without reloading", async ({ page, request, context }) => {
  await page.goto(`${DEMO}/`);
  const other = await context.newPage();
  const card = page.locator("article", { has: page.getByRole("link", { name: /^Time-to-live/ }) }).first();
  const id = (await card.getAttribute("id")).replace("card-", "");
  await other.goto(`${DEMO}/recommendations/${id}`);
  await other.getByLabel("Reason or note").fill("agreed");
  await other.getByRole("button", { name: "Accept" }).click();
  await expect(other.locator(".lead .state")).toHaveText("accepted");
  await expect(other.locator("tbody").last()).toContainText("agreed");
  // The overview hears of it by the stream.
  await expect(page.locator(`#card-${id} .state`)).toHaveText("accepted");
  await other.getByRole("button", { name: "Mark as applied" }).click();
  await expect(other.locator(".lead .state")).toHaveText("applied");
  await expect(page.locator(`#card-${id}`)).toHaveCount(0);
  const row = await (await request.get(`${DEMO}/v1/recommendations/${id}`)).json();
  expect(row.history.map((change) => change.to)).toEqual(["proposed", "accepted", "applied"]);
});

test("a promise is measured, and the page says that it was kept", async ({ page }) => {
  await page.goto(process.env.APPLIED);
  // The service measures in its first round of advice; the page hears of it by the stream.
  await expect(page.locator(".lead .state")).toHaveText("verified", { timeout: 120000 });
  const promise = page.locator("section[aria-labelledby=promise]");
  await expect(promise).toContainText("Promised against measured");
  await expect(promise.locator(".state.verified")).toBeVisible();
  await expect(page.locator("section[aria-labelledby=history] tbody tr")).toHaveCount(4);
  await expect(page.getByRole("button", { name: "Mark as applied" })).toHaveCount(0);
  await expect(page.locator("[data-pictures] canvas").first()).toBeVisible();
});

test("a dismissal needs a reason", async ({ page }) => {
  await page.goto(`${DEMO}/recommendations?kind=rightsizing`);
  await page.locator("article a").first().click();
  await page.getByRole("button", { name: "Dismiss" }).click();
  await expect(page.getByRole("status")).toContainText("Say why");
  await page.getByLabel("Reason or note").fill("fixed size");
  await page.getByRole("button", { name: "Dismiss" }).click();
  await expect(page.locator(".lead .state")).toHaveText("dismissed");
});

test("an incident is labelled", async ({ page, request }) => {
  await page.goto(`${DEMO}/incidents`);
  await page.getByRole("button", { name: "Label as real" }).first().click();
  await page.getByLabel("Title").fill("a slow disk");
  await page.getByRole("button", { name: "Add" }).click();
  await expect(page.getByRole("cell", { name: "a slow disk", exact: true })).toBeVisible();
  const rows = await (await request.get(`${DEMO}/v1/incidents?from=now-1d`)).json();
  expect(rows.filter((row) => row.title === "a slow disk" && row.source === "web page" && row.verdict === "real")).toHaveLength(1);
  await page.getByRole("button", { name: "Mark as false: a slow disk" }).click();
  await expect(page.getByRole("button", { name: "Mark as real: a slow disk" })).toBeVisible();
  await expect(page.locator("#suspected-list > li").first()).toContainText("labelled false");
  const real = await (await request.get(`${DEMO}/v1/incidents?from=now-1d&verdict=real`)).json();
  expect(real.filter((row) => row.title === "a slow disk")).toHaveLength(0);
  const first = await page.locator("#suspected-list > li").first().locator("time").first().getAttribute("datetime");
  await page.goto(`${DEMO}/`);
  await expect(page.locator(`time[datetime="${first}"]`)).toHaveCount(0);
});

test("explore completes, draws, tabulates and says the same elsewhere", async ({ page }) => {
  await page.goto(`${DEMO}/explore`);
  const field = page.getByLabel("Expression");
  await field.pressSequentially("http_requests");
  await expect(page.locator("#completions option").first()).toHaveAttribute("value", /http_requests/);
  await field.fill("sum by (job) (rate(http_requests_total[1m]))");
  await page.getByRole("button", { name: "Run" }).first().click();
  await expect(page.locator('[data-part="promql"] canvas')).toHaveCount(1);
  await expect(page.locator("#as-curl")).toContainText("/api/v1/query_range");
  await page.getByLabel("Statement").fill("SELECT count(*) AS n FROM samples");
  await page.getByLabel("Statement").press("Control+Enter");
  await expect(page.locator('[data-part="sql"] thead')).toContainText("n (BIGINT)");
  await expect(page.locator("#as-python")).toContainText("SELECT count(*)");
  await field.fill("rate(");
  await field.press("Enter");
  await expect(page.locator('[data-part="promql"] .problem')).toBeVisible();
});

test("the keyboard reaches everything, and the choice of theme and zone is kept", async ({ page }) => {
  await page.goto(`${DEMO}/`);
  await page.keyboard.press("Tab");
  await expect(page.getByRole("link", { name: "Skip to the content" })).toBeFocused();
  await page.keyboard.press("Enter");
  await expect(page.locator("main")).toBeFocused();
  await page.getByText("Advisors").focus();
  await page.keyboard.press("Enter");
  await expect(page.getByRole("link", { name: "Scaling", exact: true })).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(page.getByRole("link", { name: "Scaling", exact: true })).toBeHidden();
  await page.getByLabel("Theme").selectOption("dark");
  await page.getByLabel("Times").selectOption("utc");
  await page.reload();
  await expect(page.locator("html")).toHaveAttribute("data-theme", "dark");
  await expect(page.locator("time").first()).toContainText("UTC");
});

test("the first load is light, and complete without scripts", async ({ browser }) => {
  const context = await browser.newContext();
  const page = await context.newPage();
  const client = await context.newCDPSession(page);
  let weight = 0;
  await client.send("Network.enable");
  client.on("Network.loadingFinished", ({ encodedDataLength }) => { weight += encodedDataLength; });
  await page.goto(`${DEMO}/`, { waitUntil: "load" });
  await settled(page);
  console.log(`first load: ${weight} bytes`);
  expect(weight).toBeLessThan(MAX_WEIGHT);
  const plain = await (await browser.newContext({ javaScriptEnabled: false })).newPage();
  await plain.goto(`${DEMO}/`);
  await expect(plain.locator("article").first()).toContainText("promise");
});

test("a service with tokens asks for one and keeps it from scripts and other sites", async ({ page, context, request }) => {
  await page.goto(`${LOCKED}/signals`);
  await expect(page).toHaveURL(`${LOCKED}/sign-in?next=%2Fsignals`);
  await page.getByLabel("Token").fill("wrong");
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page.getByRole("alert")).toContainText("not valid");
  await page.getByLabel("Token").fill(TOKEN);
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page).toHaveURL(`${LOCKED}/signals`);
  const [cookie] = await context.cookies();
  expect([cookie.httpOnly, cookie.sameSite]).toEqual([true, "Strict"]);
  expect(cookie.value).not.toContain(TOKEN);
  expect(await page.evaluate(() => document.cookie)).toBe("");
  await page.goto(`${LOCKED}/explore`);
  await page.getByLabel("Statement").fill("SELECT 42 AS answer");
  await page.getByLabel("Statement").press("Control+Enter");
  await expect(page.locator('[data-part="sql"] tbody')).toContainText("42");
  await expect(page.locator("#as-curl")).not.toContainText(TOKEN);
  // The cookie of a browser does not let another site act.
  const foreign = await request.post(`${LOCKED}/v1/events`, {
    headers: { cookie: `${cookie.name}=${cookie.value}`, origin: "http://evil.example", "content-type": "application/json" }, data: [],
  });
  expect(foreign.status()).toBe(403);
  await page.getByRole("button", { name: "Sign out" }).click();
  await expect(page).toHaveURL(`${LOCKED}/sign-in`);
  const after = await request.get(`${LOCKED}/v1/signals`, { headers: { cookie: `${cookie.name}=${cookie.value}` } });
  expect(after.status()).toBe(401);
});
