"""Read `curve.json`, for figures and for the report."""

from pathlib import Path

from msgspec import Struct, field

from smallpose.core.errors import InputError
from smallpose.core.interval import Interval
from smallpose.system.json_decode import read_json

NAME = "curve.json"


class IntervalRecord(Struct):
    """A number with the ends of its interval; None where they are unknown."""

    value: float | None = None
    low: float | None = None
    high: float | None = None

    def to_interval(self, factor: float = 1.0) -> Interval | None:
        """Return the interval times a factor; None without a value."""
        if self.value is None:
            return None
        if self.low is None or self.high is None:
            return Interval(factor * self.value)
        return Interval(factor * self.value, factor * self.low, factor * self.high)


class PointRecord(Struct):
    """One height of a curve."""

    px: float
    people: int
    AP: IntervalRecord
    OKS: IntervalRecord
    found: IntervalRecord
    PCK: IntervalRecord
    AP_strict: IntervalRecord = field(default_factory=IntervalRecord)


class HalfHeightRecord(IntervalRecord):
    """The height at which half of the AP is left.

    Args:
        below: the smallest height measured, where it is less than that.
        low_beyond, high_beyond: "below" where an end is less than all heights measured.
        is_known: False where AP is too low at the largest height.
        between: heights between which it lies, where nothing else is known.
    """

    below: float | None = None
    low_beyond: str | None = None
    high_beyond: str | None = None
    is_known: bool = True
    between: tuple[float, float] | None = None


class LevelHeightRecord(IntervalRecord):
    """The height from which on an AP is reached.

    Args:
        AP: which one.
        beyond, low_beyond, high_beyond: where the height or an end is beyond those measured:
            "above" (never reached) or "below" (reached at all of them).
    """

    AP: float | None = None
    beyond: str | None = None
    low_beyond: str | None = None
    high_beyond: str | None = None


class CurveRecord(Struct):
    """A curve over rising heights."""

    heights: list[PointRecord]
    half_ap_px: HalfHeightRecord
    level_ap_px: LevelHeightRecord = field(default_factory=LevelHeightRecord)


class DifferenceRecord(Struct):
    """A paired difference of AP."""

    base: str
    other: str
    sensor: str
    px: float
    AP: IntervalRecord


class PartRecord(Struct):
    """The curves of a part of the people."""

    people: int
    models: dict[str, dict[str, CurveRecord]]


class CeilingRecord(Struct):
    """The best AP that joints in whole pixels leave at one height."""

    px: float
    AP: float | None = None


class SettingsRecord(Struct):
    """How the curves were measured.

    Args:
        frame: around each reduced image, as `--frame` has it; "" for none.
    """

    frame: str = ""


class CurveFile(Struct):
    """The content of `curve.json`."""

    models: dict[str, dict[str, CurveRecord]]
    differences: list[DifferenceRecord] = field(default_factory=list)
    parts: dict[str, PartRecord] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    ceiling: list[CeilingRecord] = field(default_factory=list)
    settings: SettingsRecord = field(default_factory=SettingsRecord)


def read_curve_file(folder: Path, name: str = NAME) -> CurveFile:
    """Read the `curve.json` of a folder, or a file there with another name.

    Raises: InputError when there is none, or it has no curve.
    """
    path = folder / name
    content = read_json(path, CurveFile)
    if not any(curve.heights for sensors in content.models.values() for curve in sensors.values()):
        raise InputError(str(path), "has no curve", "make it again with 'smallpose resolution'")
    return content
