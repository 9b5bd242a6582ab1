// Sets the theme before the first paint.
"use strict";
{
  const stored = (() => {
    try { return localStorage.getItem("almanac.theme"); } catch { return null; }
  })();
  document.documentElement.dataset.theme = stored === "light" || stored === "dark" ? stored : "auto";
}
