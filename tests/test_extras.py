"""A package that is not installed is an error that names the extra which brings it."""

from __future__ import annotations

import importlib
import pathlib
import sys
import types

import numpy as np
import pytest

import tfflows
from tests.test_packaging import ROOT, setup_cfg


def parquet(folder):
    path = folder / "table.parquet"
    path.write_bytes(b"PAR1")
    tfflows.data.load(f"parquet:{path}")


def images(folder):
    (folder / "one.png").write_bytes(b"\x89PNG")
    tfflows.data.load(f"images:{folder}")


def resizing(folder):
    np.savez(folder / "x.npz", np.zeros((20, 4, 4), "uint8"))
    tfflows.data.load(f"npz:{folder}/x.npz", image_size=[2])


def picture(folder):
    from tfflows.zoo.running.pictures import write_images

    write_images(folder / "x.png", np.zeros((1, 2, 2, 1)), 2, 1)


def scatter(folder):
    from tfflows.zoo.running.pictures import check_output

    check_output(folder / "x.png", (2,))


def figures(_):
    sys.modules.pop("tfflows.plots", None)
    importlib.import_module("tfflows.plots")


# Extra -> modules of its packages, and what needs each. The other extras' tests are
# those of the programs: tests/export/test_serve.py, test_client_failures.py, ...
MISSING = [
    ("parquet", "pyarrow.parquet", parquet),
    ("plots", "PIL.Image", images),
    ("plots", "PIL.Image", resizing),
    ("plots", "PIL.Image", picture),
    ("plots", "matplotlib.figure", scatter),
    ("plots", "matplotlib.figure", figures),
]


@pytest.mark.parametrize(("extra", "module", "use"), MISSING)
def test_a_missing_package_names_its_extra(extra, module, use, tmp_path, monkeypatch):
    plots = sys.modules.get("tfflows.plots")
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setitem(sys.modules, module.partition(".")[0], None)
    with pytest.raises(ImportError, match=rf"pip install 'tfflows\[{extra}\]'"):
        use(tmp_path)
    if plots is not None:
        sys.modules["tfflows.plots"] = plots


def test_a_part_of_tensorflow_datasets_is_named(monkeypatch):
    # Beside an old protobuf its import logs an error, and leaves an empty module.
    part = types.ModuleType("tensorflow_datasets")
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", part)
    monkeypatch.delitem(sys.modules, "tfflows.data.sources.tfds_module", False)
    with pytest.raises(ImportError, match="pip install 'tensorflow-metadata<1"):
        importlib.import_module("tfflows.data.sources.tfds_module")


def test_trainings_need_no_tensorboard(tmp_path, monkeypatch):
    from tfflows.zoo import get_config
    from tfflows.zoo.running import reports

    config = get_config("realnvp_two_moons")
    assert len(reports.make_reports(tmp_path, config, append=False)) == 2
    monkeypatch.setattr(reports.importlib.util, "find_spec", lambda name: None)
    (only,) = reports.make_reports(tmp_path, config, append=False)
    assert type(only).__name__ == "CSVLogger"


@pytest.mark.skipif(
    not pathlib.Path(ROOT, "setup.cfg").exists(), reason="needs the checkout"
)
def test_the_dependencies_have_lower_bounds_only():
    config = setup_cfg()
    extras = dict(config["options.extras_require"])
    for name in ("test", "lint", "docs", "dev"):  # not a user's
        del extras[name]
    core = config["options"]["install_requires"]
    lines = [line for value in (core, *extras.values()) for line in value.split()]
    bounded = [line for line in lines if not line.startswith("tfflows[")]
    assert all(line.count(">=") == 1 and "<" not in line for line in bounded), lines
    assert "==" not in "".join(bounded)
    assert config["options"]["python_requires"] == ">=3.11"
    parts = extras["all"].strip().removeprefix("tfflows[").removesuffix("]").split(",")
    assert set(parts) == set(extras) - {"all", "demo"}
    oldest = (pathlib.Path(ROOT) / "constraints-oldest.txt").read_text().split()
    for line in core.split():
        name, bound = line.split(">=")
        (pinned,) = [pin for pin in oldest if pin.startswith(f"{name}==")]
        assert pinned.startswith(f"{name}=={bound}")
