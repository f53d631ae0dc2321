# %% [markdown]
# # From `fit` to TensorFlow Serving, Triton, OpenVINO, ONNX and TFLite
#
# Train a model once, and run it where your users are. You need the extras `plots` and
# `onnx` (`pip install '.[plots,onnx]'` in the checkout), and for the last two sections
# `pip install openvino ai-edge-litert`.

# %%
import pathlib

import keras
import numpy as np
import tensorflow as tf

import tfflows

keras.utils.set_random_seed(0)  # the same figures in every run
x = tfflows.data.toy.two_moons.sample(10_000, seed=0)
flow = tfflows.models.realnvp((2,), num_couplings=6, hidden_units=(32, 32))
flow.initialize(x)
flow.compile(keras.optimizers.Adam(3e-3))
history = flow.fit(x, batch_size=512, epochs=8, verbose=0)
rows = x[:4]
flow.log_prob(rows).numpy()

# %% [markdown]
# ## Export
#
# The export is a folder of versions. Each is a SavedModel with named signatures, which
# appears only after it agreed with the live model. `write_deployment` adds files for
# docker compose, Kubernetes and KServe.

# %%
version = tfflows.export.export_saved_model(
    flow,
    "models/moons",
    provenance=tfflows.export.Provenance(training_data="two moons, drawn by tfflows"),
)
tfflows.export.write_deployment("models/moons")
for path in sorted(pathlib.Path("models").rglob("*")):
    if path.is_file() and "variables" not in str(path):
        print(path)

# %% [markdown]
# ## TensorFlow Serving
#
# ```sh
# docker run -p 8501:8501 -v "$PWD/models/moons:/models/moons" -e MODEL_NAME=moons \
#     tensorflow/serving
# curl http://localhost:8501/v1/models/moons:predict -d \
#     '{"signature_name": "log_prob", "instances": [[0.5, 0.2]]}'
# ```
#
# In Python, `tfflows.export.client` has a REST and a gRPC client, shown in [the first
# tutorial](two_moons.md). Any program with TensorFlow can also load the folder without
# a server, and without tfflows:

# %%
signatures = tf.saved_model.load(str(version)).signatures
signatures["log_prob"](x=tf.constant(rows))["log_prob"].numpy()

# %% [markdown]
# ## Triton
#
# Triton's requests name no signature, so export each signature as a model of its own,
# `models/split/log_prob/1` and so on:

# %%
tfflows.export.export_saved_model(flow, "models/split", split=True)
sorted(path.name for path in pathlib.Path("models/split").iterdir())

# %% [markdown]
# Triton expects `<repository>/<model>/<version>/model.savedmodel`. Link each folder
# there, and start Triton with `--model-repository=triton`. It reads inputs and outputs
# from the SavedModel (`--strict-model-config=false` on old releases).

# %%
for model in sorted(pathlib.Path("models/split").iterdir()):
    if (model / "1").is_dir():
        link = pathlib.Path("triton", model.name, "1", "model.savedmodel")
        link.parent.mkdir(parents=True)
        link.symlink_to((model / "1").resolve())
print(*sorted(map(str, pathlib.Path("triton").rglob("*"))), sep="\n")

# %% [markdown]
# No Triton server ran when this page was made.
#
# ## ONNX
#
# `log_prob`, `encode` and `decode` convert. Each file is compared with the export
# before it appears. A converted model cannot draw by seed: draw latents yourself, and
# decode them.

# %%
import onnxruntime

tfflows.export.convert_saved_model(version, "models/onnx", "onnx")
options = onnxruntime.SessionOptions()
options.log_severity_level = 3
session = onnxruntime.InferenceSession("models/onnx/log_prob.onnx", options)
session.run(None, {session.get_inputs()[0].name: rows})[0]

# %%
decode = onnxruntime.InferenceSession("models/onnx/decode.onnx", options)
z = np.random.default_rng(0).normal(size=(2000, 2)).astype("float32")
(drawn,) = decode.run(None, {decode.get_inputs()[0].name: z})
tfflows.plots.pairs(x[:2000], drawn)

# %% [markdown]
# ## TFLite
#
# For phones and small computers:

# %%
from ai_edge_litert.interpreter import Interpreter

tfflows.export.convert_saved_model(version, "models/tflite", "tflite")
interpreter = Interpreter("models/tflite/log_prob.tflite")
run = interpreter.get_signature_runner()
(name,) = run.get_input_details()
run(**{name: rows})

# %% [markdown]
# ## OpenVINO
#
# OpenVINO reads the SavedModel itself, here that of the signature `log_prob`. On CPUs
# with bfloat16 it computes in it unless you ask for float32. Log-densities then lose
# digits, so ask:

# %%
import openvino

core = openvino.Core()
model = core.read_model("models/split/log_prob/1")
for hint in ("f32", "bf16"):
    compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": hint})
    print(hint, compiled(rows)[0])

# %% [markdown]
# ## Which one?
#
# | you want | take |
# |---|---|
# | a server with batching, versions, monitoring | TensorFlow Serving |
# | one server for models of several frameworks | Triton |
# | fast densities on Intel CPUs, in your own process | OpenVINO |
# | no TensorFlow in your process | ONNX |
# | a phone | TFLite |
#
# [Exports](../exports.md) lists what converts, and
# [serving](../guides/serving.md) the clients' options.
