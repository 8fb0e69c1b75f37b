// The browser of people: filters, an order, a list of which only the visible part exists, one person
// large, and an address that brings the same view back.
const peopleData = document.getElementById("people-data");
if (peopleData) browsePeople(readPeople(JSON.parse(peopleData.textContent)));

function browsePeople(people) {
  const form = document.getElementById("people-form");
  const list = document.getElementById("people-list");
  const inner = list.firstElementChild;
  const count = document.getElementById("people-count");
  const dialog = document.getElementById("person");
  const plain = new FormData(form); // what a form says that nobody touched
  const filled = new Map();
  let view = [], active = 0, open = -1, quiet = false;
  const pictures = new Pictures(people, (person) => redraw(person));

  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", () => choose());
  form.addEventListener("reset", () => { if (!quiet) requestAnimationFrame(() => choose()); });
  const value = (name) => form.elements[name].value;
  const checked = (name) => new FormData(form).getAll(name);
  const run = () => people.runs[Number(value("run"))];
  const show = () => ({ picture: form.elements.picture.checked, truth: form.elements.truth.checked, found: form.elements.found.checked });

  // ---- who is shown, in which order
  function choose() {
    const r = run(), sizes = checked("size"), densities = checked("density");
    const sources = checked("source"), errors = checked("error");
    const bits = errors.reduce((sum, name) => sum | 1 << [...KINDS, "missed"].indexOf(name), 0);
    const number = (name, otherwise) => (value(name) === "" ? otherwise : Number(value(name)));
    const low = number("from", 0), high = number("to", Infinity);
    const worst = number("oks_from", 0), best = number("oks_to", 1);
    view = [];
    for (let i = 0; i < people.n; i++) {
      const oks = r.oks[i], height = people.wh[2 * i + 1];
      if (Number.isNaN(oks) || oks < worst || oks > best || height < low || height > high) continue;
      if (sizes.length && !sizes.includes(SIZES[people.size[i]])) continue;
      if (densities.length && !densities.includes(DENSITIES[people.dense[i]])) continue;
      if (sources.length && !sources.includes(String(people.source[i]))) continue;
      if (bits && !(r.errors[i] & bits)) continue;
      view.push(i);
    }
    const key = orderBy(value("sort"), r);
    const keys = Float64Array.from({ length: people.n }, (_, i) => key(i));
    const last = (v) => (Number.isNaN(v) ? Infinity : v);
    view.sort((a, b) => last(keys[a]) - last(keys[b]) || a - b);
    summarise(r);
    active = 0;
    list.scrollTop = 0;
    layout();
    if (open >= 0) fillDialog();
    keepAddress();
  }

  function orderBy(sort, r) {
    if (sort.startsWith("below-")) {
      const other = people.runs[Number(sort.slice(6))];
      return (i) => r.oks[i] - other.oks[i];
    }
    return {
      worst: (i) => r.oks[i], best: (i) => -r.oks[i],
      small: (i) => people.wh[2 * i] * people.wh[2 * i + 1],
      tall: (i) => -people.wh[2 * i + 1],
      dense: (i) => -people.density[i], sparse: (i) => people.density[i],
    }[sort];
  }

  function summarise(r) {
    const oks = view.map((i) => r.oks[i]).sort((a, b) => a - b);
    const hit = oks.filter((v) => v >= 0.5).length;
    const few = view.length === 1 ? "person" : "people";
    const said = [`${view.length.toLocaleString("en")} of ${people.n.toLocaleString("en")} ${few}`];
    if (oks.length) {
      said.push(`${(100 * hit / oks.length).toFixed(0)} % found (OKS from 0.5)`);
      said.push(`middle OKS ${oks[Math.floor(oks.length / 2)].toFixed(2)}`);
    }
    count.textContent = said.join(" · ");
    histogram(oks);
  }

  function histogram(oks) {
    const bars = document.getElementById("people-histogram").children;
    const counts = new Array(bars.length).fill(0);
    for (const v of oks) counts[Math.min(Math.floor(v * bars.length), bars.length - 1)]++;
    const most = Math.max(...counts, 1);
    counts.forEach((n, i) => {
      bars[i].style.height = `${100 * n / most}%`;
      bars[i].title = `${n.toLocaleString("en")} with OKS ${(i / bars.length).toFixed(2)} to ${((i + 1) / bars.length).toFixed(2)}`;
    });
  }

  // ---- the list: as many tiles as are visible, each moved to where its person stands
  let columns = 1, tileWidth = 0, rowHeight = 0;
  const GAP = 10, CAPTION = 46;

  function layout() {
    const width = inner.clientWidth;
    columns = Math.max(2, Math.floor((width + GAP) / (128 + GAP)));
    const wide = (width - GAP * (columns - 1)) / columns;
    if (Math.abs(wide - tileWidth) > 0.5) dropTiles();
    tileWidth = wide;
    rowHeight = Math.round(tileWidth * people.cell[1] / people.cell[0]) + CAPTION + GAP;
    inner.style.height = `${Math.ceil(view.length / columns) * rowHeight}px`;
    dropTiles();
    render();
    document.getElementById("people-nobody").hidden = view.length > 0;
  }

  const tiles = new Map(); // place in `view` to its element
  const spare = [];

  function dropTiles() {
    for (const tile of tiles.values()) { tile.remove(); spare.push(tile); }
    tiles.clear();
  }

  function render() {
    const first = Math.max(0, Math.floor(list.scrollTop / rowHeight) - 1) * columns;
    const end = Math.min(view.length, (Math.ceil((list.scrollTop + list.clientHeight) / rowHeight) + 1) * columns);
    for (const [at, tile] of tiles) {
      if (at < first || at >= end) { tile.remove(); spare.push(tile); tiles.delete(at); }
    }
    for (let at = first; at < end; at++) if (!tiles.has(at)) place(at);
    mark();
  }

  function place(at) {
    const tile = spare.pop() || newTile(), i = view[at], r = run();
    const text = personText(people, r, i);
    tile.id = `tile-${at}`;
    tile.dataset.at = at;
    tile.style.width = `${tileWidth}px`;
    tile.style.transform = `translate(${(at % columns) * (tileWidth + GAP)}px, ${Math.floor(at / columns) * rowHeight}px)`;
    tile.setAttribute("aria-posinset", at + 1);
    tile.setAttribute("aria-setsize", view.length);
    tile.setAttribute("aria-label", [`person ${text.height} tall`, text.source, text.oks, text.errors].filter(Boolean).join(", "));
    tile.children[1].textContent = text.oks;
    tile.children[2].textContent = [text.height, text.source].filter(Boolean).join(" · ");
    tile.children[0].style.height = `${rowHeight - CAPTION - GAP}px`;
    drawPerson(tile.children[0], people, pictures, i, r, show(), tileWidth);
    filled.set(i, at);
    inner.append(tile);
    tiles.set(at, tile);
  }

  function newTile() {
    return make("div", { role: "option", class: "tile" }, make("canvas", { "aria-hidden": "true" }), make("b"), make("span"));
  }

  function redraw(person) {
    const again = person < 0 ? [...tiles] : tiles.has(filled.get(person)) ? [[filled.get(person), tiles.get(filled.get(person))]] : [];
    for (const [at, tile] of again) drawPerson(tile.children[0], people, pictures, view[at], run(), show(), tileWidth);
    if (open >= 0 && (person < 0 || person === view[open])) drawLarge();
    document.getElementById("people-missing").hidden = !pictures.missing;
  }

  function mark() {
    for (const [at, tile] of tiles) tile.setAttribute("aria-selected", String(at === active));
    if (tiles.has(active)) list.setAttribute("aria-activedescendant", `tile-${active}`);
    else list.removeAttribute("aria-activedescendant");
  }

  let waiting = false;
  list.addEventListener("scroll", () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; render(); });
  }, { passive: true });
  list.addEventListener("click", (event) => {
    const tile = event.target.closest(".tile");
    if (tile) openPerson(Number(tile.dataset.at));
  });
  list.addEventListener("keydown", (event) => {
    const page = Math.max(1, Math.floor(list.clientHeight / rowHeight)) * columns;
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      if (view.length) openPerson(active);
    } else if (event.key in steps) {
      event.preventDefault();
      goTo(active + steps[event.key]);
    }
  });

  function goTo(at) {
    active = Math.min(Math.max(at, 0), Math.max(view.length - 1, 0));
    const top = Math.floor(active / columns) * rowHeight;
    if (top < list.scrollTop) list.scrollTop = top;
    const below = top + rowHeight - list.clientHeight;
    if (below > list.scrollTop) list.scrollTop = below;
    render();
  }
  let known = 0;
  new ResizeObserver(() => {
    if (inner.clientWidth !== known) { known = inner.clientWidth; layout(); goTo(active); }
  }).observe(inner);

  // ---- one person, large
  const canvas = dialog.querySelector("canvas");

  function openPerson(at) {
    open = at;
    goTo(at);
    fillDialog();
    if (!dialog.open) dialog.showModal();
    keepAddress();
  }

  function drawLarge() {
    drawPerson(canvas, people, pictures, view[open], run(), show(), canvas.clientWidth || 360);
  }

  function fillDialog() {
    if (open >= view.length) { dialog.close(); return; }
    const i = view[open], r = run(), text = personText(people, r, i);
    dialog.querySelector("h3").textContent = `Person ${people.id[i]}, ${text.height} tall`;
    dialog.querySelector(".place").textContent = `${(open + 1).toLocaleString("en")} of ${view.length.toLocaleString("en")}`;
    const facts = [
      ["picture", people.images[people.image[i]]], ["source", text.source || "not said"],
      ["box", `${people.wh[2 * i].toFixed(0)} × ${people.wh[2 * i + 1].toFixed(0)} px at ${people.corner[2 * i].toFixed(0)}, ${people.corner[2 * i + 1].toFixed(0)}`],
      ["size", [SIZES[people.size[i]], DENSITIES[people.dense[i]]].filter(Boolean).join(", ")],
      ...(Number.isNaN(people.density[i]) ? [] : [["density", people.density[i].toFixed(3)]]),
    ];
    for (const other of people.runs) {
      facts.push([other.label, [personText(people, other, i).oks, errorWords(other, i)].filter(Boolean).join(" · ")]);
    }
    dialog.querySelector("dl").replaceChildren(...facts.flatMap(([key, said]) => [make("dt", {}, key), make("dd", {}, said)]));
    dialog.querySelector(".joints").replaceChildren(...jointLines(i, r));
    canvas.setAttribute("aria-label", `The picture of this person with the labelled pose in white and what ${r.label} found: ${text.oks}`);
    dialog.querySelector(".run").textContent = r.label;
    requestAnimationFrame(drawLarge);
  }

  function jointLines(i, r) {
    const m = r.joints.length, lines = [];
    [...KINDS.keys()].forEach((kind) => {
      const names = r.joints.filter((_, at) => r.kinds[i * m + at] === kind).map((j) => people.joints[j]);
      if (!names.length) return;
      const dot = make("i");
      dot.style.background = KIND_COLOURS[kind];
      lines.push(make("li", {}, dot, make("b", {}, KINDS[kind]), ` ${names.join(", ")}`));
    });
    return lines;
  }

  const turn = (step) => { if (view[open + step] !== undefined) openPerson(open + step); };
  dialog.querySelector(".previous").addEventListener("click", () => turn(-1));
  dialog.querySelector(".next").addEventListener("click", () => turn(1));
  dialog.querySelector(".close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  dialog.addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft") turn(-1);
    if (event.key === "ArrowRight") turn(1);
  });
  dialog.addEventListener("close", () => { open = -1; keepAddress(); list.focus({ preventScroll: true }); });

  // ---- the address
  function address() {
    const now = new FormData(form), words = new URLSearchParams();
    for (const name of new Set([...now.keys(), ...plain.keys()])) {
      const said = now.getAll(name).join("~");
      if (said !== plain.getAll(name).join("~")) words.set(name, said);
    }
    if (open >= 0) words.set("person", people.id[view[open]]);
    const text = words.toString();
    return text ? `#people?${text}` : "#people";
  }

  function keepAddress() {
    if (quiet || (address() === "#people" && !location.hash.startsWith("#people?"))) return;
    history.replaceState(null, "", address());
  }

  function restore() {
    if (!location.hash.startsWith("#people?")) return false;
    const words = new URLSearchParams(location.hash.slice("#people?".length));
    quiet = true;
    form.reset();
    for (const [name, said] of words) {
      const field = form.elements[name];
      if (!field) continue;
      const values = said.split("~");
      const boxes = field instanceof RadioNodeList ? [...field] : field.type === "checkbox" ? [field] : [];
      if (boxes.length) boxes.forEach((box) => { box.checked = values.includes(box.value); });
      else field.value = said;
    }
    if (form.elements.run.value === "") form.elements.run.value = "0";
    if (form.elements.sort.value === "") form.elements.sort.value = "worst";
    open = -1;
    choose();
    const at = words.has("person") ? view.findIndex((i) => people.id[i] === Number(words.get("person"))) : -1;
    document.getElementById("people").scrollIntoView({ behavior: "instant" });
    if (at >= 0) openPerson(at); else if (dialog.open) dialog.close();
    quiet = false;
    return true;
  }

  const copy = document.getElementById("people-copy");
  copy.addEventListener("click", async () => {
    history.replaceState(null, "", address());
    let said = "link copied";
    try { await navigator.clipboard.writeText(location.href); } catch { said = "copy it from the address bar"; }
    copy.textContent = said;
    setTimeout(() => { copy.textContent = "copy link to this view"; }, 2000);
  });
  addEventListener("hashchange", restore);
  if (!restore()) choose();
}
