"""An exported FlowDensity is asked by the names of categories."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from tests.columns.tables import mixed
from tests.export.servers import rest_server, served
from tfflows.export import export_saved_model
from tfflows.export.client import RestClient
from tfflows.sklearn import FlowDensity

pytestmark = pytest.mark.large
FRAME = mixed(80)[["x", "colour", "count"]]


@pytest.fixture(scope="module")
def density():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tfflows.sklearn.mixtures.SIZES", (1, 2))
        yield FlowDensity(random_state=0).fit(FRAME)


@pytest.fixture(scope="module")
def folder(density, tmp_path_factory):
    return export_saved_model(density.flow_, tmp_path_factory.mktemp("table"))


def test_the_export_carries_the_names(density, folder, worker):
    facts = json.loads((folder / "assets.extra/flow.json").read_text())
    assert facts["columns"] == ["x", "colour", "count"]
    assert facts["table"] == density.flow_.columns
    assert "probability of categories" in facts["units"]
    assert "Codes of colour: 0: red, 1: green" in (folder / "MODEL_CARD.md").read_text()
    codes = np.array([[0.5, 0, 3], [0.5, 7, 3]], "float32")
    found = worker.run(folder, "log_prob", {"x": codes})["log_prob"]
    wanted = density.score_samples(
        pd.DataFrame({"x": [0.5], "colour": ["red"], "count": [3]})
    )
    np.testing.assert_allclose(found[0], wanted[0], rtol=1e-5)
    assert found[1] == -np.inf


def test_the_client_translates(density, folder, worker):
    with rest_server(served(worker, folder.parent)) as url:
        client = RestClient(url, "mine")
        wanted = density.score_samples(FRAME[:5])
        for x in (FRAME[:5], FRAME[:5].astype(object).to_numpy()):
            np.testing.assert_allclose(client.log_prob(x), wanted, rtol=1e-4)
        with pytest.raises(ValueError, match=r"'colour' a category .*got 'pink'"):
            client.log_prob([[0.5, "pink", 3]])
        drawn = client.table().cells(client.sample(3, seed=0))
        assert {row[1] for row in drawn} <= {"red", "green", "blue"}
        assert all(isinstance(row[2], int) for row in drawn)
        client.close()


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_files_are_scored_by_name(density, folder, kind, tmp_path):
    pytest.importorskip("apache_beam", reason="needs Apache Beam")
    from tfflows.export.scoring.pipeline import score

    new = FRAME[:6].assign(colour=["pink", *FRAME["colour"][1:6]])
    path = tmp_path / f"rows.{kind}"
    write = new.to_csv if kind == "csv" else new.to_parquet
    write(path, index=False)
    counts = score(str(folder), str(path), str(tmp_path / "out"), input_format=kind)
    assert counts == {"input": 6, "scored": 5, "bad": 1}
    read = pd.read_csv if kind == "csv" else pd.read_parquet
    found = pd.concat(map(read, (tmp_path / "out").glob("scored-*")))
    found = found.sort_values("x").reset_index(drop=True)
    wanted = FRAME[1:6].sort_values("x").reset_index(drop=True)
    assert list(found["colour"]) == list(wanted["colour"])
    assert list(found["count"]) == list(wanted["count"])
    np.testing.assert_allclose(
        found["log_prob"], density.score_samples(wanted), rtol=1e-4
    )
    (bad,) = (tmp_path / "out").glob("bad-*")
    assert "got 'pink'" in bad.read_text()
