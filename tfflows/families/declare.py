"""Declares families: a builder's signature is its configuration.

The zoo reads names, types and defaults from the signature (`tfflows.zoo.families`).
"""

from __future__ import annotations

import difflib
import functools
import inspect
import re
import typing
from collections.abc import Callable, Iterable
from typing import Any, Literal, ParamSpec, TypeVar

from tfflows.backend.policy import policy_scope

Network = Literal["mlp", "resnet"]
LogScale = Literal["tanh", "sigmoid", "exp"]
Base = Literal["normal", "logistic"]
Backprop = Literal["stored", "remat", "reversible"]

_Parameters = ParamSpec("_Parameters")
_Model = TypeVar("_Model")

# Descriptions of arguments that a builder's own docstring does not describe.
_MEANINGS = {
    "event_shape": "Shape of one event; it is flattened.",
    "network": '"mlp", or "resnet" of width hidden_units[0] with a block per entry.',
    "hidden_units": "Widths of each network.",
    "log_scale": '"tanh", "sigmoid" or "exp", see `AffineLaw`.',
    "base": '"normal", or "logistic" for tails that forgive a single pixel.',
    "levels": "Number of levels of integer data; None for continuous data.",
    "standardize": "Whether to standardise the data, from `initialize`'s batch.",
    "logit_alpha": "Alpha of the logit of integer data.",
    "evaluation_draws": "Draws of dequantization noise that `evaluate` averages.",
    "context_dim": "Size of context vectors, or None without contexts.",
    "context": "The next three arguments as a dict, which version 0.1 took.",
    "context_shape": "Shape of another context (labels (), images, sets), see `Flow`.",
    "context_dtype": "Dtype of the context, see `Flow`.",
    "context_network": "A layer that embeds the context as a vector, see `Flow`.",
    "support": 'None, "positive", "unit" or (low, high), see `Flow`.',
    "backprop": '"stored", "remat" or "reversible", see `Flow`.',
    "stacked": "Whether steps that repeat are one `Repeated` with stacked weights. The "
    "map is\n    the same, and quicker to build, trace and train. Steps that assign "
    "weights (batch\n    normalization) or differ by more than weights (shuffles) are "
    "never stacked.",
    "latent_dim": "Size of z.",
    "warmup_steps": "See `FlowVAE`.",
    "free_nats": "See `FlowVAE`.",
    "evaluation_samples": "See `FlowVAE`.",
    "num_flows": "Number of steps of the posterior.",
    "num_columns": "Columns M of each orthogonal Sylvester step.",
    "num_reflections": "Reflections H of each Householder Sylvester step.",
    "num_prior_couplings": "Number of couplings of the prior.",
    "flow_units": "Widths of the networks of couplings and autoregressive steps, in "
    "posterior and prior.",
    "dtype": "Keras dtype policy of all layers.",
    "name": "Name of the model.",
}


def family(builder: Callable[_Parameters, _Model]) -> Callable[_Parameters, _Model]:
    """Makes a function the builder of a family.

    All layers that it creates get the policy of its `dtype`. Its docstring describes
    all arguments, shared ones with the text of `_MEANINGS`.

    Args:
      builder: A function of an event_shape, and of keywords with annotations and
        defaults.
    """
    known = inspect.signature(builder).parameters

    @functools.wraps(builder)
    def build(*args: _Parameters.args, **kwargs: _Parameters.kwargs) -> _Model:
        for name in kwargs:
            if name not in known:
                raise TypeError(_unknown(builder.__name__, name, known))
        with policy_scope(typing.cast(Any, kwargs.get("dtype"))):
            return builder(*args, **kwargs)

    build.__doc__ = builder.__doc__ and _with_arguments(builder)  # None with -OO
    return build


def _unknown(family: str, name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, known, n=3)
    hint = f"did you mean {', '.join(near)}?" if near else f"known: {', '.join(known)}"
    return f"{family}: expected a known keyword, got {name!r}; {hint}"


def inherit(
    core: Callable[..., _Model], *names: str
) -> Callable[[Callable[..., _Model]], Callable[..., _Model]]:
    """Gives a function that passes `**arguments` on the keywords that `core` takes.

    Args:
      core: The function that it calls.
      *names: The keywords of `core` that it takes besides its own; none: all.
    """

    def decorate(function: Callable[..., _Model]) -> Callable[..., _Model]:
        own = inspect.signature(function).parameters
        taken = [
            parameter
            for name, parameter in inspect.signature(core).parameters.items()
            if parameter.kind is parameter.KEYWORD_ONLY
            and name not in own
            and name in (names or [name])
        ]
        *given, name, _ = own.values()
        hints = typing.get_type_hints(core) | typing.get_type_hints(function)
        signature = inspect.Signature(
            [*given, *taken, name], return_annotation=hints["return"]
        )

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> _Model:
            signature.bind(*args, **kwargs)  # names the unknown ones
            return function(*args, **kwargs)

        call.__annotations__ = {
            name: hints[name] for name in [*signature.parameters, "return"]
        }
        vars(call).update(__signature__=signature, core=core)
        return call

    return decorate


def _with_arguments(builder: Callable[..., Any]) -> str:
    """Returns the docstring with a complete Args section in the signature's order."""
    before, own, after = _sections(builder)
    told = _MEANINGS | _sections(vars(builder).get("core", builder))[1] | own
    lines = [
        f"  {name}: {told[name]}" for name in inspect.signature(builder).parameters
    ]
    return "\n".join([before, "", "Args:", *lines, "", after]).strip()


def _sections(function: Callable[..., Any]) -> tuple[str, dict[str, str], str]:
    """Splits a docstring: the text before Args, the arguments, the text after."""
    text = inspect.cleandoc(function.__doc__ or "")
    head, returns, tail = text.partition("\n\nReturns:")
    before, _, arguments = head.partition("\n\nArgs:\n")
    items = re.findall(r"^  (\w+): (.*(?:\n    .*)*)", arguments, re.MULTILINE)
    return before, dict(items), (returns + tail).strip()
