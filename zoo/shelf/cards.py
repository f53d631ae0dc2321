"""Cards of the trained models, and the table of all of them, as Markdown."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from tfflows.data.table import licence
from tfflows.zoo.reference import Reference
from tfflows.zoo.registry import ModelInfo, describe
from tfflows.zoo.shelf import pretrained

_UNITS = {"bits_per_dim": "bits/dim", "accuracy": "", "active_units": ""}
_NO_FIGURES = ("model", "dataset", "split", "num_examples", "epoch", "step")
_LIMITS = (
    "A high density is no proof that an example comes from the training data "
    "(Nalisnick et al., 2018, arXiv 1810.09136).",
    "It was trained and evaluated on the data named here alone.",
)
_BOUND = "`elbo` is a lower bound on the log-density, and one draw of it."


def card(name: str) -> str:
    """Returns the card of a trained model.

    Args:
      name: A registered name with trained weights.

    Returns:
      Markdown.

    Raises:
      ConfigError: If the model has no trained weights.
    """
    info, record = describe(name), pretrained.record(name)
    parts = [
        f"# {name}",
        f"{info.description[0].upper()}{info.description[1:]}.",
        f"![Samples of {name}](../images/models/{name}.png)",
        f'    model = tfflows.zoo.create("{name}", weights="pretrained")',
        f"    tfflows-export --model={name} --export_dir=exports/{name}",
        "## Figures\n\n" + _figures(record["evaluation"]),
        _comparison(info.references),
        "## Data\n\n" + _data(info),
        "## Training\n\n" + _training(record),
        "## Limits\n\n" + _limits(info),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def table(names: Iterable[str]) -> str:
    """Returns a table with a row for each trained model.

    Args:
      names: Registered names with trained weights.

    Returns:
      Markdown.
    """
    heading = (
        "model",
        "parameters",
        "held-out figure",
        "published, same model",
        "others, see the card",
        "epochs",
        "hours",
    )
    return _table(heading, [_row(name) for name in names])


def main_figure(evaluation: Mapping[str, Any]) -> tuple[str, float]:
    """Returns name and value of the figure that stands for a model.

    Args:
      evaluation: The output of `tfflows-evaluate`.
    """
    if "elbo" in evaluation:  # the "kl" of a VAE is a term of the bound
        return "nll", evaluation["nll"]
    name = next(name for name in ("kl", "bits_per_dim", "nll") if name in evaluation)
    return name, evaluation[name]


def _row(name: str) -> tuple[str, ...]:
    info, record = describe(name), pretrained.record(name)
    figure, value = main_figure(record["evaluation"])
    hours = record.get("hours")
    references = [r for r in info.references if r.name == figure]
    return (
        f"[`{name}`](../models/{name}.md)",
        "" if info.parameters is None else f"{info.parameters:,}",
        f"{_said(figure, info)}{_text(value)} {_unit(figure)}",
        ", ".join(_text(r.value) for r in references if r.same_model),
        ", ".join(_text(r.value) for r in references if not r.same_model),
        str(record["evaluation"]["epoch"]),
        "not recorded" if hours is None else f"{hours:.2f}",
    )


def _said(figure: str, info: ModelInfo) -> str:
    if figure == "nll" and "vae" in info.family:
        return "-ELBO "
    return {"kl": "KL ", "nll": "-log p "}.get(figure, "")


def _figures(evaluation: Mapping[str, Any]) -> str:
    rows = [
        (f"`{name}`", _text(value), _unit(name))
        for name, value in evaluation.items()
        if name not in _NO_FIGURES and isinstance(value, int | float)
    ]
    examples = f"{evaluation['num_examples']:,} examples"
    return (
        f"On the {evaluation['split']} split ({examples}):\n\n"
        + _table(("figure", "value", "unit"), rows)
        + f"\n\n    tfflows-evaluate --model={evaluation['model']}"
    )


def _comparison(references: Iterable[Reference]) -> str:
    rows = [
        (
            f"{r.name}",
            _text(r.value),
            r.unit,
            "this model" if r.same_model else "another",
            r.source,
        )
        for r in references
    ]
    if not rows:
        return ""
    return "To compare with:\n\n" + _table(
        ("figure", "value", "unit", "of", "source"), rows
    )


def _data(info: ModelInfo) -> str:
    terms = licence(info.dataset) or "not known to tfflows: ask their owner"
    shape = "x".join(str(size) for size in info.event_shape or ())
    levels = f", {info.levels} levels" if info.levels else ""
    return f"- Trained on: {info.dataset}, {shape}{levels}\n- Licence: {terms}"


def _training(record: Mapping[str, Any]) -> str:
    evaluation = record["evaluation"]
    facts = [f"epoch {evaluation['epoch']}, step {evaluation['step']:,}"]
    if record.get("hours") is not None:
        facts.append(f"{record['hours']} hours on {record['processors']} CPU cores")
    facts.append(record["date"])
    if record.get("commit"):
        facts.append(f"commit {record['commit'][:12]}")
    versions = ", ".join(f"{name} {v}" for name, v in record["versions"].items())
    return (
        f"    {record['command']}\n\n"
        f"- {', '.join(facts)}\n- {versions}\n"
        f"- {record['bytes']:,} bytes, sha256 `{record['sha256']}`"
    )


def _limits(info: ModelInfo) -> str:
    bound = [_BOUND] if "vae" in info.family else []
    return "\n".join(f"- {limit}" for limit in (*_LIMITS, *bound))


def _unit(figure: str) -> str:
    return _UNITS.get(figure, "nats")


def _text(value: float) -> str:
    digits = 3 if abs(value) < 100 else 2
    return f"{value:,.{digits}f}" if math.isfinite(value) else str(value)


def _table(heading: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [heading, ("---",) * len(heading), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
