"""Jobs that wait for other jobs: when all is done, what may be late, and what two or three workers need."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from build.hard.deduction.parts.slips import spread
from build.hard.deduction.parts.telling import COUNTS, asked
from build.making import Question
from build.wording import listed

LETTERS = "ABCDEFGHIJKLMNOPQRST"


@dataclass(frozen=True)
class Plan:
    """Jobs by number, each after jobs of `needs`."""

    days: tuple[int, ...]
    needs: tuple[tuple[int, ...], ...]

    def without(self, job: int, need: int) -> Plan:
        return replace(
            self, needs=tuple(tuple(k for k in own if (j, k) != (job, need)) for j, own in enumerate(self.needs))
        )

    def ends(self) -> list[int]:
        """When each job ends if all start as early as they can."""
        ends: dict[int, int] = {}
        while len(ends) < len(self.days):
            for job, needs in enumerate(self.needs):
                if job not in ends and all(need in ends for need in needs):
                    ends[job] = self.days[job] + max((ends[need] for need in needs), default=0)
        return [ends[job] for job in range(len(self.days))]

    def slack(self, job: int) -> int:
        """How many days longer the job can take before the end is later."""
        longer = replace(self, days=tuple(d + 1000 * (j == job) for j, d in enumerate(self.days)))
        return max(self.ends()) + 1000 - max(longer.ends())

    def with_workers(self, n_workers: int, order: Sequence[int]) -> list[int]:
        """When each job ends if a free worker takes the ready job that is first in the order."""
        ends: dict[int, int] = {}
        day = 0
        while len(ends) < len(self.days):
            busy = sum(end > day for end in ends.values())
            ready = [
                job for job in order if job not in ends and all(ends.get(k, day + 1) <= day for k in self.needs[job])
            ]
            for job in ready[: n_workers - busy]:
                ends[job] = day + self.days[job]
            day = min(end for end in ends.values() if end > day)
        return [ends[job] for job in range(len(self.days))]


SHAPES = {
    5: (6, ("end",)),
    6: (8, ("end",)),
    7: (11, ("end", "slack")),
    8: (12, ("slack", "critical", "workers")),
    9: (13, ("workers", "longest")),
    10: (17, ("workers", "longest")),
}
"""By level: jobs, and what may be asked."""


def schedules(rng: random.Random, level: int) -> Question | None:
    """A plan."""
    n, kinds = SHAPES[level]
    kind = rng.choice(kinds)
    names = rng.sample(range(n), n)  # the jobs in an order in which they can be done, by the place of their letters
    needs: list[tuple[int, ...]] = [()] * n
    for i, job in enumerate(names):
        before = names[max(0, i - 5) : i]
        if i > 1:
            needs[job] = tuple(sorted(rng.sample(before, min(len(before), rng.choice((0, 1, 1, 2, 2))))))
    plan = Plan(tuple(rng.randrange(2, 12) for _ in range(n)), tuple(needs))
    told = ["Jobs and their days are " + ", ".join(_job(plan, job) for job in range(n))]
    told.append("A job can start only when every job that it comes after is finished")
    edges = [(job, need) for job in range(n) for need in plan.needs[job]]
    rng.shuffle(edges)
    ends = plan.ends()
    if kind in ("workers", "longest"):
        n_workers = 2 if n < 15 else 3
        order = list(range(n)) if kind == "workers" else sorted(range(n), key=lambda job: (-plan.days[job], job))
        found = plan.with_workers(n_workers, order)
        answer = max(found)
        other = sorted(range(n), key=lambda job: (-plan.days[job], job)) if kind == "workers" else list(range(n))
        slips = [max(plan.with_workers(n_workers, order)) for order in (other, order[::-1], other[::-1])]
        slips += [max(plan.without(*edge).with_workers(n_workers, order)) for edge in edges]
        slips += [answer + sign * d for d in range(1, 4) for sign in (-1, 1)]
        if answer == max(ends) or answer in slips[:1]:
            return None
        rule = (
            "the earliest letter"
            if kind == "workers"
            else "the most days, and of those with equally many the earliest letter"
        )
        told.append(
            f"There are {COUNTS[n_workers]} workers; one worker does a job alone and without a break, and whenever "
            f"workers are free and jobs can start, the next job to be taken is the one with {rule}"
        )
        ask, said = (
            "After how many days is everything finished?",
            "the number of days after which everything is finished is {}",
        )
        return asked("schedules", level, told, ask, said, answer, spread(rng, answer, slips))
    told.append("Any number of jobs can go on at once, and each starts as early as it can")
    if kind == "end":
        slips = [max(plan.without(*edge).ends()) for edge in edges]
        slips += [end + d for end in sorted(ends)[-3:] for d in plan.days[:4]] + sorted(ends)[-5:]
        ask = "After how many days at the earliest can everything be finished?"
        said = "the number of days after which everything can be finished at the earliest is {}"
        return asked("schedules", level, told, ask, said, max(ends), spread(rng, max(ends), slips))
    slacks = [plan.slack(job) for job in range(n)]
    if kind == "critical":
        answer = slacks.count(0)
        if answer < 4:
            return None
        slips = [[plan.without(*edge).slack(job) for job in range(n)].count(0) for edge in edges]
        ask = (
            "Of how many jobs is it true that one more day for that job alone would delay the day on which everything "
            "is finished?"
        )
        said = (
            "the number of jobs of which one more day for that job alone would delay the day on which everything is "
            "finished is {}"
        )
        return asked("schedules", level, told, ask, said, answer, spread(rng, answer, slips, high=n))
    jobs = [
        job for job in range(n) if 4 <= slacks[job] <= 30 and plan.needs[job] and any(job in own for own in plan.needs)
    ]
    if not jobs:
        return None
    job = rng.choice(jobs)
    # A frequent slip: only the wait until the next job counts.
    slips = [min(ends[j] - plan.days[j] for j in range(n) if job in plan.needs[j]) - ends[job]]
    slips += [plan.without(*edge).slack(job) for edge in edges] + [s for s in slacks if s]
    ask = (
        f"By how many days at most can the start of job {LETTERS[job]} be put off without delaying the day on which "
        "everything is finished?"
    )
    said = (
        f"the largest number of days by which the start of job {LETTERS[job]} can be put off without delaying the "
        "day on which everything is finished is {}"
    )
    return asked("schedules", level, told, ask, said, slacks[job], spread(rng, slacks[job], slips))


def _job(plan: Plan, job: int) -> str:
    needs = [LETTERS[k] for k in plan.needs[job]]
    return f"{LETTERS[job]} {plan.days[job]}" + (f" (after {listed(needs)})" if needs else "")
