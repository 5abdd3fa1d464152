// Plots drawn with uPlot from JSON in `data-values` ({x: [...], y: [...]}) or from a later call of `draw`.

const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const plots = new Map();

export function draw(place, values) {
  plots.get(place)?.plot.destroy();
  place.replaceChildren();
  const plot = new uPlot(options(place), [values.x, values.y], place);
  plots.set(place, { plot, values });
}

function options(place) {
  const bars = place.dataset.plot === "bars";
  const hours = bars && { values: (_, times) => times.map((time) => new Date(time * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hour12: false })) };
  const axis = { stroke: style("--soft"), grid: { stroke: style("--line"), width: 1 }, ticks: { show: false }, font: "12px system-ui" };
  return {
    width: place.clientWidth,
    height: 150,
    legend: { show: false },
    cursor: { points: { show: !bars }, drag: { x: false, y: false } },
    scales: { x: { time: bars, ...(bars && { range: (_, low, high) => [low - 1800, high + 1800] }) }, y: { range: (_, low, high) => [0, Math.max(high * 1.1, 1)] } },
    axes: [{ ...axis, ...hours, grid: { show: false } }, { ...axis, size: 48 }],
    series: [{}, {
      stroke: style("--accent"),
      fill: bars ? style("--accent") : undefined,
      width: bars ? 0 : 1.5,
      paths: bars ? uPlot.paths.bars({ size: [0.7, 40], radius: 0.2 }) : uPlot.paths.points(),
      points: { show: !bars, size: 4, fill: style("--accent") },
    }],
  };
}

const redrawAll = () => { for (const [place, { values }] of plots) draw(place, values); };
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawAll);
let resizing = 0;
window.addEventListener("resize", () => { clearTimeout(resizing); resizing = setTimeout(redrawAll, 150); });

for (const place of document.querySelectorAll("[data-plot][data-values]")) draw(place, JSON.parse(place.dataset.values));
