"""The command line: ``taskproc``.

Exit codes: 0 done; 1 there is nothing by that name, nothing was left to do, or something is wrong that was looked
at; 2 wrong usage or input; 3 Redis can't be reached or refused; 130 interrupted.
"""

from __future__ import annotations

import sys

import click

from taskproc.cli import control, dead, handlers, inspect, journal, limits, rules, schedules, show, stats, tenants, work
from taskproc.errors import InvalidValue, RedisUnavailable, TaskprocError


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="taskproc")
def app() -> None:
    """Multi-tenant batch processing on Redis.

    Commands that look at an instance take --redis (or TASKPROC_REDIS_URL) and --prefix (or TASKPROC_PREFIX),
    or --app module:processor for the settings of a program.
    """


for command in (
    work.worker,
    work.demo,
    handlers.handlers,
    stats.stats,
    stats.metrics,
    show.batches,
    show.batch,
    show.task,
    control.cancel,
    control.pause,
    control.resume,
    inspect.check,
    inspect.audit,
    journal.journal,
):
    app.add_command(command)
app.add_command(dead.dead)
app.add_command(limits.limits)
app.add_command(schedules.schedules)
app.add_command(tenants.tenants)
app.add_command(rules.tiers)
for command in (rules.limits, *rules.STATES):
    tenants.tenants.add_command(command)


def main() -> None:
    """Run a command and exit with its code; an error is one line on stderr."""
    try:
        code = app.main(standalone_mode=False)
    except click.exceptions.Abort:
        code = 130
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except InvalidValue as error:
        code = _fail(error, 2)
    except RedisUnavailable as error:
        code = _fail(error, 3)
    except TaskprocError as error:
        code = _fail(error, 3)
    except KeyboardInterrupt:
        code = 130
    sys.exit(code if isinstance(code, int) else 0)


def _fail(error: TaskprocError, code: int) -> int:
    click.echo(f"taskproc: {error}", err=True)
    return code
