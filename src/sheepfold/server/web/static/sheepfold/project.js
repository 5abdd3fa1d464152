// The page of a project: frames that fill in by themselves, the large view, the plot, the choice for rendering again.
import { Frames, asRanges, duration } from "./frames.js";
import { Grid } from "./grid.js";
import { opened } from "./live.js";
import { draw } from "./plots.js";
import { Viewer } from "./viewer.js";

const PATIENCE_MS = 1200; // for the stream to open; then the frames are read without it
const PLOT_MS = 3000;

const place = document.getElementById("frames");
if (place) start(place);

function start(place) {
  const frames = new Frames(place.dataset.base);
  const grid = new Grid(place, frames, { open: (i) => viewer.open(i), choose: showChoice });
  const viewer = new Viewer(document.getElementById("viewer"), frames, grid);
  followNews(frames);
  frames.addEventListener("change", () => showCounts(frames));
  frames.addEventListener("change", plotLater(frames));
  wireTools(grid, viewer, frames);
}

function followNews(frames) {
  let loading = null;
  const load = () => { loading ??= frames.load().finally(() => { loading = null; }); return loading; };
  const late = new Promise((resolve) => { setTimeout(resolve, PATIENCE_MS); });
  Promise.race([opened, late]).then(load);
  document.body.addEventListener("live:poll", load);
  document.body.addEventListener("live:project", load);
  document.body.addEventListener("live:frames", async (event) => {
    if (loading) await loading;
    if (frames.numbers.length && !frames.apply(event.detail)) load();
  });
}

function showCounts(frames) {
  const { w, r, d, f, c } = frames.counts;
  const total = w + r + d + f + c;
  const texts = { done: d, total, rendering: r, waiting: w, failed: f, left: w + r ? duration(frames.left) : "" };
  for (const [name, text] of Object.entries(texts)) {
    for (const node of document.querySelectorAll(`[data-count=${name}]`)) node.textContent = text;
  }
  for (const node of document.querySelectorAll("[data-when-failed]")) node.hidden = !f;
  for (const node of document.querySelectorAll("[data-when-open]")) node.hidden = !(w + r);
  const play = document.getElementById("play");
  if (play) play.disabled = d < 2;
  drawBar(document.getElementById("bar"), [[d, "done"], [r, "rendering"], [f, "failed"]], total);
}

function drawBar(bar, parts, total) {
  if (!bar || !total) return;
  let x = 0;
  for (const [count, name] of parts) {
    const part = bar.querySelector(`.${name}`);
    part.setAttribute("x", `${(100 * x) / total}%`);
    part.setAttribute("width", `${(100 * count) / total}%`);
    x += count;
  }
}

function plotLater(frames) {
  const place = document.getElementById("times");
  let waiting = 0;
  const plot = () => {
    waiting = 0;
    const numbers = frames.doneNumbers();
    place.closest("section").hidden = numbers.length < 2;
    if (numbers.length > 1) draw(place, { x: numbers, y: numbers.map((number) => frames.done.get(number).seconds) });
  };
  return () => { waiting ||= setTimeout(plot, place.childElementCount ? PLOT_MS : 0); };
}

function wireTools(grid, viewer, frames) {
  const size = document.getElementById("cell-size");
  size.max = grid.steps - 1;
  size.value = grid.step;
  size.addEventListener("input", () => grid.resize(Number(size.value)));
  document.getElementById("play").addEventListener("click", () => viewer.play());
  const choose = document.getElementById("choose");
  choose?.addEventListener("click", () => {
    grid.choosing = !grid.choosing;
    choose.setAttribute("aria-pressed", grid.choosing);
    if (!grid.choosing) grid.clearChoice();
  });
  document.getElementById("choose-failed")?.addEventListener("click", () => {
    showChoice(frames.numbers.filter((_, i) => frames.states[i] === "f"));
  });
  const wanted = Number(location.hash.replace("#frame-", ""));
  if (location.hash.startsWith("#frame-")) {
    frames.addEventListener("change", () => { if (frames.index.has(wanted)) viewer.open(frames.index.get(wanted)); }, { once: true });
  }
}

function showChoice(numbers) {
  const form = document.getElementById("again");
  if (!form) return;
  form.querySelector("input[name=frames]").value = asRanges(numbers);
  form.querySelector("[data-chosen]").textContent = numbers.length ? `${numbers.length} chosen` : "";
  if (numbers.length) form.closest("details").open = true;
}
