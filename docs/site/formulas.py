"""The docstrings' formulas, which are plain text, as LaTeX and MathML.

A paragraph that is indented by two spaces is formulas, one a line, with a label in
front or none: "forward:  x = z * exp(s) + b". What is written how is in `_RULES`.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from mathml import mathml

_GREEK = {"alpha", "beta", "epsilon", "pi", "sigma", "tau", "theta"}
_OPERATORS = {"cos", "det", "exp", "ln", "log", "sin"}
# Names of functions and quantities; other long words are English.
_NAMES = re.findall(
    r"\w+",
    "classifier_weight diag elbo event features high log_scale log_variance loss low "
    "mean observation posterior prior reshape shift sigmoid softplus split target",
)
_LABELS = re.compile(r"(forward|forward log-det|inverse|inverse log-det):\s+(.*)")

_INDEX = r"_(?:\{(?P<braced>[^{}]*)\}|(?P<plain><?\w+))"
_VARIABLE = r"[A-Za-z]+(?:_\{[^{}]*\}|_\w+)?(?:\^-1)?"
_RULES = [
    ("space", r"\s+"),
    ("number", r"\d+(?:\.\d+)?"),
    ("code", r"`(?P<verbatim>[^`]+)`"),
    ("word", r"[A-Za-z]+'s\b|[a-z]+-[a-z]+"),
    ("derivative", rf"d(?P<over>{_VARIABLE})/d(?P<under>{_VARIABLE})"),
    ("hat", r"(?P<hatted>[A-Za-z])_hat"),
    ("long", r"(?P<long_name>" + "|".join(n for n in _NAMES if "_" in n) + r")\b"),
    ("name", rf"(?P<name_itself>[A-Za-z]+)(?P<prime>'?)(?:{_INDEX})?"),
    ("dots", r"\.\.\."),
    ("power", r"\^(?:(?P<transposed>T\b)|(?P<exponent>-?\w+))"),
    ("product", r"\*|(?<=[\w)])\.(?=\w)"),
    ("norm", r"\|\|(?=\S)|(?<=\S)\|\|"),
    ("parallel", r"\|\|"),
    ("bar", r"\|"),
    ("slash", r"/"),
    ("relation", r"<=|>=|~"),
    ("open", r"[(\[]"),
    ("close", r"[)\]]"),
    ("braces", r"[{}]"),
    ("other", r"[-+=<>,;:.]"),
]
_TOKEN = re.compile("|".join(f"(?P<{name}>{rule})" for name, rule in _RULES))
_RELATIONS = {"<=": r"\le ", ">=": r"\ge ", "~": r"\sim "}


def typeset(docstring: str) -> str:
    """A docstring as Markdown, its paragraphs of formulas as HTML."""
    paragraphs = re.split(r"\n(?:[ ]*\n)+", docstring)
    return "\n\n".join(_table(p) if _is_formulas(p) else p for p in paragraphs)


def _is_formulas(paragraph: str) -> bool:
    lines = paragraph.split("\n")
    return bool(re.match(r"  [^\s-]", lines[0])) and all(
        line.startswith("  ") for line in lines
    )


def _table(paragraph: str) -> str:
    rows = []
    for label, formula in _rows(paragraph):
        formula_html = _set(formula)
        head = f"<th>{label}</th>" if label else ""
        span = "" if label else ' colspan="2"'
        rows.append(f"<tr>{head}<td{span}>{formula_html}</td></tr>")
    return f'<table class="formulas">{"".join(rows)}</table>'


def _rows(paragraph: str) -> Iterator[tuple[str, str]]:
    """Labels and formulas; a line that is indented further goes on."""
    lines: list[str] = []
    for line in paragraph.split("\n"):
        if re.match(r"   ", line) and lines:
            lines[-1] += " " + line.strip()
        else:
            lines.append(line.strip())
    for line in lines:
        found = _LABELS.fullmatch(line)
        yield (found[1], found[2]) if found else ("", line)


def _set(formula: str) -> str:
    """MathML, with the plain text for those who search or listen."""
    label = html.escape(formula, quote=True)
    return mathml(latex(formula)).replace("<math ", f'<math aria-label="{label}" ', 1)


def latex(formula: str) -> str:
    r"""LaTeX of one formula: "a / (b + 1)" is "\frac{a}{b+1}"."""
    found = _Parser(formula).sum_of_terms()
    return found.replace(r" }\text{ ", " ")


class _Parser:
    """Reads terms, whose factors stand side by side; only a slash looks back."""

    def __init__(self, formula: str) -> None:
        self.formula = formula
        self.tokens = list(_TOKEN.finditer(formula))
        found = "".join(token[0] for token in self.tokens)
        if found != formula:
            raise ValueError(f"expected a formula of known signs, got {formula!r}")
        self.place = 0

    def sum_of_terms(self, end: str = "") -> str:
        """Up to the closing token `end`, or the end of the formula."""
        parts: list[str] = []
        term: list[str] = []
        while self.place < len(self.tokens):
            token = self.tokens[self.place]
            kind = self._kind(token)
            if kind == end:
                break
            self.place += 1
            if kind == "slash":
                over, term = "".join(_bare(term)), []
                self._skip_spaces()
                term.append(rf"\frac{{{over}}}{{{''.join(_bare([self._factor()]))}}}")
            elif kind in ("other", "relation", "parallel", "word") or (
                kind == "bar" and not self._opens_bar(token)
            ):
                parts += [*term, self._sign(token, kind)]
                term = []
            elif kind == "space":
                term += [r"\quad "] * (len(token[0]) > 1)
            else:
                self.place -= 1
                term.append(self._factor())
                if _is_text(term[-1]):
                    parts, term = parts + term, []
        return "".join(parts + term)

    def _skip_spaces(self) -> None:
        while self._kind(self.tokens[self.place]) == "space":
            self.place += 1

    def _kind(self, token: re.Match[str]) -> str:
        return next(name for name, _ in _RULES if token[name] is not None)

    def _sign(self, token: re.Match[str], kind: str) -> str:
        text = token[0]
        if kind == "word":
            return rf"\text{{ {text} }}"
        if kind == "bar":
            return r"\mid "
        if kind == "parallel":
            return r"\parallel "
        return _RELATIONS.get(text, text)

    def _opens_bar(self, token: re.Match[str]) -> bool:
        """Whether a bar begins |...|, rather than stands for "given"."""
        before = self.formula[: token.start()]
        after = self.formula[token.end() :]
        return after[:1] not in ("", " ") and (
            before[-1:] in ("", " ", "(", "-")
            or bool(re.search(r"\b(log|ln)$", before))
        )

    def _factor(self) -> str:
        token = self.tokens[self.place]
        self.place += 1
        kind = self._kind(token)
        base = getattr(self, f"_of_{kind}")(token)
        while self.place < len(self.tokens):
            power = self.tokens[self.place]
            if power["power"] is None:
                break
            self.place += 1
            exponent = r"\top" if power["transposed"] else power["exponent"]
            base = f"{base}^{{{exponent}}}"
        return base

    def _of_number(self, token: re.Match[str]) -> str:
        return token[0]

    def _of_code(self, token: re.Match[str]) -> str:
        return rf"\texttt{{{token['verbatim']}}}"

    def _of_derivative(self, token: re.Match[str]) -> str:
        over, under = latex(token["over"]), latex(token["under"])
        return rf"\frac{{\partial {over}}}{{\partial {under}}}"

    def _of_hat(self, token: re.Match[str]) -> str:
        return rf"\hat{{{token['hatted']}}}"

    def _of_long(self, token: re.Match[str]) -> str:
        return rf"\text{{{token[0]}}}"

    def _of_dots(self, token: re.Match[str]) -> str:
        return r"\ldots "

    def _of_product(self, token: re.Match[str]) -> str:
        return r"\cdot "

    def _of_power(self, token: re.Match[str]) -> str:
        raise ValueError(f"expected something under a power: {self.formula!r}")

    def _of_braces(self, token: re.Match[str]) -> str:
        return "\\" + token[0]

    def _of_close(self, token: re.Match[str]) -> str:
        return token[0]  # a half-open interval's

    def _of_open(self, token: re.Match[str]) -> str:
        inner = self.sum_of_terms(end="close")
        closing = self.tokens[self.place][0] if self.place < len(self.tokens) else "."
        self.place += 1
        if r"\frac" in inner:
            return rf"\left{token[0]}{inner}\right{closing}"
        return f"{token[0]}{inner}{closing}"

    def _of_bar(self, token: re.Match[str]) -> str:
        inner = self.sum_of_terms(end="bar")
        self.place += 1
        return rf"\left|{inner}\right|"

    def _of_norm(self, token: re.Match[str]) -> str:
        inner = self.sum_of_terms(end="norm")
        self.place += 1
        return rf"\left\|{inner}\right\|"

    def _of_name(self, token: re.Match[str]) -> str:
        name, prime = token["name_itself"], token["prime"]
        index = token["braced"] or token["plain"]
        if name == "sqrt":
            self.place += 1
            inner = self.sum_of_terms(end="close")
            self.place += 1
            return rf"\sqrt{{{inner}}}"
        below = f"_{{{_index(index)}}}" if index else ""
        return f"{self._named(name, token, bool(index))}{prime}{below}"

    def _named(self, name: str, token: re.Match[str], has_index: bool) -> str:
        called = self.formula[token.end() :][:1] in ("(", "[")
        if name in ("sum", "inf"):
            return {"sum": r"\sum ", "inf": r"\infty "}[name]
        if name in _GREEK or name in _OPERATORS:
            return rf"\{name} "
        if len(name) == 1:
            return name
        if name in _NAMES or called or has_index or name.isupper():
            return rf"\operatorname{{{name}}}"
        return rf"\text{{ {name} }}"


def _index(index: str) -> str:
    return latex(index) if re.search(r"\W", index) or len(index) == 1 else index


def _is_text(factor: str) -> bool:
    return factor.startswith(r"\text{ ")


def _bare(factors: list[str]) -> list[str]:
    """Without the parentheses that a fraction's bar replaces."""
    only = [factor for factor in factors if factor.strip()]
    if len(only) != 1:
        return factors
    inner = only[0].removeprefix(r"\left").removesuffix(")").removesuffix(r"\right")
    return [inner[1:]] if only[0].endswith(")") and inner.startswith("(") else factors
