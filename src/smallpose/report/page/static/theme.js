// Light and dark theme: the system's setting until the reader chooses one; figures follow.
const systemTheme = matchMedia("(prefers-color-scheme: dark)");
const themeButton = document.getElementById("theme");

function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : systemTheme.matches;
}

function applyTheme() {
  const dark = isDark();
  for (const source of document.querySelectorAll("picture > source")) {
    source.media = dark ? "all" : "not all";
  }
  themeButton.setAttribute("aria-pressed", String(dark));
}

// Browsers may forbid local files to store anything.
function storeTheme(theme) {
  try { localStorage.setItem("smallpose-theme", theme); } catch { /* the choice is not kept */ }
}

function loadTheme() {
  try { return localStorage.getItem("smallpose-theme"); } catch { return null; }
}

themeButton.addEventListener("click", () => {
  const next = isDark() ? "light" : "dark";
  document.documentElement.dataset.theme = next;
  storeTheme(next);
  applyTheme();
});
systemTheme.addEventListener("change", applyTheme);
const storedTheme = loadTheme();
if (storedTheme) document.documentElement.dataset.theme = storedTheme;
applyTheme();
