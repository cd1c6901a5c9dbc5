"""A plan as a notebook shows it, and what producers and consumers have in common in carrying one out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from runbook_lib.change.engine import Applied, Engine
from runbook_lib.change.plan import Act, FileStep, HostPlan, Step, UnitStep
from runbook_lib.change.resources import File, Wanted
from runbook_lib.errors import RunbookError
from runbook_lib.freqtrade.configs.on_host import check_on_host, problems
from runbook_lib.freqtrade.params import FreqtradeSite
from runbook_lib.gates import holds, reported
from runbook_lib.runner.phase import Phase
from runbook_lib.values import Check, FleetResult
from runbook_lib.view import diffs
from runbook_lib.view.progress import Waiting
from runbook_lib.view.rendered import RenderedAs


@dataclass(frozen=True, slots=True)
class Planned(RenderedAs):
    """What will be done to some hosts. ``configs``: host -> path of its bot's config."""

    title: str
    wanted: Mapping[str, Wanted]
    plans: Mapping[str, HostPlan]
    configs: Mapping[str, str]

    @property
    def empty(self) -> bool:
        """Whether every host is already as it should be."""
        return all(plan.empty for plan in self.plans.values())

    def shown(self) -> diffs.PlanView:
        """Show it as diffs and steps."""
        files = [
            diffs.FileDiff(
                host,
                step.wanted.path,
                None if step.before.content is None else step.before.content.decode("utf-8", "replace"),
                step.wanted.content.decode("utf-8", "replace"),
                step.before.state.mode if step.before.state.exists else None,
                step.wanted.mode,
            )
            for host, plan in self.plans.items()
            for step in plan.files
        ]
        steps = [
            diffs.Step(host, step.describe(), _why(plan, step))
            for host, plan in self.plans.items()
            for step in plan.steps
            if not isinstance(step, FileStep)
        ]
        return diffs.plan(self.title, files, steps)


def _why(plan: HostPlan, step: Step) -> str:
    restarts = isinstance(step, UnitStep) and Act.RESTART in step.acts
    if restarts and not plan.files:
        return "its files were changed, and it has not been restarted since"
    return "its files change" if plan.files else "it is not as it should be"


def make(phase: Phase[FreqtradeSite], title: str, wanted: Mapping[str, Wanted], configs: Mapping[str, str]) -> Planned:
    """Compare what hosts should have with what they have; touches nothing."""
    engine = Engine(phase.journal, phase.site.units)
    with Waiting(f"{len(wanted)} hosts to be compared", phase.report):
        plans = phase.fleet.on_all(lambda session: engine.plan(session, wanted[session.name]), wanted).unwrap()
    return Planned(title, wanted, plans, configs)


def judge_configs(phase: Phase[FreqtradeSite], planned: Planned) -> list[Check]:
    """Have each host's own freqtrade judge the config that is to stand there."""
    python = phase.site.freqtrade.python
    texts = {host: _config(planned.wanted[host], path) for host, path in planned.configs.items()}
    with Waiting(f"freqtrade on {len(texts)} hosts to judge the new configs", phase.report):
        answers: FleetResult[list[str]] = phase.fleet.on_all(
            lambda session: problems(
                planned.configs[session.name],
                texts[session.name],
                check_on_host(session, python, {planned.configs[session.name]: texts[session.name]}),
            ),
            texts,
        )
    return [_judged(host, answers[host].value, answers[host].error, planned.configs[host]) for host in texts]


def _judged(host: str, found: list[str] | None, error: RunbookError | None, path: str) -> Check:
    expected = "valid, no unknown key, no placeholder secret"
    if error is not None:
        return reported("new config", error, expected=expected, host=host)
    return holds(
        "new config",
        passed=not found,
        expected=expected,
        observed="; ".join(found or []) or "accepted by its own freqtrade",
        host=host,
        remedy=f"nothing was put in place; see {path} in the plan",
    )


def _config(wanted: Wanted, path: str) -> str:
    return next(file.content.decode() for file in wanted.files if file.path == path)


def carry_out(phase: Phase[FreqtradeSite], planned: Planned, host: str) -> Applied:
    """Do the plan of one host; say whether anything was changed. In a dry run nothing is ever."""
    if phase.dry_run:
        return Applied(changed=False)
    engine = Engine(phase.journal, phase.site.units)
    return engine.apply(phase.fleet[host], planned.plans[host], planned.wanted[host])


def files(directory: str, texts: Mapping[str, str], mode: int = 0o644) -> tuple[File, ...]:
    """Make files of texts by path below a directory."""
    return tuple(File(f"{directory}/{path}", text.encode(), mode) for path, text in texts.items())
