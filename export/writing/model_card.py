"""Writes `MODEL_CARD.md`: a description of the model, and calls to copy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tfflows.export.writing.endpoints import most_samples

_REST, _GRPC = "http://127.0.0.1:8501", "127.0.0.1:8500"
_MOST_LITERALS = 16  # most numbers written out in a call; more become an expression
_COLUMNAR = "sample_n"
_EXAMPLES: Mapping[str, Any] = {
    "seed": [0, 1],
    "temperature": 1.0,
    "weight": 0.5,
    "guidance": 1.0,
    "num_samples": 4,
}


def model_card(description: Mapping[str, Any], served: str) -> str:
    """Returns the model card of an export.

    Args:
      description: The content of its `flow.json`.
      served: Name of the served model.

    Returns:
      Markdown.
    """
    parts = [
        f"# {description['model']}, version {description['version']}",
        _about(description),
        "## Architecture\n\n" + _architecture(description),
        "## Data\n\n" + _data(description),
        "## Metrics\n\n" + _metrics(description),
        "## Limits\n\n" + _limits(description),
        "## Calls\n\n" + _calls_heading(description, served),
        *(_calls(description, served, name) for name in description["signatures"]),
    ]
    return "\n\n".join(parts) + "\n"


def _about(description: Mapping[str, Any]) -> str:
    what = {
        "Flow": "A normalizing flow: exact densities, and samples in one pass.",
        "FlowMixture": "A mixture of normalizing flows: exact densities, and samples.",
        "FlowVAE": "A variational autoencoder: a bound on the density, and samples.",
    }[description["kind"]]
    config = description["config"] or {}
    versions = description["library_versions"]
    made = ", ".join(f"{name} {version}" for name, version in versions.items())
    by = f"Exported by tfflows {description['tfflows_version']} ({made})."
    return "\n".join(filter(None, [what, config.get("description"), by]))


def _architecture(description: Mapping[str, Any]) -> str:
    facts = {
        "kind": description["kind"],
        "one example": f"shape {description['event_shape']}",
        "levels": description["levels"] or "continuous data",
        "size of the latent vector": description["latent_dim"],
        "parameters": description["num_parameters"],
        "floats": description["dtype"],
    }
    if description["context"]:
        facts |= {f"context: {k}": v for k, v in description["context"].items()}
    config = description["config"] or {}
    facts |= {f"`{k}`": v for k, v in config.get("model", {}).items()}
    known = [(name, value) for name, value in facts.items() if value is not None]
    return _table(("", ""), known)


def _data(description: Mapping[str, Any]) -> str:
    data = description["training_data"] or "not recorded"
    licence = description["data_licence"] or "not known to tfflows: ask their owner"
    text = f"- Trained on: {data}\n- Licence of the data: {licence}"
    if description["columns"]:
        text += f"\n- Columns of x, in this order: {', '.join(description['columns'])}"
    for column in description.get("table") or []:
        if column["kind"] == "category":
            codes = ", ".join(f"{i}: {c}" for i, c in enumerate(column["categories"]))
            text += f"\n- Codes of {column['name'] or 'a column'}: {codes}"
    return text


def _metrics(description: Mapping[str, Any]) -> str:
    metrics, commands = description["metrics"], description["commands"]
    text = "Not evaluated."
    if metrics:
        figures = {k: v for k, v in metrics.items() if k != "per_label"}
        text = _table(("", ""), figures.items())
        text += _per_label(metrics.get("per_label") or {})
    text += f"\n\nUnits: {description['units']}."
    for name, command in commands.items():
        text += f"\n\nThe command to {name}:\n\n    {command}"
    return text


def _per_label(figures: Mapping[str, Mapping[str, Any]]) -> str:
    """A table with a row for each class; nothing without classes."""
    if not figures:
        return ""
    columns = list(dict.fromkeys(name for row in figures.values() for name in row))
    rows = [(label, *row.values()) for label, row in figures.items()]
    return "\n\n" + _table(("class", *columns), rows)


def _limits(description: Mapping[str, Any]) -> str:
    limits = [
        "Densities say how well an example fits the training data; a high one is no "
        "proof that it comes from there (Nalisnick et al., 2018, arXiv 1810.09136).",
        "NaN, infinities and integers outside the data's levels are refused (HTTP "
        "400). A density may be -Infinity outside the support, as for the code of no "
        "category, which is no strict JSON.",
        "`sample_n` takes scalars: no batching by the server, and in REST the columnar "
        f"form alone. It draws at most {most_samples(description['event_shape'])} "
        "samples for a request.",
        "Equal seeds give equal samples; a new sample takes a new seed.",
    ]
    if description.get("jit_compile"):
        limits.append(
            "Compiled by XLA: TensorFlow Serving and `tfflows-serve` have to be told "
            "`--xla_cpu_compilation_enabled`, on GPUs `--xla_gpu_compilation_enabled`, "
            "and compile anew, for seconds, each size of a batch that the warm-up had "
            "not: let the server batch, to `allowed_batch_sizes`."
        )
    if description["kind"] == "FlowVAE":
        limits.append(
            "`elbo` is one draw of a lower bound on log p(x): average over seeds."
        )
    elif description.get("noise_std") is not None:
        limits.append(
            "The model learnt data with Gaussian noise of deviation "
            f"{description['noise_std']:g} levels: `log_prob` is that density, which "
            "gives no bits/dim, and `sample` draws noisy data. `generate` removes the "
            "noise."
        )
    elif description["levels"]:
        limits.append(
            "`log_prob` of integers is the density at y = x + u with one fixed u; its "
            "mean over u bounds log P(x) from below."
        )
    return "\n".join(f"- {limit}" for limit in limits)


def _calls_heading(description: Mapping[str, Any], served: str) -> str:
    default = description["default"]
    return (
        f"`serving_default` repeats `{default}`. REST and gRPC ask a server of the "
        f"name `{served}`; gRPC takes the package tensorflow-serving-api. The last "
        "form of each needs no server: TensorFlow, in the folder of this card."
    )


def _calls(description: Mapping[str, Any], served: str, name: str) -> str:
    signature = description["signatures"][name]
    tables = [
        _table((side, "dtype", "shape"), _rows(signature[side]))
        for side in ("inputs", "outputs")
    ]
    calls = [
        f"```sh\n{_curl(served, name, signature['inputs'])}\n```",
        f"```python\n{_grpc(served, name, signature['inputs'])}\n```",
        f"```python\n{_python(name, signature['inputs'])}\n```",
    ]
    return "\n\n".join([f"### `{name}`", *tables, *calls])


def _curl(served: str, name: str, inputs: Mapping[str, Any]) -> str:
    url = f"{_REST}/v1/models/{served}:predict"
    values = ", ".join(f'"{k}": {_literal(k, v)}' for k, v in inputs.items())
    form = f'"instances": [{{{values}}}]'
    if name == _COLUMNAR:
        form = f'"inputs": {{{values}}}'
    body = f'{{"signature_name": "{name}", {form}}}'
    if "*" not in body:
        return f"curl {url} -d '{body}'"
    program = f"import json; print(json.dumps({body}))"
    return f"python3 -c '{program}' \\\n    | curl {url} -d @-"


def _grpc(served: str, name: str, inputs: Mapping[str, Any]) -> str:
    filled = "\n".join(
        f'request.inputs["{k}"].CopyFrom(tf.make_tensor_proto({_array(k, v)}))'
        for k, v in inputs.items()
    )
    return f"""import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

request = predict_pb2.PredictRequest()
request.model_spec.name = "{served}"
request.model_spec.signature_name = "{name}"
{filled}
with grpc.insecure_channel("{_GRPC}") as channel:
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    response = stub.Predict(request, timeout=60)
print({{k: tf.make_ndarray(v) for k, v in response.outputs.items()}})"""


def _python(name: str, inputs: Mapping[str, Any]) -> str:
    given = ", ".join(f"{k}=tf.constant({_array(k, v)})" for k, v in inputs.items())
    return f"""import numpy as np
import tensorflow as tf

signature = tf.saved_model.load(".").signatures["{name}"]
print(signature({given}))"""


def _literal(name: str, tensor: Mapping[str, Any]) -> str:
    """Returns one row of an input as JSON, or a long one as a Python expression."""
    shape = [size for size in tensor["shape"] if size is not None]
    if name in _EXAMPLES:
        return str(_EXAMPLES[name])
    zeros = np.zeros(shape, tensor["dtype"])
    if zeros.size <= _MOST_LITERALS:
        return str(zeros.tolist())
    expression = str(zeros.flat[0].item())
    for size in reversed(shape):
        expression = f"[{expression}] * {size}"
    return expression


def _array(name: str, tensor: Mapping[str, Any]) -> str:
    """Returns a batch of one input row as a numpy expression."""
    shape, dtype = [size or 1 for size in tensor["shape"]], tensor["dtype"]
    if name not in _EXAMPLES:
        return f'np.zeros({shape}, "{dtype}")'
    value = _EXAMPLES[name]
    return f'np.array({[value] if None in tensor["shape"] else value}, "{dtype}")'


def _rows(tensors: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    return [
        (f"`{name}`", tensor["dtype"], _shape(tensor["shape"]))
        for name, tensor in tensors.items()
    ]


def _shape(shape: list[int | None]) -> str:
    return "[" + ", ".join("B" if size is None else str(size) for size in shape) + "]"


def _table(heading: tuple[str, ...], rows: Any) -> str:
    lines = [heading, ("---",) * len(heading), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)
