// A list of which only the visible part exists. Its rows are moved and refilled rather than created;
// each has one canvas, because every canvas costs a layer. A few tiles are drawn in each frame, those
// in view first.
const GAP = 10, CAPTION_HEIGHT = 46; // px
const MIN_TILE_WIDTH = 128; // px
const EXTRA_ROWS = 1; // beyond those in view
const FIRST_DRAW_MS = 12; // for drawing after a change of the list
// Tiles in a frame: what a canvas is told takes its time only after the script, so time is no limit.
const FRAME_TILES = 4;

class PeopleList {
  // draw(pen, width, item): draws at the pen's origin; describe(tile, item): sets its text;
  // open(index): opens the tile.
  constructor(list, people, { draw, describe, open }) {
    Object.assign(this, { list, people, draw, describe, open });
    this.inner = list.firstElementChild;
    this.items = [];
    this.active = 0; // index into `items`
    this.columns = 1;
    this.tileWidth = 0;
    this.rowHeight = 1; // with the gap, px
    this.viewHeight = 0;
    this.rows = new Map(); // number to element
    this.spareRows = [];
    this.undrawn = new Set(); // indices into `items`
    this.marked = null;
    this.frame = 0;
    list.addEventListener("scroll", () => this.schedule(() => this.render()), { passive: true });
    list.addEventListener("click", (event) => {
      const tile = event.target.closest(".tile");
      if (tile) open(Number(tile.dataset.index));
    });
    list.addEventListener("keydown", (event) => this.handleKey(event));
    let width = 0;
    new ResizeObserver(() => {
      if (this.inner.clientWidth === width) return;
      width = this.inner.clientWidth;
      this.layOut();
      this.moveTo(this.active);
    }).observe(this.inner);
  }

  // Draw in the next frame, after `task` if there is one.
  schedule(task = null) {
    if (task) this.task = task;
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.task?.();
      this.task = null;
      this.drawTiles(Infinity, FRAME_TILES);
    });
  }

  show(items) {
    this.items = items;
    this.active = 0;
    this.list.scrollTop = 0;
    this.layOut();
  }

  layOut() {
    const width = this.inner.clientWidth;
    const columns = Math.max(2, Math.floor((width + GAP) / (MIN_TILE_WIDTH + GAP)));
    if (columns !== this.columns) this.inner.replaceChildren();
    this.columns = columns;
    this.tileWidth = (width - GAP * (columns - 1)) / columns;
    this.imageHeight = Math.round(this.tileWidth * this.people.cell[1] / this.people.cell[0]);
    this.rowHeight = this.imageHeight + CAPTION_HEIGHT + GAP;
    this.viewHeight = this.list.clientHeight;
    this.list.style.setProperty("--tile-width", `${this.tileWidth}px`);
    this.list.style.setProperty("--image-height", `${this.imageHeight}px`);
    this.list.style.setProperty("--caption-height", `${CAPTION_HEIGHT}px`);
    this.inner.style.height = `${Math.ceil(this.items.length / columns) * this.rowHeight}px`;
    this.spareRows = [...this.inner.children].reverse(); // so that they are used in document order
    this.rows.clear();
    this.undrawn.clear();
    this.render();
    this.drawTiles(FIRST_DRAW_MS);
  }

  // The first row in view and the end of the rows in view, with `extra` rows around them.
  getRowsInView(extra) {
    const top = this.list.scrollTop, end = Math.ceil(this.items.length / this.columns);
    return [
      Math.max(0, Math.floor(top / this.rowHeight) - extra),
      Math.min(end, Math.ceil((top + this.viewHeight) / this.rowHeight) + extra),
    ];
  }

  render() {
    const [first, end] = this.getRowsInView(EXTRA_ROWS);
    for (const [number, row] of this.rows) {
      if (number >= first && number < end) continue;
      this.spareRows.push(row);
      this.rows.delete(number);
      for (let c = 0; c < this.columns; c++) this.undrawn.delete(number * this.columns + c);
    }
    for (let number = first; number < end; number++) if (!this.rows.has(number)) this.placeRow(number);
    for (const row of this.spareRows) if (!row.hidden) row.hidden = true;
    this.markActive();
  }

  placeRow(number) {
    const row = this.spareRows.pop() || this.createRow();
    row.hidden = false;
    row.style.top = `${number * this.rowHeight}px`;
    const { pen, ratio } = preparePen(row.firstElementChild, this.inner.clientWidth, this.imageHeight);
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, pen.canvas.width, pen.canvas.height);
    pen.fillStyle = EMPTY_COLOUR;
    this.rows.set(number, row);
    for (let c = 0; c < this.columns; c++) {
      const index = number * this.columns + c, tile = row.children[c + 1];
      if (tile === this.marked) this.marked = null;
      tile.hidden = index >= this.items.length;
      if (tile.hidden) continue;
      tile.id = `tile-${index}`;
      tile.dataset.index = index;
      tile.setAttribute("aria-posinset", index + 1);
      if (tile.getAttribute("aria-setsize") !== String(this.items.length)) tile.setAttribute("aria-setsize", this.items.length);
      if (tile.getAttribute("aria-selected") !== "false") tile.setAttribute("aria-selected", "false");
      this.describe(tile, this.items[index]);
      this.undrawn.add(index);
      pen.fillRect(Math.round(c * (this.tileWidth + GAP) * ratio), 0, Math.round(this.tileWidth * ratio), Math.round(this.imageHeight * ratio));
    }
    this.schedule();
  }

  createRow() {
    const row = makeElement("div", { role: "presentation", class: "people-row" }, makeElement("canvas", { "aria-hidden": "true" }));
    for (let c = 0; c < this.columns; c++) {
      row.append(makeElement("div", { role: "option", class: "tile" }, makeElement("i"), makeElement("b"), makeElement("span")));
    }
    this.inner.append(row);
    return row;
  }

  // Draw with the pen's origin at the image of that column, clipped to it.
  drawInColumn(pen, ratio, column, draw) {
    const w = Math.round(this.tileWidth * ratio), h = Math.round(this.imageHeight * ratio);
    pen.save();
    pen.setTransform(1, 0, 0, 1, Math.round(column * (this.tileWidth + GAP) * ratio), 0);
    // A rectangle of whole pixels costs nothing to clip to; round corners are drawn by CSS.
    pen.beginPath();
    pen.rect(0, 0, w, h);
    pen.clip();
    draw(w, h);
    pen.restore();
  }

  // Draw as many tiles as there is time for; the others follow in the next frame.
  drawTiles(milliseconds, maxTiles = Infinity) {
    const deadline = performance.now() + milliseconds;
    let numDrawn = 0;
    const [first, end] = this.getRowsInView(0).map((row) => row * this.columns);
    const isInView = (index) => index >= first && index < end;
    const queue = [...this.undrawn];
    for (const index of [...queue.filter(isInView), ...queue.filter((other) => !isInView(other))]) {
      if (numDrawn++ >= maxTiles || performance.now() > deadline) { this.schedule(); return; }
      this.undrawn.delete(index); // a tile whose image is pending is added again when it is loaded
      const row = this.rows.get(Math.floor(index / this.columns));
      const { pen, ratio } = preparePen(row.firstElementChild, this.inner.clientWidth, this.imageHeight);
      this.drawInColumn(pen, ratio, index % this.columns, (w) => this.draw(pen, w, this.items[index]));
    }
  }

  getTile(index) {
    return this.rows.get(Math.floor(index / this.columns))?.children[index % this.columns + 1];
  }

  // Draw one item again, or all with -1.
  redraw(item) {
    for (const number of this.rows.keys()) {
      const end = Math.min((number + 1) * this.columns, this.items.length);
      for (let index = number * this.columns; index < end; index++) {
        if (item < 0 || this.items[index] === item) this.undrawn.add(index);
      }
    }
    this.schedule();
  }

  markActive() {
    const tile = this.items.length ? this.getTile(this.active) : undefined;
    if (this.marked === tile) return;
    this.marked?.setAttribute("aria-selected", "false");
    tile?.setAttribute("aria-selected", "true");
    this.marked = tile || null;
    if (tile) this.list.setAttribute("aria-activedescendant", tile.id);
    else this.list.removeAttribute("aria-activedescendant");
  }

  handleKey(event) {
    const page = Math.max(1, Math.floor(this.viewHeight / this.rowHeight)) * this.columns;
    const steps = {
      ArrowRight: 1, ArrowLeft: -1, ArrowDown: this.columns, ArrowUp: -this.columns,
      PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity,
    };
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      if (this.items.length) this.open(this.active);
    } else if (event.key in steps) {
      event.preventDefault();
      this.moveTo(this.active + steps[event.key]);
    }
  }

  moveTo(index) {
    this.active = Math.min(Math.max(index, 0), Math.max(this.items.length - 1, 0));
    const top = Math.floor(this.active / this.columns) * this.rowHeight;
    if (top < this.list.scrollTop) this.list.scrollTop = top;
    const minScroll = top + this.rowHeight - this.viewHeight;
    if (minScroll > this.list.scrollTop) this.list.scrollTop = minScroll;
    this.render();
  }
}
