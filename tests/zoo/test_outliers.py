"""`tfflows-evaluate --outliers=K`: rows by models that have not seen them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.zoo.test_cli import error_line, run
from tfflows import zoo
from tfflows.zoo import evaluate, train
from tfflows.zoo.running import outliers

RNG = np.random.default_rng(0)
# Two columns that are nearly equal, but in these rows.
ODD = [7, 111, 203]


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    x = RNG.normal(size=(240, 1)) + 0.1 * RNG.normal(size=(240, 2))
    x[ODD, 1] += [40.0, -50.0, 60.0]
    path = tmp_path_factory.mktemp("table") / "t.csv"
    pd.DataFrame(x, columns=["a", "b"]).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def trained(table):
    folder = table.parent / "run"
    arguments = [f"--dataset=csv:{table}", "--set=model.num_couplings=2"]
    arguments += ["--set=model.hidden_units=4", "--set=trainer.epochs=2"]
    assert run(train, "--model=realnvp_table", *arguments, f"--model_dir={folder}") == 0
    return folder


def test_rows_that_a_model_has_seen_are_scored_by_others(trained, table, monkeypatch):
    seen = []
    scored = outliers._scored

    def noting(config, fold):
        test = fold.arrays("test")
        known = np.concatenate([fold.arrays("train"), fold.arrays("validation")])
        assert not set(map(bytes, test)) & set(map(bytes, known))
        assert len(test) + len(known) == 240
        seen.extend(map(bytes, test))
        return scored(config, fold)

    monkeypatch.setattr(outliers, "_scored", noting)
    monkeypatch.setattr(outliers, "FOLDS", 2)
    assert run(evaluate, f"--model_dir={trained}", "--outliers=3") == 0
    assert len(set(seen)) == 240
    found = pd.read_csv(trained / "outliers.csv")
    assert list(found) == ["row", "log_prob", "a", "b"]
    assert sorted(found["row"]) == ODD
    assert found["log_prob"].is_monotonic_increasing
    rows = pd.read_csv(table).loc[found["row"]]
    np.testing.assert_allclose(found[["a", "b"]], rows, rtol=1e-6)


def test_other_rows_are_scored_by_the_run(trained, table, capsys):
    other = pd.read_csv(table).iloc[::-1]
    other.to_csv(table.parent / "other.csv", index=False)
    dataset = f"--dataset=csv:{table.parent / 'other.csv'}"
    assert run(evaluate, f"--model_dir={trained}", dataset, "--outliers=240") == 0
    found = pd.read_csv(trained / "outliers.csv")
    assert sorted(found["row"]) == list(range(240))
    x = other.to_numpy("float32")[found["row"]]
    log_prob = zoo.load(trained).log_prob(x)
    np.testing.assert_allclose(found["log_prob"], log_prob, rtol=1e-3, atol=1e-3)
    capsys.readouterr()
    assert run(evaluate, f"--model_dir={trained}", "--split=test", "--outliers=99") == 0
    assert len(pd.read_csv(trained / "outliers.csv")) == 24


def test_data_that_are_not_ones_own(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(evaluate, "--model=nice_two_moons", "--outliers=3") == 2
    assert "expected data of your own" in error_line(capsys)
