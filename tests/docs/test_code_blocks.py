"""The code of README and of the guides runs, shell and Python, in a folder of its own.

`tests/test_guides.py` runs two guides in the quick suite, and looks at their results.
"""

from __future__ import annotations

import os
import pathlib
import re
import socket
import subprocess
import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import pytest

ROOT = pathlib.Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(
    not (ROOT / "docs").exists(), reason="needs the checkout"
)

_TABLE = """import sklearn.datasets
table = sklearn.datasets.load_breast_cancer(as_frame=True).data
for name in ("mine", "new", "rows-1", "rows-2"):
    table.to_csv(f"{name}.csv", index=False)
"""
_FACES = """import pathlib
import keras
import numpy as np
rng = np.random.default_rng(0)
for label in ("sad", "glad"):
    folder = pathlib.Path("faces", label)
    folder.mkdir(parents=True)
    for number in range(40):
        image = rng.integers(0, 256, (8, 8, 1)).astype("uint8")
        keras.utils.save_img(folder / f"{number}.png", image)
rows = rng.normal([40.0, 1.7, 70.0], [10.0, 0.1, 9.0], (600, 3))
header = "age,height,weight"
np.savetxt("mine.csv", rows, delimiter=",", header=header, comments="")
"""
_TWO_REPLICAS = """import keras
import tensorflow as tf
import tfflows
tfflows.training.set_cpu_devices(2)
x = tfflows.data.toy.two_moons.sample(512, seed=0)
dataset = tf.data.Dataset.from_tensor_slices(x).batch(128)
"""
_WAIT = (
    "curl --silent --retry 90 --retry-delay 1 --retry-connrefused "
    "http://127.0.0.1:8501/v1/models/digits > /dev/null"
)


class Document(NamedTuple):
    """How a page's code is run.

    Attributes:
      before: Python that writes what the page takes for granted.
      names: Python that makes the variables which its Python blocks take for granted.
      instead: Texts of its shell blocks, and what stands there in the test.
      unused: A text of each shell block that is not run, and the reason.
    """

    before: str = ""
    names: str = ""
    instead: Mapping[str, str] = MappingProxyType({})
    unused: Mapping[str, str] = MappingProxyType({})


_TRAIN = "--dataset=csv:mine.csv --model_dir=runs/mine"
_SHORT = {_TRAIN: f"{_TRAIN} --set trainer.epochs=2"}
_EXPORT = "tfflows-export --model_dir=runs/mine"
DOCUMENTS = {
    "README.md": Document(
        instead={**_SHORT, "tfflows-serve --": "tfflows-serve --port=8501 --"}
    ),
    "docs/zoo.md": Document(),
    "docs/guides/tables.md": Document(_TABLE, instead=_SHORT),
    "docs/guides/images_and_labels.md": Document(
        _FACES,
        instead={
            "--model_dir=runs/faces\ntfflows-evaluate": "--model_dir=runs/faces "
            "--set trainer.epochs=2\ntfflows-evaluate",
            "height \\\n": "height --set trainer.epochs=2 \\\n",
        },
    ),
    "docs/guides/angles.md": Document(),
    "docs/guides/continuous_flows.md": Document(),
    "docs/guides/residual_flows.md": Document(),
    "docs/guides/transformer_flows.md": Document(
        instead={
            "--model_dir=runs/tarflow\ntfflows-sample": "--model_dir=runs/tarflow "
            "--set trainer.epochs=1\ntfflows-sample"
        }
    ),
    "docs/guides/scaling.md": Document(
        names=_TWO_REPLICAS, unused={"host1:2222": "needs two machines"}
    ),
    "docs/guides/scoring.md": Document(
        _TABLE,
        instead={
            _EXPORT: f"tfflows-train --model=nsf_table {_SHORT[_TRAIN]}\n{_EXPORT}"
        },
        unused={"DataflowRunner": "needs a cluster"},
    ),
    "docs/guides/serving.md": Document(
        instead={
            "tfflows-serve --export_dir=models/digits        #": "#",
            "--grpc_port=8500": f"--grpc_port=8500 --port=8501 &\n{_WAIT}",
        }
    ),
}


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def shell_script(text: str, document: Document) -> str:
    """The shell blocks, then the Python blocks; servers end with the script."""
    found = blocks(text, "sh")
    for word in document.unused:
        assert sum(word in block for block in found) == 1, word
        found = [block for block in found if word not in block]
    script = re.sub(r"^pip install .*$", "", "\n".join(found), flags=re.MULTILINE)
    for old, new in document.instead.items():
        assert old in script, old
        script = script.replace(old, new)
    end = "trap 'kill $(jobs -p) 2> /dev/null || true' EXIT"
    return f"set -e\n{end}\npython before.py\n{script}\npython page.py\n"


@pytest.mark.large
@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_code_of_a_page_runs(name, tmp_path):
    document, text = DOCUMENTS[name], (ROOT / name).read_text()
    files = {
        "before.py": document.before,
        "page.py": document.names + "\n".join(blocks(text, "python")),
        "page.sh": shell_script(text, document),
    }
    ports = {port: str(free_port()) for port in ("8500", "8501")}
    for file, content in files.items():
        for port, own in ports.items():
            content = content.replace(port, own)
        (tmp_path / file).write_text(content)
    programs = f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "page.sh"],
        cwd=tmp_path,
        env={**os.environ, "PATH": programs, "TF_CPP_MIN_LOG_LEVEL": "2"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=1800,
    )
    assert done.returncode == 0, done.stdout[-3000:]


def test_every_page_with_code_is_run():
    in_quick_suite = {"amortized_inference", "contexts_and_vaes"}
    docs = ROOT / "docs"
    for page in [*docs.glob("*.md"), *docs.glob("guides/*.md")]:
        text, name = page.read_text(), str(page.relative_to(ROOT))
        if blocks(text, "python") or blocks(text, "sh"):
            assert name in DOCUMENTS or page.stem in in_quick_suite, name
