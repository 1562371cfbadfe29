/* Fetches a part of the page again every two seconds, unless somebody is busy in it. */
(function () {
  "use strict";
  var pause = document.getElementById("pause");

  document.querySelectorAll("[data-live]").forEach(function (part) {
    var shown = null;

    function isBusy() {
      return document.hidden
        || (pause && pause.checked)
        || part.querySelector("details[open]")
        || part.contains(document.activeElement);
    }

    setInterval(function () {
      if (isBusy()) {
        return;
      }
      fetch(part.dataset.live).then(function (answer) {
        return answer.ok ? answer.text() : null;
      }).then(function (html) {
        if (html !== null && html !== shown && !isBusy()) {
          // rendered and escaped by our own server
          part.innerHTML = shown = html;
        }
      }).catch(function () {});
    }, 2000);
  });
})();
