"""Limits of a request: in bytes, before it is parsed, and in rows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from tfflows.export.c_api import Signature, TensorInfo

MIB = 2**20
_DEFAULT_BYTES = 16 * MIB  # parsed within a second or two, in a separate process
_SLACK_BYTES = MIB  # for everything but rows
_NUMBER_BYTES = 64  # as text: at most 24 digits, brackets and indentation


class TooLargeError(Exception):
    """A request over the limits. The text is for the client."""


class Limits(NamedTuple):
    """Limits of one request.

    Attributes:
      request_bytes: Most bytes of a request; None: the size of `batch` rows of the
        model as JSON, at most 16 MiB.
      batch: Most rows or samples of a request.
    """

    request_bytes: int | None = None
    batch: int = 1024

    def most_bytes(self, signatures: Mapping[str, Signature]) -> int:
        """Returns the most bytes of a request to any of the signatures."""
        if self.request_bytes is not None:
            return self.request_bytes
        rows = (_row_bytes(signature.inputs) for signature in signatures.values())
        most = self.batch * max(rows, default=0) + _SLACK_BYTES
        return int(min(most, _DEFAULT_BYTES))

    def message_bytes(self) -> int:
        """Returns the most bytes of a message, for any model."""
        return _DEFAULT_BYTES if self.request_bytes is None else self.request_bytes

    def check_bytes(self, number: int, signatures: Mapping[str, Signature]) -> None:
        """Refuses a body with too many bytes.

        Raises:
          TooLargeError: If it is over the limit.
        """
        limit = self.most_bytes(signatures)
        if number > limit:
            raise TooLargeError(
                f"expected a request of at most {limit} bytes, got {number} or more: "
                "send fewer rows in a request, or start the server with a larger "
                "--max_request_mib"
            )

    def check_rows(self, inputs: Mapping[str, np.ndarray]) -> None:
        """Refuses inputs with more rows or samples than `batch`.

        Raises:
          TooLargeError: If they are over the limit.
        """
        for name, array in inputs.items():
            if array.ndim:
                self._check_count(name, array.shape[0])
        number = inputs.get("num_samples")  # for sample_n, whose batch is a number
        if number is not None and number.dtype.kind in "iu":
            self._check_count("num_samples", int(np.max(number, initial=0)))

    def _check_count(self, name: str, count: int) -> None:
        if count > self.batch:
            raise TooLargeError(
                f"expected at most {self.batch} rows (--max_batch), got {count} "
                f"in {name}"
            )


def _row_bytes(inputs: Mapping[str, TensorInfo]) -> float:
    """Returns the most bytes of a row as JSON; infinity if sizes are unknown."""
    sizes = (
        _numbers(info) * _NUMBER_BYTES + len(name) for name, info in inputs.items()
    )
    return sum(sizes)


def _numbers(info: TensorInfo) -> float:
    if info.shape is None or info.dtype == "string" or -1 in info.shape[1:]:
        return math.inf
    return math.prod(info.shape[1:])
