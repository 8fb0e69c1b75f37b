// A list of which only the visible part exists. Its rows are moved and filled again rather than made;
// each has one canvas, because every canvas costs a layer, and its pictures are drawn in what is left
// of the frames, those in sight first.
const GAP = 10, CAPTION = 46, AHEAD = 2; // px, px, rows
const FRAME_SHARE = 6, AT_ONCE = 12; // ms for drawing: in a frame, and when the list is another one

class PeopleList {
  // draw(pen, width, person): at the pen's origin; say(tile, person): its words.
  constructor(list, people, { draw, say, open }) {
    Object.assign(this, { list, people, draw, say, open });
    this.inner = list.firstElementChild;
    this.view = [];
    this.active = 0;
    this.columns = 1;
    this.width = 0; // of a tile
    this.step = 1; // px from row to row
    this.height = 0; // of the part that is visible
    this.rows = new Map(); // number to element
    this.spare = [];
    this.undrawn = new Set(); // places in `view`
    this.marked = null;
    this.frame = 0;
    list.addEventListener("scroll", () => this.later(() => this.render()), { passive: true });
    list.addEventListener("click", (event) => {
      const tile = event.target.closest(".tile");
      if (tile) open(Number(tile.dataset.at));
    });
    list.addEventListener("keydown", (event) => this.press(event));
    let known = 0;
    new ResizeObserver(() => {
      if (this.inner.clientWidth === known) return;
      known = this.inner.clientWidth;
      this.layout();
      this.goTo(this.active);
    }).observe(this.inner);
  }

  // Once in the next frame, whatever else is asked for until then; drawing goes on afterwards.
  later(before = null) {
    if (before) this.before = before;
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.before?.();
      this.before = null;
      this.drawSome();
    });
  }

  show(view) {
    this.view = view;
    this.active = 0;
    this.list.scrollTop = 0;
    this.layout();
  }

  layout() {
    const width = this.inner.clientWidth;
    const columns = Math.max(2, Math.floor((width + GAP) / (128 + GAP)));
    if (columns !== this.columns) this.inner.replaceChildren();
    this.columns = columns;
    this.width = (width - GAP * (columns - 1)) / columns;
    this.picture = Math.round(this.width * this.people.cell[1] / this.people.cell[0]);
    this.step = this.picture + CAPTION + GAP;
    this.height = this.list.clientHeight;
    this.list.style.setProperty("--tile", `${this.width}px`);
    this.list.style.setProperty("--picture", `${this.picture}px`);
    this.list.style.setProperty("--caption", `${CAPTION}px`);
    this.inner.style.height = `${Math.ceil(this.view.length / columns) * this.step}px`;
    this.spare = [...this.inner.children].reverse(); // so that they stand in the order of people
    this.rows.clear();
    this.undrawn.clear();
    this.render();
    this.drawSome(AT_ONCE);
  }

  // Which rows are in sight, and some more.
  reach(more) {
    const top = this.list.scrollTop, last = Math.ceil(this.view.length / this.columns);
    return [
      Math.max(0, Math.floor(top / this.step) - more),
      Math.min(last, Math.ceil((top + this.height) / this.step) + more),
    ];
  }

  render() {
    const [first, end] = this.reach(AHEAD);
    for (const [number, row] of this.rows) {
      if (number >= first && number < end) continue;
      this.spare.push(row);
      this.rows.delete(number);
      for (let c = 0; c < this.columns; c++) this.undrawn.delete(number * this.columns + c);
    }
    for (let number = first; number < end; number++) if (!this.rows.has(number)) this.place(number);
    for (const row of this.spare) if (!row.hidden) row.hidden = true;
    this.mark();
  }

  place(number) {
    const row = this.spare.pop() || this.newRow();
    row.hidden = false;
    row.style.transform = `translateY(${number * this.step}px)`;
    const { pen, ratio } = penOf(row.firstElementChild, this.inner.clientWidth, this.picture);
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, pen.canvas.width, pen.canvas.height);
    this.rows.set(number, row);
    for (let c = 0; c < this.columns; c++) {
      const at = number * this.columns + c, tile = row.children[c + 1];
      if (tile === this.marked) this.marked = null;
      tile.hidden = at >= this.view.length;
      if (tile.hidden) continue;
      tile.id = `tile-${at}`;
      tile.dataset.at = at;
      tile.setAttribute("aria-posinset", at + 1);
      tile.setAttribute("aria-setsize", this.view.length);
      tile.setAttribute("aria-selected", "false");
      this.say(tile, this.view[at]);
      this.undrawn.add(at);
      pen.fillStyle = NIGHT;
      this.onto(pen, ratio, c, (w, h) => pen.fillRect(0, 0, w, h));
    }
    this.later();
  }

  newRow() {
    const row = make("div", { role: "presentation", class: "people-row" }, make("canvas", { "aria-hidden": "true" }));
    for (let c = 0; c < this.columns; c++) row.append(make("div", { role: "option", class: "tile" }, make("i"), make("b"), make("span")));
    this.inner.append(row);
    return row;
  }

  // What is drawn stays inside the picture of that column.
  onto(pen, ratio, column, draw) {
    const w = Math.round(this.width * ratio), h = Math.round(this.picture * ratio);
    pen.save();
    pen.setTransform(1, 0, 0, 1, Math.round(column * (this.width + GAP) * ratio), 0);
    pen.beginPath();
    if (pen.roundRect) pen.roundRect(0, 0, w, h, 6 * ratio); else pen.rect(0, 0, w, h);
    pen.clip();
    draw(w, h);
    pen.restore();
  }

  // As many as there is time for; the rest in the next frame.
  drawSome(time = FRAME_SHARE) {
    const until = performance.now() + time;
    const [first, end] = this.reach(0).map((row) => row * this.columns);
    const inSight = (at) => at >= first && at < end;
    const queue = [...this.undrawn];
    for (const at of [...queue.filter(inSight), ...queue.filter((at) => !inSight(at))]) {
      if (performance.now() > until) { this.later(); return; }
      this.undrawn.delete(at); // one whose picture is still awaited comes back with it
      const row = this.rows.get(Math.floor(at / this.columns));
      const { pen, ratio } = penOf(row.firstElementChild, this.inner.clientWidth, this.picture);
      this.onto(pen, ratio, at % this.columns, (w) => this.draw(pen, w, this.view[at]));
    }
  }

  tile(at) {
    return this.rows.get(Math.floor(at / this.columns))?.children[at % this.columns + 1];
  }

  // Draw a person again, or everybody.
  again(person = -1) {
    for (const number of this.rows.keys()) {
      const end = Math.min((number + 1) * this.columns, this.view.length);
      for (let at = number * this.columns; at < end; at++) if (person < 0 || this.view[at] === person) this.undrawn.add(at);
    }
    this.later();
  }

  mark() {
    const tile = this.view.length ? this.tile(this.active) : undefined;
    if (this.marked === tile) return;
    this.marked?.setAttribute("aria-selected", "false");
    tile?.setAttribute("aria-selected", "true");
    this.marked = tile || null;
    if (tile) this.list.setAttribute("aria-activedescendant", tile.id);
    else this.list.removeAttribute("aria-activedescendant");
  }

  press(event) {
    const page = Math.max(1, Math.floor(this.height / this.step)) * this.columns;
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: this.columns, ArrowUp: -this.columns, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      if (this.view.length) this.open(this.active);
    } else if (event.key in steps) {
      event.preventDefault();
      this.goTo(this.active + steps[event.key]);
    }
  }

  goTo(at) {
    this.active = Math.min(Math.max(at, 0), Math.max(this.view.length - 1, 0));
    const top = Math.floor(this.active / this.columns) * this.step;
    if (top < this.list.scrollTop) this.list.scrollTop = top;
    const below = top + this.step - this.height;
    if (below > this.list.scrollTop) this.list.scrollTop = below;
    this.render();
  }
}
