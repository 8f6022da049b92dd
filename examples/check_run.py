#!/usr/bin/env python3
"""Checks a run against its definition, from the audit export alone.

    check_run.py AUDIT DEFINITION [--run ID] [--slots N]

AUDIT is the export of the audit trail: JSON lines, one object per transition, with `time`, `run`,
`step`, `task`, `attempt`, `from`, `to` (and `actor`, `reason`, which are not looked at). DEFINITION
is the workflow's definition as JSON, or the WfFormat instance that it was imported from.

Checked, in this order:

1. every line is a transition, of a step that the definition has, and time never goes backwards;
2. every step succeeded exactly once, and nothing of it began after that;
3. no step was queued or began before all that it comes after had ended, by the order of the lines
   and by their times;
4. the run itself ended once, as succeeded, after all of its steps.

Then it prints how long the run took, and with --slots how that compares with the least time that
any scheduler needs. It ends with 1 at the first violation, which it prints, and with 2 when it
cannot read what it is given. For steps that are to fail or to be skipped it is no use: all must
succeed. It shares no code with Capataz.
"""

import argparse
import json
import sys
from datetime import datetime, timezone

BEGINNINGS = ("queued", "running")
ENDINGS = ("succeeded", "failed", "cancelled", "skipped")
FIELDS = ("time", "run", "step", "task", "attempt", "from", "to")
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class Violation(Exception):
    """The run did what it must not do."""


class Unreadable(Exception):
    """A file is not what it should be."""


class Transition:
    """One line of the export."""

    def __init__(self, number, record):
        self.number = number
        self.micros = microseconds(record["time"], number)
        self.run = record["run"]
        self.step = record["step"]
        self.task = record["task"]
        self.to = record["to"]

    def is_after(self, other):
        """Whether it is after the other by both orders; equal times may be."""
        return self.number > other.number and self.micros >= other.micros

    def __str__(self):
        time = datetime.fromtimestamp(self.micros // 1_000_000, timezone.utc)
        fraction = self.micros % 1_000_000
        return f"line {self.number} ({time:%H:%M:%S}.{fraction:06})"


def microseconds(text, number):
    try:
        time = datetime.fromisoformat(text.replace("Z", "+00:00"))
        since = time - EPOCH
    except (AttributeError, TypeError, ValueError) as error:
        raise Unreadable(f"line {number}: {text!r} is no RFC 3339 time") from error
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def read_transitions(lines):
    transitions = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError as error:
            raise Unreadable(f"line {number} of the audit export is no JSON: {error}") from error
        missing = [field for field in FIELDS if not isinstance(record, dict) or field not in record]
        if missing:
            raise Unreadable(f"line {number} of the audit export has no {', '.join(missing)}")
        transitions.append(Transition(number, record))
    return transitions


def only_run(transitions, wanted):
    runs = sorted({transition.run for transition in transitions})
    if wanted is None and len(runs) != 1:
        raise Unreadable(f"the export must be of one run or --run be given, it is of {len(runs)}")
    wanted = runs[0] if wanted is None else wanted
    if wanted not in runs:
        raise Unreadable(f"run {wanted!r} is not in the export")
    return [transition for transition in transitions if transition.run == wanted]


def read_parents(document):
    """For each step the steps it comes after."""
    if "workflow" in document:
        tasks = document["workflow"]["specification"]["tasks"]
        parents = {task["id"]: set(task.get("parents", [])) for task in tasks}
        for task in tasks:
            for child in task.get("children", []):
                parents[child].add(task["id"])
        return parents
    parents = {}
    for step in document["steps"]:
        after = step.get("after", [])
        after = after if isinstance(after, list) else [after]
        parents[step["id"]] = {name if isinstance(name, str) else name["step"] for name in after}
    return parents


def read_durations(document):
    """For each step how long its process was to take, in seconds; none when it is not known."""
    steps = document.get("steps", [])
    durations = {step["id"]: (step.get("meta") or {}).get("replay_s") for step in steps}
    return durations if durations and None not in durations.values() else None


def check_lines(transitions, parents):
    last = None
    for transition in transitions:
        if transition.step is not None and transition.step not in parents:
            raise Violation(f"{transition}: step {transition.step!r} is not in the definition")
        if last is not None and transition.micros < last.micros:
            raise Violation(f"{transition}: time goes backwards, {last} was later")
        last = transition


def check_once(step, transitions):
    """The one transition with which the step succeeded."""
    own = [transition for transition in transitions if transition.task is None]
    # An export may have a step's transitions on the lines of its task only.
    deciding = own if any(transition.to in ENDINGS for transition in own) else transitions
    endings = [transition for transition in deciding if transition.to in ENDINGS]
    succeeded = [transition for transition in endings if transition.to == "succeeded"]
    if not succeeded:
        end = f"{endings[-1]}: it {endings[-1].to}" if endings else "it has no end"
        raise Violation(f"step {step!r} never succeeded; {end}")
    if len(succeeded) > 1:
        raise Violation(f"step {step!r} succeeded twice: {succeeded[0]} and {succeeded[1]}")
    for transition in transitions:
        if transition.to in BEGINNINGS and transition.number > succeeded[0].number:
            raise Violation(f"step {step!r} was {transition.to} again, {transition}, after it succeeded, {succeeded[0]}")
    return succeeded[0]


def check_order(parents, of_step, ended):
    for step, before in parents.items():
        beginnings = [transition for transition in of_step[step] if transition.to in BEGINNINGS]
        # A step without a process only ends.
        for beginning in beginnings or [ended[step]]:
            for parent in sorted(before):
                if not beginning.is_after(ended[parent]):
                    raise Violation(
                        f"step {step!r} was {beginning.to}, {beginning}, "
                        f"before {parent!r} had ended, {ended[parent]}"
                    )


def check_run(transitions, ended):
    own = [transition for transition in transitions if transition.step is None and transition.task is None]
    endings = [transition for transition in own if transition.to in ENDINGS]
    if len(endings) != 1 or endings[0].to != "succeeded":
        found = ", ".join(f"{ending.to} on {ending}" for ending in endings) or "it has no end"
        raise Violation(f"the run must end once, as succeeded: {found}")
    for step, transition in ended.items():
        if not endings[0].is_after(transition):
            raise Violation(f"the run ended, {endings[0]}, before step {step!r} did, {transition}")


def lower_bound(parents, durations, slots):
    """The least seconds that so many slots need: the longest chain, or all work shared evenly."""
    children = {step: [] for step in parents}
    for step, before in parents.items():
        for parent in before:
            children[parent].append(step)
    waiting = {step: len(before) for step, before in parents.items()}
    begins = dict.fromkeys(parents, 0.0)
    ready = [step for step, count in waiting.items() if count == 0]
    longest = 0.0
    while ready:
        step = ready.pop()
        end = begins[step] + durations[step]
        longest = max(longest, end)
        for child in children[step]:
            begins[child] = max(begins[child], end)
            waiting[child] -= 1
            if waiting[child] == 0:
                ready.append(child)
    return max(longest, sum(durations.values()) / slots)


def check(transitions, parents):
    """For each step how it ended; the first violation is raised."""
    check_lines(transitions, parents)
    of_step = {step: [] for step in parents}
    for transition in transitions:
        if transition.step is not None:
            of_step[transition.step].append(transition)
    ended = {step: check_once(step, found) for step, found in of_step.items()}
    check_order(parents, of_step, ended)
    check_run(transitions, ended)
    return ended


def makespan(transitions, ended):
    """Seconds from the first beginning of a step to the last end of one."""
    running = [transition.micros for transition in transitions if transition.step is not None and transition.to == "running"]
    ends = [transition.micros for transition in ended.values()]
    return (max(ends) - min(running or ends)) / 1e6


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("audit", help="JSON lines; - for stdin")
    parser.add_argument("definition", help="the definition as JSON, or a WfFormat instance")
    parser.add_argument("--run", help="the run to check, when the export is of several")
    parser.add_argument("--slots", type=int, help="compare with the bound for so many slots")
    arguments = parser.parse_args()
    try:
        with open(arguments.definition, encoding="utf-8") as file:
            document = json.load(file)
        parents = read_parents(document)
        source = sys.stdin if arguments.audit == "-" else open(arguments.audit, encoding="utf-8")
        with source:
            transitions = only_run(read_transitions(source), arguments.run)
        ended = check(transitions, parents)
    except Violation as violation:
        print(f"violated: {violation}")
        return 1
    except (Unreadable, OSError, ValueError, KeyError, TypeError) as error:
        print(f"check_run: {type(error).__name__}: {error}", file=sys.stderr)
        return 2
    seconds = makespan(transitions, ended)
    print(f"steps: {len(parents)}, all succeeded once and in order")
    print(f"makespan: {seconds:.6f} s")
    durations = read_durations(document)
    if arguments.slots and durations:
        bound = lower_bound(parents, durations, arguments.slots)
        ratio = f"{seconds / bound:.3f}" if bound > 0 else "none"
        print(f"bound on {arguments.slots} slots: {bound:.6f} s, ratio: {ratio}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
