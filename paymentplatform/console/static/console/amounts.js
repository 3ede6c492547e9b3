// Says below a field of minor units what that is for people, and below a rate in millionths what that is in per cent.
(() => {
  "use strict";
  const currencyOf = (input) => {
    const chosen = input.form && input.form.elements.namedItem("currency");
    return input.dataset.currency || (chosen && chosen.value) || "";
  };
  const sayAmount = (input, digits) => {
    const currency = currencyOf(input);
    const exponents = JSON.parse(input.dataset.minorUnits);
    if (!(currency in exponents)) return "";
    const exponent = exponents[currency];
    const padded = digits.padStart(exponent + 1, "0");
    const whole = padded.slice(0, padded.length - exponent).replace(/^0+(?=\d)/, "");
    const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ",");
    return `= ${grouped}${exponent ? "." + padded.slice(-exponent) : ""} ${currency}`;
  };
  const sayRate = (digits) => `= ${Number(digits) / 10000} %`;
  for (const input of document.querySelectorAll("[data-minor-units], [data-millionths]")) {
    const shown = document.createElement("output");
    shown.className = "block mt-1 font-semibold";
    shown.htmlFor = input.id;
    input.insertAdjacentElement("afterend", shown);
    const say = () => {
      const typed = input.value.trim();
      const digits = /^\d{1,15}$/.test(typed) ? typed : "";
      if (!digits) shown.textContent = "";
      else shown.textContent = "millionths" in input.dataset ? sayRate(digits) : sayAmount(input, digits);
    };
    input.addEventListener("input", say);
    if (input.form) input.form.addEventListener("change", say);
    say();
  }
})();
