"use strict";
// Nothing is kept: the key that somebody types in is gone with the page.
SwaggerUIBundle({
  url: document.getElementById("page").dataset.schema,
  dom_id: "#page",
  deepLinking: true,
  persistAuthorization: false,
  validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis],
  layout: "BaseLayout",
});
