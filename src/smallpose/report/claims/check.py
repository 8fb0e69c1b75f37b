"""Check all claims, on the paper's numbers and on ours, as a table and as JSON."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from smallpose.core.table import Cell, Column, Table
from smallpose.report.claims.cells import PaperSource
from smallpose.report.claims.claim import Claim, Finding
from smallpose.report.claims.claim_table import CLAIMS
from smallpose.report.claims.datasets import DatasetSource
from smallpose.report.claims.our_runs import OurResults
from smallpose.report.inputs.paper_values import PRINTED, Paper


@dataclass(frozen=True)
class CheckedClaim:
    """A claim and what was found out about it.

    Args:
        paper: on the paper's own numbers; None where it prints none.
        owned, coco: on our runs by each protocol; `owned` also on our data sets. None where we
            have none of the numbers.
    """

    claim: Claim
    paper: Finding | None
    owned: Finding | None = None
    coco: Finding | None = None

    def to_dict(self) -> dict[str, Any]:
        """Convert to plain values for JSON."""
        findings = {"paper": self.paper, "ours": self.owned, "ours_coco": self.coco}
        return {
            "key": self.claim.key,
            "where": self.claim.where,
            "sentence": self.claim.sentence,
            "formula": self.claim.formula,
            "note": self.claim.note,
            **{name: finding and finding.to_dict() for name, finding in findings.items()},
        }


@dataclass(frozen=True)
class CheckedClaims:
    """All claims.

    Args:
        notes: what our verdicts are based on.
    """

    checked: tuple[CheckedClaim, ...]
    notes: tuple[str, ...] = ()

    def __getitem__(self, key: str) -> CheckedClaim:
        return next(c for c in self.checked if c.claim.key == key)

    def to_json(self) -> str:
        """Convert to JSON text."""
        claims = [c.to_dict() for c in self.checked]
        return json.dumps({"claims": claims, "notes": list(self.notes)}, indent=1) + "\n"

    def to_table(self) -> Table:
        """Build a table with a row for each claim; its last column holds sentences."""
        has_ours = any(c.owned or c.coco for c in self.checked)
        ours = [
            Column("ours", meaning="each false positive counts against one class"),
            Column("ours, coco", meaning="as pycocotools counts"),
        ]
        columns = (
            Column("claim"),
            Column("where"),
            Column("the paper says", width=46),
            Column("its own numbers", meaning="the verdict of the paper's tables"),
            *(ours if has_ours else []),
            Column("because"),
        )
        note = (
            "A claim is supported when every comparison holds with its whole interval, not "
            "supported when one certainly does not, and cannot be told otherwise. Intervals: of "
            "rounding for printed numbers, 95 % of the bootstrap over images (or videos) for ours."
        )
        notes = " ".join([note, *(f"{_capitalize(text)}." for text in self.notes)])
        rows = tuple(_build_row(c, has_ours) for c in self.checked)
        return Table("claims", "The paper's claims", columns, rows, notes)


def _build_row(checked: CheckedClaim, has_ours: bool) -> tuple[Cell, ...]:
    claim, paper, owned = checked.claim, checked.paper, checked.owned
    reasons = []
    if paper is not None and paper.decisive is not None:
        label = "paper: " if has_ours and owned else ""
        reasons.append(label + "; ".join([paper.why, *paper.caveats]))
    if owned is not None:
        label = "ours: " if has_ours else ""
        reasons.append(label + "; ".join([owned.why, *owned.caveats]))
    if paper is None and owned is None:
        reasons.append("counted when the data sets are given")
    reasons += [claim.note] if claim.note else []
    findings = [paper, owned, checked.coco] if has_ours else [paper]
    verdicts = ["–" if finding is None else finding.verdict for finding in findings]
    because = ". ".join(map(_capitalize, reasons))
    return claim.key, claim.where, claim.sentence, *verdicts, because


def _capitalize(text: str) -> str:
    return text[0].upper() + text[1:]


def check_claims(
    paper: Paper = PRINTED,
    runs: OurResults | None = None,
    datasets: DatasetSource | None = None,
    notes: Sequence[str] = (),
) -> CheckedClaims:
    """Check every claim on the paper's numbers, on our runs, and on data sets.

    Args:
        notes: what else a reader of the verdicts should know.
    """
    datasets = replace(datasets, paper=paper) if datasets else None
    checked = tuple(_check_claim(claim, paper, runs, datasets) for claim in CLAIMS)
    return CheckedClaims(checked, (*(runs.notes if runs else ()), *notes))


def _check_claim(
    claim: Claim, paper: Paper, runs: OurResults | None, datasets: DatasetSource | None
) -> CheckedClaim:
    filled = replace(claim, sentence=claim.sentence.format_map(vars(paper.text)))
    if claim.results:
        ours = (
            {p: _keep_known(s.judge(claim.results)) for p, s in runs.sources.items()}
            if runs
            else {}
        )
        theirs = PaperSource(paper).judge(claim.results)
        return CheckedClaim(filled, theirs, ours.get("owned"), ours.get("coco"))
    printed = Finding(tuple(claim.printed(paper))) if claim.printed else None
    counted = datasets.judge(claim.datasets) if datasets and claim.datasets else None
    return CheckedClaim(filled, printed, counted and _keep_known(counted))


def _keep_known(finding: Finding) -> Finding | None:
    """Return None for a finding on numbers that we do not have."""
    return finding if finding.is_known else None
