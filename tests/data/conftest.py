import os
import pathlib

import pytest


@pytest.fixture(scope="session")
def tfds_dir():
    """The folder with prepared TFDS sets, or a skip."""
    root = pathlib.Path(__file__).resolve().parents[2]
    folder = os.environ.get("TFDS_DATA_DIR") or root.parent / "shared" / "tfds"
    if not (pathlib.Path(folder) / "mnist").is_dir():
        pytest.skip(f"no prepared MNIST in {folder}; set TFDS_DATA_DIR")
    return str(folder)
