"""rules/ to a checked RuleSet: every fault of every file in one run."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator

from monitor import refusal, vocabularyfile, yamlfile
from monitor.config import Settings
from monitor.detect import algebra, derive, limits, meaning, nodes, skus, syntax
from monitor.detect.derive import CompiledDerived
from monitor.detect.limits import Limits
from monitor.detect.nodes import Derived, Node, Scope, walk
from monitor.detect.skus import Sku
from monitor.errors import Fault, RuleError
from monitor.model import Phase, Severity
from monitor.vocabulary import KINDS, QUANTITIES, Quantity

FOLDERS = ("it", "power", "cooling", "sensor", "fleet")
BESIDE = ("limits", "skus", "gates", "derived")  # folders of what rules speak of
VOCABULARY = "vocabulary.yaml"
TEST = ".test.yaml"
ANY = "any"


def duration(text: object) -> object:
    """Turn a written duration into s. A bare number but 0 is refused: nobody could tell s from min."""
    if isinstance(text, int | float) and not isinstance(text, bool) and text != 0:
        raise ValueError(f'found {text}; a duration has a unit, write for example "{text:g} s"')
    if not isinstance(text, str):
        return text
    try:
        value, unit = limits.quantity(text)
    except syntax.ExpressionError as error:
        raise ValueError(error.text) from None
    if unit == algebra.NUMBER and value > 0:
        raise ValueError(f'found "{text}"; a duration has a unit, write for example "{value:g} s"')
    found = 0.0 if unit == algebra.NUMBER and value == 0 else algebra.seconds(value, unit)
    if found is None or found < 0:
        raise ValueError(f'"{text}" is no duration; write for example 15 s or 5 min')
    return found


Duration = Annotated[float, BeforeValidator(duration), Field(ge=0, le=90 * 86400)]


CHATTER = 600.0  # s; ISA-18.2 calls three alarms in a minute chattering, ten minutes are an estimate
_ID = re.compile(r"[a-z]+\.[a-z][a-z0-9_]*")


def _id(text: str) -> str:
    if _ID.fullmatch(text) is None:
        raise ValueError(
            f"found {refusal.shown(text)}; an id is the folder, a dot and the file's name, in small letters, digits and _, "
            "for example cooling.rack_flow_low"
        )
    return text


_SAYS = {
    "why": "the mechanism: what is broken when this is seen",
    "do": "the first three things to check",
    "source": "where each number comes from",
    "blind": "what the rule cannot see",
}


class AppliesTo(Settings):
    """Assets of these kinds ("any" for all) whose SKU, or that of what they are part of, is one of `sku` and none of `not_sku`."""

    kind: tuple[str, ...]
    sku: tuple[str, ...] = ()
    not_sku: tuple[str, ...] = ()

    def allows(self, sku: str | None) -> bool:
        return (not self.sku or sku in self.sku) and sku not in self.not_sku


def _applies(value: object) -> object:
    if isinstance(value, str):
        return {"kind": (value,)}
    if isinstance(value, list):
        return {"kind": tuple(value)}
    if isinstance(value, dict):
        return {key: (one,) if isinstance(one, str) else one for key, one in value.items()}
    return value


class Rung(Settings):
    """A severity above the rule's own, and when an open alert rises to it."""

    severity: Severity
    when: str
    for_: Duration = Field(default=0.0, alias="for")


class Rule(Settings):
    """One rule, in the order in which its file writes it."""

    id: Annotated[str, AfterValidator(_id)]
    title: str = Field(min_length=5, max_length=100)
    status: Literal["trial", "stable", "retired"]
    severity: Severity
    applies_to: Annotated[AppliesTo, BeforeValidator(_applies)]
    each: str | None = None  # a quantity, or "any": one check for each such point
    phases: tuple[Phase, ...] = (Phase.CHECKOUT, Phase.SOAK, Phase.WATCH, Phase.ACCEPTED)
    every: Annotated[float, BeforeValidator(duration), Field(ge=0, le=3600)] = 0.0  # between two judgements; 0 is each tick
    express: bool = False
    when: str
    for_: Duration = Field(default=0.0, alias="for")
    ladder: tuple[Rung, ...] = ()
    clear: str | None = None
    keep: Duration = 0.0
    latch: bool = False  # ends only after somebody acknowledged it
    chatter: Duration = CHATTER  # the third firing within this time is held open until quiet for as long
    suspect: str | None = None  # where this holds at firing, the alert is one severity lower and says "sensor suspect"
    explains: tuple[str, ...] = ()
    why: str
    do: str
    source: str
    blind: str

    @field_validator(*_SAYS)
    @classmethod
    def _said(cls, text: str, info: ValidationInfo) -> str:
        if not text.strip():
            raise ValueError(f"is empty; say {_SAYS[str(info.field_name)]}")
        return text


@dataclass(frozen=True)
class CompiledRule:
    """A rule with the typed nodes of its expressions.

    `sides` are the two sides of the first comparison of `when`, None where it has none.
    """

    rule: Rule
    file: str
    when: Node
    clear: Node | None
    suspect: Node | None
    sides: tuple[Node, Node] | None
    rungs: tuple[Node, ...] = ()  # of the rule's ladder

    @property
    def id(self) -> str:
        return self.rule.id

    def nodes(self) -> list[Node]:
        """Return the nodes of all its expressions."""
        return [node for node in (self.when, self.clear, self.suspect, *self.rungs) if node is not None]


@dataclass(frozen=True)
class RuleSet:
    """All that a folder says: rules, limits, the words they use, derived points and SKUs."""

    rules: tuple[CompiledRule, ...]
    limits: Limits
    vocabulary: Mapping[str, Quantity] = field(default_factory=lambda: QUANTITIES)
    derived: tuple[CompiledDerived, ...] = ()
    skus: Mapping[str, Sku] = field(default_factory=dict)

    def points(self) -> dict[tuple[str, str], Derived]:
        """Return the derived points by (kind, name), for a scope."""
        return {(one.kind, one.model.quantity): one.point for one in self.derived}

    def of(self, rule: str) -> CompiledRule:
        return next(one for one in self.rules if one.id == rule)


def load(directory: Path, only: Path | None = None) -> RuleSet:
    """Read and check all rules and limits below a directory, or one rule and all limits.

    Raises:
        RuleError: anything is wrong; carries every fault of every file.

    """
    faults: list[Fault] = []
    if not directory.is_dir():
        raise RuleError(
            [Fault(str(directory), 0, "is no directory; give the folder that holds it/ power/ cooling/ sensor/ fleet/ limits/")]
        )
    scope, derived, known = _scope(directory, faults)
    kinds = skus.load(directory, faults)
    compiled: list[CompiledRule] = []
    places: dict[str, str] = {}
    explained: list[tuple[yamlfile.Document, int, str]] = []
    for path in rule_files(directory) if only is None else [only]:
        document, found = yamlfile.read(path)
        if found:
            faults.extend(found)
            continue
        rule, found = yamlfile.validate(document, Rule)
        faults.extend(found)
        if rule is None:
            faults.extend(_expressions(document, scope))
            continue
        if rule.id in places:
            faults.append(document.fault(("id",), f"{rule.id} is the id of {places[rule.id]} too"))
            continue
        places[rule.id] = str(path)
        explained += [(document, at, name) for at, name in enumerate(rule.explains)]
        faults += _misplaced(rule, path, document, scope)
        made = _compile(rule, document, scope, faults)
        if made is not None:
            compiled.append(made)
    names = {*places, *(f"{path.parent.name}.{path.stem}" for path in rule_files(directory))} if only else set(places)
    for document, at, name in explained:
        if name not in names:
            faults.append(document.fault(("explains", at), f'no rule "{name}"{syntax.nearest(name, names)}'))
    if faults:
        raise RuleError(faults)
    return RuleSet(tuple(sorted(compiled, key=lambda one: one.id)), known, scope.vocabulary, tuple(derived), kinds)


def _scope(directory: Path, faults: list[Fault]) -> tuple[Scope, list[CompiledDerived], Limits]:
    """Read what rules speak of: words, limits, derived points."""
    vocabulary: dict[str, Quantity] = dict(QUANTITIES)
    if (directory / VOCABULARY).exists():
        words, found = vocabularyfile.read(directory / VOCABULARY)
        vocabulary |= words
        faults.extend(found)
    known = limits.load(directory, faults)
    scope = Scope(known.units, vocabulary=vocabulary)
    points, compiled = derive.load(directory, scope, faults)
    return replace(scope, derived=points), compiled, known


def rule_files(directory: Path) -> list[Path]:
    """Return the rule files below a directory, tests left out."""
    return sorted(
        path
        for folder in FOLDERS
        for path in (directory / folder).glob("*.yaml")
        if not path.name.endswith(TEST) and not path.name.startswith(".")
    )


def empty(directory: Path) -> Fault:
    """Return what to say of a folder without any rule."""
    return Fault(str(directory), 0, f"holds no rule; a rule is a .yaml file in {' '.join(f'{name}/' for name in FOLDERS)}")


def strays(directory: Path) -> Iterator[Fault]:
    """Yield one fault for each YAML file below a directory that nothing reads."""
    for path in sorted(directory.rglob("*")):
        place = path.relative_to(directory)
        if path.suffix.lower() in {".yaml", ".yml"} and not any(part.startswith(".") for part in place.parts) and path.is_file():
            wrong = _stray(directory, place)
            if wrong:
                yield Fault(str(path), 0, f"is not read; {wrong}")


def _stray(directory: Path, place: Path) -> str:
    """Return what would do for a file that is where nothing reads it, "" for all others."""
    if place.parts == (VOCABULARY,):
        return ""
    if place.parts[0] not in (*FOLDERS, *BESIDE) or len(place.parts) == 1:
        return f"move it: rules belong in {' '.join(f'{name}/' for name in FOLDERS)}, the rest in {' '.join(f'{name}/' for name in BESIDE)}"
    if len(place.parts) > 2:
        return f"move it up, to {place.parts[0]}/{place.name}"
    if place.suffix != ".yaml":
        return f"rename it to {place.with_suffix('.yaml').name}"
    rule = place.with_name(place.name.removesuffix(TEST) + ".yaml")
    if place.name.endswith(TEST) and place.parts[0] in (*FOLDERS, derive.FOLDER) and not (directory / rule).exists():
        return f"it tests {rule}, which does not exist; name it after its rule, or remove it"
    return ""


def _misplaced(rule: Rule, path: Path, document: yamlfile.Document, scope: Scope) -> Iterable[Fault]:
    expected = f"{path.parent.name}.{path.stem}"
    if rule.id != expected:
        yield document.fault(("id",), f"is {rule.id}; a rule is named after its folder and file: {expected}")
    for kind in rule.applies_to.kind:
        if kind not in KINDS and kind != ANY:
            yield document.fault(("applies_to",), f'unknown kind "{kind}"{syntax.nearest(kind, KINDS)}')
    if rule.each is not None and rule.each != ANY and rule.each not in scope.vocabulary:
        yield document.fault(("each",), f'unknown quantity "{rule.each}"{syntax.nearest(rule.each, scope.vocabulary)}')
    if rule.express and rule.for_:
        yield document.fault(("for",), "an express rule has no `for`: it is judged when its reading arrives")
    above = tuple(Severity).index(rule.severity)
    for at, rung in enumerate(rule.ladder):
        place = tuple(Severity).index(rung.severity)
        if place >= above:
            yield document.fault(
                ("ladder", at, "severity"), f"is {rung.severity}; each rung is above the one before, and the first above the rule"
            )
        above = place


def _inner(scope: Scope, each: object, kinds: tuple[str, ...]) -> Scope:
    return replace(scope, it=each if isinstance(each, str) and each != ANY else "", each=each is not None, kinds=kinds)


def _condition(document: yamlfile.Document, path: tuple[str | int, ...], text: str, scope: Scope, faults: list[Fault]) -> Node | None:
    try:
        made = meaning.condition(syntax.parse(text), scope)
        if not nodes.read(made):
            raise syntax.ExpressionError("reads no point, so it never changes; name a point (`dcmon rules list --words`)")
        return made
    except syntax.ExpressionError as error:
        faults.append(_at(document, path, error))
        return None


def _compile(rule: Rule, document: yamlfile.Document, scope: Scope, faults: list[Fault]) -> CompiledRule | None:
    inner = _inner(scope, rule.each, rule.applies_to.kind)
    before = len(faults)

    def node(path: tuple[str | int, ...], text: str | None) -> Node | None:
        return None if text is None else _condition(document, path, text, inner, faults)

    when, clear, suspect = (node((key,), getattr(rule, key)) for key in ("when", "clear", "suspect"))
    rungs = tuple(made for at, rung in enumerate(rule.ladder) if (made := node(("ladder", at, "when"), rung.when)))
    if when is None or len(faults) > before:
        return None
    if rule.express and (reason := not_express(when)):
        faults.append(document.fault(("when",), f"an express rule reads one point, limits and numbers; {reason}"))
        return None
    return CompiledRule(rule, document.file, when, clear, suspect, sides(when), rungs)


def _expressions(document: yamlfile.Document, scope: Scope) -> list[Fault]:
    """Find what is wrong with the expressions of a rule whose shape is wrong, so that both are told in one run."""
    data = document.data
    applies = _applies(data.get("applies_to"))
    kinds = applies.get("kind", ()) if isinstance(applies, dict) else ()
    kinds = tuple(kind for kind in kinds if isinstance(kind, str)) if isinstance(kinds, tuple | list) else ()
    inner = _inner(scope, data.get("each"), kinds)
    found: list[Fault] = []
    for key in ("when", "clear", "suspect"):
        if isinstance(data.get(key), str):
            _condition(document, (key,), data[key], inner, found)
    return found


def _at(document: yamlfile.Document, path: tuple[str | int, ...], error: syntax.ExpressionError) -> Fault:
    """Place an expression's fault at its character; in a folded text the line is where the text begins."""
    place = document.place(path, value=True)
    return yamlfile.Place(place.file, place.line, place.column + error.column - 1).fault(f"{path[-1]}: {error.text}")


def not_express(when: Node) -> str:
    """Return why a condition cannot be judged from one reading, "" where it can."""
    points: set[Node] = set()
    for node in walk(when):
        if node.operation in {"fold", "window", "peer", "life", "novelty"}:
            return f"this one needs {node.data[0] if node.operation != 'novelty' else 'novelty'}()"
        if node.operation in {"own", "it"}:
            points.add(node)
    names = sorted(str(point.data[0]) if point.data else "it" for point in points)
    return "" if len(points) == 1 else f"this one reads {', '.join(names) or 'none'}"


def sides(when: Node) -> tuple[Node, Node] | None:
    """Return the operands of the first comparison in reading order."""
    if when.operation in {"<", "<=", ">", ">=", "==", "!="}:
        return when.inputs[0], when.inputs[1]
    if when.operation == "in":
        return when.inputs[0], when.inputs[0]
    if when.operation in {"and", "or", "not", "event"}:
        for part in when.inputs:
            if (found := sides(part)) is not None:
                return found
    return None


def words(text: str) -> str:
    """Return a text on one line, as written in folded YAML."""
    return re.sub(r"\s+", " ", text).strip()
