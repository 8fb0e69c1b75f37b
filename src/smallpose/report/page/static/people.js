// The person browser: its form, the dialog of one person, and an address that restores the view.
const peopleData = document.getElementById("people-data");
if (peopleData) startBrowser(readPeople(JSON.parse(peopleData.textContent)));

function startBrowser(people) {
  const form = document.getElementById("people-form");
  const list = document.getElementById("people-list");
  const count = document.getElementById("people-count");
  const dialog = document.getElementById("person");
  const defaults = new FormData(form);
  const filter = new PersonFilter(people);
  let openIndex = -1; // of the person in the dialog, -1 while it is closed
  let isRestoring = false;
  const images = new ImageStore(people, (item) => redraw(item));
  const tiles = new PeopleList(list, people, { draw: drawTile, describe: describeTile, open: openPerson });

  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", (event) => {
    if (!event.target.closest(".layers")) applyFilters();
    else { redraw(-1); updateAddress(); }
  });
  form.addEventListener("reset", () => { if (!isRestoring) requestAnimationFrame(() => applyFilters()); });
  const getValue = (name) => form.elements[name].value;
  const getRun = () => people.runs[Number(getValue("run"))];
  const getLayers = () => ({
    image: form.elements.image.checked,
    truth: form.elements.truth.checked,
    prediction: form.elements.prediction.checked,
  });

  function readFilters() {
    const values = new FormData(form);
    const readCodes = (name, names) => new Set(values.getAll(name).map((value) => (names ? names.indexOf(value) : Number(value))));
    const readNumber = (name, fallback) => (getValue(name) === "" ? fallback : Number(getValue(name)));
    return {
      sizes: readCodes("size", SIZES),
      densities: readCodes("density", DENSITIES),
      sources: readCodes("source"),
      errors: values.getAll("error").reduce((bits, name) => bits | 1 << ERROR_NAMES.indexOf(name), 0),
      minHeight: readNumber("from", 0),
      maxHeight: readNumber("to", Infinity),
      minOks: readNumber("oks_from", 0),
      maxOks: readNumber("oks_to", 1),
    };
  }

  function applyFilters() {
    const selected = filter.select(getRun(), getValue("sort"), readFilters());
    const bars = document.getElementById("people-histogram").children;
    const { text, counts } = summarizeSelection(people, getRun(), selected, bars.length);
    count.textContent = text;
    drawHistogram(bars, counts);
    document.getElementById("people-empty").hidden = selected.length > 0;
    tiles.show(selected);
    if (openIndex >= 0) fillDialog();
    updateAddress();
  }

  function drawHistogram(bars, counts) {
    const maximum = Math.max(...counts, 1);
    counts.forEach((n, i) => {
      const low = (i / bars.length).toFixed(2), high = ((i + 1) / bars.length).toFixed(2);
      bars[i].style.height = `${100 * n / maximum}%`;
      bars[i].title = `${n.toLocaleString("en")} with OKS ${low} to ${high}`;
    });
  }

  // ---- tiles
  function drawTile(pen, width, item) {
    const layers = getLayers();
    if (layers.image) images.get(item);
    if (layers.image && images.isPending(item)) return; // it is drawn once, when the image is loaded
    drawPerson(pen, width, people, images, item, getRun(), layers);
  }

  function describeTile(tile, item) {
    const text = describeItem(people, getRun(), item), isFalse = isFalsePositive(people, item);
    const join = (parts, separator) => parts.filter(Boolean).join(separator);
    const kind = isFalse ? "false positive" : "person";
    tile.setAttribute("aria-label", join([`${kind} ${text.height} tall`, text.source, text.oks, text.errors], ", "));
    tile.children[1].textContent = text.oks;
    tile.children[2].textContent = join(isFalse ? [text.errors, text.height] : [text.height, text.source], " · ");
  }

  function redraw(item) {
    tiles.redraw(item);
    if (openIndex >= 0 && (item < 0 || item === tiles.items[openIndex])) drawDialog();
    document.getElementById("people-missing-images").hidden = !images.missingPacks.size;
  }

  // ---- dialog of one person
  const canvas = dialog.querySelector("canvas");

  function openPerson(index) {
    openIndex = index;
    tiles.moveTo(index);
    fillDialog();
    if (!dialog.open) dialog.showModal();
    updateAddress();
  }

  function drawDialog() {
    const width = canvas.clientWidth || 360, [cellWidth, cellHeight] = people.cell;
    const { pen } = preparePen(canvas, width, width * cellHeight / cellWidth);
    drawPerson(pen, canvas.width, people, images, tiles.items[openIndex], getRun(), getLayers());
  }

  function fillDialog() {
    if (openIndex >= tiles.items.length) { dialog.close(); return; }
    const item = tiles.items[openIndex], run = getRun(), text = describeItem(people, run, item);
    const isFalse = isFalsePositive(people, item);
    const title = isFalse ? "False positive" : `Person ${people.id[item]}`;
    dialog.querySelector("h3").textContent = `${title}, ${text.height} tall`;
    dialog.querySelector(".position").textContent = `${(openIndex + 1).toLocaleString("en")} of ${tiles.items.length.toLocaleString("en")}`;
    const facts = [...listBoxFacts(item, text), ...(isFalse ? listFalsePositiveFacts(item, run) : listRunFacts(item))];
    dialog.querySelector("dl").replaceChildren(...facts.flatMap(([key, value]) => [makeElement("dt", {}, key), makeElement("dd", {}, value)]));
    dialog.querySelector(".joints").replaceChildren(...listJointErrors(item, run));
    dialog.querySelector(".run-heading").textContent = isFalse ? "" : run.label;
    canvas.setAttribute("aria-label", isFalse
      ? `False positive of ${run.label}, ${text.oks}, with the nearest label in white`
      : `Person with the ground truth in white and the prediction of ${run.label}: ${text.oks}`);
    requestAnimationFrame(drawDialog);
  }

  function listBoxFacts(item, text) {
    const [width, height] = people.wh.subarray(2 * item, 2 * item + 2);
    const [left, top] = people.corner.subarray(2 * item, 2 * item + 2);
    const classes = [SIZES[people.size[item]], DENSITIES[people.density_class[item]]].filter(Boolean);
    const facts = [
      ["image", people.images[people.image[item]]],
      ["source", text.source || "unknown"],
      ["box", `${width.toFixed(0)} × ${height.toFixed(0)} px at ${left.toFixed(0)}, ${top.toFixed(0)}`],
      ["size", classes.join(", ")],
    ];
    if (!Number.isNaN(people.density[item])) facts.push(["density", people.density[item].toFixed(3)]);
    return facts;
  }

  function listRunFacts(item) {
    return people.runs.map((run) => {
      const match = run.matched[item] ? "matched" : "unmatched";
      const oks = describeOks(people, run, item);
      const parts = run.has_pose[item] ? [oks, match, describeErrors(people, run, item)] : [oks];
      return [run.label, parts.filter(Boolean).join(" · ")];
    });
  }

  function listFalsePositiveFacts(item, run) {
    return [
      ["run", run.label],
      ["score", run.score[item].toPrecision(3)],
      ["kind", FALSE_POSITIVE_MEANINGS[run.falseKinds[item - run.false_positives.start]]],
      ["nearest label", `OKS ${run.oks[item].toFixed(2)}, in white`],
    ];
  }

  function listJointErrors(item, run) {
    const { kinds } = run.getPose(item), lines = [];
    JOINT_KINDS.forEach((name, kind) => {
      const joints = run.joints.filter((_, position) => kinds[position] === kind).map((j) => people.joints[j]);
      if (!joints.length) return;
      const dot = makeElement("i");
      dot.style.background = KIND_COLOURS[kind];
      lines.push(makeElement("li", {}, dot, makeElement("b", {}, name), ` ${joints.join(", ")}`));
    });
    return lines;
  }

  const step = (offset) => { if (tiles.items[openIndex + offset] !== undefined) openPerson(openIndex + offset); };
  dialog.querySelector(".previous").addEventListener("click", () => step(-1));
  dialog.querySelector(".next").addEventListener("click", () => step(1));
  dialog.querySelector(".close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  dialog.addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft") step(-1);
    if (event.key === "ArrowRight") step(1);
  });
  dialog.addEventListener("close", () => { openIndex = -1; updateAddress(); list.focus({ preventScroll: true }); });

  // ---- address: the values that differ from the defaults, several values joined by "~"
  function buildAddress() {
    const values = new FormData(form), parameters = new URLSearchParams();
    for (const name of new Set([...values.keys(), ...defaults.keys()])) {
      const value = values.getAll(name).join("~");
      if (value !== defaults.getAll(name).join("~")) parameters.set(name, value);
    }
    if (openIndex >= 0) parameters.set("person", people.id[tiles.items[openIndex]]);
    const text = parameters.toString();
    return text ? `#people?${text}` : "#people";
  }

  function updateAddress() {
    if (isRestoring || (buildAddress() === "#people" && !location.hash.startsWith("#people?"))) return;
    history.replaceState(null, "", buildAddress());
  }

  function restoreFromAddress() {
    if (!location.hash.startsWith("#people?")) return false;
    const parameters = new URLSearchParams(location.hash.slice("#people?".length));
    isRestoring = true;
    form.reset();
    for (const [name, value] of parameters) {
      if (form.elements[name]) setField(form.elements[name], value);
    }
    if (getValue("run") === "") form.elements.run.value = "0";
    if (getValue("sort") === "") form.elements.sort.value = "worst";
    openIndex = -1;
    applyFilters();
    const index = parameters.has("person") ? tiles.items.findIndex((item) => people.id[item] === Number(parameters.get("person"))) : -1;
    document.getElementById("people").scrollIntoView({ behavior: "instant" });
    if (index >= 0) openPerson(index); else if (dialog.open) dialog.close();
    isRestoring = false;
    return true;
  }

  function setField(field, value) {
    const values = value.split("~");
    if (field instanceof RadioNodeList) field.forEach((box) => { box.checked = values.includes(box.value); });
    else if (field.type === "checkbox") field.checked = values.includes(field.value);
    else field.value = value;
  }

  const copyButton = document.getElementById("people-copy");
  const copyText = copyButton.textContent;
  copyButton.addEventListener("click", async () => {
    history.replaceState(null, "", buildAddress());
    let result = "link copied";
    try { await navigator.clipboard.writeText(location.href); } catch { result = "copy it from the address bar"; }
    copyButton.textContent = result;
    setTimeout(() => { copyButton.textContent = copyText; }, 2000);
  });
  addEventListener("hashchange", restoreFromAddress);
  if (!restoreFromAddress()) applyFilters();
}
