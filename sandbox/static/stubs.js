/* What connect-host.js expects of Jira's own page before it loads. */
window.AJS = {
  $: window.jQuery,
  escapeHtml: function (text) {
    var box = document.createElement("div");
    box.textContent = text;
    return box.innerHTML;
  },
};
// analytics go nowhere, and every feature flag is off
window.require = function () {
  return { emitGasV3: function () {} };
};
window.__FEATUREGATES_JS__ = {
  initializeCompleted: function () { return true; },
  checkGate: function () { return false; },
  getPackageVersion: function () { return "4.23.4"; },
};
