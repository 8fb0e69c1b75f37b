"""The page's first lines: the answer in words, and the table it is read from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from smallpose.report import figures
from smallpose.report.inputs import paper_values
from smallpose.report.inputs.runs import Run
from smallpose.report.inputs.scores import RunScore, SeedGroup
from smallpose.report.page.summary_statistics import (
    HeightLimit,
    Lead,
    compute_leads,
    find_half_detected_height,
)
from smallpose.report.report_data import ReportData
from smallpose.report.tables.paper_tables import Cell, Column, Table

MAX_COMPARED = 6  # runs that the best one is compared with; each may cost an evaluation


@dataclass(frozen=True)
class RunSummary:
    """A run of the overview.

    Args:
        number: its place among the runs of the report; of several seeds, the middle one.
        seeds: how many runs there are of it.
        label: what it is called with all its seeds, `drawn` where only this one is shown.
        small: AP of small people, points, in the mean over seeds.
        limit: from how tall on half of the people are found.
        lead: of the best run over this one; None for the best, and where nothing can be compared.
    """

    number: int
    run: Run
    seeds: int
    label: str
    drawn: str
    small: float | None
    colour: str
    limit: HeightLimit | None
    lead: Lead | None


@dataclass(frozen=True)
class Summary:
    """What the report says first."""

    headline: str
    lines: tuple[str, ...]
    table: Table | None
    runs: tuple[RunSummary, ...]


def summarize_runs(material: ReportData, scores: Mapping[int, RunScore]) -> Summary:
    """How small a person may get, and which run to take, as far as the runs can tell."""
    shown = _summarize_each(material, scores)
    if not shown or shown[0].run.is_untrained:
        return Summary(_describe_scores(material, material.best), (), None, shown)
    best = shown[0]
    plain = _describe_scores(material, best.number)
    headline = _write_headline(best, plain)
    lines = [_compare_in_words(best, shown, plain)]
    return Summary(headline, tuple(line for line in lines if line), _build_table(shown), shown)


def assign_looks(material: ReportData) -> dict[int, figures.Look]:
    """How each run is drawn, the same everywhere; of many, the best get a colour of their own."""
    ranked = list(dict.fromkeys([*material.ranked, *range(len(material.runs))]))
    order = ranked if len(ranked) > len(figures.SERIES) else sorted(ranked)
    looks = figures.run_looks([material.runs[n] for n in order])
    return dict(zip(order, looks, strict=True))


def _summarize_each(material: ReportData, scores: Mapping[int, RunScore]) -> tuple[RunSummary, ...]:
    order = material.ranked
    test = material.test
    if test is None or not order:
        return ()
    looks = assign_looks(material)
    trained = [n for n in order if not material.runs[n].is_untrained]
    rivals = trained[1 : MAX_COMPARED + 1]
    found = {id(material.runs[n]): predictions for n, (predictions, _) in material.found.items()}

    def seeds(number: int) -> SeedGroup:
        there = [n for n in material.seeds_of(number) if n in scores]
        return SeedGroup(tuple(material.runs[n] for n in there), tuple(scores[n] for n in there))

    ahead = compute_leads(
        test, seeds(order[0]), [seeds(n) for n in rivals], lambda run: found[id(run)]
    )
    apart = [material.runs[n] for n in order]
    return tuple(
        RunSummary(
            n,
            material.runs[n],
            len(material.seeds_of(n)),
            _build_label(material, n, apart),
            figures.run_label(material.runs[n], material.runs),
            material.mean(n, "AP_S"),
            looks[n].colour,
            find_half_detected_height(test, material.found[n][1]),
            dict(zip(rivals, ahead, strict=True)).get(n),
        )
        for n in order
    )


def _build_label(material: ReportData, number: int, apart: Sequence[Run]) -> str:
    run, seeds = material.runs[number], len(material.seeds_of(number))
    several = "seeds" if run.subset is None else "subsets"
    return figures.run_label(run, apart) + (f", {seeds} {several}" if seeds > 1 else "")


def _describe_scores(material: ReportData, number: int) -> str:
    """The numbers alone, where nobody's predictions are at hand."""
    run, seeds = material.runs[number], len(material.seeds_of(number))
    ap, small = material.mean(number, "AP"), material.mean(number, "AP_S")
    name = paper_values.format_method_label(run.method)
    if ap is None:
        return f"{name}: no AP is known."
    text = f"{name}, setting {run.setting}, reaches {ap:.1f} AP"
    text += f" and {small:.1f} on small people" if small is not None else ""
    several = "seeds" if run.subset is None else "subsets"
    return text + (f" in the mean of {seeds} {several}." if seeds > 1 else ".")


def _write_headline(best: RunSummary, plain: str) -> str:
    limit = best.limit
    if limit is None:
        return plain
    if limit.height == 0:
        smallest = f"{limit.smallest:.0f} px"
        return f"Half of the people are found down to the smallest here, {smallest} tall."
    if limit.height == float("inf"):
        return "At no height are half of the people found."
    return f"Half of the people are found from {limit.height:.0f} px of height on."


def _compare_in_words(best: RunSummary, shown: Sequence[RunSummary], plain: str) -> str:
    limit = best.limit
    parts = [plain]
    if limit is not None and 0 < limit.height < float("inf"):
        parts.append(f"The height is {best.drawn}'s, with a 95 % interval of {limit.ends}.")
    for other in shown:
        if other.lead is None:
            continue
        lead = other.lead
        ends = f"{lead.low:+.1f} to {lead.high:+.1f}"
        if lead.verdict == "cannot tell":
            parts.append(
                f"Whether it is better on small people than {other.label} cannot be told "
                f"({lead.difference:+.1f} AP, 95 %: {ends})."
            )
        else:
            parts.append(
                f"On small people it is {lead.verdict} of {other.label} by "
                f"{abs(lead.difference):.1f} AP (95 %: {ends}) on {lead.joints}."
            )
        break  # the nearest rival decides; the table has the others
    return " ".join(parts)


def _build_table(shown: Sequence[RunSummary]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for s in shown:
        limit, lead = s.limit, s.lead
        rows.append(
            (
                s.label,
                s.small,
                limit.height if limit and 0 < limit.height < float("inf") else None,
                limit.ends if limit else "",
                lead.difference if lead else None,
                f"{lead.low:+.1f} to {lead.high:+.1f}" if lead else "",
                _describe_verdict(s, shown[0]),
                s.run.parameters / 1e6 if s.run.parameters is not None else None,
            )
        )
    return Table(
        "answer",
        "How small, and which one",
        (
            Column("run"),
            Column("AP_S", "points", "AP of small people, as the tables below have it"),
            Column(
                "half found from, px", "points", "height from which half of the people are found"
            ),
            Column("95 %"),
            Column(
                "best is ahead by", "points", "points of AP of small people, on the same joints"
            ),
            Column("95 % of that"),
            Column("verdict"),
            Column("parameters, M", "number"),
        ),
        tuple(rows),
        "Found: OKS from 0.5. Heights are those of people's boxes in px; the share found is taken "
        "to rise with height. The best run's lead is measured on the same images and the same "
        "joints by protocol owned, so it need not be the difference of the AP_S beside it. A lead "
        "whose 95 % interval holds 0 proves nothing."
        + (
            " Of several seeds AP_S and leads are means, and the height is that of the middle one."
            if any(s.seeds > 1 for s in shown)
            else ""
        ),
    )


def _describe_verdict(s: RunSummary, best: RunSummary) -> str:
    if s is best:
        return "best on small people"
    if s.run.is_untrained:
        return "untrained"
    if s.lead is None:
        return "not compared"
    return {"ahead": "behind the best", "behind": "ahead of it"}.get(s.lead.verdict, "cannot tell")
