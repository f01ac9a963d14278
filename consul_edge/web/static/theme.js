/*
 * The theme that was chosen, set before anything is painted.
 *
 * This is the one script that is no module: modules run after the first paint, and a page that
 * turns dark then flashes.  Where a browser keeps nothing, the system's own theme holds.
 */

(() => {
  try {
    const theme = localStorage.getItem("consul-edge.theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch {
    // Storage may be forbidden.
  }
  document.documentElement.classList.add("scripted");
})();
