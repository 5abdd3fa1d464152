// The upload of a scene: resumable, with speed and time left. tus does the protocol.
import { duration } from "./frames.js";

const PIECE = 8 * 1024 * 1024; // bytes; what a lost connection costs at most
const RETRIES = [0, 1000, 3000, 5000, 10000, 20000, 30000, 60000];
const SPEED_SECONDS = 8; // over how long the speed is measured

const form = document.getElementById("upload");
const drop = document.getElementById("drop");
const input = document.getElementById("scene");
const node = (name) => document.getElementById(`upload-${name}`);
let upload = null;

input.addEventListener("change", () => { if (input.files[0]) begin(input.files[0]); });
for (const kind of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    drop.classList.toggle("over", kind === "dragover");
    const file = kind === "drop" && event.dataTransfer.files[0];
    if (file && !upload) begin(file);
  });
}
node("pause").addEventListener("click", () => {
  const paused = node("pause").textContent === "Pause";
  if (paused) upload.abort();
  else { complain(""); upload.start(); }
  node("pause").textContent = paused ? "Go on" : "Pause";
});
node("stop").addEventListener("click", async () => {
  await upload.abort(true).catch(() => {});
  location.reload();
});
window.addEventListener("beforeunload", (event) => { if (upload && !upload.finished) event.preventDefault(); });

function begin(file) {
  if (!/\.(blend|zip)$/i.test(file.name)) return refuse(`${file.name} is neither a .blend nor a .zip file.`);
  if (file.size > Number(form.dataset.max)) return refuse(`${file.name} has ${bytes(file.size)}; this farm takes ${bytes(Number(form.dataset.max))}.`);
  drop.hidden = true;
  document.getElementById("going").hidden = false;
  node("name").textContent = file.name;
  send(file);
}

async function send(file) {
  const samples = [];
  let project = null;
  upload = new tus.Upload(file, {
    endpoint: form.dataset.address,
    chunkSize: PIECE,
    retryDelays: RETRIES,
    removeFingerprintOnSuccess: true,
    metadata: { filename: file.name },
    headers: { "X-CSRFToken": form.querySelector("[name=csrfmiddlewaretoken]").value },
    onAfterResponse: (_, response) => { project = response.getHeader("Sheepfold-Project") ?? project; complain(""); },
    onShouldRetry: (error) => { complain("The connection is lost. Trying again…"); return retriable(error); },
    onProgress: (sent, total) => show(samples, sent, total),
    onError: (error) => { complain(words(error)); node("pause").textContent = "Go on"; },
    onSuccess: () => { upload.finished = true; location.href = `/projects/${project}/`; },
  });
  const [previous] = await upload.findPreviousUploads();
  if (previous) upload.resumeFromPreviousUpload(previous);
  upload.start();
}

function retriable(error) {
  const status = error.originalResponse?.getStatus() ?? 0;
  return status === 0 || status >= 500 && status !== 507 || [409, 423, 429].includes(status);
}

function words(error) {
  const response = error.originalResponse;
  const text = response?.getBody();
  return text && !text.startsWith("<") ? text : "The farm cannot be reached. What was sent is safe; press “Go on” to continue.";
}

function show(samples, sent, total) {
  const now = performance.now() / 1000;
  samples.push([now, sent]);
  while (samples.length > 2 && now - samples[0][0] > SPEED_SECONDS) samples.shift();
  const [since, before] = samples[0];
  const speed = now > since ? (sent - before) / (now - since) : 0;
  node("progress").value = (100 * sent) / total;
  node("done").textContent = `${bytes(sent)} of ${bytes(total)}`;
  node("speed").textContent = speed ? `${bytes(speed)}/s` : "";
  node("left").textContent = sent === total ? "being stored…" : speed ? `${duration((total - sent) / speed)} left` : "";
}

function refuse(text) {
  const notice = document.createElement("div");
  notice.className = "notice error";
  notice.role = "alert";
  notice.textContent = text;
  document.querySelector("main > .notice")?.remove();
  form.before(notice);
  input.value = "";
}

function complain(text) {
  node("problem").textContent = text;
  node("problem").hidden = !text;
}

function bytes(count) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const step = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, count)) / 10));
  return `${(count / 1024 ** step).toFixed(step ? 1 : 0)} ${units[step]}`;
}
