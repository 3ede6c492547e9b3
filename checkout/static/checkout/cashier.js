/* Countdown, polling and small comforts. Every page works without this file. */
(function () {
  "use strict";

  var countdown = document.querySelector("[data-seconds]");
  if (countdown) { runCountdown(countdown); }

  function runCountdown(box) {
    var shown = box.querySelector("[data-time]");
    var voice = document.querySelector("[data-announce]");
    var start = performance.now();
    var startedAt = Date.now();
    var total = Number(box.dataset.seconds);
    var before = total;
    var timer = setInterval(tick, 1000);

    function pad(number) { return (number < 10 ? "0" : "") + number; }

    function tick() {
      // One clock stops while the machine sleeps, the other one may be set: whichever says that more has passed.
      var passed = Math.max(performance.now() - start, Date.now() - startedAt);
      var left = Math.max(0, total - Math.floor(passed / 1000));
      var hours = Math.floor(left / 3600);
      var minutes = Math.floor(left / 60) % 60;
      shown.textContent = (hours ? hours + ":" : "") + pad(minutes) + ":" + pad(left % 60);
      box.classList.toggle("hurry", left <= 60);
      if (before > 300 && left <= 300) { voice.textContent = voice.dataset["5min"]; }
      if (before > 60 && left <= 60) { voice.textContent = voice.dataset["1min"]; }
      before = left;
      if (left === 0) {
        clearInterval(timer);
        voice.textContent = voice.dataset.over;
        // Only the server knows whether the order is over: show what it says now.
        setTimeout(function () { location.replace(location.pathname); }, 1500);
      }
    }
  }

  var waiting = document.querySelector("[data-status-url]");
  if (waiting) { poll(waiting); }

  function poll(box) {
    var offline = box.querySelector("[data-offline]");
    var polls = 0;
    var timer = null;
    var busy = false;
    var over = false;

    function plan(delay) {
      clearTimeout(timer);
      if (!over && !document.hidden) { timer = setTimeout(ask, delay); }
    }

    function ask() {
      if (busy || over) { return; }
      busy = true;
      var query = "?polls=" + polls;
      if (box.dataset.paymentNo) { query += "&payment_no=" + encodeURIComponent(box.dataset.paymentNo); }
      fetch(box.dataset.statusUrl + query, { headers: { Accept: "application/json" }, cache: "no-store" })
        .then(function (answer) {
          if (answer.status === 429) { return { wait: true }; }
          if (!answer.ok) { throw new Error(String(answer.status)); }
          return answer.json();
        })
        .then(function (status) {
          busy = false;
          polls += 1;
          if (offline) { offline.hidden = true; }
          follow(status);
        })
        .catch(function () {
          busy = false;
          if (offline) { offline.hidden = false; }
          plan(10000);
        });
    }

    function follow(status) {
      if (status.wait) { plan(10000); return; }
      if (status.redirect_url && !box.dataset.watch) { over = true; location.replace(status.redirect_url); return; }
      if (box.dataset.watch) { watch(status); return; }
      if (!status.next_poll_ms) { over = true; return; }
      if (status.action.type !== box.dataset.action) { over = true; location.reload(); return; }
      plan(status.next_poll_ms);
    }

    // The page of choice only leaves when the order has moved on, and never under the payer's typing fingers.
    function watch(status) {
      if (status.status !== box.dataset.watch && status.status !== "INIT") {
        over = true;
        location.replace(status.redirect_url || location.pathname);
        return;
      }
      plan(Number(box.dataset.pollMs));
    }

    document.addEventListener("visibilitychange", function () {
      clearTimeout(timer);
      if (!document.hidden) { ask(); }
    });
    plan(Number(box.dataset.pollMs));
    forwardOnce(box);
  }

  // To the bank's page by itself the first time only: coming back must not send the payer away again.
  function forwardOnce(box) {
    if (!box.dataset.forward) { return; }
    var key = "forwarded " + box.dataset.paymentNo;
    try {
      if (sessionStorage.getItem(key)) { return; }
      sessionStorage.setItem(key, "1");
    } catch (error) { return; }
    location.assign(box.dataset.forward);
  }

  var form = document.querySelector("form[data-once]");
  if (form) {
    var setButtons = function (disabled) {
      form.querySelectorAll("button[type=submit]").forEach(function (button) { button.disabled = disabled; });
    };
    form.addEventListener("submit", function () {
      form.setAttribute("aria-busy", "true");
      setTimeout(function () { setButtons(true); }, 0);
    });
    window.addEventListener("pageshow", function () {
      form.removeAttribute("aria-busy");
      setButtons(false);
    });
    var first = document.querySelector("[aria-invalid]");
    if (first) { first.focus(); }
  }

  var copy = document.querySelector("[data-copy]");
  if (copy && navigator.clipboard) {
    copy.hidden = false;
    copy.addEventListener("click", function () {
      navigator.clipboard.writeText(document.querySelector("[data-copy-source]").textContent.trim())
        .then(function () { copy.textContent = copy.dataset.copied; });
    });
  }
})();
