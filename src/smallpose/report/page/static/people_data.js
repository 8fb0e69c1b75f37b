// The people of the browser: columns of numbers, and their pictures in packs.
const KINDS = ["good", "jitter", "inversion", "swap", "miss"];
const UNMET = KINDS.length; // nobody was found for the person, or with OKS below 0.1
const BELONGS_TO_NOBODY = UNMET + 1; // a prediction without a person
const FALSE_KINDS = ["background", "duplicate", "swap"];
const FALSE_MEANINGS = ["background: it fits no label", "duplicate: a better prediction has that person", "swap: joints of several people"];
const SIZES = ["small", "medium", "large"], DENSITIES = ["sparse", "moderate", "dense"];

function bytesOf(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const raw = atob(text), bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  return bytes;
}

function readPeople(data) {
  const column = (text, Kind) => new Kind(bytesOf(text).buffer);
  const people = {
    ...data,
    image: column(data.image, Uint32Array), id: column(data.id, Float64Array),
    source: column(data.source, Uint8Array), size: column(data.size, Int8Array),
    dense: column(data.dense, Int8Array), density: column(data.density, Float32Array),
    wh: column(data.wh, Float32Array), corner: column(data.corner, Float32Array),
    box: column(data.box, Int16Array), xy: column(data.xy, Int16Array), v: column(data.v, Uint8Array),
    bytes: column(data.bytes, Uint16Array),
  };
  people.runs = data.runs.map((run) => readRun(run, people, column));
  return people;
}

// People come first, then every run's false positives: each stands in the list of its run only.
const isFalse = (people, i) => i >= people.n;

function readRun(run, people, column) {
  const n = people.n, k = run.joints.length, { start, n: m } = run.false;
  const xy = column(run.xy, Int16Array), kinds = column(run.kinds, Uint8Array);
  const falseXy = column(run.false.xy, Int16Array), falseKinds = column(run.false.kinds, Uint8Array);
  const out = {
    ...run, kinds, falseKinds, there: new Uint8Array(people.all), score: new Float32Array(people.all),
    oks: new Float32Array(people.all).fill(NaN), // NaN: nobody of this run's
    errors: new Uint8Array(people.all), // a bit per kind of error among the joints; bit 0 only where every joint is good
    place: new Map(run.joints.map((j, at) => [j, at])),
  };
  const similar = (text, first) => column(text, Uint16Array).forEach((value, i) => { out.oks[first + i] = value === 65535 ? NaN : value / 10000; });
  similar(run.oks, 0);
  similar(run.false.oks, start);
  out.there.set(column(run.there, Uint8Array));
  out.there.fill(1, start, start + m);
  out.score.set(column(run.score, Float32Array));
  out.score.set(column(run.false.score, Float32Array), start);
  out.errors.fill(1 << BELONGS_TO_NOBODY, start, start + m);
  for (let i = 0; i < n; i++) {
    let bits = 0;
    for (let j = i * k; j < (i + 1) * k; j++) if (kinds[j] !== 255) bits |= 1 << kinds[j];
    if (bits > 1) bits &= ~1;
    out.errors[i] = bits || 1 << UNMET;
  }
  const unjudged = new Uint8Array(k).fill(255);
  out.pose = (i) => (i < n
    ? { xy: xy.subarray(2 * i * k, 2 * (i + 1) * k), kinds: kinds.subarray(i * k, (i + 1) * k) }
    : { xy: falseXy.subarray(2 * (i - start) * k, 2 * (i - start + 1) * k), kinds: unjudged });
  return out;
}

// Pictures are decoded off the main thread when they come into view; the last ones are kept.
class Pictures {
  constructor(people, changed) {
    this.people = people;
    this.changed = changed;
    this.kept = new Map();
    this.packs = new Map();
    this.lost = new Set(); // packs that are not beside the page
    window.smallposePack = (number, text) => { this.unpack(number, text); this.changed(-1); };
  }

  // The picture, or null as long as it is not there; then `changed(person)` is called later.
  of(person) {
    const known = this.kept.get(person);
    if (known !== undefined) {
      this.kept.delete(person); // to the end of the line: used last
      this.kept.set(person, known);
      return known;
    }
    if (!this.people.bytes[person]) return null;
    const pack = this.pack(Math.floor(person / this.people.pack));
    if (pack) this.decode(person, pack);
    return null;
  }

  // Whether the picture is not there yet, but asked for. Without its pack it never comes.
  awaited(person) {
    if (!this.people.bytes[person]) return false;
    const known = this.kept.get(person);
    return known === null || (known === undefined && !this.lost.has(Math.floor(person / this.people.pack)));
  }

  pack(number) {
    const known = this.packs.get(number);
    if (known !== undefined) return known;
    this.packs.set(number, null);
    const inside = document.getElementById(`pack-${number}`);
    if (inside) return this.unpack(number, inside.textContent);
    const script = document.createElement("script");
    script.src = `people/${String(number).padStart(3, "0")}.js`;
    script.onerror = () => { this.lost.add(number); this.changed(-1); };
    document.head.append(script);
    return null;
  }

  unpack(number, text) {
    const first = number * this.people.pack;
    const starts = new Map();
    let at = 0;
    for (let i = first; i < Math.min(first + this.people.pack, this.people.all); i++) {
      starts.set(i, at);
      at += this.people.bytes[i];
    }
    const pack = { bytes: bytesOf(text), starts };
    this.packs.set(number, pack);
    return pack;
  }

  decode(person, { bytes, starts }) {
    this.kept.set(person, null);
    const start = starts.get(person);
    const part = bytes.subarray(start, start + this.people.bytes[person]);
    createImageBitmap(new Blob([part], { type: "image/webp" })).then((picture) => {
      this.kept.set(person, picture);
      this.changed(person);
      for (const [old, bitmap] of this.kept) {
        if (this.kept.size <= 500) break;
        this.kept.delete(old);
        bitmap?.close();
      }
    }).catch(() => { this.people.bytes[person] = 0; this.changed(person); });
  }
}

function personText(people, run, i) {
  const oks = run.oks[i], height = `${people.wh[2 * i + 1].toFixed(0)} px`;
  const source = people.source[i] ? people.sources[people.source[i]] : "";
  const text = isFalse(people, i) ? `score ${run.score[i].toPrecision(2)}`
    : Number.isNaN(oks) ? "not judged" : run.there[i] ? `OKS ${oks.toFixed(2)}` : "nobody found";
  return { height, source, oks: text, errors: errorWords(people, run, i) };
}

function errorWords(people, run, i) {
  if (isFalse(people, i)) return FALSE_KINDS[run.falseKinds[i - run.false.start]];
  if (Number.isNaN(run.oks[i])) return "";
  const bits = run.errors[i];
  if (bits & (1 << UNMET)) return "not met";
  return KINDS.filter((_, kind) => bits & (1 << kind)).join(", ");
}
