"""Writes SavedModels: versions, the default signature, no partial output."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import tensorflow as tf

from tfflows.export.errors import ExportError
from tfflows.export.served_names import served_name
from tfflows.export.versions import put_in_place, reserved_version
from tfflows.export.writing.compiled import compiled
from tfflows.export.writing.description import describe, write_description
from tfflows.export.writing.endpoints import Endpoint, Outputs
from tfflows.export.writing.flow_signatures import flow_endpoints, mixture_endpoints
from tfflows.export.writing.info import info_endpoint
from tfflows.export.writing.lint import Finding, lint
from tfflows.export.writing.model_card import model_card
from tfflows.export.writing.trial import try_out
from tfflows.export.writing.vae_signatures import vae_endpoints
from tfflows.models.flow import Flow
from tfflows.models.flow_mixture import FlowMixture
from tfflows.models.flow_vae import FlowVAE
from tfflows.provenance import Provenance
from tfflows.system import files

_MODEL_CARD = "MODEL_CARD.md"


def export_saved_model(
    model: keras.Model,
    directory: str | os.PathLike[str],
    version: int | None = None,
    default: str | None = None,
    split: bool = False,
    *,
    provenance: Provenance | None = None,
    verify: bool = True,
    jit_compile: bool = False,
    progress: Callable[[str], None] = lambda text: None,
) -> Path:
    """Writes a model as a SavedModel that TensorFlow Serving can load.

    It is written to `<directory>/<version>/`, with the signatures of `flow_signatures`
    or `vae_signatures`, `info`, and one of them as `serving_default`.
    `assets.extra/flow.json` and `MODEL_CARD.md` describe it (`description`,
    `model_card`). Warm-up requests come with it.

    It is checked for problems in a server (`lint`), compared with the model in another
    process through TensorFlow Serving's loader (`verification`), and only then renamed
    into place. A server that polls the directory sees a whole version or none.

    Args:
      model: An initialised `tfflows.Flow`, `tfflows.FlowVAE` or
        `tfflows.models.FlowMixture`.
      directory: The folder of all versions of this model; created if missing. Several
        processes may export to it at the same time: each gets its own version.
      version: A new version, at least 1; None: the highest existing one plus 1.
      default: The signature that `serving_default` repeats; None: `log_prob`, `sample`
        for a flow without an inverse, `elbo` for a VAE.
      split: Whether to write each signature as its own SavedModel with that
        `serving_default`, to `<directory>/<signature>/<version>/`, for servers that
        allow one signature per model.
      provenance: Where the model comes from, for `info`, `flow.json` and the card.
      verify: Whether to run the export, which warm-up requests need too. Without a C
        API (not Linux), there is a warning instead.
      jit_compile: Whether XLA compiles all signatures but `sample_n` and `info`. The
        server must allow it (`--xla_cpu_compilation_enabled` or
        `--xla_gpu_compilation_enabled`). Each batch size that the warm-up lacks is
        compiled when it first comes, which takes seconds.
      progress: Function that receives short progress messages; an export may take
        minutes.

    Returns:
      The folder of the new version; with `split`, `directory`.

    Raises:
      ValueError: If the model is of another kind or not initialised, the version is
        below 1, `default` is unknown or given with `split`, XLA cannot compile a step,
        the provenance has another number of columns, or TensorFlow would read the
        directory's path as a pattern.
      ExportError: If the export is faulty or differs from the model.
      FileExistsError: If the version exists.
    """
    endpoints = _endpoints(model)
    if jit_compile:
        model.require_jit()
        endpoints = {name: compiled(each) for name, each in endpoints.items()}
    names = [*endpoints, "info"]
    if split and default is not None:
        raise ValueError(
            f"expected no default with split=True, where each signature is the default "
            f"of its own folder, got {default!r}"
        )
    default = default or names[0]
    if default not in names:
        raise ValueError(f"expected default in {names}, got {default!r}")

    directory = files.path(directory)
    # The first of a folder's signatures is its default.
    folders = {directory: sorted(names, key=lambda name: name != default)}
    if split:
        folders = {directory / name: [name] for name in names}
    _require_fitting_columns(model, provenance)
    with reserved_version(directory, list(folders), version) as (version, temporary):
        description = {
            **describe(model, version, provenance or Provenance()),
            "jit_compile": jit_compile,
        }
        endpoints["info"] = info_endpoint(description)
        written: dict[Path, Path] = {}
        for folder, chosen in folders.items():
            written[folder] = path = temporary / str(len(written))
            _write({name: endpoints[name] for name in chosen}, path, progress)
            allowed = ("xla",) if jit_compile else ()
            _require_no_findings(lint(path, str(version)), allowed)
            values = write_description(description, path, default=chosen[0])
            served = served_name(directory, chosen[0] if split else None)
            card = model_card(values, served)
            (path / _MODEL_CARD).write_text(card, encoding="utf-8")
        if verify:
            progress("comparing the export with the model, and warm-up requests")
            exports = {written[folder]: folders[folder] for folder in written}
            try_out(model, endpoints, description, exports, xla=jit_compile)
        for folder, path in written.items():
            put_in_place(path, folder / str(version))
    return directory if split else directory / str(version)


def _endpoints(model: keras.Model) -> dict[str, Endpoint]:
    if not isinstance(model, Flow | FlowVAE | FlowMixture):
        raise ValueError(
            "expected a tfflows.Flow, FlowVAE or FlowMixture, got "
            f"{type(model).__name__}"
        )
    if not model.is_initialized:
        raise ValueError(
            "expected an initialised model, got one whose data-dependent start is "
            "missing: call flow.initialize(batch) or load trained weights first"
        )
    if isinstance(model, FlowVAE):
        return vae_endpoints(model)
    if isinstance(model, FlowMixture):
        return mixture_endpoints(model)
    return flow_endpoints(model)


def _require_fitting_columns(model: keras.Model, provenance: Provenance | None) -> None:
    columns = provenance.columns if provenance else None
    if columns is not None and (len(columns),) != tuple(model.event_shape):
        raise ValueError(
            f"expected a name for each column of {model.event_shape}, got {columns}"
        )


def _write(
    endpoints: dict[str, Endpoint], path: Path, progress: Callable[[str], None]
) -> None:
    archive = keras.export.ExportArchive()
    # The archive repeats the first endpoint as serving_default.
    for number, (name, endpoint) in enumerate(endpoints.items(), 1):
        progress(f"tracing {name}, {number} of {len(endpoints)}")
        archive.add_endpoint(name, _traced(endpoint), list(endpoint.inputs))
    progress("writing the SavedModel")
    archive.write_out(path, verbose=False)


def _traced(endpoint: Endpoint) -> Callable[..., Outputs]:
    """Returns the endpoint's function, which is traced only once."""
    # The archive traces a function, and TensorFlow traces it again when saving.
    function = tf.function(
        endpoint.function, input_signature=list(endpoint.inputs), autograph=False
    )
    graph = function.get_concrete_function()
    return lambda *values: graph(*values)


def _require_no_findings(findings: list[Finding], allowed: Sequence[str]) -> None:
    findings = [finding for finding in findings if finding.rule not in allowed]
    if findings:
        texts = "\n".join(map(str, findings))
        raise ExportError(
            f"expected an export that TensorFlow Serving runs, got {len(findings)} "
            f"findings: {texts}"
        )
