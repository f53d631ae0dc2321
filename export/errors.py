"""The error of an export that must not be served."""


class ExportError(ValueError):
    """An export has a fault, or answers otherwise than its model; it was not kept."""


class ConversionRefusedError(ValueError):
    """A signature that a converter cannot convert; its text is the reason."""
