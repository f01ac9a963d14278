"""
The situations in which a cache of Consul's answers goes wrong, each of them a named test.

Where both can show it, one test runs over the stand-in and over a real Consul.  The numbers are
those of CONSUL.md D.8, as in the tests' docstrings; "section 0" there means what was measured
on a real Consul 1.8.7.

    1-4, 8      test_indexes
    5, 6        test_blocking
    7           test_sharing (stand-in), test_rights (real)
    9, 25       test_writes
    13, 22, 23  test_controls
    15          test_liveness, test_outage
    19-21, 24   test_blocking; 20 also in test_cost
    26, 27      test_controls
    28          test_liveness
    29          test_locks

and those that other tests show:

    10          Redis joins later
    11          tests/core/test_failover, tests/upstream/test_pressure (429 elsewhere)
    12          tests/core/test_failover, tests/upstream/test_reads, tests/e2e/test_client_errors
    14          tests/differential (HEAD and OPTIONS of every part)
    16, 17      tests/e2e/test_memory; 17 also tests/e2e/test_lifecycle
    18          tests/e2e/test_py_consul, tests/upstream/test_writes (chunked)
    30          tests/e2e/test_lifecycle
"""
