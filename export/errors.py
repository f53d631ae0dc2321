"""Errors of exports and conversions."""


class ExportError(ValueError):
    """An export is faulty or differs from its model, and was not kept."""


class ConversionRefusedError(ValueError):
    """A signature that a converter cannot convert. The text is the reason."""
