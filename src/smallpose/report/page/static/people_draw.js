// Draw one person on a canvas: the image, the ground truth in white, and the prediction, each joint in
// the colour of its error; false positives have one colour.
const KIND_COLOURS = ["#19c9a3", "#f5e04a", "#ff8fcf", "#62bdf5", "#ff6a3a"];
const UNLABELLED_COLOUR = "#b9c3cf", TRUTH_COLOUR = "#ffffff", FALSE_COLOUR = "#c9a0ff";
const OUTLINE_COLOUR = "#12141a", EMPTY_COLOUR = "#2b2f37";

function listLimbs(people, has) {
  const pairs = people.edges.filter(([a, b]) => has(a) && has(b));
  for (const [a, b, insteadOf] of people.substitute_limbs) {
    if (has(a) && has(b) && !insteadOf.every(has)) pairs.push([a, b]);
  }
  return pairs;
}

// The 2D context of a canvas of w × h CSS px, and its pixels per CSS px.
function preparePen(canvas, w, h) {
  const ratio = window.devicePixelRatio || 1, width = Math.round(w * ratio), height = Math.round(h * ratio);
  if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
  return { pen: canvas.getContext("2d"), ratio };
}

// Draw item i at the pen's origin, `width` px wide (of the canvas).
function drawPerson(pen, width, people, images, i, run, layers) {
  const [cellWidth, cellHeight] = people.cell, scale = width / cellWidth, height = cellHeight * scale;
  pen.fillStyle = EMPTY_COLOUR;
  pen.fillRect(0, 0, width, height);
  const image = layers.image ? images.get(i) : null;
  if (image) {
    // Enlarged a little, all qualities look alike; only the first costs nothing.
    if (width > 2 * cellWidth) pen.imageSmoothingQuality = "high";
    else pen.imageSmoothingQuality = width >= cellWidth ? "low" : "medium";
    pen.drawImage(image, 0, 0, width, height);
  }
  const unit = scale / people.subpixels, stroke = Math.max(width / 75, 1.2);
  pen.lineCap = "butt"; // dots cover the ends
  if (layers.truth) drawTruth(pen, people, i, unit, stroke);
  if (layers.prediction && run.has_pose[i]) drawPrediction(pen, people, i, run, unit, stroke);
}

function drawTruth(pen, people, i, unit, stroke) {
  const k = people.joints.length, v = people.v.subarray(i * k, (i + 1) * k);
  if (!v.some((value) => value > 0)) return;
  const [left, top, right, bottom] = Array.from(people.box.subarray(4 * i, 4 * i + 4), (value) => value * unit);
  pen.strokeStyle = "rgb(255 255 255 / .55)";
  pen.lineWidth = stroke * 0.5;
  pen.strokeRect(left, top, right - left, bottom - top);
  const xy = people.xy.subarray(2 * i * k, 2 * (i + 1) * k);
  const has = (j) => v[j] > 0, getPoint = (j) => [xy[2 * j] * unit, xy[2 * j + 1] * unit];
  const joints = [...people.joints.keys()].filter(has);
  drawSkeleton(pen, listLimbs(people, has), joints, getPoint, () => TRUTH_COLOUR, stroke * 0.8);
  pen.fillStyle = OUTLINE_COLOUR;
  fillDots(pen, joints.filter((j) => v[j] === 1), getPoint, stroke * 0.45); // occluded joints
}

function drawPrediction(pen, people, i, run, unit, stroke) {
  const { xy, kinds } = run.getPose(i);
  const has = (j) => run.positions.has(j);
  const getPoint = (j) => {
    const position = run.positions.get(j);
    return [xy[2 * position] * unit, xy[2 * position + 1] * unit];
  };
  const getColour = isFalsePositive(people, i)
    ? () => FALSE_COLOUR
    : (j) => KIND_COLOURS[kinds[run.positions.get(j)]] || UNLABELLED_COLOUR;
  drawSkeleton(pen, listLimbs(people, has), run.joints, getPoint, getColour, stroke);
}

// One path per colour and not one per limb: first the outline of all, then each colour. Each half of a
// limb has the colour of its joint.
function drawSkeleton(pen, limbs, joints, getPoint, getColour, stroke) {
  const halves = new Map(), dots = new Map(), segments = [];
  const push = (map, colour, value) => {
    if (!map.has(colour)) map.set(colour, []);
    map.get(colour).push(value);
  };
  for (const [a, b] of limbs) {
    const from = getPoint(a), to = getPoint(b), middle = [(from[0] + to[0]) / 2, (from[1] + to[1]) / 2];
    segments.push([from, to]);
    push(halves, getColour(a), [from, middle]);
    push(halves, getColour(b), [to, middle]);
  }
  for (const j of joints) push(dots, getColour(j), j);
  pen.strokeStyle = pen.fillStyle = OUTLINE_COLOUR;
  strokeSegments(pen, segments, stroke * 1.9);
  fillDots(pen, joints, getPoint, stroke * 2.1);
  for (const [colour, parts] of halves) {
    pen.strokeStyle = colour;
    strokeSegments(pen, parts, stroke);
  }
  for (const [colour, some] of dots) {
    pen.fillStyle = colour;
    fillDots(pen, some, getPoint, stroke * 1.1);
  }
}

function strokeSegments(pen, segments, width) {
  pen.lineWidth = width;
  pen.beginPath();
  for (const [from, to] of segments) {
    pen.moveTo(from[0], from[1]);
    pen.lineTo(to[0], to[1]);
  }
  pen.stroke();
}

function fillDots(pen, joints, getPoint, radius) {
  pen.beginPath();
  for (const j of joints) {
    const [x, y] = getPoint(j);
    pen.moveTo(x + radius, y);
    pen.arc(x, y, radius, 0, 7);
  }
  pen.fill();
}
