// AP and the share found along height, density and crowding: lines to switch on and off, values
// under the pointer or the arrow keys. Drawn at the width there is, so that letters keep their size.
const curvesData = document.getElementById("curves-data");
if (curvesData) drawCurves(JSON.parse(curvesData.textContent));

function drawCurves({ axes, runs }) {
  const plot = document.getElementById("curves");
  const svg = plot.querySelector("svg");
  const told = document.getElementById("curves-told");
  const room = { left: 44, right: 14, top: 18, bottom: 44 };
  const shown = new Set(runs.map((_, i) => i));
  let axis = axes[0], measure = "ap", at = null;

  const controls = document.getElementById("curves-controls");
  controls.addEventListener("change", (event) => {
    if (event.target.name === "axis") axis = axes.find((a) => a.key === event.target.value);
    if (event.target.name === "measure") measure = event.target.value;
    at = null;
    draw();
  });
  [...document.getElementById("curves-legend").children].forEach((button, i) => {
    button.addEventListener("click", () => {
      if (shown.has(i)) shown.delete(i); else shown.add(i);
      button.setAttribute("aria-pressed", String(shown.has(i)));
      draw();
    });
  });

  const bins = (run) => run.along[axis.key].map(([low, high, people, ap, down, up, share]) => {
    const middle = axis.log ? Math.sqrt(low * high) : (low + high) / 2;
    const value = measure === "ap" ? ap : share;
    return { low, high, people, middle, value, down: measure === "ap" ? down : null, up: measure === "ap" ? up : null };
  }).filter((b) => b.value !== null);

  function scales() {
    const all = runs.flatMap((run) => bins(run));
    const w = plot.clientWidth, h = plot.clientHeight;
    const top = Math.min(100, 20 * Math.ceil(Math.max(...all.map((b) => b.up ?? b.value), 1) / 20));
    const low = Math.min(...all.map((b) => b.low)), high = Math.max(...all.map((b) => b.high));
    const lin = axis.log ? Math.log : (x) => x;
    const from = axis.marks.length ? 0 : low, to = axis.marks.length ? 1 : high;
    const width = lin(to) - lin(from) || 1;
    const x = (v) => room.left + (lin(v) - lin(from)) / width * (w - room.left - room.right);
    const y = (v) => h - room.bottom - v / top * (h - room.top - room.bottom);
    const back = (px) => {
      const part = lin(from) + (px - room.left) / (w - room.left - room.right) * width;
      return axis.log ? Math.exp(part) : part;
    };
    return { w, h, x, y, back, from, to, top };
  }

  function draw() {
    const s = scales();
    svg.setAttribute("viewBox", `0 0 ${s.w} ${s.h}`);
    svg.replaceChildren();
    grid(s);
    runs.forEach((run, i) => { if (shown.has(i)) line(s, run); });
    tell(s);
  }

  function grid(s) {
    for (let v = 0; v <= s.top; v += s.top / (s.top === 100 || s.top === 60 ? 5 : 4)) {
      add("line", { x1: s.x(s.from), x2: s.x(s.to), y1: s.y(v), y2: s.y(v), class: "grid" });
      add("text", { x: room.left - 8, y: s.y(v) + 4, class: "tick end" }, v);
    }
    const title = measure === "ap" ? "AP, %" : "found with OKS from 0.5, %";
    add("text", { x: room.left, y: 11, class: "tick" }, title);
    for (const v of ticks(s)) {
      add("line", { x1: s.x(v), x2: s.x(v), y1: s.y(0), y2: s.y(0) + 5, class: "grid" });
      add("text", { x: s.x(v), y: s.y(0) + 18, class: "tick mid" }, shortNumber(v));
    }
    const label = axis.label + (axis.unit ? `, ${axis.unit}` : "");
    add("text", { x: (s.x(s.from) + s.x(s.to)) / 2, y: s.h - 6, class: "tick mid" }, label);
    const ends = [s.from, ...axis.marks, s.to];
    axis.bands.forEach((word, i) => {
      if (i) add("line", { x1: s.x(ends[i]), x2: s.x(ends[i]), y1: s.y(0), y2: s.y(s.top), class: "mark" });
      const middle = (s.x(ends[i]) + s.x(ends[i + 1])) / 2;
      if (s.x(ends[i + 1]) - s.x(ends[i]) > 44 || i === 2) {
        add("text", { x: Math.min(middle, s.w - 16), y: s.y(s.top) + 14, class: "tick mid" }, word);
      }
    });
  }

  function ticks(s) {
    if (axis.log) {
      const all = [8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536];
      const there = all.filter((v) => v >= s.from && v <= s.to);
      const step = Math.ceil(there.length / Math.max(s.w / 70, 2));
      return there.filter((_, i) => i % step === 0);
    }
    const step = [0.05, 0.1, 0.2, 0.25, 0.5, 1].find((v) => (s.to - s.from) / v <= s.w / 70) || 1;
    const first = Math.ceil(s.from / step - 1e-9), last = Math.floor(s.to / step + 1e-9);
    return Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step);
  }

  function line(s, run) {
    const there = bins(run);
    const band = there.filter((b) => b.down !== null);
    if (band.length > 1) {
      const up = band.map((b) => `${s.x(b.middle)},${s.y(b.up)}`);
      const down = band.map((b) => `${s.x(b.middle)},${s.y(b.down)}`).reverse();
      add("polygon", { points: [...up, ...down].join(" "), fill: run.colour, class: "band" });
    }
    for (const b of there) {
      const height = s.y(b.value);
      add("line", { x1: s.x(b.low), x2: s.x(b.high), y1: height, y2: height, stroke: run.colour, class: "span" });
    }
    const points = there.map((b) => `${s.x(b.middle)},${s.y(b.value)}`).join(" ");
    add("polyline", { points, stroke: run.colour, class: "run" });
    for (const b of there) add("circle", { cx: s.x(b.middle), cy: s.y(b.value), r: 3, fill: run.colour });
  }

  function tell(s) {
    if (at === null) {
      told.textContent = "Point at the figure, or move along it with the arrow keys, to read values.";
      return;
    }
    add("line", { x1: s.x(at), x2: s.x(at), y1: s.y(0), y2: s.y(s.top), class: "pointer" });
    const parts = [];
    runs.forEach((run, i) => {
      const there = bins(run);
      if (!shown.has(i) || !there.length) return;
      const b = there.reduce((one, other) => (distance(other) < distance(one) ? other : one));
      add("circle", { cx: s.x(b.middle), cy: s.y(b.value), r: 5.5, stroke: run.colour, class: "picked" });
      if (!parts.length) {
        const unit = axis.unit ? ` ${axis.unit}` : "";
        parts.push(`${shortNumber(b.low)} to ${shortNumber(b.high)}${unit}, ${b.people.toLocaleString("en")} people`);
      }
      const ends = b.down === null ? "" : ` (95 %: ${b.down.toFixed(1)} to ${b.up.toFixed(1)})`;
      parts.push(`${run.label} ${b.value.toFixed(1)}${ends}`);
    });
    told.textContent = parts.join(" · ");
  }

  function distance(b) {
    if (at >= b.low && at <= b.high) return 0;
    return axis.log ? Math.abs(Math.log(b.middle / at)) : Math.abs(b.middle - at);
  }

  svg.addEventListener("pointermove", (event) => {
    const s = scales();
    const px = event.clientX - svg.getBoundingClientRect().left;
    at = Math.min(Math.max(s.back(px), s.from), s.to);
    draw();
  });
  svg.addEventListener("pointerleave", (event) => {
    if (event.pointerType === "mouse") { at = null; draw(); }
  });
  svg.addEventListener("keydown", (event) => {
    const steps = { ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity };
    const first = runs.findIndex((_, i) => shown.has(i));
    if (!(event.key in steps) || first < 0) return;
    event.preventDefault();
    const there = bins(runs[first]);
    const now = at === null ? -1 : there.findIndex((b) => at <= b.high);
    const next = Math.min(Math.max(now + steps[event.key], 0), there.length - 1);
    at = there[next].middle;
    draw();
  });
  svg.addEventListener("blur", () => { at = null; draw(); });
  new ResizeObserver(draw).observe(plot);
  draw();

  function add(tag, attributes, text) {
    const node = document.createElementNS(svg.namespaceURI, tag);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    if (text !== undefined) node.textContent = text;
    svg.append(node);
  }
}

function make(tag, attributes = {}, ...content) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...content);
  return node;
}

function shortNumber(v) {
  return Math.abs(v) >= 10 ? v.toFixed(0) : String(Number(v.toFixed(2)));
}
