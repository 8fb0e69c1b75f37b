"""Every printed number with what it comes to when it is made again from the others."""

from dataclasses import replace

from smallpose.report.claims.claim import Claim, Finding
from smallpose.report.claims.claims_counts import COUNTS
from smallpose.report.claims.claims_score_sums import SCORES
from smallpose.report.inputs.paper_values import Paper


def arithmetic(paper: Paper) -> list[tuple[Claim, Finding]]:
    """The claims with their printed numbers filled in, and what came out."""
    said = vars(paper.text)
    return [
        (replace(claim, sentence=claim.sentence.format_map(said)), check(paper))
        for claim, check in (*COUNTS, *SCORES)
    ]
