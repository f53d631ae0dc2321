"""Makes stock TFP objects copy and pickle.

In TFP 0.25 `tfd.MultivariateNormalDiag`, `Independent`, `Sample` and other classes pass
the arguments of `__new__` on to another class. `copy.deepcopy` and `pickle` pass no
arguments and fail. After registration with `copyreg`, they create the object first and
then set its state.
"""

from __future__ import annotations

import copyreg
from typing import Any

import tensorflow_probability as tfp


def register_copies() -> None:
    """Registers stock distributions and bijectors with `copyreg`."""
    for module in (tfp.distributions, tfp.bijectors):
        for cls in vars(module).values():
            if isinstance(cls, type) and "__new__" in vars(cls):
                copyreg.pickle(cls, _reduced)


def _reduced(obj: Any) -> tuple[Any, ...]:
    return _made, (type(obj),), obj.__getstate__()


def _made(cls: type) -> Any:
    return object.__new__(cls)
