// Everything around the chart: facts, shares, tables, lists. `data` is what page_data.cpp wrote.

const data = JSON.parse(byId("report-data").textContent);

// Points come as rows of figures; text columns hold indices into data.strings.
const points = data.points.rows.map((row) => {
  const point = {};
  data.points.columns.forEach((column, i) => {
    point[column] = data.points.text_columns.includes(column) ? data.strings[row[i]] : row[i];
  });
  return point;
});

const plural = (n, what) => `${humanCount(n)} ${what}${n === 1 ? "" : "s"}`;
const unique = (values) => [...new Set(values)];
const sum = (values) => values.reduce((a, b) => a + b, 0);

function modelText(run) {
  const layers = run.layers === run.layers_run || !run.layers
    ? plural(run.layers_run, "layer") : `${run.layers_run} of ${run.layers} layers`;
  const weights = { file: "weights from a file", random: "random weights" }[run.weights] ?? run.weights;
  const details = [weights, run.layers_run ? layers : ""].filter(Boolean).join(", ");
  return (run.model || "unknown model") + (details && ` (${details})`);
}

function fillFacts() {
  const runs = data.runs;
  byId("lead").textContent = runs.map((run) => [modelText(run), run.devices.map((d) => d.name).join(" + ")]
    .filter(Boolean).join(" · ")).slice(0, 3).join("; ") || "No run was recorded.";
  const overhead = Math.max(0, ...runs.map((r) => r.overhead_fraction));
  const drops = sum(runs.map((r) => r.dropped_records));
  const steps = sum(runs.map((r) => r.steps));
  const warmup = sum(runs.map((r) => r.warmup_steps));
  const fact = (name, text, warn = false) => byId("facts").append(
    element("div", {}, element("dt", {}, name), element("dd", warn ? { class: "warn" } : {}, text)));
  if (runs.length === 0) return;
  fact("type, attention", unique(runs.map((r) => [r.dtype, r.attention].filter(Boolean).join(", "))).join("; "));
  const captures = unique(runs.map((r) => r.capture).filter(Boolean));
  if (captures.length > 0) fact("recorded", captures.join("; "));
  fact("steps", `${humanCount(steps)}${warmup ? ` (+ ${humanCount(warmup)} warm-up, left out)` : ""}`);
  fact("time", !data.timed ? "none: counters only" : humanTime(sum(runs.map((r) => r.wall_seconds))));
  if (overhead > 0) fact("overhead", `${humanPercent(overhead)} of the profiled time`);
  const predicted = data.rows.some((r) => r.sources) &&
    data.rows.every((r) => !r.sources || r.sources.startsWith("PREDICTED"));
  if (!predicted) fact("drops", drops ? `${plural(drops, "record")} lost` : "none", drops > 0);
  if (data.overlap_seconds > 0) fact("overlap", `${humanTime(data.overlap_seconds)} with several kernels at once`);
  if (runs.some((r) => r.truncated)) fact("trace", "truncated", true);
}

function fillChartControls(chart) {
  const controls = byId("chart-controls");
  if (data.roof_pairs.length > 1) {
    controls.append(chooser("Roofs", data.roof_pairs.map((pair, i) => [i, pair.source]),
      (index) => chart.setRoofs(Number(index))));
  }
  const order = (a, b) => (typeof a === "number" ? a - b : String(a).localeCompare(b));
  for (const [column, label] of [["run", "Run"], ["batch", "Batch"], ["length", "Length"]]) {
    const values = unique(chart.all.map((p) => p[column])).sort(order);
    if (values.length < 2) continue;
    controls.append(chooser(label, [["", "all"], ...values.map((v) => [v, String(v)])],
      (value) => chart.setFilter(column, value)));
  }
  const marks = { measured: "● bytes and time measured", counters: "○ bytes joined, memoised or sampled from counters",
    modelled: hasPredictions() ? "◆ time measured, bytes modelled" : "× bytes modelled",
    predicted: "× predicted, bars: 9 of 10 held-out measurements lie within; pale: does not fit the memory" };
  const said = Object.keys(marks).filter((mark) => chart.all.some((p) => p.mark === mark)).map((m) => marks[m]);
  if (chart.all.some((p) => p.twin !== null)) said.push("small × the same point with modelled bytes");
  if (said.length === 0 && !data.timed) said.push("No points: counters were read, but no times.");
  else if (said.length === 0) said.push("No points: nothing of the six series was recorded with FLOPs, bytes and time.");
  if (data.roof_pairs.length === 0) said.push("No roof is known for this device.");
  if (data.flops_kind === "hardware") said.push("Hardware FLOPs, tile padding included.");
  byId("chart-caption").textContent = said.join(" · ");
}

const rowColour = (row, index) =>
  row.series >= 0 ? `var(--series-${row.series})`
    : row.name === "idle" ? "var(--idle)" : row.name === "unclassified" ? "" : `var(--named-${index % 2})`;

function fillShares() {
  const bar = byId("share-bar");
  data.rows.forEach((row, index) => {
    if (!(row.share > 0)) return;
    const text = `${row.name} ${humanPercent(row.share)}`;
    const kind = row.name === "unclassified" ? "unclassified" : "";
    const part = element("span", { title: text, class: kind }, row.series >= 0 && row.share > 0.13 ? text : "");
    part.style.width = `${row.share * 100}%`;
    if (row.share < 0.005) part.style.borderRight = "0";
    if (!kind) part.style.background = rowColour(row, index);
    bar.append(part);
    byId("share-key").append(element("li", {},
      swatch(rowColour(row, index), kind), row.name, " ", element("b", {}, humanPercent(row.share))));
  });
  if (data.rows.length === 0 || !data.timed) {
    bar.replaceWith(element("p", { class: "caption" }, "No time was recorded."));
  }
}

const filled = (key) => data.rows.some((row) => row[key] !== null);
const times = (value) => (value === null ? "" : `${humanRatio(value)}×`);

const letters = { MEASURED: "M", JOINED: "J", MEMOISED: "E", SAMPLED: "S", MODELLED: "C", PREDICTED: "P" };
// "measured, modelled, modelled", or one word where all three are the same.
const sourceWords = (sources) => unique(sources.toLowerCase().split(" ")).length === 1
  ? sources.toLowerCase().split(" ")[0] : sources.toLowerCase().replaceAll(" ", ", ");
const sourceLetters = (sources) => sources.split(" ").filter(Boolean).map((s) => letters[s] ?? "-").join("");

const allColumns = [
  { head: "row", key: "name", text: (r) => r.name },
  { head: "time", key: "time_s", text: (r) => humanTime(r.time_s), shown: data.timed },
  { head: "share", key: "share", text: (r) => humanPercent(r.share), shown: data.timed },
  { head: "FLOPs", key: "flops", text: (r) => (r.flops === null ? "" : humanNumber(r.flops, "FLOP")) },
  { head: "bytes", key: "bytes", text: (r) => (r.bytes === null ? "" : humanNumber(r.bytes, "B")) },
  { head: "traffic", key: "amplification", text: (r) => times(r.amplification), shown: filled("amplification"),
    meaning: "counted bytes over compulsory ones" },
  { head: "padding", key: "padding", text: (r) => times(r.padding), shown: filled("padding"),
    meaning: "FLOPs executed over those that the shapes need" },
  { head: "tensor", key: "tensor_activity", shown: filled("tensor_activity"),
    text: (r) => (r.tensor_activity === null ? "" : humanPercent(r.tensor_activity)),
    meaning: "cycles in which tensor cores worked" },
  { head: "FLOP/B", key: "intensity", text: (r) => (r.intensity === null ? "" : humanRatio(r.intensity)) },
  { head: "FLOP/s", key: "flops_per_s", text: (r) => (r.flops_per_s === null ? "" : humanNumber(r.flops_per_s, "FLOP/s")),
    shown: data.timed },
  { head: "of roof", key: "roof_fraction", text: (r) => (r.roof_fraction === null ? "" : humanPercent(r.roof_fraction)),
    shown: data.timed && filled("roof_fraction") },
  { head: "bound", key: "bound", text: (r) => r.bound, left: true,
    shown: data.timed && filled("roof_fraction") },
  // Letters, as in the terminal's table, where the columns of the counters take the room of words.
  { head: filled("amplification") || filled("padding") ? "src" : "sources of time, FLOPs, bytes", key: "sources",
    text: (r) => (filled("amplification") || filled("padding") ? sourceLetters(r.sources) : sourceWords(r.sources)),
    left: true },
];
const rowColumns = allColumns.filter((column) => column.shown ?? true);

function rowLine(row, index) {
  const line = element("tr");
  for (const column of rowColumns) {
    if (column.key === "name") {
      const kind = row.name === "unclassified" ? "unclassified" : "";
      line.append(element("th", { scope: "row" }, swatch(rowColour(row, index), kind), row.name));
      continue;
    }
    const cell = element("td", { class: column.key === "sources" ? "left sources" : column.left ? "left" : "" },
      column.text(row));
    if (column.key === "sources") cell.title = row.sources.toLowerCase();
    if (column.key === "share") {
      cell.className = "share";
      cell.style.setProperty("--part", `${row.share * 100}%`);
      cell.style.setProperty("--fill", rowColour(row, index) || "var(--named-0)");
    }
    line.append(cell);
  }
  return line;
}

// The rows in the report's order, or by one column: pressed once descending, twice ascending.
function fillRows() {
  const order = { key: null, descending: true };
  const body = element("tbody");
  const heads = rowColumns.map((column) => {
    const button = element("button", { type: "button" }, column.head);
    if (column.meaning) button.title = column.meaning;
    const head = element("th", { scope: "col", class: column.left ? "left" : "" }, button);
    button.addEventListener("click", () => {
      order.descending = order.key === column.key ? !order.descending : true;
      order.key = column.key;
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", order.descending ? "descending" : "ascending");
      fillBody();
    });
    return head;
  });
  const lines = data.rows.map((row, index) => ({ row, node: rowLine(row, index) }));
  const fillBody = () => {
    const sorted = [...lines];
    const value = ({ row }) => row[order.key] ?? -Infinity;
    if (order.key !== null) {
      sorted.sort((a, b) => (value(a) < value(b) ? -1 : value(a) > value(b) ? 1 : 0) * (order.descending ? -1 : 1));
    }
    body.replaceChildren(...sorted.map((line) => line.node));
  };
  fillBody();
  const totals = data.totals;
  const atLeast = (total, text) => (total.value === null ? "" : (total.complete ? "" : "≥ ") + text);
  const totalCells = {
    time_s: humanTime(totals.time_s),
    share: Math.abs(totals.share - 1) < 5e-5 ? "100 %" : humanPercent(totals.share),
    flops: atLeast(totals.flops, humanNumber(totals.flops.value, "FLOP")),
    bytes: atLeast(totals.bytes, humanNumber(totals.bytes.value, "B")),
  };
  byId("rows").append(
    element("thead", {}, element("tr", {}, ...heads)), body,
    element("tfoot", {}, element("tr", {}, element("th", { scope: "row" }, "total"),
      ...rowColumns.slice(1).map((column) => element("td", {}, totalCells[column.key] ?? "")))));
  const meanings = rowColumns.filter((column) => column.meaning).map((c) => `${c.head}: ${c.meaning}`);
  byId("rows-caption").textContent = (data.overlap_seconds > 0
    ? "Kernels overlapped: times add up to more than the devices' time, shares do not."
    : "Totals over the whole trace, warm-up left out.") +
    (meanings.length === 0 ? "" : ` Of the launches that were counted, ${meanings.join("; ")}. ` +
      "Sources of time, FLOPs, bytes: M measured, J joined, E memoised, S sampled, C closed form, - absent.");
}

const cellMetrics = {
  roof_fraction: ["% of roof", humanPercent],
  flops_per_s: ["FLOP/s", (v) => humanNumber(v, "FLOP/s")],
  time_s: ["time a step", humanTime],
  intensity: ["FLOP/B", humanRatio],
};

// A row of the grid is a batch, and whatever else differs between the points of the series.
function cellRowLabel(point, varying) {
  return [`batch ${point.batch}`, ...varying.map((c) => (c === "query_tokens" ? `q ${point[c]}` : point[c]))]
    .filter((part) => part !== "").join(" · ");
}

function fillCells() {
  const several = data.series.map((name, i) => [i, name])
    .filter(([i]) => points.filter((p) => p.series === i).length > 1);
  if (several.length === 0) return;
  byId("cells-section").hidden = false;
  const state = { series: several[0][0], metric: "roof_fraction" };
  const draw = () => {
    const shown = points.filter((p) => p.series === Number(state.series));
    const candidates = shown[0].phase === "ar" ? ["query_tokens"] : [];
    const varying = [...candidates, "run", "device", "rank", "dtype", "attention", "variant"]
      .filter((column) => unique(shown.map((p) => p[column])).length > 1);
    const lengths = unique(shown.map((p) => p.length)).sort((a, b) => a - b);
    const labels = unique(shown.sort((a, b) => a.batch - b.batch).map((p) => cellRowLabel(p, varying)));
    const [, format] = cellMetrics[state.metric];
    const values = shown.map((p) => p[state.metric]).filter((v) => v > 0);
    const low = Math.log(Math.min(...values)), high = Math.log(Math.max(...values));
    const heat = (value) => (state.metric === "roof_fraction" ? Math.min(value, 1)
      : high > low ? (Math.log(value) - low) / (high - low) : 1);
    const find = new Map(shown.map((p) => [`${cellRowLabel(p, varying)}\n${p.length}`, p]));
    const body = labels.map((label) => element("tr", {}, element("th", { scope: "row" }, label),
      ...lengths.map((length) => {
        const value = find.get(`${label}\n${length}`)?.[state.metric];
        const cell = element("td", { class: "heat" }, value > 0 ? format(value) : "–");
        cell.style.setProperty("--fill", seriesColour(state.series));
        cell.style.setProperty("--part", `${value > 0 ? Math.round(5 + 50 * heat(value)) : 0}%`);
        return cell;
      })));
    byId("cells-caption").textContent = `${data.series[state.series]}, ${cellMetrics[state.metric][0]}: the mean of ` +
      "each cell's repeats, per step; – was not run.";
    byId("cells").replaceChildren(
      element("thead", {}, element("tr", {}, element("th", { scope: "col" }, ""),
        ...lengths.map((length) => element("th", { scope: "col" }, `length ${humanCount(length)}`)))),
      element("tbody", {}, ...body));
  };
  byId("cells-controls").append(
    chooser("Series", several, (value) => { state.series = value; draw(); }),
    chooser("Figure", Object.entries(cellMetrics).map(([key, [name]]) => [key, name]),
      (value) => { state.metric = value; draw(); }));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  draw();
}

function fillList(id, items) {
  if (items.length === 0) return;
  byId(`${id}-section`).hidden = false;
  byId(id).append(...items.map((item) => element("li", {}, item)));
}

function skippedItems() {
  const groups = new Map();
  for (const cell of data.skipped) {
    const where = `${cell.phase} batch ${cell.batch} length ${cell.length}`;
    groups.set(cell.reason, [...(groups.get(cell.reason) ?? []), where]);
  }
  return [...groups].map(([reason, cells]) => `${plural(cells.length, "cell")}: ${reason} (${cells.join(", ")})`);
}

// 2026-01-02 03:04 UTC
const dayAndTime = (iso) => iso.replace(/^([\d-]+)T(\d\d:\d\d):[\d.]+Z$/, "$1 $2 UTC");

function fillMachine() {
  // Without the columns that are empty in every row, and without the table where it has no row.
  const table = (heads, rows) => {
    if (rows.length === 0) return "";
    const kept = heads.map((_, i) => i).filter((i) => rows.some((row) => row[i]));
    const narrow = (i) => (rows.every((row) => row[i].length <= 20) ? { class: "narrow" } : {});
    return element("div", { class: "scroll" }, element("table", {},
      element("thead", {}, element("tr", {}, ...kept.map((i) => element("th", { scope: "col" }, heads[i])))),
      element("tbody", {}, ...rows.map((row) => element("tr", {}, ...kept.map((i) => element("td", narrow(i), row[i])))))));
  };
  const shape = (s) => (s.hidden ? `hidden ${s.hidden}, layers ${s.layers}, heads ${s.heads}, kv heads ${s.kv_heads}, ` +
    `head size ${s.head_dim}, FFN ${s.ffn}, vocabulary ${s.vocab}` : "");
  byId("machine").append(
    table(["run", "made", "model shape", "machine", "devices"], data.runs.map((r) => [r.name, dayAndTime(r.created),
      shape(r.shape), [r.machine, r.threads ? plural(r.threads, "thread") : ""].filter(Boolean).join(", "),
      r.devices.map((d) => [d.name, d.detail].filter(Boolean).join(", ")).join("; ")])),
    table(["roof", "value", "kind", "device", "source"], data.roofs.map((r) => [r.name + (r.drawn ? " (drawn)" : ""),
      r.label || humanNumber(r.value, r.kind === "compute" ? "FLOP/s" : "B/s"), r.kind, r.device, r.source])));
}

fillFacts();
const chart = new RooflineChart(points);
fillChartControls(chart);
if (!data.timed) {
  for (const id of ["chart", "legend", "chart-controls"]) byId(id).style.display = "none";
}
fillShares();
fillRows();
fillCells();
fillList("findings", data.findings);
fillList("notes", data.notes);
fillList("skipped", skippedItems());
fillMachine();
byId("version").textContent = `Made by Rooftop ${data.tool_version}. FLOPs plotted: ${data.flops_kind || "model"}.`;
