"""`smallpose VERB …`: the list of verbs; an error becomes one line and an exit code.

A verb is a module with `HELP` (one line), `EXAMPLE` (a command that works when pasted),
`add_arguments(parser)` and `run(args)`. Only the verb that was called is imported.
"""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module

from smallpose._version import __version__
from smallpose.core.errors import SmallposeError

# By what a user wants to do; the sentence is what `smallpose --help` says of the verb.
VERBS = {
    "see it work": {
        "demo": "the whole line on a synthetic world, from pictures to report, in minutes",
    },
    "make the data set": {
        "synth": "a small world whose answers are known, in the five published layouts",
        "build": "COCO, MPII, AI Challenger, HiEve and PoseTrack18 become one data set",
        "check": "what is wrong with a COCO file, a result file or a built set",
        "audit": "leaks between train and test, and labels worth a second look",
        "stats": "what a data set is made of: tables and figures",
        "select": "the images of a data set, from Parquet of any size",
        "release": "a built set to pass on: annotations, index, card, checksums, no pictures",
        "export": "a built set as YOLO-pose, Parquet and others; a method as ONNX",
    },
    "score a method": {
        "evaluate": "AP and AR by person size and keypoint density",
        "compare": "which of several results is better, and how sure that is",
    },
    "train and use a method": {
        "methods": "the methods, their parts and checkpoints",
        "train": "a method and a built set to a checkpoint and its numbers",
        "predict": "a checkpoint and pictures to keypoints",
        "features": "what methods see of the same small people, side by side",
        "benchmark": "methods × settings × seeds to one table; goes on where it stopped",
    },
    "show it": {
        "report": "finished runs to tables, figures and one page",
        "zoo": "finished runs to a page of checkpoints: recipe, hash, metrics, environment",
        "claims": "the paper's claims, checked on its own numbers and on yours",
    },
}
_ALL = {verb: text for group in VERBS.values() for verb, text in group.items()}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code of contracts: 0, 2, 3, 4, 130, 143."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        code = _answer(words)
        sys.stdout.flush()
        return code
    except SmallposeError as error:
        return _say(str(error), error.exit_code)
    except PermissionError as error:
        # Readers say it themselves where they expect it; a folder on the way can be anybody's.
        return _say(f"{error.filename}: permission denied; allow reading it (chmod -R u+rX)", 2)
    except KeyboardInterrupt:
        return _say("interrupted", 130)
    except BrokenPipeError:
        # The reader of our output (head, a pager) has left; that is no error of ours.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE


def _answer(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        print(_overview())
        return 0
    if words[0] in ("-V", "--version"):
        print(f"smallpose {__version__}")
        return 0
    if words[0] not in _ALL:
        import difflib

        near = difflib.get_close_matches(words[0], _ALL, n=1)
        guess = f"did you mean '{near[0]}'?" if near else "see 'smallpose --help'"
        return _say(f"smallpose {words[0]}: no such verb; {guess}", 2)
    verb = import_module(f"smallpose.cli.{words[0]}")
    parser = _Parser(
        prog=f"smallpose {words[0]}",
        description=verb.HELP,
        epilog=f"example:\n  {verb.EXAMPLE}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verb.add_arguments(parser)
    # parse_intermixed_args lets options stand between files, as people type them.
    return int(verb.run(parser.parse_intermixed_args(words[1:])) or 0)


class _Parser(argparse.ArgumentParser):
    """argparse whose complaints are one line that says how to mend it."""

    def error(self, message: str) -> None:  # type: ignore[override]
        self.exit(2, f"{self.prog}: {message}; see '{self.prog} --help'\n")


def _say(line: str, code: int) -> int:
    print(line, file=sys.stderr)
    return code


def _overview() -> str:
    lines = ["smallpose: how small may a person get before a pose model fails?", ""]
    lines += ["usage: smallpose VERB …      smallpose VERB --help shows an example", ""]
    for group, verbs in VERBS.items():
        lines.append(f"{group}:")
        lines += [f"  {verb:<10}{text}" for verb, text in verbs.items()]
        lines.append("")
    lines.append("first time here: smallpose demo")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
