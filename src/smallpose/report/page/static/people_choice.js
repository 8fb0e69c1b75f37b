// Who is shown, and in which order: one pass over an order that is made once.
class Choice {
  constructor(people) {
    this.people = people;
    this.orders = new Map();
  }

  // wish: sizes, densities, sources: sets of numbers, empty for all; errors: bits; low, high: px;
  // worst, best: OKS. Without an error that says so, nobody is shown who is none.
  view(r, sort, wish) {
    const { people } = this, view = [];
    const fits = (numbers) => {
      const fit = new Uint8Array(257).fill(numbers.size ? 0 : 1);
      for (const number of numbers) fit[number + 1] = 1;
      return fit;
    };
    const size = fits(wish.sizes), density = fits(wish.densities), source = fits(wish.sources);
    const errors = wish.errors || 0xff & ~(1 << BELONGS_TO_NOBODY);
    for (const i of this.order(r, sort)) {
      const height = people.wh[2 * i + 1], oks = r.oks[i];
      if (!(r.errors[i] & errors) || height < wish.low || height > wish.high) continue;
      if (oks < wish.worst || oks > wish.best) continue;
      if (size[people.size[i] + 1] && density[people.dense[i] + 1] && source[people.source[i] + 1]) view.push(i);
    }
    return view;
  }

  // Everybody of a run, people who were not judged left out.
  order(r, sort) {
    const name = `${this.people.runs.indexOf(r)} ${sort}`;
    if (!this.orders.has(name)) {
      const key = this.key(r, sort), keys = new Float64Array(this.people.all);
      const there = [];
      for (let i = 0; i < keys.length; i++) {
        if (Number.isNaN(r.oks[i])) continue;
        there.push(i);
        keys[i] = key(i);
        if (Number.isNaN(keys[i])) keys[i] = Infinity;
      }
      this.orders.set(name, Uint32Array.from(there.sort((a, b) => keys[a] - keys[b] || a - b)));
    }
    return this.orders.get(name);
  }

  key(r, sort) {
    const { people } = this;
    if (sort.startsWith("below-")) {
      const other = people.runs[Number(sort.slice(6))];
      return (i) => r.oks[i] - other.oks[i];
    }
    // Of those who belong to nobody, the surest are the worst; they stand before everybody else.
    const by = (sign) => (i) => sign * (isFalse(people, i) ? -10 - r.score[i] / (1 + Math.abs(r.score[i])) : r.oks[i]);
    return {
      worst: by(1), best: by(-1),
      small: (i) => people.wh[2 * i] * people.wh[2 * i + 1],
      tall: (i) => -people.wh[2 * i + 1],
      dense: (i) => -people.density[i], sparse: (i) => people.density[i],
    }[sort];
  }
}

// What the chosen ones are, in words, and how many of them have which OKS.
function summary(people, r, view, bars) {
  const counts = new Uint32Array(bars), fine = new Uint32Array(10001);
  let hit = 0, none = 0;
  for (const i of view) {
    if (isFalse(people, i)) { none++; continue; }
    counts[Math.min(Math.floor(r.oks[i] * bars), bars - 1)]++;
    fine[Math.round(r.oks[i] * 10000)]++;
    if (r.oks[i] >= 0.5) hit++;
  }
  const n = view.length - none, said = [];
  const plain = (number) => number.toLocaleString("en");
  if (n || !none) said.push(`${plain(n)} of ${plain(people.n)} ${n === 1 ? "person" : "people"}`);
  if (n) {
    let middle = 0, below = fine[0];
    while (below <= n / 2 && middle < 10000) below += fine[++middle];
    said.push(`${(100 * hit / n).toFixed(0)} % found (OKS from 0.5)`, `middle OKS ${(middle / 10000).toFixed(2)}`);
  }
  if (none) {
    said.push(`${plain(none)} of ${plain(r.false.n)} false positives`);
    for (const [kind, name] of FALSE_KINDS.entries()) {
      const some = view.filter((i) => isFalse(people, i) && r.falseKinds[i - r.false.start] === kind).length;
      if (some) said.push(`${plain(some)} ${name}${some > 1 && name !== "background" ? "s" : ""}`);
    }
  }
  return { words: said.join(" · "), counts };
}
