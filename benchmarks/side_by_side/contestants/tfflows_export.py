"""An exported tfflows model in TensorFlow's C API, the loader of TF Serving."""

from __future__ import annotations

import importlib.metadata
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

from side_by_side.workloads import WORKLOADS, Workload

_ROOT = pathlib.Path(__file__).resolve().parents[3]


class ExportContestant:
    """Signatures of a model that another process wrote: `log_prob`, `sample`.

    A VAE's are `elbo`, which takes seeds and whole numbers, and `sample`.

    Args:
      workload: The work.
      xla: Whether XLA compiles them; a server has to be told to allow it.
    """

    def __init__(self, workload: Workload, xla: bool = False) -> None:
        # Imported without tfflows around it: this process holds no TensorFlow Python.
        sys.path.insert(0, str(_ROOT / "export"))
        from c_api import SavedModel

        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", __name__, workload.name, folder]
            command += ["xla"] if xla else []
            subprocess.run(command, check=True, stdout=sys.stderr)
            self._model = SavedModel(str(pathlib.Path(folder) / "1"), xla=xla)
        self._is_vae = "latent_dim" in workload.model
        events = workload.data()[: workload.num_events]
        self._events = events.astype("uint8") if self._is_vae else events
        self._rows = workload.num_events
        self._draws = 0

    def num_parameters(self) -> int:
        """Unknown to a SavedModel; those of `tfflows_fit`."""
        return 0

    def log_prob(self) -> np.ndarray:
        """One request."""
        if self._is_vae:
            inputs = {"x": self._events, "seed": self._seeds()}
            return self._model.run("elbo", inputs)["elbo"]
        return self._model.run("log_prob", {"x": self._events})["log_prob"]

    def sample(self) -> np.ndarray:
        """One request."""
        temperature = np.ones(self._rows, "float32")
        inputs = {"seed": self._seeds(), "temperature": temperature}
        return self._model.run("sample", inputs)["x"]

    def _seeds(self) -> np.ndarray:
        self._draws += 1
        seeds = [np.full(self._rows, self._draws), np.arange(self._rows)]
        return np.stack(seeds, axis=1).astype("int32")


def versions() -> dict[str, str]:
    """What was measured."""
    names = ("tfflows", "tensorflow")
    return {name: importlib.metadata.version(name) for name in names}


def _write(name: str, folder: str, xla: str = "") -> None:
    from side_by_side.contestants.tfflows_fit import MODELS
    from tfflows.export import export_saved_model

    workload = WORKLOADS[name]
    flow = MODELS[name](workload)
    flow.initialize(workload.data()[: workload.batch_size])
    # Not verified: what is compared here is compiled for each size of a batch.
    export_saved_model(flow, folder, jit_compile=bool(xla), verify=not xla)


CONTESTANTS = dict.fromkeys(
    ("realnvp", "glow", "spline", "maf", "planar_vae"), ExportContestant
)

if __name__ == "__main__":
    _write(*sys.argv[1:])
