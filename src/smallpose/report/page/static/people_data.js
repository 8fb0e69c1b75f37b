// The items of the person browser: columns of numbers, and their images in packs.
const JOINT_KINDS = ["good", "jitter", "inversion", "swap", "miss"];
const MISSED = JOINT_KINDS.length; // error bit: no prediction is left for the person with OKS from 0.1
const FALSE_POSITIVE = MISSED + 1; // error bit: a prediction without a person
const ERROR_NAMES = [...JOINT_KINDS, "missed", "false"];
const FALSE_POSITIVE_KINDS = ["background", "duplicate", "swap"];
const FALSE_POSITIVE_MEANINGS = [
  "background: it fits no label", "duplicate: a better prediction is matched with the person", "swap: it has joints of several people",
];
const SIZES = ["small", "medium", "large"], DENSITIES = ["sparse", "moderate", "dense"];
const UNKNOWN_OKS = 65535, UNCLASSIFIED_JOINT = 255;
const MAX_IMAGES = 500; // decoded at the same time

function decodeBase64(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const raw = atob(text), bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  return bytes;
}

const decodeColumn = (text, Kind) => new Kind(decodeBase64(text).buffer);

function readPeople(data) {
  const people = {
    ...data,
    image: decodeColumn(data.image, Uint32Array), id: decodeColumn(data.id, Float64Array),
    source: decodeColumn(data.source, Uint8Array), size: decodeColumn(data.size, Int8Array),
    density_class: decodeColumn(data.density_class, Int8Array), density: decodeColumn(data.density, Float32Array),
    wh: decodeColumn(data.wh, Float32Array), corner: decodeColumn(data.corner, Float32Array),
    box: decodeColumn(data.box, Int16Array), xy: decodeColumn(data.xy, Int16Array), v: decodeColumn(data.v, Uint8Array),
    image_bytes: decodeColumn(data.image_bytes, Uint16Array),
  };
  people.runs = data.runs.map((run) => readRun(run, people));
  return people;
}

// People come first, then every run's false positives, which are items of that run only.
const isFalsePositive = (people, i) => i >= people.num_people;

function readRun(run, people) {
  const n = people.num_people, k = run.joints.length, { start, n: numFalse } = run.false_positives;
  const xy = decodeColumn(run.xy, Int16Array), kinds = decodeColumn(run.kinds, Uint8Array);
  const falseXy = decodeColumn(run.false_positives.xy, Int16Array);
  const out = {
    ...run, kinds,
    falseKinds: decodeColumn(run.false_positives.kinds, Uint8Array),
    has_pose: new Uint8Array(people.num_items),
    matched: new Uint8Array(people.num_items),
    score: new Float32Array(people.num_items),
    oks: new Float32Array(people.num_items).fill(NaN), // NaN: not an item of this run
    errors: new Uint8Array(people.num_items), // a bit per error among the joints; bit 0 only if all are good
    positions: new Map(run.joints.map((joint, position) => [joint, position])),
  };
  const setOks = (text, first) => decodeColumn(text, Uint16Array).forEach((value, i) => {
    out.oks[first + i] = value === UNKNOWN_OKS ? NaN : value / 10000;
  });
  setOks(run.oks, 0);
  setOks(run.false_positives.oks, start);
  out.matched.set(decodeColumn(run.matched, Uint8Array));
  out.has_pose.set(decodeColumn(run.has_pose, Uint8Array));
  out.has_pose.fill(1, start, start + numFalse);
  out.score.set(decodeColumn(run.score, Float32Array));
  out.score.set(decodeColumn(run.false_positives.score, Float32Array), start);
  out.errors.fill(1 << FALSE_POSITIVE, start, start + numFalse);
  for (let i = 0; i < n; i++) {
    let bits = 0;
    for (let j = i * k; j < (i + 1) * k; j++) if (kinds[j] !== UNCLASSIFIED_JOINT) bits |= 1 << kinds[j];
    if (bits > 1) bits &= ~1;
    out.errors[i] = bits || 1 << MISSED;
  }
  const unclassified = new Uint8Array(k).fill(UNCLASSIFIED_JOINT);
  out.getPose = (i) => (i < n
    ? { xy: xy.subarray(2 * i * k, 2 * (i + 1) * k), kinds: kinds.subarray(i * k, (i + 1) * k) }
    : { xy: falseXy.subarray(2 * (i - start) * k, 2 * (i - start + 1) * k), kinds: unclassified });
  return out;
}

const DECODER = `onmessage = ({ data: { item, part } }) => {
  createImageBitmap(new Blob([part], { type: "image/webp" }))
    .then((image) => postMessage({ item, image }, [image]), () => postMessage({ item, image: null }));
};`;

// Images are decoded off the main thread when they come into view; the last ones are kept.
class ImageStore {
  // onLoad(item): an image was decoded; -1 for a whole pack.
  constructor(people, onLoad) {
    this.people = people;
    this.onLoad = onLoad;
    this.images = new Map(); // null while an image is being decoded
    this.packs = new Map(); // null while a pack is being loaded
    this.missingPacks = new Set();
    this.decoder = this.startDecoder();
    window.smallposePack = (number, text) => { this.addPack(number, text); this.onLoad(-1); };
  }

  // The image, or null until it is decoded; `onLoad` follows.
  get(item) {
    const image = this.images.get(item);
    if (image !== undefined) {
      this.images.delete(item); // the order of the map is that of last use
      this.images.set(item, image);
      return image;
    }
    if (!this.people.image_bytes[item]) return null;
    const pack = this.getPack(this.packOf(item));
    if (pack) this.decode(item, pack);
    return null;
  }

  // Whether the image will come; without its pack it never does.
  isPending(item) {
    if (!this.people.image_bytes[item]) return false;
    const image = this.images.get(item);
    return image === null || (image === undefined && !this.missingPacks.has(this.packOf(item)));
  }

  packOf(item) {
    return Math.floor(item / this.people.pack_size);
  }

  getPack(number) {
    const known = this.packs.get(number);
    if (known !== undefined) return known;
    this.packs.set(number, null);
    const inline = document.getElementById(`pack-${number}`);
    if (inline) return this.addPack(number, inline.textContent);
    const script = document.createElement("script");
    script.src = `people/${String(number).padStart(3, "0")}.js`;
    script.onerror = () => { this.missingPacks.add(number); this.onLoad(-1); };
    document.head.append(script);
    return null;
  }

  addPack(number, text) {
    const first = number * this.people.pack_size;
    const end = Math.min(first + this.people.pack_size, this.people.num_items);
    const starts = new Map();
    let offset = 0;
    for (let i = first; i < end; i++) {
      starts.set(i, offset);
      offset += this.people.image_bytes[i];
    }
    const pack = { bytes: decodeBase64(text), starts };
    this.packs.set(number, pack);
    return pack;
  }

  // A worker, because even to ask for a decoded image blocks; null where the browser allows none.
  startDecoder() {
    try {
      const address = URL.createObjectURL(new Blob([DECODER], { type: "text/javascript" }));
      const worker = new Worker(address);
      worker.onmessage = ({ data: { item, image } }) => this.keep(item, image);
      worker.onerror = () => {
        this.decoder = null;
        for (const [item, image] of this.images) if (image === null) this.images.delete(item);
        this.onLoad(-1);
      };
      return worker;
    } catch {
      return null;
    }
  }

  decode(item, { bytes, starts }) {
    this.images.set(item, null);
    const start = starts.get(item);
    const part = bytes.slice(start, start + this.people.image_bytes[item]);
    if (this.decoder) {
      this.decoder.postMessage({ item, part }, [part.buffer]);
      return;
    }
    createImageBitmap(new Blob([part], { type: "image/webp" }))
      .then((image) => this.keep(item, image), () => this.keep(item, null));
  }

  // Keep a decoded image, and forget those that were used least recently; null if it is broken.
  keep(item, image) {
    if (!image) {
      this.images.delete(item);
      this.people.image_bytes[item] = 0;
      this.onLoad(item);
      return;
    }
    this.images.set(item, image);
    this.onLoad(item);
    for (const [oldest, bitmap] of this.images) {
      if (this.images.size <= MAX_IMAGES) break;
      this.images.delete(oldest);
      bitmap?.close();
    }
  }
}

function describeItem(people, run, i) {
  return {
    height: `${people.wh[2 * i + 1].toFixed(0)} px`,
    source: people.source[i] ? people.sources[people.source[i]] : "",
    oks: describeOks(people, run, i),
    errors: describeErrors(people, run, i),
  };
}

function describeOks(people, run, i) {
  if (isFalsePositive(people, i)) return `score ${run.score[i].toPrecision(2)}`;
  if (Number.isNaN(run.oks[i])) return "not scored";
  return run.has_pose[i] ? `OKS ${run.oks[i].toFixed(2)}` : "no match";
}

function describeErrors(people, run, i) {
  if (isFalsePositive(people, i)) return FALSE_POSITIVE_KINDS[run.falseKinds[i - run.false_positives.start]];
  if (Number.isNaN(run.oks[i])) return "";
  const bits = run.errors[i];
  if (bits & (1 << MISSED)) return "missed person";
  return JOINT_KINDS.filter((_, kind) => bits & (1 << kind)).join(", ");
}
