"""Formulas that pages write as LaTeX, as MathML: browsers set it without a script."""

from __future__ import annotations

import html
import re

from latex2mathml.converter import convert

_FORMULA = re.compile(
    r'<(?P<tag>span|div) class="arithmatex">(?P<latex>.*?)</(?P=tag)>', re.DOTALL
)


# Of several letters: a name, in the upright letters of a function.
_NAME = re.compile(
    r"(?P<before></m(?:[in]|row|su[bp])>)?<m(?P<kind>[io]|text)>(?P<name>[A-Za-z_]{2,})"
    r"</m(?P=kind)>(?=(?P<after><m[in]|<msu|<mo>[A-Za-z])?)"
)
_SPACE = '<mspace width="0.17em"/>'
# A prime is set as high as it should be; as an exponent it would be raised twice.
_PRIME = re.compile(
    r"<msu(?:p|bsup)>(?P<base><mi>\w</mi>)(?P<below><mrow>.*?</mrow>)?"
    r"<mi>&#x02032;</mi></msu(?:p|bsup)>"
)


def mathml(latex: str, display: str = "block") -> str:
    """MathML of LaTeX, spaced as LaTeX would."""
    made = convert(latex, display=display)
    made = _PRIME.sub(_primed, made)
    return _NAME.sub(_name, made)


def _primed(found: re.Match[str]) -> str:
    base = f'<mrow>{found["base"]}<mo lspace="0" rspace="0">&#x02032;</mo></mrow>'
    return f"<msub>{base}{found['below']}</msub>" if found["below"] else base


def _name(found: re.Match[str]) -> str:
    before = found["before"] + _SPACE if found["before"] else ""
    return f"{before}<mi>{found['name']}</mi>{_SPACE if found['after'] else ''}"


def with_mathml(page: str) -> str:
    """A page's HTML with the formulas that arithmatex marked converted."""
    return _FORMULA.sub(_converted, page)


def _converted(found: re.Match[str]) -> str:
    latex = html.unescape(found["latex"]).strip()
    latex = re.sub(r"^\\[(\[]|\\[)\]]$", "", latex)
    return mathml(latex, "block" if found["tag"] == "div" else "inline")
