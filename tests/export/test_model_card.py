"""The model card: facts, and calls that run as they stand."""

import json
import re
import shlex
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from tfflows.export.flow_json import read_description
from tfflows.export.writing.model_card import model_card

FEW_FLOWS = ("realnvp", "image_context")  # inputs short and long, and a context


@pytest.fixture
def card(export):
    return (export.path / "MODEL_CARD.md").read_text()


@pytest.fixture
def description(export):
    return read_description(export.path)


def blocks(card, signature, language):
    section = card.split(f"### `{signature}`\n")[1].split("\n### ")[0]
    return re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)


def test_the_card_says_what_the_model_is(card, export, description):
    assert card.startswith(f"# {export.flow.name}, version 1\n")
    for heading in ("Architecture", "Data", "Metrics", "Limits", "Calls"):
        assert f"\n## {heading}\n" in card
    assert str(description["num_parameters"]) in card
    assert "Not evaluated." in card
    assert "None" not in card


def test_metrics_stand_beside_their_command(description):
    told = {
        **description,
        "training_data": "digits",
        "data_licence": "CC BY 4.0",
        "metrics": {"nll": 95.0},
        "commands": {"evaluate": "tfflows-evaluate --model=mine"},
        "config": {"description": "Mine.", "model": {"family": "glow", "dtype": None}},
    }
    card = model_card(told, "mine")
    assert "| nll | 95.0 |" in card
    assert "\n    tfflows-evaluate --model=mine" in card
    assert "Licence of the data: CC BY 4.0" in card
    assert "\nMine.\n" in card
    assert "| `family` | glow |" in card
    assert "`dtype`" not in card


def request_of(call):
    """The JSON that a call by curl sends."""
    words = shlex.split(call.replace("\\\n", " "))
    if words[0] == "curl":
        return json.loads(words[words.index("-d") + 1])
    assert words[:2] == ["python3", "-c"]
    command = [sys.executable, "-c", words[2]]
    return json.loads(subprocess.check_output(command, text=True))


def test_curl_sends_what_the_signature_takes(card, description, worker, export):
    if export.flow.name not in FEW_FLOWS:
        pytest.skip("a few flows are enough")
    served = export.path.parent.name
    for name, signature in description["signatures"].items():
        (call,) = blocks(card, name, "sh")
        assert f"http://127.0.0.1:8501/v1/models/{served}:predict" in call
        request = request_of(call)
        assert request["signature_name"] == name
        rows = request.get("instances") or [request["inputs"]]
        inputs = {
            key: np.asarray(rows[0][key], tensor["dtype"])[
                (np.newaxis,) if "instances" in request else ()
            ]
            for key, tensor in signature["inputs"].items()
        }
        assert set(rows[0]) == set(inputs)
        outputs = worker.run(export.path, name, inputs)
        assert set(outputs) == set(signature["outputs"])


def test_python_runs_as_it_stands(card, description, export, monkeypatch, capsys):
    if export.flow.name not in FEW_FLOWS:
        pytest.skip("a few flows are enough")
    loaded = tf.saved_model.load(export.path)
    monkeypatch.setattr(tf.saved_model, "load", lambda path: loaded)
    for name, signature in description["signatures"].items():
        exec(blocks(card, name, "python")[1], {})
        assert f"'{min(signature['outputs'])}': <tf.Tensor" in capsys.readouterr().out


def test_grpc_fills_the_request(card, description, worker, export):
    pytest.importorskip(
        "tensorflow_serving",
        reason="needs the extra serving",
    )
    for name, signature in description["signatures"].items():
        program = blocks(card, name, "python")[0]
        compile(program, "card", "exec")
        values = {}
        exec(program.split("with grpc")[0], values)
        request = values["request"]
        assert request.model_spec.signature_name == name
        inputs = {k: tf.make_ndarray(v) for k, v in request.inputs.items()}
        assert set(worker.run(export.path, name, inputs)) == set(signature["outputs"])
