/* The part of all.js that Jira adds to the generic iframe half, in our own words. */
(function (AP) {
  "use strict";
  if (!AP || !AP._hostModules || !AP._hostModules.env) {
    return;
  }

  // env's methods are known as AP.getLocation(), AP.sizeToParent() and so on
  ["getLocation", "sizeToParent", "hideFooter"].forEach(function (name) {
    if (AP.env && AP.env[name] && !AP[name]) {
      AP[name] = AP.env[name];
    }
  });

  function withHeaders(answer) {
    var xhr = answer || {};
    var headers = xhr.headers || {};
    xhr.getResponseHeader = function (name) {
      return headers[String(name).toLowerCase()] || null;
    };
    xhr.getAllResponseHeaders = function () {
      return Object.keys(headers).map(function (name) {
        return name + ": " + headers[name];
      }).join("\r\n");
    };
    return xhr;
  }

  // functions cannot cross to the host: success and error stay here
  var ask = AP._hostModules._globals.request;
  AP.request = AP._hostModules._globals.request = function (url, options) {
    var given = typeof url === "object" ? url : Object.assign({}, options, { url: url });
    var success = given.success || function () {};
    var failure = given.error || function () {};
    var sent = Object.assign({}, given);
    delete sent.success;
    delete sent.error;
    var promise = new Promise(function (resolve, reject) {
      ask(sent, function (error, answer, body) {
        var xhr = withHeaders(answer);
        if (error) {
          failure(xhr, xhr.statusText, error);
          reject({ err: error, xhr: xhr });
        } else {
          success(body, "success", xhr);
          resolve({ body: body, xhr: xhr });
        }
      });
    });
    // a caller that uses success and error does not look at the promise
    promise.catch(function () {});
    return promise;
  };

  if (!AP.jira) {
    return;
  }
  var validate = [];
  var save = null;
  var configuration = {
    onSaveValidation: function (listener) {
      validate.push(listener);
    },
    onSave: function (listener) {
      save = listener;
    },
    trigger: function () {
      var valid = validate.every(function (listener) {
        return Boolean(listener());
      });
      // asked for even if invalid, as Jira's own code does
      return { valid: valid, value: save ? String(save()) : "" };
    },
  };
  AP.jira.WorkflowConfiguration = configuration;
  if (AP._hostModules.jira) {
    AP._hostModules.jira.WorkflowConfiguration = configuration;
  }
  AP.register({
    jira_workflow_post_function_submit: function () {
      AP.jira._submitWorkflowConfigurationResponse(configuration.trigger());
    },
  });
})(window.AP);
