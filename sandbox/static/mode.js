/* Before the first paint: the mode chosen last time, or what the system likes. */
(function () {
  "use strict";
  var kept = localStorage.getItem("sandbox-mode");
  var dark = kept ? kept === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.colorMode = dark ? "dark" : "light";
})();
