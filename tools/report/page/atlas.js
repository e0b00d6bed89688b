// Several charts on one page: the picker chooses which report `data` is. Each entry is what
// atlas.cpp wrote: a title, ranges per series, and a report as page_data.cpp writes it.

const charts = JSON.parse(byId("report-data").textContent);
let data = charts[0].report;

// Points come as rows of figures; text columns hold indices into the report's strings.
function pointsOf(report) {
  const { columns, rows, text_columns: texts } = report.points;
  return rows.map((row) => Object.fromEntries(columns.map((column, i) =>
    [column, texts.includes(column) ? report.strings[row[i]] : row[i]])));
}

function fillRanges(ranges) {
  const isPublished = ranges.some((r) => r.published);
  const heads = ["series", "points", "FLOP/byte", "FLOP/s", ...(isPublished ? ["read off the paper's figure", ""] : [])];
  const rows = ranges.map((r) => element("tr", {},
    element("th", { scope: "row" }, swatch(seriesColour(data.series.indexOf(r.series))), r.series),
    element("td", {}, String(r.points)), element("td", {}, r.intensity), element("td", {}, r.rate),
    ...(isPublished ? [element("td", { class: "published" }, r.published), element("td", { class: "left verdict" }, r.verdict)] : [])));
  byId("ranges").replaceChildren(
    element("thead", {}, element("tr", {}, ...heads.map((head) => element("th", { scope: "col" }, head)))),
    element("tbody", {}, ...rows));
  byId("ranges-caption").textContent = isPublished
    ? "Intensities are closed forms; a sentence stands where they show that the published figure was mis-read." : "";
}

// One line a reason, with how many cells it holds for, and a few of them.
function fillUnfit() {
  const cells = data.skipped.map((c) => `${c.phase}, batch ${c.batch}, length ${c.length}: ${c.reason}`);
  byId("unfit-section").hidden = cells.length === 0;
  const shown = cells.slice(0, 6).map((text) => element("li", {}, text));
  if (cells.length > shown.length) shown.push(element("li", {}, `and ${cells.length - shown.length} more, all in predictions.csv`));
  byId("unfit").replaceChildren(...shown);
}

function fillNotes() {
  const roofs = data.roofs.filter((r) => r.drawn).map((r) => `${r.label}: ${r.source}`);
  byId("notes").replaceChildren(...[...roofs, ...data.notes].map((text) => element("li", {}, text)));
}

function fillCaption(points) {
  const marks = new Set(points.map((p) => p.mark));
  const said = [];
  if (marks.has("predicted")) said.push("× predicted");
  if (points.some((p) => p.time_source === "PREDICTED" && p.time_spread_s > 0)) {
    said.push("bars: 9 of 10 held-out measurements lie within");
  }
  if (points.some((p) => p.does_not_fit)) said.push("pale: does not fit the card's memory");
  if (marks.has("modelled")) said.push("◆ time measured, bytes modelled");
  if (marks.has("measured")) said.push("● bytes and time measured");
  byId("chart-caption").textContent = said.join(" · ");
}

const chart = new RooflineChart(pointsOf(data));
const filters = element("span", { class: "controls" });

function fillFilters() {
  const choosers = [["batch", "Batch"], ["length", "Length"]].map(([column, label]) => {
    const values = [...new Set(chart.all.map((p) => p[column]))].sort((a, b) => a - b);
    return chooser(label, [["", "all"], ...values.map((v) => [v, String(v)])], (value) => chart.setFilter(column, value));
  });
  filters.replaceChildren(...choosers);
}

function show(index) {
  data = charts[index].report;
  const points = pointsOf(data);
  chart.all = points.filter((p) => p.mark !== null);
  chart.filters = {};
  chart.draw();
  byId("chart-title").textContent = charts[index].title;
  byId("svg").href = `${charts[index].name}.svg`;
  byId("png").href = `${charts[index].name}.png`;
  fillFilters();
  fillRanges(charts[index].ranges);
  fillUnfit();
  fillNotes();
  fillCaption(points);
  location.hash = charts[index].name;
}

byId("chart-controls").append(
  chooser("Chart", charts.map((c, i) => [i, c.title.replace(/^Roofline Model \((.*)\)$/, "$1")]), (index) => show(Number(index))),
  filters);
const wanted = charts.findIndex((c) => `#${c.name}` === location.hash);
byId("chart-controls").querySelector("select").value = String(Math.max(wanted, 0));
show(Math.max(wanted, 0));
byId("version").textContent = `Made by Rooftop ${data.tool_version}.`;
