"""Summarize the runs in the page's first lines, and in the table behind them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from smallpose.core.counts import format_count
from smallpose.core.instances import Instances
from smallpose.core.interval import Interval
from smallpose.core.table import Cell, Column, Table
from smallpose.evaluation.analysis.comparison import MIN_TEST_CLUSTERS
from smallpose.evaluation.analysis.cut_scores import (
    ScoreFacts,
    collect_score_facts,
    describe_cut_scores,
)
from smallpose.evaluation.analysis.half_detected import HalfDetected, describe_doubt
from smallpose.evaluation.analysis.half_detected_fit import add_false_detections
from smallpose.evaluation.analysis.missing_images import (
    ImageFacts,
    collect_image_facts,
    describe_missing_images,
)
from smallpose.evaluation.comparability import describe_mixed_boxes
from smallpose.evaluation.doubts import IN_DOUBT, POSSIBLE_FRAMES, Doubt, describe_height_doubt
from smallpose.report import figures
from smallpose.report.inputs.run_labels import label_seeds
from smallpose.report.inputs.runs import Run
from smallpose.report.inputs.scores import RunScore, SeedGroup
from smallpose.report.page.doubts import (
    describe_ap_doubt,
    describe_doubts_of_others,
    describe_interval_doubt,
    describe_lead_doubt,
    list_told_doubts,
)
from smallpose.report.page.summary_statistics import (
    CONSTANT,
    Lead,
    compute_leads,
    describe_ends,
    find_height_limit,
)
from smallpose.report.report_data import ReportData

MAX_COMPARED = 6  # runs that the best one is compared with; each may cost an evaluation


@dataclass(frozen=True)
class RunSummary:
    """A run of the summary.

    Args:
        index: of the run; of several seeds, the middle one.
        num_seeds: number of runs that differ in their seed only.
        label: of all seeds together.
        single_label: of this run alone.
        ap_small: AP of small people, points, in the mean over seeds.
        limit: the height from which half of the people are detected.
        lead: of the best run over this one; None for the best, and without a comparison.
        notes: of its evaluations, in all seeds.
        score_facts, image_facts: of this run alone; None where it was not scored.
    """

    index: int
    run: Run
    num_seeds: int
    label: str
    single_label: str
    ap_small: float | None
    colour: str
    limit: HalfDetected
    lead: Lead | None
    notes: tuple[str, ...] = ()
    score_facts: ScoreFacts | None = None
    image_facts: ImageFacts | None = None


@dataclass(frozen=True)
class Summary:
    """The first lines of the report."""

    headline: str
    lines: tuple[str, ...]
    table: Table | None
    runs: tuple[RunSummary, ...]


def summarize_runs(data: ReportData, scores: Mapping[int, RunScore]) -> Summary:
    """Answer how small a person may get and which run is best, as far as the runs can tell."""
    runs = _summarize_each(data, scores)
    if not runs or runs[0].run.is_untrained:
        doubt = describe_lead_doubt({}, data.notes)
        lines = (doubt,) if doubt else ()
        return Summary(_describe_scores(data, data.best), lines, None, runs)
    best = runs[0]
    scores_text = _describe_scores(data, best.index)
    headline = _write_headline(best.limit)
    line = _describe_best_run(best, runs, scores_text, data.notes)
    return Summary(headline, (line,), _build_table(runs), runs)


def choose_styles(data: ReportData) -> dict[int, figures.SeriesStyle]:
    """Choose how each run is drawn in all figures.

    Of many runs, the best have a colour that no other has.
    """
    ranked = list(dict.fromkeys([*data.ranked, *range(len(data.runs))]))
    order = ranked if len(ranked) > len(figures.SERIES) else sorted(ranked)
    styles = figures.choose_run_styles([data.runs[index] for index in order])
    return dict(zip(order, styles, strict=True))


def _summarize_each(data: ReportData, scores: Mapping[int, RunScore]) -> tuple[RunSummary, ...]:
    """Summarize the runs with a result file, the best one first."""
    order, test = data.ranked, data.test
    if test is None or not order:
        return ()
    styles = choose_styles(data)
    leads = _compare_with_best(data, test, scores)
    return tuple(
        RunSummary(
            index=index,
            run=data.runs[index],
            num_seeds=len(data.seeds_of(index)),
            label=label_seeds(index, data.runs) + _count_seeds(data, index, ", {}"),
            single_label=figures.label_run(data.runs[index], data.runs),
            ap_small=data.mean(index, "AP_S"),
            colour=styles[index].colour,
            limit=_find_limit(data, test, index, scores.get(index)),
            lead=leads.get(index),
            notes=tuple(note for seed in data.seeds_of(index) for note in _list_notes(data, seed)),
            score_facts=_collect_score_facts(data.runs[index], scores.get(index)),
            image_facts=collect_image_facts(scores[index].evaluation) if index in scores else None,
        )
        for index in order
    )


def _collect_score_facts(run: Run, score: RunScore | None) -> ScoreFacts | None:
    return collect_score_facts(score.evaluation, run.environment) if score else None


def _find_limit(
    data: ReportData, test: Instances, index: int, score: RunScore | None
) -> HalfDetected:
    matches = data.results[index].matches
    notes = [*_list_notes(data, index), *(score.evaluation.notes if score else ())]
    doubt, caution = describe_doubt(notes), describe_height_doubt(notes)
    limit = find_height_limit(test, matches, doubt, caution)
    return limit if score is None else add_false_detections(limit, score.evaluation)


def _list_notes(data: ReportData, index: int) -> list[str]:
    """List the notes of a run: those read anew with its results, and those that it recorded."""
    recorded = data.runs[index].evaluation.get("notes") or ()
    read = data.results[index].predictions.notes if index in data.results else ()
    return [*read, *map(str, recorded)]


def _compare_with_best(
    data: ReportData, test: Instances, scores: Mapping[int, RunScore]
) -> dict[int, Lead | None]:
    """Compute the lead of the best run over the next trained ones."""
    best, *_ = data.ranked
    trained = [index for index in data.ranked if not data.runs[index].is_untrained]
    others = trained[1 : MAX_COMPARED + 1]
    predictions = {id(data.runs[i]): result.predictions for i, result in data.results.items()}

    def group_seeds_of(index: int) -> SeedGroup:
        seeds = [seed for seed in data.seeds_of(index) if seed in scores]
        return SeedGroup(
            tuple(data.runs[seed] for seed in seeds), tuple(scores[seed] for seed in seeds)
        )

    leads = compute_leads(
        test,
        group_seeds_of(best),
        [group_seeds_of(index) for index in others],
        lambda run: predictions[id(run)],
    )
    return dict(zip(others, leads, strict=True))


def _count_seeds(data: ReportData, index: int, template: str) -> str:
    """Format "3 seeds" or "5 subsets"; nothing for a single run."""
    count = len(data.seeds_of(index))
    if count == 1:
        return ""
    return template.format(f"{count} {'seeds' if data.runs[index].subset is None else 'subsets'}")


def _describe_scores(data: ReportData, index: int) -> str:
    label = label_seeds(index, data.runs)
    ap, ap_small = data.mean(index, "AP"), data.mean(index, "AP_S")
    if ap is None:
        return f"{label}: the AP is unknown."
    text = f"{label} reaches {ap:.1f} AP"
    text += f" and {ap_small:.1f} on small people" if ap_small is not None else ""
    return text + _count_seeds(data, index, " in the mean of {}") + "."


def _write_headline(limit: HalfDetected) -> str:
    if limit.is_inside:
        return f"Half of the people are detected from {limit.height:.0f} px of height on."
    if limit.is_named and limit.height == 0:
        smallest = f"{limit.smallest:.0f} px"
        return f"Half of the people are detected at every height, down to {smallest}."
    if limit.is_named:
        return f"At no height are half of the people detected, up to {limit.largest:.0f} px."
    fall = limit.fall
    if fall is not None:
        return (
            f"Detection does not rise with height: {100 * fall.share:.0f} % are detected from "
            f"{fall.low:.0f} to {fall.high:.0f} px, {100 * fall.share_above:.0f} % from "
            f"{fall.from_height:.0f} px on."
        )
    return "How small people may get cannot be told from this test set."


def _describe_best_run(
    best: RunSummary, runs: Sequence[RunSummary], scores_text: str, notes: Sequence[str]
) -> str:
    """Describe the best run: its scores, its height, and its lead over the nearest rival.

    What puts them in doubt follows each of them.

    Args:
        notes: of all runs together.
    """
    sentences = [
        scores_text,
        describe_ap_doubt(best.label, best.notes),
        _describe_height(best),
        describe_interval_doubt(best.notes),
    ]
    # The nearest rival decides; the table has the others.
    rival = next((other for other in runs if other.lead is not None), None)
    if rival is not None and rival.lead is not None:
        sentences.append(_describe_lead(rival.lead, rival.label))
        told = list_told_doubts(best.notes)
        sentences.append(describe_doubt_of_pair(best, rival, notes, told))
    others = {run.label: run.notes for run in runs if run is not best and run is not rival}
    sentences.append(describe_doubts_of_others(others))
    return " ".join(filter(None, sentences))


def describe_doubt_of_pair(
    best: RunSummary,
    other: RunSummary,
    notes: Sequence[str] = (),
    told: Sequence[Doubt] = (),
) -> str:
    """Say why the lead of the best run over another may say little about the models."""
    pair = (best, other)
    settings = {one.label: one.run.evaluation.get("settings") or {} for one in pair}
    cut = describe_cut_scores({one.label: one.score_facts for one in pair if one.score_facts})
    missing = describe_missing_images(
        {one.label: one.image_facts for one in pair if one.image_facts}
    )
    of_runs = {
        one.label: [*one.notes, cut.get(one.label, ""), missing.get(one.label, "")] for one in pair
    }
    return describe_lead_doubt(of_runs, [*notes, *describe_mixed_boxes(settings)], told)


def _describe_height(best: RunSummary) -> str:
    """Say of which run the headline is, with its interval, or why it names no height."""
    limit, label = best.limit, best.single_label
    if not limit.is_named:
        return (
            f"From which height on {label} detects half of the people cannot be told: "
            f"{limit.reason}{limit.describe_false()}."
        )
    ends = limit.describe_ends()
    if limit.is_inside:
        text = f"The height is that of {label}, with a 95 % interval of {ends}"
    else:
        text = f"The headline is about {label} and the people of this test set only"
        text += f" (95 %: {ends})" if ends else ""
    return (
        f"{text}{limit.describe_partial()}{limit.describe_false()}. Heights differ in more than "
        "size: smallpose resolution shows the same people at falling heights."
    )


def _describe_lead(lead: Lead, label: str) -> str:
    """Describe the lead over all people, and on small people alone."""
    return f"{_describe_lead_over_all(lead, label)} {_describe_lead_on_small(lead, label)}".strip()


def _describe_lead_over_all(lead: Lead, label: str) -> str:
    if lead.everyone is None or not lead.everyone.has_ends:
        return ""
    ends = _describe_interval(lead.everyone)
    if lead.verdict_everyone == "cannot tell":
        correction = _describe_correction(lead.everyone, lead.p_everyone, lead.num_tests)
        return (
            f"Whether it is better over all people than {label} cannot be told "
            f"({lead.everyone.value:+.1f} AP, {ends}{correction})."
        )
    return (
        f"Over all people it is {lead.verdict_everyone} of {label} by "
        f"{abs(lead.everyone.value):.1f} AP ({ends}) on {lead.joints}."
    )


def _describe_lead_on_small(lead: Lead, label: str) -> str:
    ends = _describe_interval(lead.interval)
    if lead.verdict == "cannot tell":
        correction = _describe_correction(lead.interval, lead.p, lead.num_tests)
        return (
            f"Whether it is better on small people than {label} cannot be told "
            f"({lead.difference:+.1f} AP, {ends}{correction})."
        )
    return (
        f"On small people it is {lead.verdict} of {label} by {abs(lead.difference):.1f} AP "
        f"({ends}) on {lead.joints}."
    )


def _describe_interval(lead: Interval) -> str:
    ends = describe_ends(lead)
    return ends if CONSTANT in ends else f"95 %: {ends}"


def _describe_correction(lead: Interval, p: float | None, num_tests: int) -> str:
    """Explain why a lead is not told although its own interval excludes 0."""
    if lead.low <= 0 <= lead.high:
        return ""
    if p is None:
        return f"; a verdict needs such people in {MIN_TEST_CLUSTERS} images or videos"
    return f" by itself, p = {p:.2g} corrected for {format_count(num_tests, 'comparison')}"


_COLUMNS = (
    Column("run"),
    Column("AP_S", "points", "AP of small people, as in the tables below"),
    Column("half detected from, px", "count", "height from which half of the people are detected"),
    Column("95 %, or why none"),
    Column("lead of the best", "points", "points of AP of small people, on the same joints"),
    Column("95 % of the lead"),
    Column("verdict"),
    Column("parameters, M", "number"),
)
_NOTE = (
    "Detected: matched with an OKS of at least 0.5. Heights are those of people's boxes in px. No "
    "height is named where the share detected falls again among tall people, where the 95 % "
    "interval contains the heights of over half of the people, or where there are too few. The "
    "lead of the best run is measured on the same images and the same joints by protocol owned, so "
    "it can differ from the difference in AP_S. The verdict follows the rule of smallpose compare: "
    "p < .05 after a correction for all comparisons of these runs, and people in enough images. "
    "The intervals are of each lead by itself, so one can exclude 0 where the verdict is that this "
    "cannot be told."
)
_SEEDS_NOTE = (
    " Of several seeds AP_S and leads are means, and the height is that of the middle one."
)


def _build_table(runs: Sequence[RunSummary]) -> Table:
    note = _NOTE + (_SEEDS_NOTE if any(run.num_seeds > 1 for run in runs) else "")
    rows = tuple(_build_row(run, best=runs[0]) for run in runs)
    return Table("summary", "Smallest detectable height, and the best run", _COLUMNS, rows, note)


def _build_row(summary: RunSummary, best: RunSummary) -> tuple[Cell, ...]:
    limit, lead, parameters = summary.limit, summary.lead, summary.run.parameters
    return (
        summary.label,
        summary.ap_small,
        round(limit.height) if limit.is_inside else None,
        limit.short_reason or limit.ends,
        lead.difference if lead else None,
        lead.ends if lead else "",
        _describe_verdict(summary, best),
        parameters / 1e6 if parameters is not None else None,
    )


def _describe_verdict(summary: RunSummary, best: RunSummary) -> str:
    verdict = _name_verdict(summary, best)
    # The best is the best of these images, whatever its interval.
    told = [POSSIBLE_FRAMES] if summary is best else []
    doubt = describe_doubt_of_pair(best, summary, told=told)
    return f"{verdict} ({IN_DOUBT})" if doubt else verdict


def _name_verdict(summary: RunSummary, best: RunSummary) -> str:
    if summary is best:
        return "best on small people"
    if summary.run.is_untrained:
        return "untrained"
    if summary.lead is None:
        return "not compared"
    verdicts = {"ahead": "behind the best", "behind": "ahead of the best"}
    return verdicts.get(summary.lead.verdict, "cannot tell")
