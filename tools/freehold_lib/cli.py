# SPDX-License-Identifier: MIT
"""The command line: finds the subcommand, and turns whatever goes wrong into one sentence.

Exit status: 0 done, 1 something failed, 2 the command line is wrong, 130 ended by Ctrl-C, 143 ended
by SIGTERM.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import traceback

from .bundle import BundleError
from .commands import bench, clean, ctl, fuzz, gdb, image, logs, mutate, profile, run, sched, setup, size, test, trace
from .errors import FreeholdError
from .machine import MachineError

COMMANDS = {
    "run": run,
    "test": test,
    "fuzz": fuzz,
    "mutate": mutate,
    "image": image,
    "gdb": gdb,
    "logs": logs,
    "ctl": ctl,
    "sched": sched,
    "trace": trace,
    "profile": profile,
    "size": size,
    "bench": bench,
    "setup": setup,
    "clean": clean,
}
DESCRIPTION = """\
Build, run and test Freehold, an exokernel for x86-64 UEFI machines.

Each command first installs and builds what it needs, so on a fresh Debian 12 machine
the first of these is all that it takes.
"""
EXAMPLES = """\
examples:
  tools/freehold run                      boot the demo machine in QEMU; Ctrl-C ends it
  tools/freehold run --emulator bochs     boot the same image in Bochs
  tools/freehold run --machine my.toml    boot a machine of your own
  tools/freehold test                     run every test
  tools/freehold test --suite unit        run the tests that need no emulator
  tools/freehold fuzz                     attack what reads strangers' input, for minutes
  tools/freehold mutate                   remove each check of the kernel: do tests notice?
  tools/freehold image --output usb.img   write an image for a USB stick
  tools/freehold gdb www                  debug the machine that runs, symbols of "www" loaded
  tools/freehold logs -f www              follow what "www" writes
  tools/freehold sched compare fifo central --workload tests/sched/workloads/bimodal.toml
                                          try scheduling policies on a workload, on the host
  tools/freehold bench cpu                count instructions, beside a Linux guest
  tools/freehold trace                    what its threads did and when, as a picture
  tools/freehold profile                  where its time goes, as a flame graph
  tools/freehold ctl list                 what runs on it, and what each application holds

exit status: 0 done, 1 something failed, 2 the command line is wrong, 130 Ctrl-C, 143 SIGTERM
Set FREEHOLD_TRACEBACK=1 to see where in these tools an error came up.
"""


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="tools/freehold",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    commands = top.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for name, module in COMMANDS.items():
        sub = commands.add_parser(
            name,
            help=module.SUMMARY,
            description=module.__doc__,
            epilog=module.EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        module.describe(sub)
    return top


def parse(words: list[str]) -> argparse.Namespace:
    """What is asked for; ends the program with a sentence and status 2 if that is nothing good."""
    own, rest = words, []
    if "--" in words:
        end = words.index("--")
        own, rest = words[:end], words[end + 1 :]
    top = parser()
    arguments = top.parse_args(own)
    if arguments.command is None:
        top.print_help(sys.stderr)
        sys.exit(2)
    if rest and not getattr(COMMANDS[arguments.command], "TAKES_REST", False):
        top.error(f"{arguments.command} takes no arguments after --")
    arguments.rest = rest
    return arguments


def main(words: list[str] | None = None) -> int:
    # A log that is read through a pipe must not lag behind by a buffer.
    sys.stdout.reconfigure(line_buffering=True, errors="replace")
    sys.stderr.reconfigure(errors="replace")
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _terminated)
    arguments = parse(sys.argv[1:] if words is None else words)
    try:
        return COMMANDS[arguments.command].execute(arguments)
    except FreeholdError as error:
        return _tell(str(error), error.status)
    except (MachineError, BundleError) as error:
        return _tell(str(error), 1)
    except KeyboardInterrupt:
        return _tell("Interrupted.", 130)
    except Terminated:
        return _tell("Terminated.", 143)
    except BrokenPipeError:
        # Whoever read our output has gone (| head). Python would complain once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:  # our own mistake, or something nobody thought of
        what = str(error) or "no further words"
        return _tell(
            f"{what} ({type(error).__name__}). This was not expected; set FREEHOLD_TRACEBACK=1 "
            f"and try again to see where it comes from.",
            1,
        )


class Terminated(BaseException):
    """SIGTERM or SIGHUP came: like KeyboardInterrupt, so that everything is tidied up on the way out."""


def _terminated(number, frame) -> None:
    # Once is enough: a second one must not interrupt the tidying.
    for each in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    raise Terminated


def _tell(text: str, status: int) -> int:
    sys.stdout.flush()
    if os.environ.get("FREEHOLD_TRACEBACK"):
        traceback.print_exc()
    print(f"tools/freehold: {text}", file=sys.stderr)
    return status
