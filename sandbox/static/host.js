/* Jira's half of the page: the genuine connect-host.js plus the modules of Jira. */
(function () {
  "use strict";
  // several on an issue's page, all of the one app and for the same issue
  var frames = JSON.parse(document.getElementById("frames").textContent);
  var page = frames[0];
  var host = window.connectHost;

  function callbackOf(args) {
    return args[args.length - 1];
  }

  function promised(fn) {
    fn.returnsPromise = true;
    return fn;
  }

  function post(path, body) {
    return fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    }).then(function (answer) {
      return answer.json();
    });
  }

  /* -- what the page shows on its own ------------------------------------- */
  function provide(name, provider) {
    host.getFrameworkAdaptor().registerModule({
      getModuleRegistrationName: function () { return name; },
      isEnabled: function () { return true; },
      getProvider: function () { return provider; },
    });
  }

  var element = window.sandboxElement;

  provide("flag", {
    create: function (options) {
      var close = window.sandboxFlag({
        type: options.type,
        title: options.title,
        body: options.body,
        actions: options.actions.map(function (action) {
          return { text: action.actionText, onClick: action.executeAction };
        }),
        isAuto: options.close === "auto",
        onClose: function () { options.onClose(options.id); },
      });
      return { close: close };
    },
  });

  var active = null;
  var buttons = {};
  provide("dialog", {
    create: function (options, extension) {
      // not "ap-dialog": connect-host.js takes a click on that for a web item
      var box = element("dialog", "box");
      var inner = element("div", "box-body");
      var bar = element("div", "box-bar");
      buttons = {};
      box.append(element("h2", "", options.header || options.title || ""), inner, bar);
      (options.actions || []).forEach(function (action) {
        var button = element("button", "button", action.text);
        button.disabled = Boolean(action.disabled);
        button.hidden = Boolean(action.hidden);
        button.addEventListener("click", action.onClick);
        buttons[action.identifier] = button;
        bar.append(button);
      });
      if (options.width) { box.style.width = String(options.width).replace(/^(\d+)$/, "$1px"); }
      document.body.append(box);
      active = box;
      box.addEventListener("close", function () { box.remove(); active = null; });
      var made = { addon_key: page.addon_key, key: extension.key };
      post("/sandbox/host/iframe", { module: extension.key }).then(function (answer) {
        made.url = answer.url;
        made.options = Object.assign({}, extension.options, {
          isDialog: true, productContext: {}, autoresize: true,
        });
        inner.append(host.create(made).get(0));
        box.showModal();
      });
    },
    close: function () { if (active) { active.close(); } },
    isActiveDialog: function () { return Boolean(active); },
    setButtonDisabled: function (name, off) { if (buttons[name]) { buttons[name].disabled = off; } },
    isButtonDisabled: function (name) { return Boolean(buttons[name] && buttons[name].disabled); },
    toggleButton: function (name) {
      if (buttons[name]) { buttons[name].disabled = !buttons[name].disabled; }
    },
    setButtonHidden: function (name, off) { if (buttons[name]) { buttons[name].hidden = off; } },
    isButtonHidden: function (name) { return Boolean(buttons[name] && buttons[name].hidden); },
    createButton: function () {},
  });

  /* -- Jira's modules ------------------------------------------------------ */
  host.defineModule("context", {
    getToken: promised(function () {
      return post("/sandbox/host/context-token", { context: page.context }).then(
        function (answer) { return answer.token; }
      );
    }),
    getContext: promised(function () {
      return Promise.resolve(page.context);
    }),
  });

  host.defineModule("user", {
    getCurrentUser: function (callback) {
      callbackOf(arguments)({ atlassianAccountId: page.account_id });
    },
    getLocale: function (callback) { callbackOf(arguments)("en_US"); },
    getTimeZone: function (callback) { callbackOf(arguments)("Etc/UTC"); },
  });

  host.defineModule("navigator", {
    go: function (target, context, callback) {
      var key = context && encodeURIComponent(context.issueKey || context.projectKey);
      var places = { issue: "/browse/" + key, dashboard: "/", projectSummary: "/projects/" + key };
      var there = new URL((context && context.relativeUrl) || "/", location.origin);
      // an iframe may choose the page, not another site and no script
      if (target === "site" && there.origin === location.origin) { window.location.assign(there); }
      else if (places[target]) { window.location.assign(places[target]); }
    },
    getLocation: function (callback) {
      callbackOf(arguments)({ target: "addonModule", context: { addonKey: page.addon_key, moduleKey: page.key } });
    },
    reload: function (callback) { window.location.reload(); },
  });

  var submitted = null;
  host.defineModule("jira", {
    getWorkflowConfiguration: function (callback) {
      callback = callbackOf(arguments);
      var options = callback._context.extension.options;
      var known = options.productContext || {};
      callback("condition.id" in known ? known["condition.config"] : known["postFunction.config"]);
    },
    _submitWorkflowConfigurationResponse: function (response, callback) {
      if (submitted) { submitted(response); }
    },
    refreshIssuePage: function (callback) { window.location.reload(); },
  });

  function headersOf(answer) {
    var found = {};
    answer.headers.forEach(function (value, name) { found[name.toLowerCase()] = value; });
    return found;
  }

  // as the signed-in user, and to this Jira only
  host.defineModule({
    request: function (options, callback) {
      callback = callbackOf(arguments);
      var target = new URL(String(options.url), location.origin);
      if (target.origin !== location.origin || !target.pathname.startsWith("/rest/")) {
        callback("Only Jira's REST API can be called.", { status: 0, statusText: "error" });
        return;
      }
      var method = String(options.type || options.method || "GET").toUpperCase();
      // says for which app the person asks: Jira holds it to the app's scopes
      var headers = Object.assign({}, options.headers, { "AP-App-Key": page.addon_key });
      if (options.contentType) { headers["Content-Type"] = options.contentType; }
      if (options.data && method === "GET") {
        Object.entries(options.data).forEach(function (pair) {
          target.searchParams.append(pair[0], pair[1]);
        });
      }
      fetch(target, {
        method: method,
        headers: headers,
        body: method === "GET" ? undefined : options.data,
      }).then(function (answer) {
        return answer.text().then(function (body) {
          var xhr = {
            status: answer.status,
            statusText: answer.ok ? "success" : "error",
            responseText: body,
            headers: headersOf(answer),
          };
          callback(answer.ok ? false : answer.statusText || "error", xhr, body);
        });
      }).catch(function (error) {
        callback(String(error), { status: 0, statusText: "error", responseText: "" });
      });
    },
  });

  /* -- the iframes themselves ----------------------------------------------- */
  function place(shown) {
    var frame = host.create({
      addon_key: shown.addon_key,
      key: shown.key,
      url: shown.url,
      options: {
        autoresize: true,
        isFullPage: shown.full_page,
        width: "100%",
        height: "240px",
        moduleType: shown.kind,
        hostOrigin: window.location.origin,
        contextPath: "",
        productContext: shown.product_context,
      },
    }).get(0);
    var made = frame.querySelector("iframe");
    made.title = shown.title;
    document.getElementById(shown.slot).append(frame);
    return made;
  }
  var iframe = frames.map(place)[0];

  /* -- Add / Update of a rule -------------------------------------------------- */
  var form = document.getElementById("rule-form");
  if (!form) {
    return;
  }
  var button = form.querySelector("button[data-submit]");
  var notice = document.getElementById("rule-notice");
  button.addEventListener("click", function () {
    button.disabled = true;
    notice.textContent = "";
    var waiting = setTimeout(function () {
      button.disabled = false;
      notice.textContent = "The app did not answer. Is its page loaded?";
    }, 5000);
    submitted = function (response) {
      clearTimeout(waiting);
      button.disabled = false;
      if (!response.valid) {
        // Jira itself says nothing: the message is the app's affair
        return;
      }
      form.elements.value.value = response.value;
      form.submit();
    };
    host.broadcastEvent("jira_workflow_post_function_submit", { id: iframe.id }, {});
  });
})();
