"""The guides' code runs: all blocks of a guide, one after the other."""

from __future__ import annotations

import pathlib
import re

import numpy as np
import pytest

GUIDES = pathlib.Path(__file__).parents[1] / "docs" / "guides"
pytestmark = pytest.mark.skipif(not GUIDES.exists(), reason="needs the checkout")


def run_guide(name, **shorter):
    """What the blocks leave behind; `shorter` replaces assigned numbers."""
    text = (GUIDES / f"{name}.md").read_text()
    code = "\n".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL))
    for old, new in shorter.values():
        assert code.count(old) == 1, old
        code = code.replace(old, new)
    names = {}
    exec(compile(code, name, "exec"), names)
    return names


def test_amortized_inference_runs():
    names = run_guide(
        "amortized_inference",
        epochs=("epochs = 30", "epochs = 1"),
        layers=("num_couplings=6", "num_couplings=2"),
        pairs=("pairs, draws_each = 1000, 99", "pairs, draws_each = 200, 19"),
    )
    assert names["gap"].mean() < 1
    assert names["ranks"].shape == (200, 3)


def test_contexts_and_vaes_run():
    names = run_guide(
        "contexts_and_vaes",
        epochs=("\nepochs = 10", "\nepochs = 1"),
        class_epochs=("class_epochs = 60", "class_epochs = 1"),
        layers=("num_couplings=4", "num_couplings=1"),
        samples=("num_samples=5000", "num_samples=10"),
    )
    assert names["flow"].context_shape == (8, 8, 1)
    assert names["drawn"].shape == (10, 8, 8, 1)
    labels = names["scores"].argmax(axis=0)
    assert len(set(labels)) > 1  # the label counts


def test_a_table_of_all_kinds_of_columns_runs():
    text = (GUIDES / "tables.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (code,) = [block for block in blocks if "new_rows" in block]
    names = {}
    with pytest.warns(UserWarning, match=r"steps, 'price' \(0.01\), have"):
        exec(compile(code, "tables", "exec"), names)
    assert list(names["new_rows"].dtypes) == list(names["table"].dtypes)
    assert np.isfinite(names["log_density"]).all()


def test_images_and_labels_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run_guide("images_and_labels")["source"].label_names == ("cat", "dog")


@pytest.mark.large
def test_amortized_inference_says_what_it_says():
    names = run_guide("amortized_inference")
    assert names["gap"].mean() < 0.03
    covariance = np.cov(names["draws"].reshape(-1, 3).T)
    assert np.isfinite(covariance).all()
    p_values = names["tfflows"].metrics.uniformity_p_values(names["ranks"], 99)
    assert np.all(p_values > 1e-3)


def test_contributing_names_files_that_exist():
    text = (GUIDES.parents[1] / "CONTRIBUTING.md").read_text()
    _, _, table = text.partition("## Where is ...?")
    paths = re.findall(r"`((?:tfflows|zoo|export)/[\w/.]+)`", table)
    assert len(paths) > 14
    assert not [path for path in paths if not (GUIDES.parents[1] / path).exists()]
