"""What data sets are made of, as tables, figures and plain numbers: Table 1, Figs. 1 to 3, 7, 8.

Used by `smallpose stats` for any files and by the page for the set that runs were trained on.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from smallpose.core.instances import Instances
from smallpose.core.sizes import SIZES
from smallpose.core.skeleton import SMALLPOSE
from smallpose.report import figures
from smallpose.report.images import contact_sheet
from smallpose.report.images.contact_sheet import SOURCE_NAMES, ImageReader
from smallpose.report.images.encode import encode_image
from smallpose.report.tables import paper_tables
from smallpose.report.tables.paper_tables import Table
from smallpose.stats.counts import Counts, Table1
from smallpose.stats.crowding import crowd_index
from smallpose.stats.dataset_counts import Crowding, Tally, tally_of
from smallpose.stats.distributions import Histogram
from smallpose.stats.mean_interval import Estimate, mean_of
from smallpose.stats.scene_entropy import Scenes
from smallpose.system.files import write_whole
from smallpose.system.progress import say, track

SPLITS = ("train", "test")


@dataclass(frozen=True)
class FigureSpec:
    """A figure not drawn yet.

    Args:
        name: of its files.
        alt: what it shows, in a sentence, for those who cannot see it.
        draw: makes the figure.
    """

    name: str
    title: str
    alt: str
    draw: Callable[[], Figure]


@dataclass(frozen=True)
class DatasetReport:
    """One or several data sets, counted.

    Args:
        tallies: each set's sums, by its name.
        table1: one row per set, and their total where they are train and test of one set.
        sets: the people themselves, for sheets; not there for sets that were counted in parts.
        scenes: scene entropies of the sets that have them (Table 4).
    """

    tallies: Mapping[str, Tally]
    table1: Table1
    sets: Mapping[str, Instances]
    scenes: Mapping[str, Scenes] = field(default_factory=dict)

    @cached_property
    def counts(self) -> dict[str, Counts]:
        """Of each set."""
        return {name: one.counts for name, one in self.tallies.items()}

    @cached_property
    def sources(self) -> dict[str, dict[str, Counts]]:
        """Of each source of each set."""
        return {name: one.sources for name, one in self.tallies.items()}

    @cached_property
    def areas(self) -> dict[str, Histogram]:
        """People by box area."""
        return {name: one.areas for name, one in self.tallies.items()}

    @cached_property
    def crowds(self) -> dict[str, Crowding]:
        """CrowdIndex of the images."""
        return {name: one.crowding for name, one in self.tallies.items()}

    @cached_property
    def mean_crowding(self) -> dict[str, Estimate]:
        """The mean CrowdIndex with its interval; images of one video count together.

        Sets that were counted in parts do not know their videos: there, images stand alone.
        """
        return {
            name: mean_of(crowd_index(self.sets[name]), self.sets[name].images.groups)
            if name in self.sets
            else crowd.estimate
            for name, crowd in self.crowds.items()
        }

    @cached_property
    def company(self) -> dict[str, NDArray[np.int64]]:
        """How many images show 0, 1, 2 … people."""
        return {name: one.company for name, one in self.tallies.items()}

    def tables(self) -> list[Table]:
        """Sizes and densities by set, then by source where it is known."""
        out = [
            paper_tables.counts_table(self.table1.rows, "table1", "split" if self._split else "set")
        ]
        for name, sources in self._known_sources().items():
            named = {SOURCE_NAMES[source]: counts for source, counts in sources.items()}
            out.append(
                paper_tables.counts_table(named, _build_file_name("sources", name), "source")
            )
        if self.scenes:
            out.append(paper_tables.table4(self.scenes))
        return out

    def drawings(self) -> list[FigureSpec]:
        """The figures, in the paper's order."""
        out = [
            FigureSpec(
                _build_file_name("fig1a_composition", name),
                "Composition" + (f": {name}" if name else ""),
                _describe_composition(sources),
                partial(figures.composition, sources),
            )
            for name, sources in self._known_sources().items()
        ]
        return [
            *out,
            FigureSpec(
                "fig1c_skeleton",
                "The 21 joints",
                "A standing figure with the 21 joints numbered in the paper's order: "
                + ", ".join(j.replace("_", " ") for j in SMALLPOSE.joints),
                partial(figures.skeleton_drawing, SMALLPOSE),
            ),
            FigureSpec(
                "fig2_areas",
                "People by box area",
                _describe_small_share(self.counts),
                partial(figures.areas, self.areas),
            ),
            FigureSpec(
                "fig3_crowding",
                "CrowdIndex of images",
                "Mean CrowdIndex: "
                + ", ".join(f"{name} {crowd.mean or 0:.2f}" for name, crowd in self.crowds.items()),
                partial(figures.crowding, self.crowds, self.mean_crowding),
            ),
            FigureSpec(
                "fig7_people_per_image",
                "People in an image",
                "People per image with people: "
                + ", ".join(
                    f"{name} mean {c.people_per_image:.1f}, most {len(self.company[name]) - 1}"
                    for name, c in self.counts.items()
                ),
                partial(figures.people_in_images, self.company),
            ),
            FigureSpec(
                "fig8_classes",
                "Sizes and densities",
                _describe_classes(self.counts),
                partial(figures.classes, self.counts),
            ),
        ]

    def to_dict(self) -> dict[str, Any]:
        """All numbers behind the figures."""
        return {
            name: {
                "counts": self.counts[name].to_dict(),
                "sources": {s or "not said": c.to_dict() for s, c in self.sources[name].items()},
                "areas": self.areas[name].to_dict(),
                "people_per_image": self.company[name].tolist(),
                "everybody_per_image": one.everybody.tolist(),
                "crowd_index": one.crowding.to_dict(),
                "mean_crowd_index": self.mean_crowding[name].to_dict(),
                **({"scenes": self.scenes[name].to_dict()} if name in self.scenes else {}),
            }
            for name, one in self.tallies.items()
        }

    @property
    def subject(self) -> str:
        """The sets by name with what was counted, for figures that travel alone."""
        return "; ".join(
            f"{name}: {c.people:,} people in {c.images:,} images" for name, c in self.counts.items()
        )

    @property
    def _split(self) -> bool:
        return "total" in self.table1.rows

    def _known_sources(self) -> dict[str, Mapping[str, Counts]]:
        """Sets made of several sources; train and test of one set as one, "".

        What has one source alone needs neither a ring nor a table of it.
        """
        if not self._split:
            return {name: s for name, s in self.sources.items() if _has_several_sources(s)}
        train, test = (self.sources[split] for split in SPLITS)
        together = {
            name: train[name] + test[name]
            if name in train and name in test
            else train.get(name) or test[name]
            for name in SOURCE_NAMES
            if name in train or name in test
        }
        return {"": together} if _has_several_sources(together) else {}


def count_datasets(
    sets: Mapping[str, Instances], scenes: Mapping[str, Scenes] | None = None
) -> DatasetReport:
    """Count them all; sets named train and test are taken as one data set."""
    tallies = {name: tally_of(people) for name, people in sets.items()}
    return build_dataset_report(tallies, sets, scenes)


def build_dataset_report(
    tallies: Mapping[str, Tally],
    sets: Mapping[str, Instances] | None = None,
    scenes: Mapping[str, Scenes] | None = None,
) -> DatasetReport:
    """The portrait of sets that are counted already, such as shards too large for memory."""
    rows = {name: one.counts for name, one in tallies.items()}
    if set(tallies) == set(SPLITS):
        rows = {split: rows[split] for split in SPLITS}
        rows["total"] = rows["train"] + rows["test"]
    return DatasetReport(tallies, Table1(rows), sets or {}, scenes or {})


def _has_several_sources(sources: Mapping[str, Counts]) -> bool:
    return sum(c.people > 0 for name, c in sources.items() if name) > 1


def write_dataset_report(
    picture: DatasetReport, out: Path, read: ImageReader | None = None
) -> None:
    """Tables, figures and, with a reader of pictures, sheets of people, as files in `out`."""
    for table in picture.tables():
        table.save(out)
    for drawing in track(picture.drawings(), "figures"):
        figures.save(drawing.draw(), out, drawing.name, drawing.title, picture.subject)
    if read is None or not picture.sets:
        return
    sets = picture.sets
    made = {
        f"fig1b_samples_{name}": contact_sheet.build_sample_sheet(p, read)
        for name, p in sets.items()
    }
    made["sources"] = contact_sheet.build_source_sheet(list(sets.values())[::-1], read)
    shown = {n: sheet for n, sheet in made.items() if any(row.tiles for row in sheet.rows)}
    for name, sheet in shown.items():
        painted = encode_image(contact_sheet.draw_sheet(sheet), "png")
        write_whole(out / f"{name.replace('/', '_')}.png", painted)
    if not shown:
        say("none of the pictures is there, so there are no sheets of people")


def _build_file_name(stem: str, name: str) -> str:
    slug = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    return f"{stem}_{slug}" if slug else stem


def _describe_composition(sources: Mapping[str, Counts]) -> str:
    total = max(sum(c.people for c in sources.values()), 1)
    parts = [f"{SOURCE_NAMES[s]} {100 * c.people / total:.0f} %" for s, c in sources.items()]
    return f"{total:,} people by source: " + ", ".join(parts)


def _describe_small_share(sets: Mapping[str, Counts]) -> str:
    parts = [f"{name} {100 * c.sizes[0] / max(c.people, 1):.0f} %" for name, c in sets.items()]
    return "Share of people by box area; small are: " + ", ".join(parts)


def _describe_classes(sets: Mapping[str, Counts]) -> str:
    sizes = [
        f"{name} {', '.join(f'{n:,} {s}' for n, s in zip(c.sizes, SIZES, strict=True))}; "
        f"of the small {c.densities[0]:,} sparse, {c.densities[1]:,} moderate, "
        f"{c.densities[2]:,} dense"
        for name, c in sets.items()
    ]
    return "People by size and density. " + ". ".join(sizes)
