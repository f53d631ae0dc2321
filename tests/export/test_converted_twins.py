"""What TFLite and ONNX convert of each architecture; the table of docs/exports.md."""

import re

import pytest

from tests.export import twins
from tfflows.export import convert_saved_model, export_saved_model

pytestmark = pytest.mark.large

LOOP = "its converter fails on loops over elements; ONNX has them"
DRAW = "no (built-in )?op for .*; it draws from the posterior"
# Refused by TFLite: what goes element by element.
LOOPS = {
    "maf_two_moons": {"decode"},
    "maf_hepmass": {"decode"},
    "nsf_ar_two_moons": {"decode"},
    "autoregressive": {"decode"},
    "iaf_two_moons": {"log_prob", "encode"},
}


@pytest.fixture(scope="module", params=twins.NAMES)
def exported(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    model = twins.twin(request.param)
    return request.param, export_saved_model(model, folder, verify=False)


@pytest.mark.parametrize("file_format", ["tflite", "onnx"])
def test_each_architecture_converts_or_says_why_not(exported, file_format, tmp_path):
    if file_format == "onnx":
        pytest.importorskip("tf2onnx", reason="needs the extra onnx")
    name, path = exported
    reasons = {}
    if "vae" in name:
        reasons = {"encode": DRAW}  # from the posterior
    elif file_format == "tflite":
        reasons = dict.fromkeys(LOOPS.get(name, ()), LOOP)
    files, refused = convert_saved_model(path, tmp_path, file_format)
    names = {"decode"} if name == "planar" else {"log_prob", "encode", "decode"}
    if "vae" in name:
        names = {"encode", "decode"}
    assert set(files) == names - set(reasons)
    for signature, reason in reasons.items():
        assert re.search(reason, refused[signature])
