// One browser, Debian's Chromium; the services are started by the caller, which gives their addresses.
export default {
  testMatch: "page.spec.mjs",
  workers: 1,
  timeout: 600000,
  expect: { timeout: 60000 },
  reporter: [["list"]],
  use: { launchOptions: { executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] } },
};
