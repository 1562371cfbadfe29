/* In the frame of Custom UI: what Atlassian's packages find as globalThis.__bridge.

   Each call goes to Jira's page by postMessage and comes back as a promise. Functions
   cannot cross: they stay here, and Jira's page asks for them by name. */
(function () {
  "use strict";
  var host = document.currentScript.dataset.host;
  var waiting = new Map();
  var callbacks = {};
  var count = 0;

  function post(message) {
    window.parent.postMessage(Object.assign({ forge: true }, message), host);
  }

  // whatever is in `data` is copied; what cannot be copied is a mistake of the page
  function ask(command, data) {
    return new Promise(function (resolve, reject) {
      count += 1;
      waiting.set(count, { resolve: resolve, reject: reject });
      post({ id: count, command: command, data: data });
    });
  }

  var kept = {
    setWorkflowRuleConfigurationCallback: function (given) {
      callbacks.configure = given.data.onConfigure;
      return ask("setWorkflowRuleConfigurationCallback");
    },
    onClose: function (callback) {
      callbacks.close = callback;
      return ask("onClose");
    },
    enableTheming: function () {
      return ask("enableTheming").then(wear);
    },
  };

  globalThis.__bridge = {
    callBridge: function (command, data) {
      var own = Object.hasOwn(kept, command) ? kept[command] : null;
      return own ? own(data) : ask(command, data);
    },
  };

  /* -- what Jira's page says ------------------------------------------------- */
  window.addEventListener("message", function (event) {
    var said = event.data || {};
    if (event.source !== window.parent || event.origin !== host || !said.forge) {
      return;
    }
    if (said.theme) {
      wear(said.theme);
    } else if (said.call) {
      answer(said);
    } else if (waiting.has(said.id)) {
      var promise = waiting.get(said.id);
      waiting.delete(said.id);
      if ("error" in said) { promise.reject(new Error(said.error)); }
      else { promise.resolve(said.value); }
    }
  });

  function answer(said) {
    Promise.resolve().then(function () {
      return callbacks[said.call]();
    }).then(function (value) {
      post({ answers: said.id, value: value });
    }, function (error) {
      post({ answers: said.id, error: String(error) });
    });
  }

  /* -- the theme: Atlassian's tokens, light or dark ------------------------------ */
  function wear(theme) {
    var root = document.documentElement;
    ["light", "dark", "spacing", "typography-adg3"].forEach(function (name) {
      var id = "tokens-" + name;
      if (document.getElementById(id)) { return; }
      var link = document.createElement("link");
      link.id = id;
      link.rel = "stylesheet";
      link.href = "/atlassian-connect/themes/atlaskit-tokens_" + name + ".css";
      document.head.append(link);
    });
    root.dataset.theme = "light:light dark:dark spacing:spacing typography:typography-adg3";
    root.dataset.colorMode = theme.colorMode;
  }

  /* -- as tall as its content ------------------------------------------------------ */
  function tall() {
    var style = getComputedStyle(document.body);
    var margins = parseFloat(style.marginTop) + parseFloat(style.marginBottom);
    post({ height: Math.ceil(document.body.offsetHeight + margins) });
  }

  document.addEventListener("DOMContentLoaded", function () {
    new ResizeObserver(tall).observe(document.body);
    tall();
  });
})();
