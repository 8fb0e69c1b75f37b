// The people of the browser: columns of numbers, and their pictures in packs.
const KINDS = ["good", "jitter", "inversion", "swap", "miss"];
const UNMET = KINDS.length; // nobody was found for the person, or with OKS below 0.1
const SIZES = ["small", "medium", "large"], DENSITIES = ["sparse", "moderate", "dense"];

function bytesOf(text) {
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
  people.runs = data.runs.map((run) => readRun(run, people.n, column));
  people.pictured = people.bytes.some((size) => size > 0);
  return people;
}

function readRun(run, n, column) {
  const out = {
    ...run, there: column(run.there, Uint8Array), score: column(run.score, Float32Array),
    xy: column(run.xy, Int16Array), kinds: column(run.kinds, Uint8Array),
  };
  const stored = column(run.oks, Uint16Array), k = run.joints.length;
  out.oks = Float32Array.from(stored, (value) => (value === 65535 ? NaN : value / 10000));
  // A bit per kind of error among the person's joints; bit 0 only where every joint is good.
  out.errors = new Uint8Array(n);
  for (let i = 0; i < n; i++) {
    let bits = 0;
    for (let j = i * k; j < (i + 1) * k; j++) if (out.kinds[j] !== 255) bits |= 1 << out.kinds[j];
    if (bits > 1) bits &= ~1;
    out.errors[i] = bits || 1 << UNMET;
  }
  return out;
}

// Pictures are decoded off the main thread when they come into view; the last ones are kept.
class Pictures {
  constructor(people, changed) {
    this.people = people;
    this.changed = changed;
    this.kept = new Map();
    this.packs = new Map();
    this.missing = false;
    window.smallposePack = (number, text) => this.unpack(number, text);
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

  pack(number) {
    const known = this.packs.get(number);
    if (known !== undefined) return known;
    this.packs.set(number, null);
    const inside = document.getElementById(`pack-${number}`);
    if (inside) return this.unpack(number, inside.textContent);
    const script = document.createElement("script");
    script.src = `people/${String(number).padStart(3, "0")}.js`;
    script.onerror = () => { this.missing = true; this.changed(-1); };
    document.head.append(script);
    return null;
  }

  unpack(number, text) {
    const first = number * this.people.pack;
    const starts = new Map();
    let at = 0;
    for (let i = first; i < Math.min(first + this.people.pack, this.people.n); i++) {
      starts.set(i, at);
      at += this.people.bytes[i];
    }
    const pack = { bytes: bytesOf(text), starts };
    this.packs.set(number, pack);
    this.changed(-1);
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
    }).catch(() => {});
  }
}

function personText(people, run, i) {
  const oks = run.oks[i];
  const text = Number.isNaN(oks) ? "not judged" : run.there[i] ? `OKS ${oks.toFixed(2)}` : "nobody found";
  return { height: `${people.wh[2 * i + 1].toFixed(0)} px`, source: people.source[i] ? people.sources[people.source[i]] : "", oks: text, errors: errorWords(run, i) };
}

function errorWords(run, i) {
  if (Number.isNaN(run.oks[i])) return "";
  const bits = run.errors[i];
  if (bits & (1 << UNMET)) return "not met";
  return KINDS.filter((_, kind) => bits & (1 << kind)).join(", ");
}
