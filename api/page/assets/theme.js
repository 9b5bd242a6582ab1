// Sets the theme before the first paint: the chosen one, or that of the system, also when it changes.
"use strict";
{
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const chosen = () => {
    try { return localStorage.getItem("almanac.theme"); } catch { return null; }
  };
  const apply = () => {
    const name = chosen();
    document.documentElement.dataset.theme = name === "light" || name === "dark" ? name : dark.matches ? "dark" : "light";
    document.dispatchEvent(new CustomEvent("almanac:redraw"));
  };
  dark.addEventListener("change", apply);
  document.addEventListener("almanac:theme", apply);
  apply();
}
