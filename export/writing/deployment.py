"""Writes files that deploy an exported model, from the templates in `deploy/`.

They depend only on the exported folder and contain no path of the machine: the compose
file mounts its own folder.
"""

from __future__ import annotations

import os
import re
import string
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from tfflows.export.flow_json import FLOW_JSON, read_description
from tfflows.export.served_names import VERSION, served_folders, served_name
from tfflows.export.writing.warmup import BATCH_SIZES
from tfflows.system import files

_TEMPLATES = Path(__file__).parent / "deploy"
_IMAGE_TAG = "2.20.0"
_MOST_VERSIONS = 2  # served at a time: the newest and the previous one


class Served(NamedTuple):
    """A served model: its name, its path below the base folder, and its versions.

    `xla` says whether the server must allow XLA for one of the versions.
    """

    name: str
    path: str
    versions: list[int]
    xla: bool

    @property
    def labels(self) -> dict[str, int]:
        """Versions by label. The newest is the canary if there is a previous one."""
        if len(self.versions) == 1:
            return {"stable": self.versions[0]}
        return {"stable": self.versions[-2], "canary": self.versions[-1]}


def write_deployment(directory: str | os.PathLike) -> Path:
    """Writes `<directory>/deploy/` for an exported model; replaces existing files.

    Args:
      directory: The directory given to `export_saved_model`, with or without `split`.

    Returns:
      The folder: docker compose, `models.config`, batching and monitoring configs,
      Kubernetes and KServe manifests, all for the two newest versions.

    Raises:
      FileNotFoundError: If the directory has no export.
    """
    directory = files.path(directory)
    model, served = _find(directory)
    base = served_name(directory)
    xla = any(one.xla for one in served)
    values = {**_values(model, base, served), **_xla_arguments(xla)}
    texts = {
        path.name: string.Template(path.read_text(encoding="utf-8")).substitute(values)
        for path in sorted(_TEMPLATES.iterdir())
        if path.name != "kserve.yaml"
    }
    texts["models.config"] = values["plain_models_config"]
    texts["kserve.yaml"] = _kserve(base, served)
    folder = directory / "deploy"
    folder.mkdir(exist_ok=True)
    for name, text in texts.items():
        files.write_text(folder / name, text)  # the server polls models.config
    return folder


def _find(directory: Path) -> tuple[str, list[Served]]:
    """Returns the model's title, and the served models: it, or each signature."""
    folders = served_folders(directory) if directory.is_dir() else {}
    served = [
        Served(
            name,
            "" if folder == directory else f"/{folder.name}",
            versions,
            any(_is_compiled(folder / str(version)) for version in versions),
        )
        for name, folder in folders.items()
        if (versions := _versions(folder))
    ]
    if not served:
        raise FileNotFoundError(
            f"expected the folder of an exported model, got {directory}: no version "
            f"with {FLOW_JSON} there"
        )
    newest = Path(f"{directory}{served[0].path}", str(served[0].versions[-1]))
    return read_description(newest)["model"], served


def _is_compiled(version: Path) -> bool:
    return read_description(version).get("jit_compile", False)


def _versions(folder: Path) -> list[int]:
    found = [
        int(path.parent.parent.name)
        for path in folder.glob(f"*/{FLOW_JSON}")
        if VERSION.fullmatch(path.parent.parent.name)
    ]
    return sorted(found)[-_MOST_VERSIONS:]


def _values(model: str, base: str, served: list[Served]) -> dict[str, str]:
    """Returns the values for the templates."""
    models_config = _models_config(base, served)
    batching = {
        "max_batch_size": str(max(BATCH_SIZES)),
        "allowed_batch_sizes": "\n".join(
            f"allowed_batch_sizes: {size}" for size in BATCH_SIZES
        ),
    }
    labels = served[0].labels
    return {
        **batching,
        "model": model,
        "served": base,
        "first_served": served[0].name,
        "dns_name": _dns_name(base),
        "image_tag": _IMAGE_TAG,
        "versions": ", ".join(map(str, served[0].versions)),
        "labels": ", ".join(f"`{label}` = {v}" for label, v in labels.items()),
        "plain_models_config": models_config,
        "models_config": _indented(models_config),
        "monitoring_config": _indented(_template("monitoring.config", {})),
        "batching_config": _indented(_template("batching.config", batching)),
    }


def _models_config(base: str, served: list[Served]) -> str:
    configs = []
    for one in served:
        versions = " ".join(f"versions: {version}" for version in one.versions)
        labels = "\n".join(
            f'    version_labels {{ key: "{label}" value: {version} }}'
            for label, version in one.labels.items()
        )
        configs.append(
            "  config {\n"
            f'    name: "{one.name}"\n'
            f'    base_path: "/models/{base}{one.path}"\n'
            '    model_platform: "tensorflow"\n'
            f"    model_version_policy {{ specific {{ {versions} }} }}\n"
            f"{labels}\n"
            "  }\n"
        )
    return "model_config_list {\n" + "".join(configs) + "}\n"


def _xla_arguments(needed: bool) -> dict[str, str]:
    """Returns the extra arguments for exports that XLA compiles.

    XLA compiles each batch size, so batches are joined and padded to the sizes of the
    warm-up. KServe's manifest cannot set these.
    """
    allow = "- --xla_cpu_compilation_enabled=true"
    batching = [
        "- --enable_batching=true",
        "- --batching_parameters_file=/config/batching.config",
    ]
    lines = {
        "compose_xla": f"\n      {allow}",
        "kubernetes_xla": "".join(
            f"\n            {line}" for line in [allow, *batching]
        ),
        "kserve_xla": f"\n      args:\n        {allow}",
    }
    values = {name: line if needed else "" for name, line in lines.items()}
    return {**values, "off": "" if needed else "# "}


def _kserve(base: str, served: list[Served]) -> str:
    """Returns one InferenceService for each served model, as KServe requires."""
    return "---\n".join(
        _template(
            "kserve.yaml",
            {
                "dns_name": _dns_name(one.name),
                "claim": f"{_dns_name(base)}-models",
                "path": f"{base}{one.path}",
                "kserve_xla": _xla_arguments(one.xla)["kserve_xla"],
            },
        )
        for one in served
    )


def _template(name: str, values: Mapping[str, str]) -> str:
    text = (_TEMPLATES / name).read_text(encoding="utf-8")
    return string.Template(text).substitute(values)


def _dns_name(name: str) -> str:
    """Returns a name that Kubernetes allows: at most 63 of a-z, 0-9 and -."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    most = 63 - len("-models")
    return plain[:most].rstrip("-") or "model"


def _indented(text: str) -> str:
    return textwrap.indent(text.rstrip("\n"), "    ")
