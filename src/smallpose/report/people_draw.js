// One person on a canvas: the picture, the label in white, the prediction coloured by how well each
// joint was placed.
const KIND_COLOURS = ["#19c9a3", "#f5e04a", "#ff8fcf", "#62bdf5", "#ff6a3a"];
const UNJUDGED = "#b9c3cf", TRUTH = "#ffffff", OUTLINE = "#12141a";

function limbsOf(people, has) {
  const pairs = people.edges.filter(([a, b]) => has(a) && has(b));
  for (const [a, b, instead] of people.stand_ins) {
    if (has(a) && has(b) && !instead.every(has)) pairs.push([a, b]);
  }
  return pairs;
}

function drawPerson(canvas, people, pictures, i, run, show, width) {
  const [cw, ch] = people.cell;
  const scale = width / cw * (window.devicePixelRatio || 1);
  const w = Math.round(cw * scale), h = Math.round(ch * scale);
  if (canvas.width !== w || canvas.height !== h) { canvas.width = w; canvas.height = h; }
  const pen = canvas.getContext("2d");
  pen.setTransform(1, 0, 0, 1, 0, 0);
  pen.fillStyle = "#2b2f37";
  pen.fillRect(0, 0, w, h);
  const picture = show.picture ? pictures.of(i) : null;
  if (picture) {
    pen.imageSmoothingQuality = "high";
    pen.drawImage(picture, 0, 0, w, h);
  }
  const place = (xy, at) => [xy[2 * at] / people.fine * scale, xy[2 * at + 1] / people.fine * scale];
  const stroke = Math.max(w / 75, 1.2);
  pen.lineCap = "round";
  const k = people.joints.length;
  if (show.truth) {
    const corner = place(people.box, 2 * i), other = place(people.box, 2 * i + 1);
    pen.strokeStyle = "rgb(255 255 255 / .55)";
    pen.lineWidth = stroke * 0.5;
    pen.strokeRect(corner[0], corner[1], other[0] - corner[0], other[1] - corner[1]);
    const has = (j) => people.v[i * k + j] > 0;
    const point = (j) => place(people.xy, i * k + j);
    drawSkeleton(pen, limbsOf(people, has), Array.from({ length: k }, (_, j) => j).filter(has), point,
      () => TRUTH, stroke * 0.8, (j) => people.v[i * k + j] === 1);
  }
  if (show.found && run.there[i]) {
    const m = run.joints.length, number = new Map(run.joints.map((j, at) => [j, at]));
    const has = (j) => number.has(j);
    const point = (j) => place(run.xy, i * m + number.get(j));
    const ink = (j) => KIND_COLOURS[run.kinds[i * m + number.get(j)]] || UNJUDGED;
    drawSkeleton(pen, limbsOf(people, has), run.joints, point, ink, stroke, () => false);
  }
}

function drawSkeleton(pen, limbs, joints, point, ink, stroke, hidden) {
  for (const [colourOf, width] of [[() => OUTLINE, stroke * 1.9], [ink, stroke]]) {
    for (const [a, b] of limbs) {
      const from = point(a), to = point(b), middle = [(from[0] + to[0]) / 2, (from[1] + to[1]) / 2];
      pen.lineWidth = width;
      for (const [end, joint] of [[from, a], [to, b]]) { // each half in its own joint's colour
        pen.strokeStyle = colourOf(joint);
        pen.beginPath();
        pen.moveTo(...end);
        pen.lineTo(...middle);
        pen.stroke();
      }
    }
    for (const j of joints) {
      pen.fillStyle = colourOf(j);
      pen.beginPath();
      pen.arc(...point(j), width * 1.1, 0, 7);
      pen.fill();
      if (hidden(j) && colourOf === ink) {
        pen.fillStyle = OUTLINE;
        pen.beginPath();
        pen.arc(...point(j), width * 0.55, 0, 7);
        pen.fill();
      }
    }
  }
}
