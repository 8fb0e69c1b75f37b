// One person on a canvas: the picture, the label in white, the prediction coloured by how well each
// joint was placed, or in one colour of its own where it belongs to nobody.
const KIND_COLOURS = ["#19c9a3", "#f5e04a", "#ff8fcf", "#62bdf5", "#ff6a3a"];
const UNJUDGED = "#b9c3cf", TRUTH = "#ffffff", OUTLINE = "#12141a", FALSE = "#c9a0ff", NIGHT = "#2b2f37";

function limbsOf(people, has) {
  const pairs = people.edges.filter(([a, b]) => has(a) && has(b));
  for (const [a, b, instead] of people.stand_ins) {
    if (has(a) && has(b) && !instead.every(has)) pairs.push([a, b]);
  }
  return pairs;
}

// The pen of a canvas that is w × h CSS px, and how many of its own px are one of these.
function penOf(canvas, w, h) {
  const ratio = window.devicePixelRatio || 1, wide = Math.round(w * ratio), high = Math.round(h * ratio);
  if (canvas.width !== wide || canvas.height !== high) { canvas.width = wide; canvas.height = high; }
  return { pen: canvas.getContext("2d"), ratio };
}

// From where the pen's origin lies, w px wide (of the canvas).
function drawPerson(pen, w, people, pictures, i, run, show) {
  const [cw, ch] = people.cell, scale = w / cw, h = ch * scale;
  pen.fillStyle = NIGHT;
  pen.fillRect(0, 0, w, h);
  const picture = show.picture ? pictures.of(i) : null;
  if (picture) {
    pen.imageSmoothingQuality = w > 2 * cw ? "high" : "medium";
    pen.drawImage(picture, 0, 0, w, h);
  }
  const fine = scale / people.fine, stroke = Math.max(w / 75, 1.2), k = people.joints.length;
  pen.lineCap = "round";
  const labelled = show.truth && people.v.subarray(i * k, (i + 1) * k).some((v) => v > 0);
  if (labelled) {
    const [left, top, right, bottom] = Array.from(people.box.subarray(4 * i, 4 * i + 4), (v) => v * fine);
    pen.strokeStyle = "rgb(255 255 255 / .55)";
    pen.lineWidth = stroke * 0.5;
    pen.strokeRect(left, top, right - left, bottom - top);
    const has = (j) => people.v[i * k + j] > 0;
    const joints = people.joints.map((_, j) => j).filter(has);
    const xy = people.xy.subarray(2 * i * k, 2 * (i + 1) * k);
    drawSkeleton(pen, limbsOf(people, has), joints, (j) => [xy[2 * j] * fine, xy[2 * j + 1] * fine],
      () => TRUTH, stroke * 0.8);
    pen.fillStyle = OUTLINE; // labelled, but hidden
    dots(pen, joints.filter((j) => people.v[i * k + j] === 1), (j) => [xy[2 * j] * fine, xy[2 * j + 1] * fine], stroke * 0.45);
  }
  if (show.found && run.there[i]) {
    const { xy, kinds } = run.pose(i);
    const at = (j) => run.place.get(j), has = (j) => run.place.has(j);
    const ink = isFalse(people, i) ? () => FALSE : (j) => KIND_COLOURS[kinds[at(j)]] || UNJUDGED;
    drawSkeleton(pen, limbsOf(people, has), run.joints, (j) => [xy[2 * at(j)] * fine, xy[2 * at(j) + 1] * fine], ink, stroke);
  }
}

// Few paths and not one a limb: the outline of all, then each colour. A limb is half in its one
// joint's colour and half in its other's.
function drawSkeleton(pen, limbs, joints, point, ink, stroke) {
  const halves = new Map(), ends = new Map(), all = [];
  for (const [a, b] of limbs) {
    const from = point(a), to = point(b), middle = [(from[0] + to[0]) / 2, (from[1] + to[1]) / 2];
    all.push([from, to]);
    for (const [end, joint] of [[from, a], [to, b]]) {
      const colour = ink(joint);
      if (!halves.has(colour)) halves.set(colour, []);
      halves.get(colour).push([end, middle]);
    }
  }
  for (const j of joints) {
    const colour = ink(j);
    if (!ends.has(colour)) ends.set(colour, []);
    ends.get(colour).push(j);
  }
  pen.strokeStyle = pen.fillStyle = OUTLINE;
  lines(pen, all, stroke * 1.9);
  dots(pen, joints, point, stroke * 2.1);
  for (const [colour, parts] of halves) {
    pen.strokeStyle = colour;
    lines(pen, parts, stroke);
  }
  for (const [colour, some] of ends) {
    pen.fillStyle = colour;
    dots(pen, some, point, stroke * 1.1);
  }
}

function lines(pen, pairs, width) {
  pen.lineWidth = width;
  pen.beginPath();
  for (const [from, to] of pairs) {
    pen.moveTo(from[0], from[1]);
    pen.lineTo(to[0], to[1]);
  }
  pen.stroke();
}

function dots(pen, joints, point, radius) {
  pen.beginPath();
  for (const j of joints) {
    const [x, y] = point(j);
    pen.moveTo(x + radius, y);
    pen.arc(x, y, radius, 0, 7);
  }
  pen.fill();
}
