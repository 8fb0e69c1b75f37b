// AP and the share detected along height, density and crowding: lines can be hidden, values are read
// with the pointer or the arrow keys. Drawn at the available width, so that text keeps its size.
const MAX_BANDS = 3; // runs with an area for their interval; of more, the first two
const curvesData = document.getElementById("curves-data");
if (curvesData) drawCurves(JSON.parse(curvesData.textContent));

function drawCurves({ axes, runs, selections, ceilings }) {
  const plot = document.getElementById("curves");
  const svg = plot.querySelector("svg");
  const readout = document.getElementById("curves-readout");
  const margin = { left: 44, right: 14, top: 18, bottom: 44 };
  const visible = new Set(runs.map((_, i) => i));
  const halves = document.getElementById("curves-half");
  const sizes = document.getElementById("curves-size");
  const firstSize = sizes.querySelector("input:checked");
  let axis = axes[0], measure = "share", selection = selections[0].key;
  let name = axis.name, size = firstSize ? firstSize.value : "";
  let cursor = null; // a value on the axis

  document.getElementById("curves-controls").addEventListener("change", (event) => {
    if (event.target.name === "axis") name = event.target.value;
    if (event.target.name === "curves-size") size = event.target.value;
    const named = axes.filter((a) => a.name === name);
    axis = named.find((a) => a.size === size) ?? named[0];
    sizes.hidden = named.length < 2;
    if (event.target.name === "measure") measure = event.target.value;
    cursor = null;
    draw();
  });
  document.addEventListener("selection", (event) => {
    selection = event.detail;
    cursor = null;
    draw();
  });
  [...document.getElementById("curves-legend").children].forEach((button, i) => {
    button.addEventListener("click", () => {
      if (visible.has(i)) visible.delete(i); else visible.add(i);
      button.setAttribute("aria-pressed", String(visible.has(i)));
      draw();
    });
  });

  function listBins(run) {
    const showsAp = measure === "ap";
    return (run.along[selection][axis.key] ?? []).map(
      ([low, high, mean, people, partial, ap, apLow, apHigh, share, shareLow, shareHigh]) => ({
        low, high, people, partial,
        middle: mean,
        value: showsAp ? ap : share,
        lower: showsAp ? apLow : shareLow, // ends of the 95 % interval
        upper: showsAp ? apHigh : shareHigh,
      }),
    ).filter((bin) => bin.value !== null);
  }

  // The height from which half are detected, where it can be told and this view has a place for it.
  function getHalf(run) {
    const half = run.half[selection];
    return axis.key === "height" && measure === "share" && half.inside ? half : null;
  }

  function computeScales() {
    const bins = runs.flatMap(listBins);
    const width = plot.clientWidth, height = plot.clientHeight;
    const maximum = Math.max(...bins.map((bin) => bin.upper ?? bin.value), 1);
    const top = Math.min(100, 20 * Math.ceil(maximum / 20));
    const toLinear = axis.log ? Math.log : (value) => value;
    const isFixed = axis.marks.length || !bins.length;
    const from = isFixed ? Number(axis.log) : Math.min(...bins.map((bin) => bin.low));
    const to = isFixed ? 1 + Number(axis.log) : Math.max(...bins.map((bin) => bin.high));
    const range = toLinear(to) - toLinear(from) || 1;
    const innerWidth = width - margin.left - margin.right;
    const innerHeight = height - margin.top - margin.bottom;
    return {
      width, height, from, to, top,
      x: (value) => margin.left + (toLinear(value) - toLinear(from)) / range * innerWidth,
      y: (value) => height - margin.bottom - value / top * innerHeight,
      invertX: (px) => {
        const linear = toLinear(from) + (px - margin.left) / innerWidth * range;
        return axis.log ? Math.exp(linear) : linear;
      },
    };
  }

  function draw() {
    const scales = computeScales();
    svg.setAttribute("viewBox", `0 0 ${scales.width} ${scales.height}`);
    svg.replaceChildren();
    drawGrid(scales);
    const shown = runs.filter((_, i) => visible.has(i));
    if (measure === "share" && scales.top > 50) drawHalfLine(scales);
    shown.forEach((run) => drawHalf(scales, run));
    if (measure === "ap") drawCeiling(scales);
    // Areas of more runs hide each other.
    shown.forEach((run, i) => drawRun(scales, run, shown.length <= MAX_BANDS || i < 2));
    const isHeight = axis.key === "height";
    halves.textContent = isHeight ? shown.map((run) => describeHalf(run)).join(" · ") : "";
    updateReadout(scales);
  }

  function drawGrid({ x, y, from, to, top, width, height }) {
    const step = top / (top === 100 || top === 60 ? 5 : 4);
    for (let value = 0; value <= top; value += step) {
      addNode("line", { x1: x(from), x2: x(to), y1: y(value), y2: y(value), class: "grid" });
      addNode("text", { x: margin.left - 8, y: y(value) + 4, class: "tick end" }, value);
    }
    const title = measure === "ap" ? "AP, %" : "detected (OKS ≥ 0.5), %";
    addNode("text", { x: margin.left, y: 11, class: "tick" }, title);
    for (const value of listTicks(from, to, width)) {
      addNode("line", { x1: x(value), x2: x(value), y1: y(0), y2: y(0) + 5, class: "grid" });
      addNode("text", { x: x(value), y: y(0) + 18, class: "tick mid" }, formatShort(value));
    }
    const label = axis.label + (axis.unit ? `, ${axis.unit}` : "");
    addNode("text", { x: (x(from) + x(to)) / 2, y: height - 6, class: "tick mid" }, label);
    const ends = [from, ...axis.marks, to];
    axis.bands.forEach((name, i) => {
      if (i) addNode("line", { x1: x(ends[i]), x2: x(ends[i]), y1: y(0), y2: y(top), class: "mark" });
      const middle = (x(ends[i]) + x(ends[i + 1])) / 2;
      const isWide = x(ends[i + 1]) - x(ends[i]) > 44;
      if (isWide || i === axis.bands.length - 1) {
        addNode("text", { x: Math.min(middle, width - 16), y: y(top) + 14, class: "tick mid" }, name);
      }
    });
  }

  function drawHalfLine({ x, y, from, to }) {
    addNode("line", { x1: x(from), x2: x(to), y1: y(50), y2: y(50), class: "half" });
    addNode("text", { x: x(to), y: y(50) - 5, class: "tick end" }, "half");
  }

  // The best AP that joints in whole pixels leave; above the axis where the runs are far below it.
  function drawCeiling({ x, y, to, top, width }) {
    const points = ceilings[selection][axis.key] ?? [];
    if (!points.length) return;
    const inside = points.filter(([, value]) => value <= top);
    const place = inside.map(([mean, value]) => `${x(mean)},${y(value)}`).join(" ");
    addNode("polyline", { points: place, class: "ceiling" });
    const values = points.map(([, value]) => value);
    const low = Math.min(...values).toFixed(0), high = Math.max(...values).toFixed(0);
    const range = low === high ? `${low} %` : `${low} to ${high} %`;
    const what = width > 480 ? "perfect joints in whole pixels" : "whole pixels";
    addNode("text", { x: x(to), y: 11, class: "tick end" }, `dashed: ${what}, ${range}`);
  }

  function drawHalf({ x, y, from, to, top }, run) {
    const half = getHalf(run);
    if (!half) return;
    const low = x(Math.max(half.low ?? from, from)), high = x(Math.min(half.high ?? to, to));
    const bar = { x: low, y: y(0) - 7, width: Math.max(high - low, 1), height: 7, fill: run.colour };
    addNode("rect", { ...bar, class: "half-range" });
    const place = x(half.value);
    addNode("line", { x1: place, x2: place, y1: y(0), y2: y(50), stroke: run.colour, class: "half-mark" });
    addNode("path", { d: `M${place - 6} ${y(0) + 1}h12l-6-9z`, fill: run.colour });
  }

  function describeHalf(run) {
    const half = run.half[selection];
    if (half.value === null) return `${run.label}: ${half.short}`;
    return `${run.label}: half detected from ${half.value.toFixed(0)} px (95 %: ${half.ends})`;
  }

  function listTicks(from, to, width) {
    const maxTicks = width / 70;
    if (axis.log) {
      const heights = [8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536];
      const powers = [1, 10, 100, 1e3, 1e4, 1e5, 1e6].flatMap((ten) => [ten, 2 * ten, 5 * ten]);
      const all = axis.key === "height" ? heights : powers;
      const inside = all.filter((value) => value >= from && value <= to);
      // Ticks of a small part of a wide axis need the same room.
      const span = Math.log(inside.at(-1) / inside[0]) / Math.log(to / from) || 1;
      const every = Math.ceil(inside.length / Math.max(maxTicks * span, 2));
      return inside.filter((_, i) => i % every === 0);
    }
    const step = [0.05, 0.1, 0.2, 0.25, 0.5, 1].find((value) => (to - from) / value <= maxTicks) || 1;
    const first = Math.ceil(from / step - 1e-9), last = Math.floor(to / step + 1e-9);
    return Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step);
  }

  function drawRun({ x, y }, run, hasBand) {
    const bins = listBins(run);
    const withInterval = bins.filter((bin) => bin.lower !== null);
    if (hasBand && withInterval.length > 1) {
      const upper = withInterval.map((bin) => `${x(bin.middle)},${y(bin.upper)}`);
      const lower = withInterval.map((bin) => `${x(bin.middle)},${y(bin.lower)}`).reverse();
      addNode("polygon", { points: [...upper, ...lower].join(" "), fill: run.colour, class: "band" });
    }
    for (const bin of bins) {
      const height = y(bin.value);
      addNode("line", { x1: x(bin.low), x2: x(bin.high), y1: height, y2: height, stroke: run.colour, class: "bin" });
    }
    const points = bins.map((bin) => `${x(bin.middle)},${y(bin.value)}`).join(" ");
    addNode("polyline", { points, stroke: run.colour, class: "run" });
    for (const bin of bins) addNode("circle", { cx: x(bin.middle), cy: y(bin.value), r: 3, fill: run.colour });
  }

  function updateReadout({ x, y, top }) {
    if (cursor === null) {
      readout.textContent = "Point at the figure, or move along it with the arrow keys, to read values.";
      return;
    }
    addNode("line", { x1: x(cursor), x2: x(cursor), y1: y(0), y2: y(top), class: "cursor" });
    const parts = [];
    runs.forEach((run, i) => {
      const bins = listBins(run);
      if (!visible.has(i) || !bins.length) return;
      const bin = bins.reduce((best, other) => (distanceTo(other) < distanceTo(best) ? other : best));
      addNode("circle", { cx: x(bin.middle), cy: y(bin.value), r: 5.5, stroke: run.colour, class: "selected" });
      if (!parts.length) {
        const unit = axis.unit ? ` ${axis.unit}` : "";
        parts.push(`${formatShort(bin.low)} to ${formatShort(bin.high)}${unit}, ${bin.people.toLocaleString("en")} people`);
      }
      if (parts.length === 1 && bin.partial) {
        parts.push(`${bin.partial.toLocaleString("en")} of their boxes hold a part of the person`);
      }
      const interval = bin.lower === null ? "" : ` (95 %: ${bin.lower.toFixed(1)} to ${bin.upper.toFixed(1)})`;
      parts.push(`${run.label} ${bin.value.toFixed(1)}${interval}`);
    });
    readout.textContent = parts.join(" · ");
  }

  function distanceTo(bin) {
    if (cursor >= bin.low && cursor <= bin.high) return 0;
    return axis.log ? Math.abs(Math.log(bin.middle / cursor)) : Math.abs(bin.middle - cursor);
  }

  function moveCursor(value) {
    cursor = value;
    draw();
  }

  svg.addEventListener("pointermove", (event) => {
    const { invertX, from, to } = computeScales();
    const px = event.clientX - svg.getBoundingClientRect().left;
    moveCursor(Math.min(Math.max(invertX(px), from), to));
  });
  svg.addEventListener("pointerleave", (event) => {
    if (event.pointerType === "mouse") moveCursor(null);
  });
  svg.addEventListener("keydown", (event) => {
    const steps = { ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity };
    const first = runs.findIndex((_, i) => visible.has(i));
    if (!(event.key in steps) || first < 0) return;
    event.preventDefault();
    const bins = listBins(runs[first]);
    const current = cursor === null ? -1 : bins.findIndex((bin) => cursor <= bin.high);
    const next = Math.min(Math.max(current + steps[event.key], 0), bins.length - 1);
    moveCursor(bins[next].middle);
  });
  svg.addEventListener("blur", () => moveCursor(null));
  new ResizeObserver(draw).observe(plot);
  draw();

  function addNode(tag, attributes, text) {
    const node = document.createElementNS(svg.namespaceURI, tag);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    if (text !== undefined) node.textContent = text;
    svg.append(node);
  }
}

function makeElement(tag, attributes = {}, ...content) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...content);
  return element;
}

function formatShort(value) {
  return Math.abs(value) >= 10 ? value.toFixed(0) : String(Number(value.toFixed(2)));
}
