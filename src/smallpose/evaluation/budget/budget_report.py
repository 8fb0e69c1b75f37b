"""`smallpose budget`: measure joints, solve for the height, and describe the answers."""

import json
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from smallpose.core.counts import format_count, format_phrase
from smallpose.core.errors import InputError
from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.evaluation.analysis.half_detected import describe_doubt
from smallpose.evaluation.analysis.person_matches import match_people
from smallpose.evaluation.budget.solve import CONFIDENCE, Budget, solve_budget
from smallpose.evaluation.budget.tolerance import (
    MIN_OKS,
    Lens,
    find_joint,
    measure_people,
    parse_tolerance,
)
from smallpose.evaluation.console_table import WIDTH, format_table
from smallpose.evaluation.evaluate import evaluate
from smallpose.evaluation.sigma_file import describe_borrowed_sigmas
from smallpose.io.frame_groups import FRAMES_REMEDY, TOO_NARROW, describe_possible_frames


@dataclass(frozen=True)
class BudgetReport:
    """The answers for all joints that were asked for.

    Args:
        budgets: by joint.
        left_out: people who were not measured, by joint and reason.
        lens: None without one.
        settings, notes: what the answers depend on, and what a reader should know.
    """

    budgets: dict[str, Budget]
    left_out: dict[str, dict[str, int]]
    lens: Lens | None
    settings: dict[str, Any]
    notes: tuple[str, ...]

    def to_json(self) -> str:
        """Return all answers as JSON text."""
        content = {
            "joints": {name: self._describe(name) for name in self.budgets},
            "settings": self.settings,
            "notes": list(self.notes),
        }
        return json.dumps(content, indent=1) + "\n"

    def _describe(self, name: str) -> dict[str, Any]:
        budget = self.budgets[name]
        content = asdict(budget)
        del content["is_smallest_measured"]
        content["heights"] = None if budget.heights is None else list(budget.heights)
        content["checks"] = [asdict(one) for one in budget.checks]
        if budget.estimate is not None:
            high = budget.estimate.high if budget.estimate.has_ends else None
            content["estimate"] = {
                "value": budget.estimate.value,
                "low": budget.estimate.low,
                "high": high,
            }
        metres = None
        if self.lens is not None and budget.px is not None:
            metres = self.lens.get_distance(budget.px)
        return content | {
            "smallest_measured": budget.is_smallest_measured,
            "metres": metres,
            "left_out": self.left_out[name],
        }

    def __str__(self) -> str:
        return _format_report(self)


def compute_budgets(
    truth: Instances,
    predictions: Predictions,
    joints: Sequence[str],
    *,
    within: str,
    target: float = 0.8,
    lens: Lens | None = None,
    num_resamples: int = 300,
    seed: int = 0,
    **options: Any,
) -> BudgetReport:
    """Find for each joint the smallest height at which a share of people is within the tolerance.

    Args:
        joints: names.
        within: the tolerance, as `parse_tolerance` reads it.
        target: share of people, above 0 and below 1.
        lens: to express heights as distances.
        num_resamples: of images, or videos.
        options: as for `evaluate`; they decide which prediction is of which person.
    Raises: InputError for values that make no sense.
    """
    if not 0 < target < 1:
        raise InputError(
            f"--target {target:g}", "is not between 0 and 1", "use a share such as 0.8"
        )
    if num_resamples < 100:
        raise InputError(
            f"--redraws {num_resamples}", "too few to read a 95 % limit from", "use 300"
        )
    tolerance = parse_tolerance(within)
    indices = {name: find_joint(truth.skeleton, name) for name in joints}
    matches = match_people(truth, predictions, **options)
    doubts = _find_doubts(truth, predictions, options)
    doubt = describe_doubt(doubts)
    budgets = {}
    left_out = {}
    for name, index in indices.items():
        people, left_out[name] = measure_people(truth, predictions, matches, index, tolerance)
        budget = solve_budget(people, target, num_resamples, seed, doubt)
        budgets[name] = _withdraw(budget) if budget.reason else budget
    return BudgetReport(
        budgets=budgets,
        left_out=left_out,
        lens=lens,
        settings={
            "within": within,
            "target": target,
            "confidence": CONFIDENCE,
            "draws": num_resamples,
            "seed": seed,
            "min_oks": MIN_OKS,
            "lens": None if lens is None else lens.text,
            "stature_m": None if lens is None else lens.stature_m,
        },
        notes=tuple(
            dict.fromkeys(
                [
                    *truth.notes,
                    *predictions.notes,
                    *describe_borrowed_sigmas(truth.skeleton, options.get("sigmas")),
                    *doubts,
                ]
            )
        ),
    )


def _find_doubts(
    truth: Instances, predictions: Predictions, options: Mapping[str, Any]
) -> list[str]:
    """Return the notes of an evaluation that let no height, or no confidence, be named."""
    notes = evaluate(truth, predictions, protocols="owned", **options).notes
    return [
        *(note for note in notes if describe_doubt([note])),
        *describe_possible_frames(truth.images, FRAMES_REMEDY, truth),
    ]


def _withdraw(budget: Budget) -> Budget:
    """Remove the height of an answer that has a reason against it."""
    return replace(budget, px=None, up_to_px=None, is_smallest_measured=False)


def _format_report(report: BudgetReport) -> str:
    blocks = []
    for name, budget in report.budgets.items():
        lines: list[str] = []
        for sentence in _describe_answer(name, budget, report):
            lines += textwrap.wrap(sentence, WIDTH, subsequent_indent="  ", break_on_hyphens=False)
        blocks.append("\n".join(lines))
        if budget.checks:
            blocks.append("\n".join(_format_checks(budget)))
    if report.notes:
        lines = []
        for note in report.notes:
            text = f"note: {note}"
            lines += textwrap.wrap(text, WIDTH, subsequent_indent="  ", break_on_hyphens=False)
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def _describe_answer(name: str, budget: Budget, report: BudgetReport) -> list[str]:
    settings = report.settings
    goal = f"{100 * settings['target']:g} % of people have it within {settings['within']}"
    if budget.px is None:
        sentences = [f"{name}: cannot say from which height on {goal}: {budget.reason}."]
    elif budget.is_smallest_measured:
        sentences = [
            f"{name}: {goal} already at {budget.px:.0f} px, the smallest people of the file; "
            "smaller ones were not measured."
        ]
    else:
        sentences = [
            f"{name}: {goal} from {budget.px:.0f} px on, with "
            f"{100 * settings['confidence']:g} % confidence."
        ]
    if budget.px is not None and any(TOO_NARROW in note for note in report.notes):
        sentences.append(
            "If the images are frames of a video, this height may be too low (see the notes)."
        )
    if budget.px is not None and budget.up_to_px is not None:
        sentences.append(f"Above {budget.up_to_px:.0f} px they no longer are.")
    if budget.px is not None and report.lens is not None:
        metres = report.lens.get_distance(budget.px)
        sentences.append(
            f"With the lens {report.lens.text}, a person of {report.lens.stature_m:g} m, whose box "
            f"is as high as they are, may be {metres:.1f} m away."
        )
    if budget.estimate is not None and not budget.is_smallest_measured:
        best = budget.estimate
        ends = f"{best.low:.0f} to {best.high:.0f}" if best.has_ends else f"{best.low:.0f} or more"
        sentences.append(f"Best estimate: {best.value:.0f} px (95 %: {ends}).")
    if budget.fixed_px is not None and budget.proportional is not None:
        sentences.append(
            f"Error along x and y: {budget.fixed_px:.2f} px at any height, and "
            f"{100 * budget.proportional:.2f} % of the height."
        )
    if budget.detected is not None and budget.within is not None:
        sentences.append(
            f"Measured on {format_count(budget.people, 'person', 'people')} in "
            f"{format_count(budget.clusters, 'image or video', 'images or videos')}: "
            f"{100 * budget.detected:.1f} % were detected (OKS .1), {100 * budget.within:.1f} % "
            "are within the tolerance."
        )
    sentences += [
        f"left out: {format_phrase(count, reason)}"
        for reason, count in report.left_out[name].items()
        if count > 0
    ]
    return sentences


def _format_checks(budget: Budget) -> list[str]:
    rows = [
        [
            f"{one.low:.0f} to {one.high:.0f}",
            f"{one.people:,}",
            f"{100 * one.predicted:.1f} %",
            f"{100 * one.observed:.1f} %",
            f"{one.errors:+.1f}",
        ]
        for one in budget.checks
    ]
    heading = ["height, px", "people", "predicted", "observed", "standard errors"]
    return ["Check on people whom the fit did not see", *format_table(heading, rows, left=1)]
