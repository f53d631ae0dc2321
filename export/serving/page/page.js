// The page of tfflows-serve. It talks to TensorFlow Serving's REST API alone.

const $ = (id) => document.getElementById(id);
const SHOWN = 200; // rows of a table
const CHUNK = 256; // rows of a request
const WEIGHTS = [0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1];
const POINT = "#0b6bcb";

// What is known of the chosen model: name, signatures, event (shape), levels.
let model;
let ends = {};
let turn = 0; // an answer to an older question is dropped

async function ask(path, body) {
  const options = body && {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  };
  const response = await fetch(path, options);
  // What is not finite comes as bare tokens, which JSON.parse refuses.
  const text = (await response.text()).replace(/-?\b(NaN|Infinity)\b/g, "null");
  const answer = JSON.parse(text);
  if (!response.ok) throw new Error(answer.error);
  return answer;
}

async function predict(signature, inputs) {
  const body = { signature_name: signature, inputs };
  const { outputs } = await ask(`v1/models/${model.name}:predict`, body);
  const names = Object.keys(model.signatures[signature].outputs);
  return names.length === 1 ? { [names[0]]: outputs } : outputs;
}

// Runs what a control asks for, and shows its error.
async function run(action) {
  try {
    $("error").hidden = true;
    await action();
  } catch (error) {
    $("error").textContent = error.message;
    $("error").hidden = false;
  }
}

const inputs = (signature) => model.signatures[signature].inputs;
const size = () => model.event.reduce((a, b) => a * b, 1);
const isImage = () => model.event.length === 3 && [1, 3].includes(model.event[2]);
const repeat = (value, n) => Array.from({ length: n }, () => value);
const seeds = (n) => Array.from({ length: n }, (_, i) => [Number($("seed").value), i]);

function extras(signature, rows) {
  const more = {};
  if ("context" in inputs(signature)) {
    more.context = repeat(JSON.parse($("context").value), rows);
  }
  if ("seed" in inputs(signature)) more.seed = seeds(rows);
  return more;
}

async function choose() {
  const name = $("model").value;
  const metadata = await ask(`v1/models/${name}/metadata`);
  model = { name, signatures: metadata.metadata.signature_def.signature_def };
  ends = {};
  const draws = model.signatures.sample;
  const dims = draws.outputs.x.tensor_shape.dim.slice(1);
  model.event = dims.map((dim) => Number(dim.size));
  let facts = `version ${metadata.model_spec.version}`;
  if (model.signatures.info) {
    const info = await predict("info", { dummy: [0] });
    model.levels = Number(info.levels[0]);
    if (info.table) model.table = JSON.parse(info.table[0]);
    const numbers = Number(info.num_parameters[0]).toLocaleString("en");
    facts += ` · ${info.kind[0]}, ${numbers} parameters`;
    if (info.training_data[0]) facts += ` · trained on ${info.training_data[0]}`;
  }
  $("facts").textContent = `${facts} · events [${model.event.join(", ")}]`;
  model.score = ["log_prob", "elbo"].find((key) => key in model.signatures);
  $("scoring").hidden = !model.score;
  $("interpolation").hidden = !("interpolate" in model.signatures && isImage());
  $("context-label").hidden = !("context" in draws.inputs);
  $("scores").replaceChildren();
  $("rows").placeholder = Array(Math.min(size(), 8)).fill("0.0").join(", ");
  await sample();
}

async function sample() {
  const mine = ++turn;
  const n = Number($("count").value);
  const temperature = Number($("temperature").value);
  $("temperature-text").textContent = temperature.toFixed(2);
  $("samples").classList.add("busy");
  const request = { temperature: repeat(temperature, n), ...extras("sample", n) };
  const outputs = await predict("sample", request);
  if (mine !== turn) return;
  $("samples").classList.remove("busy");
  // A VAE's mean is a better picture than its draw.
  const x = outputs.mean ?? outputs.x;
  $("sample-hint").textContent = isImage() ? "" : `${n} draws`;
  if (isImage()) {
    $("samples").replaceChildren(...x.map(pickable));
    if (!$("interpolation").hidden && x.length > 1 && !ends.a) await setEnds(x[0], x[1]);
  } else if (size() === 2 && !hasCodes()) {
    $("samples").replaceChildren(scatter(x.map((row) => row.flat())));
  } else {
    const rows = x.slice(0, SHOWN).map((row) => row.flat(9).map(cell));
    const head = rows[0].map((_, column) => model.table?.[column].name ?? `x${column}`);
    $("samples").replaceChildren(table(head, rows));
  }
}

const categories = (column) => model.table?.[column].categories;
const hasCodes = () => (model.table ?? []).some(({ kind }) => kind !== "real");
const missing = (text) => ["", "nan", "none", "null", "<na>"].includes(text.toLowerCase());

// A number of a row as text: a category, an integer, or a real number.
function cell(value, column) {
  if (categories(column)) return String(categories(column)[value] ?? "(missing)");
  return model.table?.[column].kind === "integer" ? String(value) : value.toFixed(3);
}

// The code of a cell of categories, or the number that it is.
function code(text, column) {
  if (!categories(column)) return Number(text);
  const same = (one) => (one === null ? missing(text) : sameText(String(one), text));
  const found = categories(column).findIndex(same);
  return found < 0 ? NaN : found;
}

function sameText(one, text) {
  if (one === text || one === text.toLowerCase()) return true;
  return one.trim() !== "" && text !== "" && Number(one) === Number(text);
}

// Pixels of nested lists [H][W][C], in units of the model's levels.
function draw(image) {
  const [height, width, channels] = model.event;
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { height, width, className: "image" });
  const pixels = new ImageData(width, height);
  const values = image.flat(2);
  const [low, high] = model.levels
    ? [0, model.levels - 1]
    : [Math.min(...values), Math.max(...values)];
  values.forEach((value, i) => {
    const shade = (255 * (value - low)) / (high - low || 1);
    const at = 4 * Math.floor(i / channels) + (i % channels);
    pixels.data[at] = shade;
    if (channels === 1) pixels.data[at + 1] = pixels.data[at + 2] = shade;
    pixels.data[4 * Math.floor(i / channels) + 3] = 255;
  });
  canvas.getContext("2d").putImageData(pixels, 0, 0);
  return canvas;
}

function pickable(image) {
  const canvas = draw(toPixels(image));
  canvas.onclick = () => run(() => setEnds(ends.b, image));
  return canvas;
}

// A draw y = x + u of integer data, or an image from a file, as the pixels x.
function toPixels(image) {
  if (!model.levels) return image;
  const pixel = (v) => Math.max(0, Math.min(model.levels - 1, Math.floor(v)));
  return image.map((row) => row.map((values) => values.map(pixel)));
}

async function setEnds(a, b) {
  ends = { a: toPixels(a), b: toPixels(b) };
  $("end-a").replaceChildren(draw(ends.a));
  $("end-b").replaceChildren(draw(ends.b));
  $("way").classList.add("busy");
  const n = WEIGHTS.length;
  const { x } = await predict("interpolate", {
    x_a: repeat(ends.a, n),
    x_b: repeat(ends.b, n),
    weight: WEIGHTS,
    ...extras("interpolate", n),
  });
  $("way").replaceChildren(...x.map(draw));
  $("way").classList.remove("busy");
}

async function readImage(file) {
  const [height, width, channels] = model.event;
  const bitmap = await createImageBitmap(file).catch(() => {
    throw new Error(`expected an image, got ${file.name}`);
  });
  const canvas = new OffscreenCanvas(width, height);
  const pen = canvas.getContext("2d");
  pen.imageSmoothingQuality = "high";
  pen.drawImage(bitmap, 0, 0, width, height);
  const { data } = pen.getImageData(0, 0, width, height);
  const levels = model.levels || 256;
  const at = (row, column) => {
    const [r, g, b] = data.slice(4 * (row * width + column));
    const values = channels === 3 ? [r, g, b] : [0.299 * r + 0.587 * g + 0.114 * b];
    return values.map((value) => Math.floor((value * levels) / 256));
  };
  const range = (n) => [...Array(n).keys()];
  return range(height).map((row) => range(width).map((column) => at(row, column)));
}

function readRows(text) {
  const lines = text.split(/\r?\n/).filter((line) => line.trim());
  let cells = lines.map((line) => line.trim().split(/[\s,;]+/));
  if (hasCodes()) cells = lines.map(splitCells); // categories may hold spaces
  let rows = cells.map((row) => row.map(code));
  if (rows.length > 1 && rows[0].some(Number.isNaN)) rows = rows.slice(1); // a header
  if (!rows.length) throw new Error("expected a row of numbers");
  rows.forEach((row, i) => {
    if (row.length !== size() || !row.every(Number.isFinite)) {
      const what = hasCodes() ? "finite numbers or known categories" : "finite numbers";
      throw new Error(`expected ${size()} ${what} in row ${i + 1}`);
    }
  });
  return rows.map(nest);
}

// The cells of a line of a csv file, without their quotes.
function splitCells(line) {
  const found = line.match(/("([^"]|"")*"|[^,]*)(,|$)/g).slice(0, -1);
  const cells = line.endsWith(",") ? [...found, ""] : found;
  return cells.map((one) =>
    one.replace(/,$/, "").trim().replace(/^"(.*)"$/, "$1").replaceAll('""', '"'),
  );
}

// A flat row in the shape of the event.
function nest(row) {
  return model.event.slice(1).reduceRight((values, length) => {
    const parts = [];
    for (let i = 0; i < values.length; i += length) parts.push(values.slice(i, i + length));
    return parts;
  }, row);
}

async function score(x) {
  const rows = [];
  let names;
  for (let start = 0; start < x.length; start += CHUNK) {
    const part = x.slice(start, start + CHUNK);
    const outputs = await predict(model.score, { x: part, ...extras(model.score, part.length) });
    names = Object.keys(outputs).sort().reverse();
    part.forEach((_, i) => rows.push(names.map((name) => outputs[name][i])));
  }
  const text = (value) => (value === null ? "not finite" : value.toFixed(3));
  const body = rows.map((row, i) => [i + 1, ...row.map(text)]).slice(0, SHOWN);
  const pictures = isImage() && x.length === 1 ? [draw(x[0])] : [];
  $("scores").replaceChildren(...pictures, table(["row", ...names], body));
}

function scoreFile(file) {
  const image = file.type.startsWith("image/");
  if (image && !isImage()) throw new Error("expected a csv file, the model takes no images");
  return image
    ? readImage(file).then((x) => score([x]))
    : file.text().then((text) => score(readRows(text)));
}

function table(head, rows) {
  const element = document.createElement("table");
  [head, ...rows].forEach((cells, i) => {
    const row = element.insertRow();
    cells.forEach((cell) => {
      const field = row.appendChild(document.createElement(i ? "td" : "th"));
      field.textContent = cell;
    });
  });
  return element;
}

function scatter(points) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 400;
  const pen = canvas.getContext("2d");
  const reach = 1.1 * Math.max(1e-6, ...points.flat().map(Math.abs));
  const place = (value) => 200 + (200 * value) / reach;
  pen.fillStyle = pen.strokeStyle = "#8894a2";
  pen.globalAlpha = 0.5;
  pen.strokeRect(0.5, 0.5, 399, 399);
  pen.fillText(`±${reach.toPrecision(2)}`, 6, 14);
  pen.fillStyle = POINT;
  for (const [x, y] of points) {
    pen.beginPath();
    pen.arc(place(x), 400 - place(y), 3, 0, 7);
    pen.fill();
  }
  return canvas;
}

const chosen = (id, use) =>
  $(id).addEventListener("change", () => {
    const [file] = $(id).files;
    if (file) run(() => use(file));
    $(id).value = ""; // so that the same file can be chosen again
  });

for (const id of ["temperature", "count", "seed", "context"]) {
  $(id).addEventListener("input", () => run(sample));
}
$("again").onclick = () => {
  $("seed").value = Math.floor(Math.random() * 2 ** 31);
  run(sample);
};
$("score").onclick = () => run(() => score(readRows($("rows").value)));
$("model").onchange = () => run(choose);
chosen("file", scoreFile);
chosen("file-a", async (file) => setEnds(await readImage(file), ends.b));
chosen("file-b", async (file) => setEnds(ends.a, await readImage(file)));

run(async () => {
  const names = await ask("models.json");
  $("model").replaceChildren(...names.map((name) => new Option(name)));
  await choose();
});
