// The interactive roofline: six scatter series, three roof lines, and the legend as buttons.

const CROSS = "path://M0,1.6L1.6,0L5,3.4L8.4,0L10,1.6L6.6,5L10,8.4L8.4,10L5,6.6L1.6,10L0,8.4L3.4,5Z";

const hasPredictions = () => data.runs.some((run) => run.prediction);

const themeColour = (name) =>
  getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const seriesColour = (index) => themeColour(`series-${index}`);

// The three lines of a pair of roofs, between the limits of the axes.
function roofLines(roofs, range) {
  if (!roofs) return [];
  const { bandwidth, compute, ridge } = roofs;
  const line = (name, colour, data) => ({ name, colour, data });
  return [
    line(bandwidth.label || "bandwidth", "bandwidth",
      [[range.x_min, Math.min(range.x_min * bandwidth.value, compute.value)], [ridge, compute.value]]),
    line(compute.label || "compute", "compute", [[ridge, compute.value], [range.x_max, compute.value]]),
    line(`ridge ${humanRatio(ridge)} FLOP/byte`, "ridge", [[ridge, range.y_min], [ridge, compute.value]]),
  ];
}

// Share of the chosen roofs, and what bounds the point there. For the drawn roofs the report says
// both itself.
function judge(point, roofs, isDrawn) {
  if (!roofs || (isDrawn && point.roof_fraction !== null)) {
    return { fraction: point.roof_fraction, bound: point.bound, roof: point.roof };
  }
  const limit = Math.min(roofs.compute.value, point.intensity * roofs.bandwidth.value);
  return {
    fraction: point.flops_per_s / limit,
    bound: point.intensity < roofs.ridge ? "memory" : "compute",
    roof: roofs.compute.name,
  };
}

// How many other points lie so close that the mouse cannot tell them apart.
function neighbours(point, shown) {
  const near = (a, b) => Math.abs(Math.log10(a / b)) < 0.01;
  const close = shown.filter((p) => near(p.intensity, point.intensity) && near(p.flops_per_s, point.flops_per_s));
  return close.length - 1;  // the point itself, which ECharts hands back as a copy
}

function tooltipContent(point, shown, roofs, isDrawn) {
  const { fraction, bound, roof } = judge(point, roofs, isDrawn);
  const list = element("dl");
  const row = (name, text) => {
    if (text) list.append(element("dt", {}, name), element("dd", {}, text));
  };
  const isCounted = point.twin !== null;
  row("operator", `${point.operator}, ${point.phase}`);
  row("batch", humanCount(point.batch));
  row("query tokens", humanCount(point.query_tokens));
  row("length", humanCount(point.length));
  row("FLOPs", `${humanNumber(point.flops, "FLOP")} a step, ${point.flops_source}`);
  row("bytes", `${humanNumber(point.bytes, "B")} a step, ${point.bytes_source}`);
  if (isCounted) {
    row("compulsory", `${humanNumber(point.model_bytes, "B")}, amplification ` +
      `${humanRatio(point.bytes / point.model_bytes)}×`);
  } else if (point.amplification !== null) {
    row("counted", `${humanPercent(point.counted)} of the launches: ${humanRatio(point.amplification)}× the compulsory bytes`);
  }
  if (point.padding !== null) row("padding", `${humanRatio(point.padding)}× the FLOPs that its shapes need`);
  if (point.tensor_activity !== null) row("tensor cores", `busy ${humanPercent(point.tensor_activity)} of the cycles`);
  row("intensity", `${humanRatio(point.intensity)} FLOP/B`);
  row("performance", humanNumber(point.flops_per_s, "FLOP/s"));
  if (fraction !== null) row("of the roof", `${humanPercent(fraction)} (${roof})`);
  row("bound by", bound);
  row("time", `${humanTime(point.time_s)} ± ${humanTime(point.time_spread_s)} a step, ${point.time_source}`);
  if (point.calibration) row("basis", point.calibration);
  if (point.does_not_fit) row("memory", "does not fit this device");
  row("steps", humanCount(point.repeats));
  row("share", humanPercent(point.share));
  row("run", [point.run, point.model, point.dtype, point.attention, point.variant].filter(Boolean).join(", "));
  const head = element("strong", {}, swatch(seriesColour(point.series)), data.series[point.series]);
  const others = neighbours(point, shown);
  const hint = others === 0 ? "" : `and ${others} more here: choose a batch and a length`;
  return element("div", { class: "tooltip" }, head, list, hint);
}

function scatterItem(point) {
  const colour = seriesColour(point.series);
  const style = { measured: { color: colour }, modelled: { color: colour },
    predicted: { color: colour, opacity: point.does_not_fit ? 0.3 : 0.9 },
    counters: { color: "transparent", borderColor: colour, borderWidth: 1.8 } };
  return {
    value: [point.intensity, point.flops_per_s],
    symbol: { predicted: CROSS, modelled: hasPredictions() ? "diamond" : CROSS }[point.mark] ?? "circle",
    itemStyle: style[point.mark],
    point,
  };
}

function axis(name, low, high, gap) {
  const decades = [];
  for (let e = Math.ceil(Math.log10(low) - 1e-9); 10 ** e <= high * (1 + 1e-9); ++e) decades.push(10 ** e);
  const line = { lineStyle: { color: themeColour("line") } };
  return {
    type: "log", name, nameLocation: "middle", nameGap: gap, min: low, max: high,
    nameTextStyle: { color: themeColour("soft") },
    axisLine: { show: true, onZero: false, ...line },
    axisTick: { ...line, customValues: decades },
    axisLabel: { color: themeColour("ink"), formatter: tickText, customValues: decades },
    splitLine: { show: false },
    minorSplitLine: { show: false },
  };
}

// Lines at the powers of ten: a log axis that starts at 0.6 would put its own elsewhere.
function gridLines(range) {
  const lines = [];
  const add = (key, low, high) => {
    for (let e = Math.ceil(Math.log10(low)); 10 ** e < high; ++e) lines.push({ [key]: 10 ** e });
  };
  add("xAxis", range.x_min, range.x_max);
  add("yAxis", range.y_min, range.y_max);
  return { silent: true, z: 1, symbol: "none", animation: false, label: { show: false }, data: lines,
    lineStyle: { color: themeColour("line"), type: "solid", width: 1 } };
}

// A prediction's performance at a time that is longer and shorter by its error.
function errorBars(points, hidden) {
  const bars = points.filter((p) => p.time_source === "PREDICTED" && p.time_spread_s > 0 &&
    !hidden.has(data.series[p.series]));
  if (bars.length === 0) return [];
  const ends = (p) => [p.time_s + p.time_spread_s, Math.max(p.time_s - p.time_spread_s, 0.05 * p.time_s)]
    .map((time) => p.flops_per_s * p.time_s / time);
  return [{
    name: "error bars", type: "custom", silent: true, z: 2, color: themeColour("soft"),
    data: bars.map((p) => [p.intensity, ...ends(p), p.series]),
    encode: { x: 0, y: [1, 2] },
    renderItem: (_, api) => {
      const [x, low] = api.coord([api.value(0), api.value(1)]);
      const high = api.coord([api.value(0), api.value(2)])[1];
      return { type: "line", shape: { x1: x, y1: low, x2: x, y2: high },
        style: { stroke: seriesColour(api.value(3)), lineWidth: 1, opacity: 0.45 } };
    },
  }];
}

function chartOption(points, roofs, isDrawn, hidden) {
  const range = data.range;
  const lines = roofLines(roofs, range);
  const scatter = data.series.map((name, index) => ({
    name, type: "scatter", symbolSize: points.length > 2000 ? 6 : 10, color: seriesColour(index),
    emphasis: { scale: 1.5, focus: "none" }, itemStyle: { opacity: 0.9 },
    data: points.filter((p) => p.series === index).map(scatterItem),
    z: 3,
  }));
  scatter[0].markLine = gridLines(range);
  const roofSeries = lines.map(({ name, colour, data: ends }) => ({
    name, type: "line", data: ends, symbol: "none", silent: true, color: themeColour(colour),
    lineStyle: { type: "dashed", width: 2, color: themeColour(colour) }, z: 2,
  }));
  const twins = points.filter((p) => p.twin !== null);
  const twinSeries = twins.length === 0 ? [] : [{
    name: "modelled twins", type: "scatter", silent: true, symbol: CROSS, symbolSize: 5, z: 1,
    data: twins.map((p) => ({ value: [p.twin, p.flops_per_s],
      itemStyle: { color: seriesColour(p.series), opacity: 0.45 } })),
  }];
  const series = [...scatter, ...roofSeries, ...twinSeries, ...errorBars(points, hidden)];
  const names = series.map((s) => s.name);
  return {
    animation: false,
    textStyle: { fontFamily: getComputedStyle(document.body).fontFamily },
    grid: { left: 66, right: 18, top: 16, bottom: 52 },
    legend: { show: false, data: names,
      selected: Object.fromEntries(names.map((name) => [name, !hidden.has(name)])) },
    tooltip: {
      trigger: "item", confine: true, backgroundColor: themeColour("card"), borderColor: themeColour("line"),
      textStyle: { color: themeColour("ink") },
      formatter: ({ data: item }) => {
        const shown = points.filter((p) => !hidden.has(data.series[p.series]));
        return item.point ? tooltipContent(item.point, shown, roofs, isDrawn) : "";
      },
    },
    xAxis: axis("Operational Intensity (FLOP/Byte)", range.x_min, range.x_max, 30),
    yAxis: axis("Performance (FLOP/s)", range.y_min, range.y_max, 48),
    series,
  };
}

// Which points and roofs are shown; every change draws anew.
class RooflineChart {
  constructor(points) {
    this.all = points.filter((p) => p.mark !== null);
    this.filters = {};
    this.roofs = 0;
    this.hidden = new Set();
    this.chart = echarts.init(byId("chart"));
    this.chart.on("legendselectchanged", ({ selected }) => {
      for (const [name, shown] of Object.entries(selected)) this.hidden[shown ? "delete" : "add"](name);
      this.drawLegend();
    });
    new ResizeObserver(() => this.chart.resize()).observe(byId("chart"));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
    matchMedia("print").addEventListener("change", () => this.draw());
    this.draw();
  }

  setFilter(column, value) {
    this.filters[column] = value;
    this.draw();
  }

  setRoofs(index) {
    this.roofs = index;
    this.draw();
  }

  draw() {
    const shown = this.all.filter((p) =>
      Object.entries(this.filters).every(([column, value]) => value === "" || String(p[column]) === value));
    this.option = chartOption(shown, data.roof_pairs[this.roofs], this.roofs === 0, this.hidden);
    this.chart.setOption(this.option, true);
    this.drawLegend();
  }

  drawLegend() {
    const focused = document.activeElement?.dataset?.series;
    const buttons = this.option.series.map((series) => {
      const isLine = series.type === "line";
      const button = element("button",
        { type: "button", "data-series": series.name, "aria-pressed": String(!this.hidden.has(series.name)) },
        swatch(series.color ?? themeColour("soft"), isLine ? "dashed" : ""), series.name);
      button.disabled = series.data.length === 0;
      button.addEventListener("click", () =>
        this.chart.dispatchAction({ type: "legendToggleSelect", name: series.name }));
      return button;
    });
    byId("legend").replaceChildren(...buttons);
    buttons.find((button) => button.dataset.series === focused)?.focus();
  }
}
