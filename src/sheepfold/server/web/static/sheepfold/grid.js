// The grid of frames. Only the cells that are on the screen exist, so 10,000 frames cost what 100 do.

const SIZES = [18, 72, 120, 180, 280]; // least width of a cell in pixels; the smallest shows colours only
const BEYOND = 300; // pixels above and below the screen that are drawn too
const KEPT = "sheepfold-cell-size";

export class Grid {
  constructor(place, frames, { open, choose }) {
    this.place = place;
    this.frames = frames;
    this.open = open;
    this.choose = choose;
    this.cells = new Map();
    this.chosen = new Set();
    this.active = 0;
    this.anchor = 0;
    this.step = Number(localStorage.getItem(KEPT) ?? 2);
    frames.addEventListener("change", (event) => this.#changed(event.detail));
    window.addEventListener("scroll", () => this.#later(), { passive: true });
    new ResizeObserver(() => this.layout()).observe(place.parentElement);
    place.addEventListener("click", (event) => this.#clicked(event));
    place.addEventListener("keydown", (event) => this.#pressed(event));
    place.addEventListener("pointerdown", (event) => this.#touched(event));
    place.addEventListener("focus", () => this.#activate(this.active, place.matches(":focus-visible")));
    place.addEventListener("blur", () => this.cells.get(this.active)?.classList.remove("active"));
  }

  get steps() { return SIZES.length; }

  resize(step) {
    this.step = Math.min(SIZES.length - 1, Math.max(0, step));
    localStorage.setItem(KEPT, this.step);
    this.layout();
  }

  layout() {
    this.shape = `${this.frames.numbers.length} ${this.frames.aspect}`;
    const width = this.place.clientWidth;
    const least = SIZES[this.step] ?? SIZES[2];
    this.dense = this.step === 0;
    this.gap = this.dense ? 2 : 8;
    this.columns = Math.max(1, Math.floor((width + this.gap) / (least + this.gap)));
    this.cellWidth = (width - this.gap * (this.columns - 1)) / this.columns;
    this.cellHeight = this.dense ? this.cellWidth : this.cellWidth / this.frames.aspect;
    const rows = Math.ceil(this.frames.numbers.length / this.columns);
    this.place.style.height = `${Math.max(0, rows * (this.cellHeight + this.gap) - this.gap)}px`;
    this.place.classList.toggle("dense", this.dense);
    this.place.classList.toggle("tiny", this.cellWidth < 100 && !this.dense);
    this.cells.forEach((cell) => cell.remove());
    this.cells.clear();
    this.draw();
  }

  draw() {
    const box = this.place.getBoundingClientRect();
    const row = this.cellHeight + this.gap;
    const first = Math.max(0, Math.floor((-box.top - BEYOND) / row)) * this.columns;
    const last = Math.min(this.frames.numbers.length, Math.ceil((innerHeight - box.top + BEYOND) / row) * this.columns);
    for (const [i, cell] of this.cells) {
      if (i < first || i >= last) { cell.remove(); this.cells.delete(i); }
    }
    for (let i = first; i < last; i += 1) if (!this.cells.has(i)) this.#add(i);
  }

  clearChoice() {
    const before = [...this.chosen];
    this.chosen.clear();
    before.forEach((i) => this.#paint(i));
    this.choose([]);
  }

  reveal(i) { this.#activate(i, true); }

  #add(i) {
    const cell = document.createElement("div");
    cell.className = "cell";
    cell.role = "option";
    cell.id = `cell-${this.frames.numbers[i]}`;
    cell.dataset.i = i;
    cell.style.width = `${this.cellWidth}px`;
    cell.style.height = `${this.cellHeight}px`;
    const x = (i % this.columns) * (this.cellWidth + this.gap);
    const y = Math.floor(i / this.columns) * (this.cellHeight + this.gap);
    cell.style.transform = `translate(${x}px, ${y}px)`;
    cell.setAttribute("aria-posinset", i + 1);
    cell.setAttribute("aria-setsize", this.frames.numbers.length);
    this.cells.set(i, cell);
    this.place.append(cell);
    this.#paint(i);
  }

  #paint(i) {
    const cell = this.cells.get(i);
    if (!cell) return;
    const frame = this.frames.at(i);
    cell.dataset.state = frame.state;
    cell.setAttribute("aria-label", this.frames.words(i));
    cell.setAttribute("aria-selected", this.chosen.has(i));
    cell.title = this.frames.words(i);
    cell.classList.toggle("active", i === this.active && document.activeElement === this.place);
    if (!this.dense) this.#fill(cell, frame);
  }

  #fill(cell, frame) {
    const address = this.frames.thumbnail(frame.number);
    let image = cell.querySelector("img");
    if (address && image?.getAttribute("src") !== address) {
      image?.remove();
      image = document.createElement("img");
      image.alt = "";
      image.decoding = "async";
      image.addEventListener("load", () => cell.classList.add("seen"), { once: true });
      image.src = address;
      cell.prepend(image);
    }
    let label = cell.querySelector("span");
    if (!label) { label = document.createElement("span"); cell.append(label); }
    label.textContent = frame.number;
  }

  #changed({ indices, all }) {
    const shape = `${this.frames.numbers.length} ${this.frames.aspect}`;
    if (all && shape !== this.shape) this.layout(); // else cells stay where they are, also under a finger
    else if (all) this.cells.forEach((_, i) => this.#paint(i));
    else indices.forEach((i) => this.#paint(i));
  }

  #later() {
    if (this.pending) return;
    this.pending = requestAnimationFrame(() => { this.pending = 0; this.draw(); });
  }

  // Before the focus comes: whoever clicks a cell must not be scrolled away to the one that was active.
  #touched(event) {
    const cell = event.target.closest(".cell");
    if (cell) this.#activate(Number(cell.dataset.i), false);
  }

  #clicked(event) {
    const cell = event.target.closest(".cell");
    if (!cell) return;
    const i = Number(cell.dataset.i);
    if (event.shiftKey) this.#chooseTo(i);
    else if (event.ctrlKey || event.metaKey || this.choosing) this.#toggle(i);
    else this.open(i);
    this.#activate(i, false);
    this.anchor = i;
  }

  #pressed(event) {
    const moves = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.columns, ArrowDown: this.columns, Home: -1e9, End: 1e9, PageUp: -this.columns * 5, PageDown: this.columns * 5 };
    if (event.key in moves) {
      const to = Math.min(this.frames.numbers.length - 1, Math.max(0, this.active + moves[event.key]));
      if (event.shiftKey) this.#chooseTo(to);
      else this.anchor = to;
      this.#activate(to, true);
    } else if (event.key === "Enter") this.open(this.active);
    else if (event.key === " ") this.#toggle(this.active);
    else if (event.key === "Escape") this.clearChoice();
    else return;
    event.preventDefault();
  }

  #activate(i, show) {
    const before = this.active;
    this.active = i;
    if (show) this.#show(i);
    this.#paint(before);
    this.#paint(i);
    const cell = this.cells.get(i);
    if (cell) this.place.setAttribute("aria-activedescendant", cell.id);
  }

  #show(i) {
    const box = this.place.getBoundingClientRect();
    const top = box.top + Math.floor(i / this.columns) * (this.cellHeight + this.gap);
    const low = 90;
    if (top < low) scrollBy(0, top - low);
    else if (top + this.cellHeight > innerHeight - low) scrollBy(0, top + this.cellHeight - innerHeight + low);
    this.draw();
  }

  #toggle(i) {
    if (!this.chosen.delete(i)) this.chosen.add(i);
    this.#paint(i);
    this.#report();
  }

  #chooseTo(i) {
    for (let at = Math.min(i, this.anchor); at <= Math.max(i, this.anchor); at += 1) {
      this.chosen.add(at);
      this.#paint(at);
    }
    this.#report();
  }

  #report() { this.choose([...this.chosen].map((i) => this.frames.numbers[i])); }
}
