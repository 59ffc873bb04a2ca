"""``python -m bench``: registers the commands, and turns every mistake into one line. ``--help`` lists exit codes."""

import errno
import os
import sys
from itertools import pairwise

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from bench.commands import (
    baseline,
    bisect,
    compare,
    cost,
    export,
    gate,
    gpu,
    history,
    packs,
    plan,
    report,
    run,
    sample,
    serve,
    sync,
    throughput,
)
from bench.console import BadInput, Exit, guard_streams
from bench.options import PATH_VARIABLES, expanded, with_options
from bench.records.locks import Locked
from bench.run.executors.base import ExecutorError
from bench.spec.tables import SpecError
from infogan.data import DataError
from infogan.data.base import home_dir, one_line

# errors of a disk (full, over quota, file too large, read-only, forbidden, broken) and limits of a process
DISK_ERRORS = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO),
    *(errno.EMFILE, errno.ENFILE, errno.ENOMEM),
}

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


@app.callback()
def _about() -> None:
    """Reproduce InfoGAN (Chen et al., 2016): train its networks, track them in MLflow, answer the paper's claims.

    A cell is one training run: an experiment, a variant, an arm and a seed.
    [bold]plan[/bold] lists the cells. [bold]run[/bold] trains those that are missing; stop and repeat it
    at any time. [bold]report[/bold] answers the claims.

    Exit codes:
      0         all is well
      1         a cell failed, or a gate found a regression or a slower step
      2         bad input, found before any training (by bisect perhaps later)
      3         a gate or compare cannot tell
      4         trained, but not fully tracked
      130, 143  interrupted
    """


# as the help lists them; a command returns its exit code, or None, which means 0
for command in (
    *(plan.plan, run.run, report.report, sync.sync, packs.pack, packs.unpack, serve.ui, serve.server),
    *(compare.compare, export.export, sample.sample, gate.check, history.history, baseline.baseline, bisect.bisect),
    *(throughput.throughput, cost.cost, gpu.gpu),
):
    app.command()(with_options(command))


def main() -> None:
    """Entry point. A mistake in the input becomes one line and exit code 2."""
    guard_streams()
    try:
        os.environ.setdefault("HOME", str(home_dir()))  # MLflow does not start without HOME
        for name in PATH_VARIABLES:
            if os.environ.get(name):  # absolute: bisect and gpu start commands in other folders
                os.environ[name] = os.path.abspath(expanded(name, os.environ[name]))
        arguments = [expanded(*pair) for pair in pairwise(["bench", *sys.argv[1:]])]
        sys.exit(app(arguments, standalone_mode=False))  # the command's exit code
    except TyperException as error:  # a wrong command line; without a message, the help was shown
        message = one_line(" ".join(error.format_message().split()))
        if message:
            print(f"error: {message}{_hint(error, message)}", file=sys.stderr)
        sys.exit(int(Exit.BAD_INPUT))
    except (BadInput, SpecError, DataError, ExecutorError, Locked) as error:
        print(f"error: {one_line(' '.join(str(error).split()))}", file=sys.stderr)
        sys.exit(int(Exit.BAD_INPUT))
    except OSError as error:
        too_long = error.errno == errno.ENAMETOOLONG  # a path that the user gave
        if error.errno not in DISK_ERRORS and not too_long:
            raise
        print(f"error: {error}", file=sys.stderr)
        sys.exit(int(Exit.BAD_INPUT if too_long else _broken_off()))
    except (MemoryError, ImportError) as error:  # a limit of memory or open files, hit while a library loads
        if isinstance(error, ModuleNotFoundError):
            raise
        print(f"error: {one_line(' '.join(str(error).split())) or 'out of memory'}", file=sys.stderr)
        sys.exit(int(_broken_off()))


def _hint(error: TyperException, message: str) -> str:
    """What else may help with a wrong command line: the commands, unless one is suggested, and the help."""
    context = getattr(error, "ctx", None)
    if context is None:
        return ""
    is_group = isinstance(context.command, TyperGroup) and "Did you mean" not in message
    commands = f"commands: {', '.join(context.command.commands)}; " if is_group else ""
    return f" ({commands}{context.command_path} --help)"


def _broken_off() -> Exit:
    """Exit code of a command that the machine did not let finish. Of a gate it must not read as "regressed"."""
    return Exit.INCONCLUSIVE if sys.argv[1:2] in (["check"], ["throughput"]) else Exit.FAILED
