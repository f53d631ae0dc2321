"""The methods that the REST and gRPC clients share."""

from __future__ import annotations

import abc
import json
from typing import Any

import numpy as np

from tfflows.export.c_api import Signature
from tfflows.export.client import arrays
from tfflows.export.client.arrays import Arrays
from tfflows.export.table_codes import TableCodes


class Client(abc.ABC):
    """A client of a served model. Subclasses implement the protocol.

    Inputs are anything that numpy accepts. They are checked against the signature's
    dtypes and shapes, which are requested once. A request of many rows is sent in
    chunks, one after the other; results do not depend on the chunks.

    Every method but `metadata`, `status` and `close` raises ValueError for inputs that
    do not fit, and `ServingError` if the server or the connection fails. Requests
    change nothing, so retries are safe.

    Args:
      model: Name of the served model.
      version: A version; None: the server chooses.
      chunk_size: Number of rows in a request.
    """

    def __init__(self, model: str, version: int | None, chunk_size: int) -> None:
        if chunk_size < 1:
            raise ValueError(f"expected a chunk_size of 1 or more, got {chunk_size}")
        self.model = model
        self.version = version
        self.chunk_size = chunk_size
        self._signatures: dict[str, Signature] | None = None
        self._table: TableCodes | None = None

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @abc.abstractmethod
    def close(self) -> None:
        """Closes the connections."""

    @abc.abstractmethod
    def metadata(self) -> dict[str, Signature]:
        """Requests the signatures of the served version, by name.

        Raises:
          ServingError: If the model or version is unknown, or no answer comes.
        """

    @abc.abstractmethod
    def status(self) -> dict[int, str]:
        """Returns the state of each version that the server knows: {1: "AVAILABLE"}.

        Raises:
          ServingError: If the model or version is unknown, or no answer comes.
        """

    @abc.abstractmethod
    def _call(self, name: str, signature: Signature, inputs: Arrays) -> Arrays:
        """Sends one request."""

    def predict(self, signature: str, **inputs: Any) -> Arrays:
        """Runs a signature.

        Args:
          signature: Name of the signature.
          **inputs: All inputs, by name.

        Returns:
          The outputs by name.
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
        """Returns log p(x) `[B]` in nats, in raw units.

        Args:
          x: `[B, *event]`. For a model of a table with categories also rows of cells
            with their names: lists, or a DataFrame.
          context: None, or one for each row.
        """
        return self._ask("log_prob", context, x=self._coded(x))["log_prob"]

    def bits_per_dim(self, x: Any, context: Any = None) -> np.ndarray:
        """Returns bits per dimension `[B]` of images and other integer data.

        Raises:
          ValueError: If the model's data are continuous.
        """
        answer = self._ask("log_prob", context, x=x)
        if "bits_per_dim" not in answer:
            raise ValueError(
                f"expected a model of integer data for bits_per_dim, got {self.model} "
                "of continuous data: ask it for log_prob"
            )
        return answer["bits_per_dim"]

    def score(self, x: Any, context: Any = None) -> np.ndarray:
        """Returns d log p(x) / dx `[B, *event]`."""
        return self._ask("score", context, x=x)["score"]

    def encode(self, x: Any, context: Any = None, seed: Any = None) -> np.ndarray:
        """Returns latents `[B, D]`; for a VAE, drawn from the posterior by `seed`."""
        return self._ask("encode", context, seed, x=x)["z"]

    def decode(self, z: Any, context: Any = None) -> np.ndarray:
        """Returns data `[B, *event]` of latents `[B, D]`."""
        return self._ask("decode", context, z=z)["x"]

    def elbo(self, x: Any, seed: Any = None) -> np.ndarray:
        """Returns a VAE's lower bound of log p(x) `[B]`, in nats."""
        return self._ask("elbo", None, seed, x=x)["elbo"]

    def sample(
        self,
        num_samples: int,
        seed: Any = None,
        temperature: Any = 1.0,
        context: Any = None,
    ) -> np.ndarray:
        """Returns samples `[num_samples, *event]`.

        Args:
          num_samples: Number of samples, at least 1.
          seed: An int gives the same samples at every call and for every chunk size;
            None gives new ones; int32 `[num_samples, 2]` is one seed per sample.
          temperature: A number, or one for each sample `[num_samples]`.
          context: None, or one for each sample.
        """
        if num_samples < 1:
            raise ValueError(f"expected 1 sample or more, got {num_samples}")
        seeds = arrays.seed_rows(seed, num_samples)
        temperatures = np.broadcast_to(np.asarray(temperature), (num_samples,))
        answer = self._ask("sample", context, seeds, temperature=temperatures)
        return answer["x"]

    def info(self) -> dict[str, Any]:
        """Returns facts about the model: name, event shape, units, data, ..."""
        answer = self.predict("info", dummy=[0])
        facts = {name: column[0] for name, column in answer.items()}
        return {
            name: fact.decode() if isinstance(fact, bytes) else fact.tolist()
            for name, fact in facts.items()
        }

    def table(self) -> TableCodes | None:
        """Returns what is known of a table's columns; None if x is no table.

        Its methods `codes` and `cells` turn rows with the names of categories into
        numbers, and numbers, such as samples, into rows.
        """
        if self._table is None and "table" in self._signature("info").outputs:
            self._table = TableCodes.of(json.loads(self.info()["table"]))
        return self._table

    def _coded(self, x: Any) -> Any:
        """Numbers of rows that hold names of categories."""
        array = np.asarray(x)
        if array.dtype.kind not in "OUSb" or (table := self.table()) is None:
            return x
        rows = array.tolist()
        if not hasattr(x, "dtype"):  # lists, which numpy would turn into text
            rows = [list(row) for row in getattr(x, "values", x)]
        return table.codes(rows)

    def interpolate(
        self, x_a: Any, x_b: Any, weights: Any, context: Any = None
    ) -> np.ndarray:
        """Returns images between `x_a` (weight 0) and `x_b` (weight 1).

        Args:
          x_a: One example `[*event]`.
          x_b: Another example.
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
        """Runs a signature, with the context if given and seeds if it takes them."""
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
