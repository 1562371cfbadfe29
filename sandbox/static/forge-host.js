/* Jira's half of the bridge to frames of a Forge app. */
(function () {
  "use strict";
  var frames = JSON.parse(document.getElementById("forge-frames").textContent);
  var shown = frames.map(place);
  var PATIENCE = 10000;

  function place(frame) {
    var made = document.createElement("iframe");
    made.src = frame.url;
    made.title = frame.title;
    made.className = "forge-frame";
    made.allow = "camera; clipboard-write; display-capture; fullscreen; microphone";
    made.sandbox = "allow-downloads allow-forms allow-modals allow-pointer-lock "
      + "allow-same-origin allow-scripts";
    document.getElementById(frame.slot).append(made);
    return { told: frame, iframe: made, origin: new URL(frame.url).origin, configures: false };
  }

  function theme() {
    return { colorMode: document.documentElement.dataset.colorMode || "light" };
  }

  function post(frame, message) {
    frame.iframe.contentWindow.postMessage(Object.assign({ forge: true }, message), frame.origin);
  }

  /* -- what a page may ask for ---------------------------------------------------- */
  function site(url) {
    var there = new URL(url, location.origin);
    if (there.protocol !== "https:" && there.protocol !== "http:") {
      throw new Error("The address cannot be opened.");
    }
    return there;
  }

  function target(place) {
    var places = {
      issue: "/browse/" + encodeURIComponent(place.issueKey),
      dashboard: "/",
      projectSettingsDetails: "/projects/" + encodeURIComponent(place.projectKey),
    };
    if (!place.target) { return site(String(place.url)); }
    if (!places[place.target]) { throw new Error("This place is not played."); }
    return site(places[place.target]);
  }

  var flags = {};
  var commands = {
    getContext: function (frame) {
      return Object.assign({}, frame.told.context, {
        theme: theme(),
        extension: Object.assign({ location: location.href }, frame.told.context.extension),
      });
    },
    enableTheming: function (frame) {
      frame.isThemed = true;
      return theme();
    },
    invoke: function (frame, data) {
      if (data.invokeType !== "ui-remote-fetch") {
        throw new Error("Only a remote can be called here, not a function.");
      }
      return fetch("/sandbox/host/forge/invoke", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ page: frame.told.page, call: data }),
      }).then(function (answer) { return answer.json(); });
    },
    // as the signed-in person, within what the manifest asks for
    fetchProduct: function (frame, data) {
      var there = new URL(String(data.restPath), location.origin);
      if (data.product !== "jira" || there.origin !== location.origin
          || !there.pathname.startsWith("/rest/")) {
        throw new Error("Only Jira's REST API can be called.");
      }
      var init = data.fetchRequestInit || {};
      var headers = new Headers(init.headers || []);
      headers.set("X-Forge-App", frame.told.page.key);
      return fetch(there, { method: init.method, headers: headers, body: init.body || undefined })
        .then(function (answer) {
          return answer.text().then(function (body) {
            return {
              body: body,
              headers: Object.fromEntries(answer.headers.entries()),
              status: answer.status,
              statusText: answer.statusText,
              isAttachment: false,
            };
          });
        });
    },
    navigate: function (frame, data) {
      var there = target(data);
      if (data.type === "new-tab") { window.open(there, "_blank", "noopener"); }
      else { location.assign(there); }
    },
    getUrl: function (frame, data) { return target(data).href; },
    reload: function () { location.reload(); },
    refreshIssueView: function () { location.reload(); },
    changeWindowTitle: function (frame, title) { document.title = String(title); },
    setWorkflowRuleConfigurationCallback: function (frame) { frame.configures = true; },
    showFlag: function (frame, data) {
      flags[data.id] = window.sandboxFlag({
        type: String(data.type || "info"),
        title: String(data.title || ""),
        body: String(data.description || ""),
        isAuto: Boolean(data.isAutoDismiss),
      });
    },
    closeFlag: function (frame, data) { if (flags[data.id]) { flags[data.id](); } },
    // a page that is no window of its own has nothing to close
    close: function () { return false; },
  };

  var waiting = new Map();
  window.addEventListener("message", function (event) {
    var said = event.data || {};
    var frame = shown.find(function (one) {
      return one.iframe.contentWindow === event.source && one.origin === event.origin;
    });
    if (!frame || !said.forge) { return; }
    if (said.height) {
      frame.iframe.style.height = said.height + "px";
    } else if (said.answers) {
      var promise = waiting.get(said.answers);
      waiting.delete(said.answers);
      if (promise) { promise(said); }
    } else {
      carryOut(frame, said);
    }
  });

  function carryOut(frame, said) {
    Promise.resolve().then(function () {
      if (!Object.hasOwn(commands, said.command)) {
        throw new Error("This Jira does not play " + said.command + ".");
      }
      return commands[said.command](frame, said.data);
    }).then(function (value) {
      post(frame, { id: said.id, value: value });
    }, function (error) {
      post(frame, { id: said.id, error: error.message });
    });
  }

  new MutationObserver(function () {
    shown.forEach(function (frame) {
      if (frame.isThemed) { post(frame, { theme: theme() }); }
    });
  }).observe(document.documentElement, { attributeFilter: ["data-color-mode"] });

  /* -- Add / Update of a rule -------------------------------------------------------- */
  var form = document.getElementById("rule-form");
  if (!form) { return; }
  var button = form.querySelector("button[data-submit]");
  var notice = document.getElementById("rule-notice");

  function configuration(frame) {
    return new Promise(function (resolve) {
      var id = "configure-" + Date.now();
      waiting.set(id, resolve);
      setTimeout(function () { resolve({ error: "The app did not answer." }); }, PATIENCE);
      post(frame, { call: "configure", id: id });
    });
  }

  function fault(said) {
    if ("error" in said) { return said.error; }
    if (typeof said.value !== "string") { return "The configuration is no string."; }
    if (said.value.length > 32768) { return "The configuration is longer than 32 KB."; }
    try { JSON.parse(said.value); } catch { return "The configuration is no JSON."; }
    return "";
  }

  button.addEventListener("click", function () {
    notice.textContent = "";
    if (!shown[0].configures) {
      notice.textContent = "The app has not said how to configure it. Is its page loaded?";
      return;
    }
    button.disabled = true;
    configuration(shown[0]).then(function (said) {
      button.disabled = false;
      // undefined blocks the save, and to say why is the page's affair
      if (!("error" in said) && said.value === undefined) { return; }
      notice.textContent = fault(said);
      if (notice.textContent) { return; }
      form.elements.value.value = said.value;
      form.submit();
    });
  });
})();
