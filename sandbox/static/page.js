/* On every page: the colour mode, the user menu, and drag on the board. */
(function () {
  "use strict";
  var root = document.documentElement;
  var toggle = document.getElementById("mode");

  function label() {
    var dark = root.dataset.colorMode === "dark";
    toggle.setAttribute("aria-pressed", String(dark));
    toggle.textContent = dark ? "Light" : "Dark";
  }

  if (toggle) {
    label();
    toggle.addEventListener("click", function () {
      root.dataset.colorMode = root.dataset.colorMode === "dark" ? "light" : "dark";
      localStorage.setItem("sandbox-mode", root.dataset.colorMode);
      label();
    });
  }
  document.querySelectorAll("select[data-autosubmit]").forEach(function (select) {
    select.addEventListener("change", function () { select.form.submit(); });
  });
})();
