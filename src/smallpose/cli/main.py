"""`smallpose VERB …`: the list of verbs; an error becomes one line and an exit code.

A verb is a module with `HELP` (what it does, in a sentence), `EXAMPLE` (a command that works when
pasted after `smallpose demo`), `add_arguments(parser)` and `run_command(args)`. `PACKAGES` names
the modules that it needs beyond the base install, by keys of `system.packages.EXTRAS`; where they
depend on the arguments, `list_packages(args)` returns them, so that one line names all of them.
Only the verb that was called is imported.
"""

import argparse
import os
import signal
import sys
import textwrap
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import NoReturn, cast

from smallpose._version import __version__
from smallpose.cli.input_check import refuse_missing_inputs
from smallpose.cli.options import add_link_root_option, add_max_pixels_option
from smallpose.cli.output_check import (
    refuse_other_forms,
    refuse_output_over_input,
    refuse_output_over_labels,
)
from smallpose.cli.output_folders import (
    refuse_drawings_among_inputs,
    refuse_figures_among_images,
    refuse_files_for_folders,
    refuse_folders_for_files,
)
from smallpose.cli.terminal import prepare_terminal
from smallpose.core.errors import SmallposeError
from smallpose.system.files import describe_os_error
from smallpose.system.image_limits import allow_pixels
from smallpose.system.link_roots import allow_link_roots
from smallpose.system.memory import keep_freed_memory
from smallpose.system.packages import explain_import_error, require_packages
from smallpose.system.process_end import end_process
from smallpose.system.threads import import_numpy_single_threaded

# Grouped by what a user wants to do; `smallpose --help` prints the sentence of each verb.
VERBS = {
    "See it work": {
        "demo": "Run the whole pipeline on synthetic data, from images to report.",
    },
    "Make a data set": {
        "synth": "Write synthetic data with known labels in the five source formats.",
        "build": "Build one data set from the five published sources.",
        "split": "Split labels of your own into train and test, with all their joints.",
        "check": "Check a COCO file, a result file or a built set for faults.",
        "audit": "Find leaks between train and test, and suspicious labels.",
        "stats": "Describe data sets in tables and figures.",
        "select": "Select the images of a data set from Parquet of any size.",
        "release": "Pack a built set without its images, to pass it on.",
        "export": "Convert a built set for other tools, or a method to ONNX.",
    },
    "Score results": {
        "sigmas": "Measure OKS sigmas on people labelled by several annotators.",
        "evaluate": "Compute AP and AR by person size and keypoint density.",
        "compare": "Compare results on the same images, with intervals.",
        "ceiling": "Show the best possible AP by person height.",
        "budget": "Compute how many pixels a joint needs, from your own images.",
        "resolution": "Show the same people at falling pixel heights to any model.",
    },
    "Train and use methods": {
        "methods": "List the methods, their parts, recipes, the paper's numbers and checkpoints.",
        "train": "Train a method on a built set and evaluate it.",
        "predict": "Estimate the poses of people in images.",
        "weights": "List published weights; download and check them.",
        "features": "Draw what several methods compute for the same small people.",
        "benchmark": "Train and score methods × settings × seeds; resumes.",
    },
    "Show results": {
        "report": "Turn result files or runs into tables, figures and one page.",
        "leaderboard": "Check results and rank them on one page.",
        "zoo": "List checkpoints and result files on one page.",
        "claims": "Check the paper's claims on its own numbers and on yours.",
    },
}
# Verbs that read images, which may be links, and large.
READS_LINKS = (
    "audit",
    "benchmark",
    "build",
    "check",
    "export",
    "features",
    "leaderboard",
    "predict",
    "report",
    "resolution",
    "split",
    "train",
)
# Verbs without large matrix products, which start faster without threads for them. `evaluate` is
# one, too, and imports NumPy itself when its labels are being read.
_SINGLE_THREADED = ("check", "compare", "report")
# Verbs that leave nothing to be done when they return.
_ENDS_AT_ONCE = ("evaluate",)
# What verbs are called elsewhere; the nearest spelling of `score` is `compare`.
_OTHER_WORDS = {
    **dict.fromkeys(("score", "eval", "metrics", "test", "ap"), "evaluate"),
    **dict.fromkeys(("diff", "vs", "significance"), "compare"),
    **dict.fromkeys(("infer", "inference", "detect", "run", "track", "draw"), "predict"),
    **dict.fromkeys(("fit", "finetune", "fine-tune"), "train"),
    **dict.fromkeys(("validate", "val", "verify", "lint"), "check"),
    **dict.fromkeys(("convert", "onnx"), "export"),
    **dict.fromkeys(("prepare", "import", "dataset", "make"), "build"),
    **dict.fromkeys(("models", "list"), "methods"),
    **dict.fromkeys(("page", "html", "plot"), "report"),
    **dict.fromkeys(("download", "checkpoint"), "weights"),
}
_ALL_VERBS = {verb: text for group in VERBS.values() for verb, text in group.items()}


_PACKAGE = Path(__file__).parents[1]
_MISSING = "the following arguments are required: "
_UNRECOGNIZED = "unrecognized arguments: "


def run_program() -> NoReturn:
    """Run the command of this process, and end it with the command's exit code."""
    ends_at_once = sys.argv[1:] and sys.argv[1] in _ENDS_AT_ONCE
    if ends_at_once:
        keep_freed_memory()
    code = main()
    if ends_at_once:
        end_process(code)
    sys.exit(code)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0, 2 to 6, 130 or 143.

    An error that no code expected is one line, too; SMALLPOSE_TRACEBACK=1 raises it instead.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        with prepare_terminal():
            code = _run_verb(words)
            sys.stdout.flush()
        return code
    except SmallposeError as error:
        _keep_own_advice(words[0], error)
        return _print_error(str(error), error.exit_code)
    except PermissionError as error:
        # Readers report it themselves where they expect it; any folder on the way can raise it.
        line = f"{error.filename}: permission denied; allow reading it (chmod -R u+rX)"
        return _print_error(line, 2)
    except KeyboardInterrupt:
        return _print_error("interrupted", 130)
    except BrokenPipeError:
        # The reader of our output (head, a pager) has closed it, which is not an error.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except MemoryError:
        what = "out of memory; free some memory, or split the input into smaller files"
        return _print_error(f"smallpose {words[0]}: {what}", 4)
    except OSError as error:
        failure = describe_os_error(error, f"smallpose {words[0]}")
        return _print_error(str(failure), failure.exit_code)
    except Exception as error:
        if is_traceback_wanted():
            raise
        return _print_error(_describe_bug(words[0], error), 4)


def _keep_own_advice(verb: str, error: SmallposeError) -> None:
    """Leave out of the remedy what is an option of other verbs."""
    if "--" not in error.remedy:
        return
    from smallpose.cli.advice import keep_own_advice

    own = list_options(verb)
    if all(word in own for word in error.remedy.split() if word.startswith("--")):
        return  # the parsers of all verbs take long
    keep_own_advice(error, own, {name: list_options(name) for name in _ALL_VERBS})


def list_options(verb: str) -> set[str]:
    """Return the options of a verb, as they are typed."""
    return {option for action in create_parser(verb)._actions for option in action.option_strings}


def is_traceback_wanted() -> bool:
    """Return whether SMALLPOSE_TRACEBACK asks for the tracebacks of errors of ours."""
    return bool(os.environ.get("SMALLPOSE_TRACEBACK"))


def _describe_bug(verb: str, error: Exception) -> str:
    """Describe an exception that no reader expected, with the last place of ours, or the user's.

    A file of the user's own, such as one with a method, is called by us and lies elsewhere than
    installed packages. Where it has called us in turn, either may be at fault.
    """
    place = own_place = place_below = ""
    trace = error.__traceback__
    while trace is not None:
        path = Path(trace.tb_frame.f_code.co_filename)
        if _PACKAGE in path.parents:
            place = f" in {path.parent.name}/{path.name}:{trace.tb_lineno}"
            place_below = place if own_place else ""
        elif place and path.is_file() and not _is_installed(path):
            own_place = f"{path}:{trace.tb_lineno}"
            place_below = ""
        trace = trace.tb_next
    reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    report = "set SMALLPOSE_TRACEBACK=1, run the command again, and report what it prints"
    if place_below:
        return (
            f"{own_place}: its call of smallpose fails with {reason}{place_below}; correct the "
            f"line, or, if it is right, {report}"
        )
    if own_place:
        return f"{own_place}: fails with {reason}; correct the file"
    return f"smallpose {verb}: an error of smallpose itself ({reason}{place}); {report}"


def _is_installed(path: Path) -> bool:
    """Return whether a file of Python belongs to its standard library or to a package."""
    parents = path.parents
    is_package = any(parent.name in ("site-packages", "dist-packages") for parent in parents)
    return is_package or Path(os.__file__).parent in parents


def _run_verb(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        print(_format_overview())
        return 0
    if words[0] in ("-V", "--version"):
        print(f"smallpose {__version__}")
        return 0
    if words[0] not in _ALL_VERBS:
        import difflib

        meant = _OTHER_WORDS.get(words[0].lower())
        near = [meant] if meant else difflib.get_close_matches(words[0], _ALL_VERBS, n=1)
        guess = f"did you mean '{near[0]}'?" if near else "see 'smallpose --help'"
        return _print_error(f"smallpose {words[0]}: no such verb; {guess}", 2)
    if words[0] in _SINGLE_THREADED:
        import_numpy_single_threaded()
    # parse_intermixed_args allows options between files, as people type them.
    parser = create_parser(words[0])
    args = parser.parse_intermixed_args(words[1:])
    verb = import_module(f"smallpose.cli.{words[0]}")
    where = f"smallpose {words[0]}"
    refuse_output_over_input(args)
    refuse_drawings_among_inputs(words[0], args)
    refuse_output_over_labels(words[0], args)
    refuse_other_forms(words[0], args)
    refuse_files_for_folders(words[0], args)
    refuse_folders_for_files(words[0], args)
    refuse_figures_among_images(words[0], args)
    try:
        require_packages(where, *_list_packages(verb, args))
        refuse_missing_inputs(words[0], parser, args)
        max_pixels = getattr(args, "max_pixels", 0)
        with allow_link_roots(getattr(args, "link_root", ())), allow_pixels(max_pixels):
            return int(verb.run_command(args) or 0)
    except ImportError as error:
        raise explain_import_error(where, error) from None


def _list_packages(verb: ModuleType, args: argparse.Namespace) -> Sequence[str]:
    if hasattr(verb, "list_packages"):
        return cast(Sequence[str], verb.list_packages(args))
    return cast(Sequence[str], getattr(verb, "PACKAGES", ()))


def create_parser(name: str) -> argparse.ArgumentParser:
    """Create the parser of one verb, with its arguments and its help."""
    verb = import_module(f"smallpose.cli.{name}")
    example = verb.EXAMPLE.replace("\n", "\n  ")
    origin = ", with files that 'smallpose demo' writes" if "runs/demo" in example else ""
    parser = _OneLineParser(
        prog=f"smallpose {name}",
        description=textwrap.fill(verb.HELP, 78),
        epilog=f"Example{origin}:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        add_help=False,
    )
    parser.add_argument("-h", "--help", action="help", help="Print this help and exit.")
    verb.add_arguments(parser)
    if name in READS_LINKS:
        add_link_root_option(parser)
        add_max_pixels_option(parser)
    return parser


class _OneLineParser(argparse.ArgumentParser):
    """An argument parser whose errors are one line that names the remedy."""

    _line_width: int | None = 80

    def _get_formatter(self) -> argparse.HelpFormatter:
        # Each argument that is added asks for one, which measures the terminal unless a width is
        # given.
        return self.formatter_class(prog=self.prog, width=self._line_width)  # type: ignore[call-arg]

    def format_help(self) -> str:
        self._line_width = None
        return super().format_help()

    def format_usage(self) -> str:
        self._line_width = None
        return super().format_usage()

    def parse_known_intermixed_args(self, args=None, namespace=None):  # type: ignore[no-untyped-def]
        # Without a usage, argparse formats that of all options for a terminal that it measures;
        # only the help shows it (-h, --help, or the beginning of it).
        asks = any(word == "-h" or (len(word) > 2 and "--help".startswith(word)) for word in args)
        self.usage = None if asks else self.prog
        return super().parse_known_intermixed_args(args, namespace)

    def error(self, message: str) -> None:  # type: ignore[override]
        remedy = f"see '{self.prog} --help'"
        if message.startswith(_MISSING):
            words = [word.strip() for word in message.removeprefix(_MISSING).split(",")]
            # Python names arguments that may be absent, too.
            optional = [action.metavar for action in self._actions if action.nargs in ("*", "?")]
            message = _MISSING + ", ".join(word for word in words if word not in optional)
            from smallpose.cli.option_hints import describe_missing_options

            remedy = describe_missing_options(self, words) or remedy
            if "METHOD" in words:
                remedy = "name a method, such as simple_baseline_r50; see 'smallpose methods'"
        if message.startswith(_UNRECOGNIZED):
            from smallpose.cli.option_hints import suggest_option

            unknown = message.removeprefix(_UNRECOGNIZED).split()
            remedy = suggest_option(self, unknown) or remedy
        if message.startswith(_UNRECOGNIZED) and self.prog.endswith(" evaluate"):
            words = message.removeprefix(_UNRECOGNIZED).split()
            if not any(word.startswith("-") for word in words):
                message = f"scores one result, and {' '.join(words)} is one more"
                remedy = "use 'smallpose compare TRUTH A B' for several"
        self.exit(2, f"{self.prog}: {message}; {remedy}\n")


def _print_error(line: str, code: int) -> int:
    print(line, file=sys.stderr)
    return code


def _format_overview() -> str:
    lines = ["smallpose: how small may a person get before a pose model fails?", ""]
    lines += [
        "usage: smallpose VERB …",
        "'smallpose VERB --help' prints options and an example.",
        "",
    ]
    for group, verbs in VERBS.items():
        lines.append(f"{group}:")
        lines += [f"  {verb:<12}{text}" for verb, text in verbs.items()]
        lines.append("")
    lines.append("New here? Run: smallpose demo")
    return "\n".join(lines)


if __name__ == "__main__":
    run_program()
