#!/usr/bin/env python3
"""Tests of check_run.py: `python3 examples/check_run_test.py`."""

import json
import unittest

import check_run

DEFINITION = {
    "steps": [
        {"id": "a", "meta": {"replay_s": 2.0}},
        {"id": "b", "after": ["a"], "meta": {"replay_s": 1.0}},
        {"id": "c", "after": [{"step": "a", "on": "any"}], "meta": {"replay_s": 4.0}},
        {"id": "d", "after": ["b", "c"], "meta": {"replay_s": 1.0}},
    ]
}


def line(second, step, to, task=None, attempt=None):
    return {
        "time": f"2026-03-01T12:00:{second:02}.250000Z",
        "actor": "test",
        "run": "r",
        "step": step,
        "task": task,
        "attempt": attempt,
        "from": None,
        "to": to,
        "reason": "",
    }


def whole():
    """A run as it should be, its steps as (step, queued, running, succeeded)."""
    lines = [line(0, None, "running")]
    times = []
    for step, queued, running, succeeded in [("a", 0, 1, 3), ("b", 3, 3, 4), ("c", 3, 4, 8), ("d", 8, 8, 9)]:
        times.append((queued, line(queued, step, "queued")))
        times.append((running, line(running, step, "running", f"t{step}", 1)))
        times.append((succeeded, line(succeeded, step, "succeeded", f"t{step}", 1)))
        times.append((succeeded, line(succeeded, step, "succeeded")))
    rank = {"succeeded": 0, "queued": 1, "running": 2}
    times.sort(key=lambda timed: (timed[0], rank[timed[1]["to"]]))
    lines.extend(timed[1] for timed in times)
    lines.append(line(9, None, "succeeded"))
    return lines


def outcome(lines, definition=None):
    texts = [json.dumps(record) for record in lines]
    transitions = check_run.only_run(check_run.read_transitions(texts), None)
    parents = check_run.read_parents(definition or DEFINITION)
    return transitions, check_run.check(transitions, parents)


def place(lines, step, to):
    return next(index for index, record in enumerate(lines) if (record["step"], record["to"]) == (step, to))


class CheckRun(unittest.TestCase):
    def violated(self, lines, words):
        with self.assertRaisesRegex(check_run.Violation, words):
            outcome(lines)

    def test_a_whole_run(self):
        self.assertEqual(check_run.makespan(*outcome(whole())), 8.0)

    def test_a_wfformat_instance_gives_the_same_order(self):
        tasks = [
            {"id": "a", "parents": [], "children": ["b", "c"]},
            {"id": "b", "parents": ["a"], "children": []},
            {"id": "c", "parents": ["a"], "children": ["d"]},
            {"id": "d", "parents": ["b"], "children": []},
        ]
        instance = {"workflow": {"specification": {"tasks": tasks}}}
        self.assertEqual(check_run.read_parents(instance), check_run.read_parents(DEFINITION))

    def test_the_bound(self):
        parents = check_run.read_parents(DEFINITION)
        durations = check_run.read_durations(DEFINITION)
        self.assertEqual(check_run.lower_bound(parents, durations, 8), 7.0)
        self.assertEqual(check_run.lower_bound(parents, durations, 1), 8.0)

    def test_a_retry_before_success_is_fine(self):
        lines = whole()
        lines.insert(place(lines, "d", "running"), line(8, "d", "running", "td", 1))
        outcome(lines)

    def test_too_early_by_time_and_line(self):
        lines = whole()
        early = lines.pop(place(lines, "d", "queued"))
        early["time"] = line(4, None, "")["time"]
        lines.insert(place(lines, "c", "running") + 1, early)
        self.violated(lines, "step 'd' was queued, .* before 'c' had ended")

    def test_too_early_by_line_alone(self):
        lines = whole()
        early = lines.pop(place(lines, "d", "queued"))
        lines.insert(place(lines, "c", "succeeded"), early)
        self.violated(lines, "step 'd' was queued, .* before 'c' had ended")

    def test_time_that_goes_backwards(self):
        lines = whole()
        lines[-1]["time"] = line(8, None, "")["time"]
        self.violated(lines, "time goes backwards")

    def test_twice(self):
        lines = whole()
        lines.insert(-1, line(9, "b", "succeeded"))
        self.violated(lines, "step 'b' succeeded twice")

    def test_again_after_success(self):
        lines = whole()
        lines.insert(-1, line(9, "b", "running", "tb", 2))
        self.violated(lines, "step 'b' was running again")

    def test_never(self):
        lines = [record for record in whole() if record["step"] != "c"]
        self.violated(lines, "step 'c' never succeeded; it has no end")

    def test_failed(self):
        lines = whole()
        for record in lines:
            if record["step"] == "d" and record["to"] == "succeeded":
                record["to"] = "failed"
        self.violated(lines, "step 'd' never succeeded; .* it failed")

    def test_unknown(self):
        lines = whole()
        lines.insert(1, line(0, "x", "queued"))
        self.violated(lines, "step 'x' is not in the definition")

    def test_a_run_without_end(self):
        self.violated(whole()[:-1], "the run must end once, as succeeded: it has no end")

    def test_a_run_that_ends_too_early(self):
        lines = whole()
        end = lines.pop()
        lines.insert(place(lines, "d", "succeeded"), end)
        self.violated(lines, "the run ended, .* before step 'd' did")


if __name__ == "__main__":
    unittest.main()
