// Day and night: the system's wish until a reader says otherwise; figures follow the page.
const wish = matchMedia("(prefers-color-scheme: dark)");
const themeButton = document.getElementById("theme");
const themeChanged = new Set(); // what draws with the page's colours and must draw again

function isDark() {
  const said = document.documentElement.dataset.theme;
  return said ? said === "dark" : wish.matches;
}

function showTheme() {
  const dark = isDark();
  for (const source of document.querySelectorAll("picture > source")) {
    source.media = dark ? "all" : "not all";
  }
  themeButton.setAttribute("aria-pressed", String(dark));
  for (const redraw of themeChanged) redraw();
}

function remembered(value) {
  try { // a browser may forbid a file to remember anything
    if (value) localStorage.setItem("smallpose-theme", value);
    return localStorage.getItem("smallpose-theme");
  } catch { return null; }
}

themeButton.addEventListener("click", () => {
  const next = isDark() ? "light" : "dark";
  document.documentElement.dataset.theme = next;
  remembered(next);
  showTheme();
});
wish.addEventListener("change", showTheme);
const before = remembered();
if (before) document.documentElement.dataset.theme = before;
showTheme();

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}
