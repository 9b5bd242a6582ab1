// Opens pages of a service in Chromium, waits for the charts of signals, and prints their titles and elements:
// `node visit.mjs URL…`. Only the pages of signals have charts of their own.
import { chromium } from "@playwright/test";

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
const page = await browser.newPage();
for (const url of process.argv.slice(2)) {
  await page.goto(url);
  if (new URL(url).pathname.startsWith("/signals/")) await page.locator("canvas").first().waitFor({ timeout: 60000 });
  console.log(await page.content());
}
await browser.close();
