"use strict";
// Without search: it would run in a worker made out of text, which the page's policy forbids.
const page = document.getElementById("page");

// Redoc signs with a picture from its makers' server. Nothing here comes from another server: our own mark is shown.
const source = Object.getOwnPropertyDescriptor(HTMLImageElement.prototype, "src");
const own = (address) =>
  new URL(address, location.href).origin === location.origin ? address : page.dataset.mark;
const setAttribute = Element.prototype.setAttribute;
Element.prototype.setAttribute = function (name, value) {
  return setAttribute.call(this, name, name === "src" ? own(value) : value);
};
Object.defineProperty(HTMLImageElement.prototype, "src", {
  ...source,
  set(value) {
    source.set.call(this, own(value));
  },
});

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
