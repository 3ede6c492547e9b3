"use strict";
// Without search: it would run in a worker made out of text, which the page's policy forbids.
const page = document.getElementById("page");
Redoc.init(page.dataset.schema, {
  nonce: page.dataset.nonce,
  disableSearch: true,
  hideDownloadButton: true,
  nativeScrollbars: true,
  sortRequiredPropsFirst: true,
  theme: {
    colors: { primary: { main: "#1648d8" } },
    typography: {
      fontFamily: "system-ui, sans-serif",
      headings: { fontFamily: "system-ui, sans-serif" },
      code: { fontFamily: "ui-monospace, monospace" },
    },
  },
}, page);
