// Light or dark as the system says, unless somebody has chosen; that is remembered in this browser.
(() => {
  const ORDER = ["system", "light", "dark"];
  const read = () => {
    try { return localStorage.getItem("daybook-theme") || "system"; } catch { return "system"; }
  };
  const apply = (chosen) => {
    document.documentElement.style.colorScheme = chosen === "system" ? "light dark" : chosen;
    for (const each of document.querySelectorAll("[data-theme-switch]")) each.textContent = "Theme: " + chosen;
  };
  apply(read());
  document.addEventListener("click", (event) => {
    if (!(event.target instanceof Element) || !event.target.closest("[data-theme-switch]")) return;
    const next = ORDER[(ORDER.indexOf(read()) + 1) % ORDER.length];
    try { localStorage.setItem("daybook-theme", next); } catch { /* it lasts as long as the page then */ }
    apply(next);
  });
  // The switch comes with the page's first content.
  new MutationObserver((_, observer) => {
    if (document.querySelector("[data-theme-switch]")) { apply(read()); observer.disconnect(); }
  }).observe(document.documentElement, { childList: true, subtree: true });
})();
