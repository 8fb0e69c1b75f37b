// The browser of people: what its form says, one person large, and an address that brings the same
// view back.
const peopleData = document.getElementById("people-data");
if (peopleData) browsePeople(readPeople(JSON.parse(peopleData.textContent)));

function browsePeople(people) {
  const form = document.getElementById("people-form");
  const list = document.getElementById("people-list");
  const count = document.getElementById("people-count");
  const dialog = document.getElementById("person");
  const plain = new FormData(form); // what a form says that nobody touched
  const choice = new Choice(people);
  let open = -1, quiet = false;
  const pictures = new Pictures(people, (person) => redraw(person));
  const tiles = new PeopleList(list, people, { draw, say, open: openPerson });

  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", (event) => {
    if (!event.target.closest(".drawn")) choose();
    else { redraw(-1); keepAddress(); }
  });
  form.addEventListener("reset", () => { if (!quiet) requestAnimationFrame(() => choose()); });
  const value = (name) => form.elements[name].value;
  const run = () => people.runs[Number(value("run"))];
  const show = () => ({ picture: form.elements.picture.checked, truth: form.elements.truth.checked, found: form.elements.found.checked });

  function choose() {
    const said = new FormData(form);
    const numbers = (name, names) => new Set(said.getAll(name).map((word) => (names ? names.indexOf(word) : Number(word))));
    const number = (name, otherwise) => (value(name) === "" ? otherwise : Number(value(name)));
    const errors = said.getAll("error").reduce((bits, name) => bits | 1 << [...KINDS, "missed", "false"].indexOf(name), 0);
    const view = choice.view(run(), value("sort"), {
      sizes: numbers("size", SIZES), densities: numbers("density", DENSITIES), sources: numbers("source"), errors,
      low: number("from", 0), high: number("to", Infinity), worst: number("oks_from", 0), best: number("oks_to", 1),
    });
    const bars = document.getElementById("people-histogram").children;
    const { words, counts } = summary(people, run(), view, bars.length);
    count.textContent = words;
    histogram(bars, counts);
    document.getElementById("people-nobody").hidden = view.length > 0;
    tiles.show(view);
    if (open >= 0) fillDialog();
    keepAddress();
  }

  function histogram(bars, counts) {
    const most = Math.max(...counts, 1);
    counts.forEach((n, i) => {
      bars[i].style.height = `${100 * n / most}%`;
      bars[i].title = `${n.toLocaleString("en")} with OKS ${(i / bars.length).toFixed(2)} to ${((i + 1) / bars.length).toFixed(2)}`;
    });
  }

  // ---- the tiles
  function draw(pen, width, i) {
    const shown = show();
    if (shown.picture) pictures.of(i);
    if (shown.picture && pictures.awaited(i)) return; // drawn once, when it is there
    drawPerson(pen, width, people, pictures, i, run(), shown);
  }

  function say(tile, i) {
    const text = personText(people, run(), i);
    const who = isFalse(people, i) ? "false positive" : "person";
    tile.setAttribute("aria-label", [`${who} ${text.height} tall`, text.source, text.oks, text.errors].filter(Boolean).join(", "));
    tile.children[1].textContent = text.oks;
    tile.children[2].textContent = [isFalse(people, i) ? text.errors : "", text.height, isFalse(people, i) ? "" : text.source].filter(Boolean).join(" · ");
  }

  function redraw(person) {
    tiles.again(person);
    if (open >= 0 && (person < 0 || person === tiles.view[open])) drawLarge();
    document.getElementById("people-missing").hidden = !pictures.lost.size;
  }

  // ---- one person, large
  const canvas = dialog.querySelector("canvas");

  function openPerson(at) {
    open = at;
    tiles.goTo(at);
    fillDialog();
    if (!dialog.open) dialog.showModal();
    keepAddress();
  }

  function drawLarge() {
    const width = canvas.clientWidth || 360, [cw, ch] = people.cell;
    const { pen } = penOf(canvas, width, width * ch / cw);
    drawPerson(pen, canvas.width, people, pictures, tiles.view[open], run(), show());
  }

  function fillDialog() {
    if (open >= tiles.view.length) { dialog.close(); return; }
    const i = tiles.view[open], r = run(), text = personText(people, r, i);
    const alone = isFalse(people, i);
    dialog.querySelector("h3").textContent = alone ? `False positive, ${text.height} tall` : `Person ${people.id[i]}, ${text.height} tall`;
    dialog.querySelector(".place").textContent = `${(open + 1).toLocaleString("en")} of ${tiles.view.length.toLocaleString("en")}`;
    const facts = [
      ["picture", people.images[people.image[i]]], ["source", text.source || "not said"],
      ["box", `${people.wh[2 * i].toFixed(0)} × ${people.wh[2 * i + 1].toFixed(0)} px at ${people.corner[2 * i].toFixed(0)}, ${people.corner[2 * i + 1].toFixed(0)}`],
      ["size", [SIZES[people.size[i]], DENSITIES[people.dense[i]]].filter(Boolean).join(", ")],
      ...(Number.isNaN(people.density[i]) ? [] : [["density", people.density[i].toFixed(3)]]),
    ];
    if (alone) facts.push(["run", r.label], ["score", r.score[i].toPrecision(3)], ["what it is", FALSE_MEANINGS[r.falseKinds[i - r.false.start]]], ["nearest label", `OKS ${r.oks[i].toFixed(2)}, in white`]);
    else for (const other of people.runs) {
      facts.push([other.label, [personText(people, other, i).oks, errorWords(people, other, i)].filter(Boolean).join(" · ")]);
    }
    dialog.querySelector("dl").replaceChildren(...facts.flatMap(([key, said]) => [make("dt", {}, key), make("dd", {}, said)]));
    dialog.querySelector(".joints").replaceChildren(...jointLines(i, r));
    canvas.setAttribute("aria-label", alone ? `A prediction of ${r.label} that belongs to nobody, ${text.oks}, with the nearest label in white` : `The picture of this person with the labelled pose in white and what ${r.label} found: ${text.oks}`);
    dialog.querySelector(".run").textContent = alone ? "" : r.label;
    requestAnimationFrame(drawLarge);
  }

  function jointLines(i, r) {
    const { kinds } = r.pose(i), lines = [];
    [...KINDS.keys()].forEach((kind) => {
      const names = r.joints.filter((_, at) => kinds[at] === kind).map((j) => people.joints[j]);
      if (!names.length) return;
      const dot = make("i");
      dot.style.background = KIND_COLOURS[kind];
      lines.push(make("li", {}, dot, make("b", {}, KINDS[kind]), ` ${names.join(", ")}`));
    });
    return lines;
  }

  const turn = (step) => { if (tiles.view[open + step] !== undefined) openPerson(open + step); };
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
    if (open >= 0) words.set("person", people.id[tiles.view[open]]);
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
    const at = words.has("person") ? tiles.view.findIndex((i) => people.id[i] === Number(words.get("person"))) : -1;
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
