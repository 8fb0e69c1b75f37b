"""All claims, the paper's numbers and ours side by side, as a table and as JSON."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from smallpose.core.table import Cell, Column, Table
from smallpose.report.claims.arithmetic import arithmetic
from smallpose.report.claims.claim import Claim, Finding
from smallpose.report.claims.claims_datasets import Sets, of_sets
from smallpose.report.claims.claims_methods import sentences
from smallpose.report.claims.our_runs import Ours
from smallpose.report.claims.result_source import PaperBoard
from smallpose.report.inputs.paper_values import PRINTED, Paper

NOT_ASKED = "–"


@dataclass(frozen=True)
class Checked:
    """A claim and what came out.

    Args:
        paper: of the paper's own numbers; None where it prints none.
        owned, coco: of our runs by each protocol; `owned` also of our data sets. None where there
            are none of ours.
    """

    claim: Claim
    paper: Finding | None
    owned: Finding | None = None
    coco: Finding | None = None

    @property
    def ours(self) -> Finding | None:
        """What we conclude from: each false detection counts against one class only."""
        return self.owned

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        findings = {"paper": self.paper, "ours": self.owned, "ours_coco": self.coco}
        return {
            "key": self.claim.key,
            "where": self.claim.where,
            "sentence": self.claim.sentence,
            "formula": self.claim.formula,
            "note": self.claim.note,
            **{name: None if f is None else f.to_dict() for name, f in findings.items()},
        }


@dataclass(frozen=True)
class Claims:
    """Everything checked.

    Args:
        notes: what our verdicts rest on.
    """

    checked: tuple[Checked, ...]
    notes: tuple[str, ...] = ()

    def __getitem__(self, key: str) -> Checked:
        return next(c for c in self.checked if c.claim.key == key)

    @property
    def broken(self) -> list[Checked]:
        """What the paper's own numbers do not support."""
        return [c for c in self.checked if c.paper and c.paper.verdict == "not supported"]

    def to_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {"claims": [c.to_dict() for c in self.checked], "notes": list(self.notes)}

    def to_json(self) -> str:
        """As text."""
        return json.dumps(self.to_dict(), indent=1) + "\n"

    def table(self) -> Table:
        """One row per sentence."""
        ours = any(c.owned or c.coco for c in self.checked)
        rows = [_row(c, ours) for c in self.checked]
        columns = [Column("claim"), Column("where"), Column("the paper says")]
        columns.append(Column("its own numbers", meaning="what the paper's tables say of it"))
        if ours:
            columns.append(Column("ours", meaning="each false detection counts against one class"))
            columns.append(Column("ours, coco", meaning="as pycocotools counts"))
        columns += [Column("because")]
        return Table("claims", "The paper's claims", tuple(columns), tuple(rows), self._note())

    def _note(self) -> str:
        words = [
            "A claim is supported when every comparison holds with its whole interval, not "
            "supported when one surely does not, and cannot be told otherwise. Intervals: of "
            "rounding for printed numbers, 95 % of the bootstrap over images (or videos) for ours."
        ]
        return " ".join([*words, *(f"{note[0].upper()}{note[1:]}." for note in self.notes)])


def _row(c: Checked, ours: bool) -> tuple[Cell, ...]:
    because = []
    for name, finding in (("paper", c.paper), ("ours", c.owned)):
        if finding is not None and (name == "ours" or finding.decides is not None):
            text = "; ".join([finding.why, *finding.caveats])
            because.append(f"{name}: {text}" if ours and c.owned else text)
    if c.paper is None and c.owned is None:
        because.append("counted when the data sets are given")
    if c.claim.note:
        because.append(c.claim.note)
    verdicts = [c.paper.verdict if c.paper else NOT_ASKED]
    if ours:
        verdicts += [f.verdict if f else NOT_ASKED for f in (c.owned, c.coco)]
    return (c.claim.key, c.claim.where, c.claim.sentence, *verdicts, _sentences(because))


def _sentences(parts: Sequence[str]) -> str:
    return ". ".join(f"{part[0].upper()}{part[1:]}" for part in parts)


def check_claims(
    paper: Paper = PRINTED, runs: Ours | None = None, sets: Sets | None = None
) -> Claims:
    """Check every sentence on the paper's numbers, on our runs, and on our data sets."""
    out = [Checked(claim, finding) for claim, finding in arithmetic(paper)]
    out += _methods(paper, runs)
    for claim, finding in of_sets(paper, sets or Sets()):
        # Nothing of ours was counted, and the paper's figures print no numbers.
        mine = finding if any(cell.span for cell in finding.cells) else None
        known = next((c for c in out if c.claim.key == claim.key), None)
        if known is None:
            out.append(Checked(claim, None, mine))
        else:
            out[out.index(known)] = Checked(known.claim, known.paper, mine)
    return Claims(tuple(sorted(out, key=_order)), runs.notes if runs else ())


def _methods(paper: Paper, runs: Ours | None) -> list[Checked]:
    printed = sentences(PaperBoard(paper))
    by_protocol: dict[str, Sequence[tuple[Claim, Finding]]] = {}
    if runs is not None:
        by_protocol = {p: sentences(board) for p, board in runs.boards.items()}
    out = []
    for number, (claim, finding) in enumerate(printed):
        own = {p: _known(found[number][1]) for p, found in by_protocol.items()}
        out.append(Checked(claim, finding, own.get("owned"), own.get("coco")))
    return out


def _known(finding: Finding) -> Finding | None:
    """None where our runs have not one of the cells it takes."""
    return finding if any(cell.span for cell in finding.cells) else None


_LETTERS = "DCSEN"


def _order(checked: Checked) -> tuple[int, int, str]:
    """D19, then C1 to C15, S, E, N; by number."""
    key = checked.claim.key
    digits = "".join(c for c in key[1:] if c.isdigit())
    return _LETTERS.index(key[0]), int(digits), key
