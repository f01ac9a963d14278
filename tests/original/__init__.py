"""
What was wrong with the original, each of its sixteen defects a named test that it would fail.

The numbers are those of SKILLS_EYE.md section 7; so are the words in the tests' docstrings of what
the original did.  All of it is asked of a running edge through HTTP, over the stand-in for faults
on demand and over a real Consul where that can get into the situation.

    1-4         test_failures; on a real cluster with a frozen leader: test_on_consul
    5-7, 11     test_freshness
    8-10, 12    test_listings
    13          test_start
    14, 15      test_shapes
    16          test_defaults

Beside them: test_categories has the original's and the seed's acceptance lists, test_odd_data what
people really register, test_parameters what no route takes, test_rights who sees what on a Consul
with ACLs.

Shown elsewhere, and not again here: that a cold answer with a hanging leader takes less than 3 s,
that a change of members shows within 1 s and a rule's edit within 1 s are told by a clock that
does not depend on the machine, in tests/enrich/test_views and tests/enrich/test_gathering; the
original's table of surprises is decided row by row, with the reasons, in
tests/enrich/test_default_rules. How many rules times rows a millisecond are
decided is measured, not tested: ``make bench ARGS=categorize``.
"""
