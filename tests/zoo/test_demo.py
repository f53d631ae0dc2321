import math
import subprocess
import sys

import numpy as np
import pytest

from tfflows import data, export, zoo
from tfflows.zoo import demo

DIGITS = data.load("digits")


def test_the_gaussian_baseline():
    bits = demo.gaussian_bits_per_dim(DIGITS)
    assert bits == pytest.approx(2.97, abs=0.05)
    assert bits < math.log2(17)


def test_the_export_is_asked_in_a_process_without_us(tmp_path, capfd):
    model = zoo.create("realnvp_digits", weights="pretrained")
    exported = export.export_saved_model(model, tmp_path / "export", verify=False)
    digits = DIGITS.arrays("test", limit=8)
    demo.ask_export(exported, digits, tmp_path / "held_out.npy")
    shown = capfd.readouterr().out
    first = model.log_prob(digits).numpy()[:4]
    assert f"first {np.round(first, 1)}" in shown
    for module in ("tfflows", "tensorflow_probability"):
        assert f"imported {module}: no" in shown


def test_the_picture(tmp_path):
    model = zoo.create("realnvp_digits", weights="pretrained")
    demo.draw_digits(tmp_path / "digits.png", DIGITS, model)
    assert (tmp_path / "digits.png").stat().st_size > 10_000


@pytest.mark.large
def test_the_whole_demo(tmp_path):
    command = [sys.executable, "-m", "tfflows.zoo.demo", tmp_path / "demo"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = [line for line in done.stdout.splitlines() if "realnvp_digits  " in line]
    assert float(lines[0].split()[-1]) <= 2.3
    assert (tmp_path / "demo" / "digits.png").exists()
