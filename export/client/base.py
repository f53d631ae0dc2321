"""What the REST and the gRPC client share: the methods of a served flow."""

from __future__ import annotations

import abc
from typing import Any

import numpy as np

from tfflows.export.c_api import Signature
from tfflows.export.client import arrays
from tfflows.export.client.arrays import Arrays


class Client(abc.ABC):
    """Asks a served model; subclasses know the wire.

    Inputs are anything that numpy takes; they are checked against the signature's
    dtypes and shapes, which are asked once. A request of many rows is sent in chunks,
    one after the other; the results do not depend on where it was cut.

    Every method but `metadata`, `status` and `close` raises ValueError for inputs that
    do not fit, and `ServingError` for what the server or the wire refuses. Requests are
    pure, so a retry is harmless.

    Args:
      model: Name of the served model.
      version: A version; None: the one the server has chosen.
      chunk_size: Rows of one request.
    """

    def __init__(self, model: str, version: int | None, chunk_size: int) -> None:
        if chunk_size < 1:
            raise ValueError(f"expected a chunk_size of 1 or more, got {chunk_size}")
        self.model = model
        self.version = version
        self.chunk_size = chunk_size
        self._signatures: dict[str, Signature] | None = None

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @abc.abstractmethod
    def close(self) -> None:
        """Closes the connections."""

    @abc.abstractmethod
    def metadata(self) -> dict[str, Signature]:
        """The signatures of the served version by name, asked anew.

        Raises:
          ServingError: No such model or version, or no answer.
        """

    @abc.abstractmethod
    def status(self) -> dict[int, str]:
        """State of each version that the server knows: {1: "AVAILABLE"}.

        Raises:
          ServingError: No such model or version, or no answer.
        """

    @abc.abstractmethod
    def _call(self, name: str, signature: Signature, inputs: Arrays) -> Arrays:
        """Sends one request."""

    def predict(self, signature: str, **inputs: Any) -> Arrays:
        """Runs a signature.

        Args:
          signature: Its name.
          **inputs: All of its inputs.

        Returns:
          Its outputs by name.
        """
        known = self._signature(signature)
        cast = arrays.cast_inputs(inputs, known)
        if not arrays.is_batched(known):
            return self._call(signature, known, cast)
        answers = [
            self._call(signature, known, chunk)
            for chunk in arrays.chunks(cast, self.chunk_size)
        ]
        return {
            name: np.concatenate([answer[name] for answer in answers])
            for name in answers[0]
        }

    def log_prob(self, x: Any, context: Any = None) -> np.ndarray:
        """Log p(x) in nats, in the units of the raw data `[B]`."""
        return self._ask("log_prob", context, x=x)["log_prob"]

    def bits_per_dim(self, x: Any, context: Any = None) -> np.ndarray:
        """Bits per dimension of images and other integer data `[B]`.

        Raises:
          ValueError: The model is of continuous data, for which there are none.
        """
        answer = self._ask("log_prob", context, x=x)
        if "bits_per_dim" not in answer:
            raise ValueError(
                f"expected a model of integer data for bits_per_dim, got {self.model} "
                "of continuous data: ask it for log_prob"
            )
        return answer["bits_per_dim"]

    def score(self, x: Any, context: Any = None) -> np.ndarray:
        """D log p(x) / dx `[B, *event]`."""
        return self._ask("score", context, x=x)["score"]

    def encode(self, x: Any, context: Any = None, seed: Any = None) -> np.ndarray:
        """Latents `[B, D]`; drawn from the posterior by `seed` for a VAE."""
        return self._ask("encode", context, seed, x=x)["z"]

    def decode(self, z: Any, context: Any = None) -> np.ndarray:
        """Data `[B, *event]` of latents `[B, D]`."""
        return self._ask("decode", context, z=z)["x"]

    def elbo(self, x: Any, seed: Any = None) -> np.ndarray:
        """A VAE's lower bound of log p(x) in nats `[B]`."""
        return self._ask("elbo", None, seed, x=x)["elbo"]

    def sample(
        self,
        num_samples: int,
        seed: Any = None,
        temperature: Any = 1.0,
        context: Any = None,
    ) -> np.ndarray:
        """Samples `[num_samples, *event]`.

        Args:
          num_samples: How many, 1 or more.
          seed: An int gives the same samples at every call and for every chunk size;
            None: new ones; or int32 `[num_samples, 2]`, one for each.
          temperature: One, or one for each sample `[num_samples]`.
          context: None, or one for each sample.
        """
        if num_samples < 1:
            raise ValueError(f"expected 1 sample or more, got {num_samples}")
        seeds = arrays.seed_rows(seed, num_samples)
        temperatures = np.broadcast_to(np.asarray(temperature), (num_samples,))
        answer = self._ask("sample", context, seeds, temperature=temperatures)
        return answer["x"]

    def info(self) -> dict[str, Any]:
        """What the served model is: its name, event shape, units, training data, ..."""
        answer = self.predict("info", dummy=[0])
        facts = {name: column[0] for name, column in answer.items()}
        return {
            name: fact.decode() if isinstance(fact, bytes) else fact.tolist()
            for name, fact in facts.items()
        }

    def interpolate(
        self, x_a: Any, x_b: Any, weights: Any, context: Any = None
    ) -> np.ndarray:
        """Images on the way from `x_a` (weight 0) to `x_b` (weight 1).

        Args:
          x_a: One example `[*event]`.
          x_b: Another one.
          weights: `[W]`.
          context: None, or one for each weight.

        Returns:
          `[W, *event]`.
        """
        weights = np.atleast_1d(weights)
        x_a, x_b = (np.repeat(np.asarray(x)[None], len(weights), 0) for x in (x_a, x_b))
        inputs = {"x_a": x_a, "x_b": x_b, "weight": weights}
        return self._ask("interpolate", context, **inputs)["x"]

    def _ask(
        self, signature: str, context: Any = None, seed: Any = None, **inputs: Any
    ) -> Arrays:
        """Runs a signature with the context if given, and seeds if it takes them."""
        if context is not None:
            inputs["context"] = context
        if "seed" in self._signature(signature).inputs:
            rows = len(next(iter(inputs.values())))
            inputs["seed"] = arrays.seed_rows(seed, rows)
        elif seed is not None:
            raise ValueError(
                f"expected no seed, {signature} of this model draws nothing"
            )
        return self.predict(signature, **inputs)

    def _signature(self, name: str) -> Signature:
        if self._signatures is None:
            self._signatures = self.metadata()
        if name not in self._signatures:
            expected = ", ".join(sorted(self._signatures))
            raise ValueError(f"expected a signature of {expected}; got {name!r}")
        return self._signatures[name]
