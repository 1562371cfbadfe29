/* What Jira tells people in its lower corner, for the apps of both kinds. */
(function () {
  "use strict";

  function element(tag, className, text) {
    var made = document.createElement(tag);
    made.className = className;
    if (text) { made.textContent = text; }
    return made;
  }

  window.sandboxElement = element;

  // options: type, title, body, actions [{text, onClick}], isAuto, onClose
  window.sandboxFlag = function (options) {
    var flag = element("div", "flag flag-" + options.type);
    flag.setAttribute("role", options.type === "error" ? "alert" : "status");
    flag.append(element("strong", "", options.title), element("p", "", options.body));
    function close() {
      flag.remove();
      if (options.onClose) { options.onClose(); }
    }
    (options.actions || []).forEach(function (action) {
      var button = element("button", "link", action.text);
      button.addEventListener("click", action.onClick);
      flag.append(button);
    });
    var shut = element("button", "flag-close", "×");
    shut.setAttribute("aria-label", "Dismiss");
    shut.addEventListener("click", close);
    flag.append(shut);
    document.getElementById("flags").append(flag);
    if (options.isAuto) { setTimeout(close, 8000); }
    return close;
  };
})();
