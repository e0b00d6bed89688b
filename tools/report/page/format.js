// Figures as people read them (as in tools/report/units.cpp), and DOM helpers. Text of the report
// only ever becomes text nodes.

function threeDigits(value) {
  const size = Math.abs(value);
  if (size === 0) return "0";
  let decimals = 2 - Math.floor(Math.log10(size));
  if (size * 10 ** decimals >= 999.5) --decimals;
  return value.toFixed(Math.min(Math.max(decimals, 0), 12));
}

function humanNumber(value, unit) {
  if (!Number.isFinite(value)) return "–";
  const prefixes = ["", "k", "M", "G", "T", "P", "E"];
  let prefix = 0;
  while (Math.abs(value) >= 999.5 && prefix + 1 < prefixes.length) {
    value /= 1000;
    ++prefix;
  }
  const figure = prefix === 0 && Number.isInteger(value) ? String(value) : threeDigits(value);
  return `${figure} ${prefixes[prefix]}${unit}`.trim();
}

function humanTime(seconds) {
  if (!Number.isFinite(seconds)) return "–";
  const size = Math.abs(seconds);
  if (size === 0 || size >= 0.9995) return `${threeDigits(seconds)} s`;
  if (size >= 0.9995e-3) return `${threeDigits(seconds * 1e3)} ms`;
  if (size >= 0.9995e-6) return `${threeDigits(seconds * 1e6)} µs`;
  return `${threeDigits(seconds * 1e9)} ns`;
}

function humanPercent(fraction) {
  if (!Number.isFinite(fraction)) return "–";
  if (fraction === 0) return "0 %";
  if (fraction > 0 && fraction < 0.0005) return "<0.1 %";
  return `${(fraction * 100).toFixed(1)} %`;
}

const humanRatio = (value) => (Number.isFinite(value) ? threeDigits(value) : "–");
const humanCount = (value) => value.toLocaleString("en-US", { maximumFractionDigits: 1 });

// A tick of a logarithmic axis: 100, 10k, 1T.
function tickText(value) {
  const exponent = Math.round(Math.log10(value));
  if (exponent < 0) return (10 ** exponent).toFixed(-exponent);
  const prefix = Math.min(Math.floor(exponent / 3), 6);
  return `${10 ** (exponent - 3 * prefix)}${["", "k", "M", "G", "T", "P", "E"][prefix]}`;
}

// element("td", {class: "left"}, "text", child): attributes by name, children as nodes or text.
function element(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

const byId = (id) => document.getElementById(id);

function swatch(colour, kind = "") {
  const node = element("span", { class: `swatch ${kind}`, "aria-hidden": "true" });
  if (kind === "dashed") node.style.borderColor = colour;
  else if (colour) node.style.background = colour;
  return node;
}

// A labelled <select>; `choices` are [value, text] pairs.
function chooser(label, choices, onChange) {
  const select = element("select", { "aria-label": label });
  for (const [value, text] of choices) select.append(element("option", { value }, text));
  select.addEventListener("change", () => onChange(select.value));
  return element("label", {}, label, select);
}
