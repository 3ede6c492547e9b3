/* Refreshes the page of an order until it has ended; waits while someone reads a folded-out body. */
(function () {
  "use strict";
  var box = document.querySelector("[data-refresh-s]");
  if (!box) { return; }
  setInterval(function () {
    if (!document.hidden && !document.querySelector("details[open]")) { location.reload(); }
  }, Number(box.dataset.refreshS) * 1000);
})();
