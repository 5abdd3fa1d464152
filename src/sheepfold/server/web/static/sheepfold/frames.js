// What the page knows of the frames of a project: numbers, states, results. No drawing here.

export const NAMES = { w: "waiting", r: "rendering", d: "done", f: "failed", c: "cancelled" };

export class Frames extends EventTarget {
  constructor(base) {
    super();
    this.base = base;
    this.numbers = [];
    this.states = [];
    this.done = new Map(); // frame number → { result, seconds, machine }
    this.machines = {};
    this.counts = { w: 0, r: 0, d: 0, f: 0, c: 0 };
    this.fps = 24;
    this.aspect = 16 / 9;
    this.left = null;
    this.index = new Map();
  }

  async load() {
    const answer = await fetch(`${this.base}frames.json`, { headers: { Accept: "application/json" } });
    if (!answer.ok) return;
    const data = await answer.json();
    this.numbers = data.runs.flatMap(([first, last]) => Array.from({ length: last - first + 1 }, (_, i) => first + i));
    this.index = new Map(this.numbers.map((number, i) => [number, i]));
    this.states = [...data.states];
    this.done.clear();
    data.done.forEach((row) => this.#take(row));
    Object.assign(this.machines, data.machines);
    this.counts = data.counts;
    this.fps = data.fps || 24;
    this.left = data.left;
    this.aspect = data.width / data.height;
    this.#tell([...this.numbers.keys()], true);
  }

  // News of the stream. Returns false when something was missed and all must be read anew.
  apply(news) {
    const changed = new Set();
    const rendering = new Set(news.rendering);
    this.numbers.forEach((number, i) => {
      if (this.states[i] === "r" && !rendering.has(number)) this.#set(i, "w", changed);
    });
    news.rendering.forEach((number) => this.#set(this.index.get(number), "r", changed));
    news.done.forEach((row) => {
      this.#take(row);
      const i = this.index.get(row[0]);
      if (i !== undefined) changed.add(i);
      if (!rendering.has(row[0])) this.#set(i, "d", changed);
    });
    this.counts = news.counts;
    this.left = news.left;
    this.#tell([...changed], false);
    return news.done.every((row) => this.index.has(row[0])) && this.#agrees(news.counts);
  }

  at(i) {
    const number = this.numbers[i];
    return { number, state: this.states[i], ...this.done.get(number) };
  }

  thumbnail(number) {
    const known = this.done.get(number);
    return known && `${this.base}frames/${number}/thumbnail/?r=${known.result}`;
  }

  words(i) {
    const frame = this.at(i);
    const time = frame.seconds === undefined ? "" : `, ${duration(frame.seconds)}`;
    return `Frame ${frame.number}, ${NAMES[frame.state]}${time}`;
  }

  doneNumbers() {
    return this.numbers.filter((number) => this.done.has(number));
  }

  #take([frame, result, seconds, machine]) {
    this.done.set(frame, { result, seconds, machine });
  }

  #set(i, state, changed) {
    if (i === undefined || this.states[i] === state) return;
    this.states[i] = state;
    changed.add(i);
  }

  #agrees(counts) {
    const mine = { w: 0, r: 0, d: 0, f: 0, c: 0 };
    this.states.forEach((state) => { mine[state] += 1; });
    return Object.keys(mine).every((state) => mine[state] === counts[state]);
  }

  #tell(indices, all) {
    this.dispatchEvent(new CustomEvent("change", { detail: { indices, all } }));
  }
}

export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  if (whole < 86400) return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
  return `${Math.floor(whole / 86400)} d ${Math.floor((whole % 86400) / 3600)} h`;
}

// Sorted numbers in the notation of the forms, e.g. 1-24,30
export function asRanges(numbers) {
  const runs = [];
  for (const number of [...numbers].sort((a, b) => a - b)) {
    const last = runs.at(-1);
    if (last && last[1] === number - 1) last[1] = number;
    else runs.push([number, number]);
  }
  return runs.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`)).join(",");
}
