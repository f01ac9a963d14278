"""
Speed, as ratios of one run (``make bench``): figures to look at, never a test that can fail.

Rule 1: the server under test has a core of its own; its upstream and the load share another.
Rule 2: contenders take turns, round by round, so that a slow minute of the machine is everyone's;
what is compared is compared within a round, and the median of the rounds is told.
Rule 3: a scenario is one module in ``scenarios`` with a name, a title and ``run(plan)``.
"""
