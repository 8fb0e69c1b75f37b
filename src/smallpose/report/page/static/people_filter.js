// Choose and order the items of the person browser: one pass over an order that is computed once.
class PersonFilter {
  constructor(people) {
    this.people = people;
    this.orders = new Map();
  }

  // filters: `sizes`, `densities`, `sources` are sets of codes, empty for all; `errors` has one bit per
  // error, 0 for all people; `minHeight`, `maxHeight` in px; `minOks`, `maxOks`. False positives are
  // only included if `errors` asks for them.
  select(run, sort, filters) {
    const { people } = this, selected = [];
    const lookUp = (codes) => {
      const table = new Uint8Array(257).fill(codes.size ? 0 : 1);
      for (const code of codes) table[code + 1] = 1;
      return table;
    };
    const sizes = lookUp(filters.sizes), densities = lookUp(filters.densities), sources = lookUp(filters.sources);
    const errors = filters.errors || 0xff & ~(1 << FALSE_POSITIVE);
    for (const i of this.getOrder(run, sort)) {
      const height = people.wh[2 * i + 1], oks = run.oks[i];
      if (!(run.errors[i] & errors)) continue;
      if (height < filters.minHeight || height > filters.maxHeight) continue;
      if (oks < filters.minOks || oks > filters.maxOks) continue;
      if (sizes[people.size[i] + 1] && densities[people.density_class[i] + 1] && sources[people.source[i] + 1]) selected.push(i);
    }
    return selected;
  }

  // All items of a run in order, without people who are not scored.
  getOrder(run, sort) {
    const name = `${this.people.runs.indexOf(run)} ${sort}`;
    if (!this.orders.has(name)) {
      const getKey = this.makeSortKey(run, sort), keys = new Float64Array(this.people.num_items);
      const items = [];
      for (let i = 0; i < keys.length; i++) {
        if (Number.isNaN(run.oks[i])) continue;
        items.push(i);
        keys[i] = getKey(i);
        if (Number.isNaN(keys[i])) keys[i] = Infinity;
      }
      this.orders.set(name, Uint32Array.from(items.sort((a, b) => keys[a] - keys[b] || a - b)));
    }
    return this.orders.get(name);
  }

  makeSortKey(run, sort) {
    const { people } = this;
    if (sort.startsWith("below-")) {
      const other = people.runs[Number(sort.slice("below-".length))];
      return (i) => run.oks[i] - other.oks[i];
    }
    // The worst false positives are those of the highest score; they come before all people.
    const badness = (i) => (isFalsePositive(people, i) ? -10 - run.score[i] / (1 + Math.abs(run.score[i])) : run.oks[i]);
    return {
      worst: badness,
      best: (i) => -badness(i),
      small: (i) => people.wh[2 * i] * people.wh[2 * i + 1],
      tall: (i) => -people.wh[2 * i + 1],
      dense: (i) => -people.density[i],
      sparse: (i) => people.density[i],
    }[sort];
  }
}

// Describe the selected items in words, and count the people in bins of OKS.
function summarizeSelection(people, run, selected, numBars) {
  const counts = new Uint32Array(numBars), fineCounts = new Uint32Array(10001);
  let numDetected = 0, numFalse = 0;
  for (const i of selected) {
    if (isFalsePositive(people, i)) { numFalse++; continue; }
    counts[Math.min(Math.floor(run.oks[i] * numBars), numBars - 1)]++;
    fineCounts[Math.round(run.oks[i] * 10000)]++;
    if (run.matched[i]) numDetected++;
  }
  const numPeople = selected.length - numFalse, parts = [];
  const format = (number) => number.toLocaleString("en");
  if (numPeople || !numFalse) parts.push(`${format(numPeople)} of ${format(people.num_people)} ${numPeople === 1 ? "person" : "people"}`);
  if (numPeople) {
    parts.push(`${format(numDetected)} detected (${(100 * numDetected / numPeople).toFixed(0)} %, OKS ≥ 0.5)`);
    parts.push(`median OKS ${findMedian(fineCounts, numPeople).toFixed(2)}`);
  }
  if (numFalse) {
    parts.push(`${format(numFalse)} of ${format(run.false_positives.n)} false positives`);
    for (const [kind, name] of FALSE_POSITIVE_KINDS.entries()) {
      const number = selected.filter((i) => isFalsePositive(people, i) && run.falseKinds[i - run.false_positives.start] === kind).length;
      if (number) parts.push(`${format(number)} ${name}${number > 1 && name !== "background" ? "s" : ""}`);
    }
  }
  return { text: parts.join(" · "), counts };
}

// The median of OKS values that are counted in steps of 0.0001.
function findMedian(counts, total) {
  let step = 0, cumulated = counts[0];
  while (cumulated <= total / 2 && step < 10000) cumulated += counts[++step];
  return step / 10000;
}
