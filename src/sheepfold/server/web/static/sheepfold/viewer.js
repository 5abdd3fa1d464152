// One frame large, and the finished frames as an animation. A dialog: Esc closes, the arrow keys turn pages.
import { NAMES, duration } from "./frames.js";

const AHEAD = 36; // pictures that are fetched before they are shown
const SWIPE = 50; // pixels that a finger moves to turn the page
const REMEMBERED = 400; // pictures kept; 320 pixels wide they are about 0.2 MB each in memory

export class Viewer {
  constructor(dialog, frames, grid) {
    this.dialog = dialog;
    this.frames = frames;
    this.grid = grid;
    this.pictures = new Map();
    this.image = dialog.querySelector("img");
    this.canvas = dialog.querySelector("canvas");
    this.scrub = dialog.querySelector("input[type=range]");
    dialog.addEventListener("keydown", (event) => this.#pressed(event));
    dialog.addEventListener("close", () => { this.stop(); this.grid.reveal(this.i); this.grid.place.focus(); });
    dialog.addEventListener("click", (event) => this.#clicked(event));
    this.#followFinger(dialog.querySelector(".stage"));
    this.scrub.addEventListener("input", () => { this.stop(); this.show(Number(this.scrub.value)); });
    frames.addEventListener("change", (event) => {
      if (dialog.open && !this.playing && event.detail.indices.includes(this.i)) this.show(this.i);
    });
  }

  open(i) {
    this.scrub.max = this.frames.numbers.length - 1;
    if (!this.dialog.open) this.dialog.showModal();
    this.show(i);
  }

  show(i) {
    this.i = Math.min(this.frames.numbers.length - 1, Math.max(0, i));
    this.scrub.value = this.i;
    const frame = this.frames.at(this.i);
    this.#picture(frame);
    this.#text("number", `Frame ${frame.number}`);
    this.#text("state", NAMES[frame.state]);
    this.#text("time", frame.seconds === undefined ? "" : duration(frame.seconds));
    this.#text("machine", frame.machine ? this.frames.machines[frame.machine] ?? "" : "");
    const download = this.dialog.querySelector("[data-download]");
    download.hidden = !frame.result;
    download.href = `${this.frames.base}frames/${frame.number}/image/?download`;
    this.#details(frame.number);
  }

  play() {
    const numbers = this.frames.doneNumbers();
    if (numbers.length < 2) return;
    if (!this.dialog.open) this.open(this.frames.index.get(numbers[0]));
    this.playing = true;
    this.dialog.classList.add("playing");
    this.#text("play", "Pause");
    this.canvas.hidden = false;
    this.image.hidden = true;
    this.at = Math.max(0, numbers.findIndex((number) => number >= this.frames.numbers[this.i]));
    if (this.at >= numbers.length - 1) this.at = 0;
    this.due = performance.now();
    this.#tick();
  }

  stop() {
    if (!this.playing) return;
    this.playing = false;
    cancelAnimationFrame(this.next);
    this.dialog.classList.remove("playing");
    this.#text("play", "Play");
    this.canvas.hidden = true;
    this.image.hidden = false;
    this.show(this.i);
  }

  #tick() {
    if (!this.playing) return;
    this.next = requestAnimationFrame(() => this.#tick());
    const now = performance.now();
    if (now < this.due) return;
    const numbers = this.frames.doneNumbers(); // it may still grow while we play
    const picture = this.#fetch(numbers[this.at]);
    for (let step = 1; step <= AHEAD; step += 1) this.#fetch(numbers[(this.at + step) % numbers.length]);
    if (!picture.complete) { this.due = now; return; } // wait for it rather than skip it
    this.#drawOn(picture);
    this.i = this.frames.index.get(numbers[this.at]);
    this.scrub.value = this.i;
    this.#text("number", `Frame ${numbers[this.at]}`);
    this.at = (this.at + 1) % numbers.length;
    this.due = Math.max(this.due + 1000 / this.frames.fps, now - 100);
  }

  #drawOn(picture) {
    if (!picture.naturalWidth) return;
    if (this.canvas.width !== picture.naturalWidth) this.canvas.width = picture.naturalWidth;
    if (this.canvas.height !== picture.naturalHeight) this.canvas.height = picture.naturalHeight;
    const pen = this.canvas.getContext("2d");
    pen.clearRect(0, 0, this.canvas.width, this.canvas.height);
    pen.drawImage(picture, 0, 0);
    this.canvas.dataset.frame = this.frames.numbers[this.i];
  }

  #fetch(number) {
    const address = this.frames.thumbnail(number);
    let picture = this.pictures.get(address);
    if (!picture) {
      picture = new Image();
      picture.src = address;
      this.pictures.set(address, picture);
      if (this.pictures.size > REMEMBERED) this.pictures.delete(this.pictures.keys().next().value);
    }
    return picture;
  }

  #picture(frame) {
    const known = this.frames.thumbnail(frame.number);
    this.dialog.classList.toggle("without-picture", !known);
    this.image.hidden = !known;
    if (!known) { this.image.removeAttribute("src"); return; }
    const full = `${this.frames.base}frames/${frame.number}/picture/?r=${frame.result}`;
    if (this.image.dataset.full === full) return;
    this.image.dataset.full = full;
    this.image.alt = `Frame ${frame.number}`;
    this.image.src = known; // at once, until the large one is here
    const large = new Image();
    large.onload = () => { if (this.image.dataset.full === full) this.image.src = full; };
    large.src = full;
  }

  async #details(number) {
    const place = this.dialog.querySelector("[data-details]");
    clearTimeout(this.waiting);
    this.waiting = setTimeout(async () => {
      const answer = await fetch(`${this.frames.base}frames/${number}/`, { headers: { "HX-Request": "true" } });
      if (answer.ok && this.frames.numbers[this.i] === number) place.innerHTML = await answer.text();
    }, 150); // whoever turns pages fast asks only for the last
  }

  #text(name, words) { this.dialog.querySelector(`[data-${name}]`).textContent = words; }

  #clicked(event) {
    if (event.target === this.dialog) this.dialog.close();
    const button = event.target.closest("[data-do]");
    if (button) this.#do(button.dataset.do);
  }

  #followFinger(stage) {
    let from = null;
    stage.addEventListener("touchstart", (event) => { from = event.touches.length === 1 ? event.touches[0].clientX : null; }, { passive: true });
    stage.addEventListener("touchend", (event) => {
      const way = from === null ? 0 : event.changedTouches[0].clientX - from;
      if (Math.abs(way) > SWIPE) this.#do(way < 0 ? "next" : "previous");
      from = null;
    });
  }

  #do(what) {
    if (what === "close") this.dialog.close();
    else if (what === "toggle-play") { if (this.playing) this.stop(); else this.play(); }
    else { this.stop(); this.show(this.i + (what === "next" ? 1 : -1)); }
  }

  #pressed(event) {
    if (event.target.matches("input, pre")) return;
    const keys = { ArrowLeft: -1, ArrowRight: 1, Home: -1e9, End: 1e9 };
    if (event.key in keys) { this.stop(); this.show(this.i + keys[event.key]); }
    else if (event.key === " " && !event.target.matches("button, a")) this.#do("toggle-play");
    else return;
    event.preventDefault();
  }
}
