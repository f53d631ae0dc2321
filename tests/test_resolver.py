"""tfflows with all extras beside what its users have installed: pip finds versions."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.test_packaging import ROOT

OTHERS = ("torch", "jax", "transformers", "mlflow", "keras-tuner", "notebook")
OTHERS += ("bayesflow",)


@pytest.mark.large
@pytest.mark.skipif(not (ROOT / "setup.cfg").exists(), reason="needs the checkout")
def test_pip_finds_versions_that_fit_together(tmp_path):
    report = tmp_path / "report.json"
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--quiet"]
    command += ["--ignore-installed", f"--report={report}", f"{ROOT}[all]", *OTHERS]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    chosen = json.loads(report.read_text())["install"]
    versions = {one["metadata"]["name"]: one["metadata"]["version"] for one in chosen}
    assert {"tfflows", "apache-beam", *OTHERS} <= set(versions)
    assert versions["tfflows"] >= "0.2"
