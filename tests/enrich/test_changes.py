import json
from collections.abc import Mapping

from hypothesis import given
from msgspec.structs import replace

from consul_edge.enrich.changes import (
    Changes,
    Delta,
    Key,
    R,
    changes,
    node_key,
    render_changes,
    service_key,
)
from consul_edge.enrich.rows import NodeRow, ServiceRow
from consul_edge.enrich.snapshot import Snapshot
from consul_edge.enrich.table import Table
from consul_edge.enrich.view import View
from tests.enrich.pictures import (
    FAILURE,
    Scene,
    Step,
    drawn_steps,
    instance,
    member,
    node,
    own,
    sharing,
    shot,
    sites,
)


def services_of(view: View) -> dict[Key, ServiceRow]:
    return {service_key(row): row for row in view.services.rows}


def nodes_of(view: View) -> dict[Key, NodeRow]:
    return {node_key(row): row for row in view.nodes.rows}


def applied(rows: Mapping[Key, R], delta: Delta[R], key_of: object) -> dict[Key, R]:
    """Do what a reader does."""
    assert callable(key_of)
    kept = {key: row for key, row in rows.items() if key not in delta.removed}
    return kept | {key_of(row): row for row in delta.changed}


def between(before: Snapshot, after: Snapshot) -> tuple[View, View]:
    """Make the views of two snapshots, one of the other."""
    scene = Scene()
    first = scene.view(None, before)
    return first, scene.view(first, sharing(before, after))


@given(drawn_steps)
def test_changes_applied_to_what_was_give_what_is(
    steps: list[Step],
) -> None:
    """A reader who takes each change has what it would load, and is told no row in vain."""
    scene = Scene()
    view = scene.view(None, *steps[0][:3])
    for snapshot, places, rules, _ in steps[1:]:
        before, view = view, scene.view(view, sharing(view.snapshot, snapshot), places, rules)
        found = changes(before, view)

        assert applied(services_of(before), found.services, service_key) == services_of(view)
        assert applied(nodes_of(before), found.nodes, node_key) == nodes_of(view)
        assert not any(
            services_of(before).get(service_key(row)) == row for row in found.services.changed
        )
        assert set(found.nodes.removed) <= nodes_of(before).keys()


@given(drawn_steps)
def test_views_that_were_not_made_of_each_other_are_compared_by_value(
    steps: list[Step],
) -> None:
    """A scene that was made anew goes on where the last one ended."""
    one = Scene().view(None, *steps[0][:3])
    other = Scene().view(None, *steps[-1][:3])

    found = changes(one, other)

    assert applied(services_of(one), found.services, service_key) == services_of(other)
    if len(steps) == 1:
        assert found == Changes(index=other.index)


def test_only_the_instance_that_changed_is_told() -> None:
    """Its neighbours of the same name, which were read again with it, are not."""
    before, after = between(
        shot(instance("web", id="a"), instance("web", id="b")),
        shot(instance("web", id="a"), instance("web", None, own("warning"), id="b")),
    )

    found = changes(before, after)

    assert [row.id for row in found.services.changed] == ["b"]
    assert found.services.removed == ()
    assert [row.checks.warning for row in found.nodes.changed] == [1]


def test_same_id_on_another_node_is_another_instance() -> None:
    """Ids are unique on their node only."""
    before, after = between(
        shot(instance("web", node("n1")), instance("web", node("n2"))),
        shot(instance("web", node("n2")), nodes=[node("n1")]),
    )

    found = changes(before, after).services

    assert (found.changed, found.removed) == ((), (("dc1", "n1", "web"),))


def test_vacant_sites_of_one_name_are_told_apart() -> None:
    """They are rows without a node; the address is what they have of their own."""
    scene = Scene()
    before = scene.view(None, shot(), sites(("Rio", "10.0.0.1"), ("Rio", "10.0.0.2")))

    after = scene.view(before, shot(), sites(("Rio", "10.0.0.2")))

    assert changes(before, after).nodes == Delta(removed=(("", "Rio", "10.0.0.1"),))


def test_service_renamed_under_one_id_is_a_change() -> None:
    """Registered anew under another name, it is still where it was."""
    before, after = between(shot(instance("web", id="x")), shot(instance("api", id="x")))

    found = changes(before, after).services

    assert [row.service for row in found.changed] == ["api"]
    assert found.removed == ()


def test_renamed_service_that_was_under_both_names_stays_under_the_new_one() -> None:
    """Names are watched apart, so the old one may be dropped after the new one came."""
    scene = Scene()
    first, both, last = (
        shot(instance("web", id="x")),
        shot(instance("api", id="x"), instance("web", id="x")),
        shot(instance("api", id="x")),
    )
    before = scene.view(None, first)
    between_them = scene.view(before, sharing(first, both))
    after = scene.view(between_them, sharing(both, last))
    known = applied(services_of(before), changes(before, between_them).services, service_key)

    known = applied(known, changes(between_them, after).services, service_key)

    assert known == services_of(after)


def test_more_rows_than_the_limit_are_too_much() -> None:
    """A reader that would have to take most of the table loads it instead."""
    before, after = between(
        shot(nodes=[node("n1")]),
        shot(*(instance("web", id=f"w{number}") for number in range(3))),
    )

    assert changes(before, after, limit=3) == Changes(index=after.index, is_too_much=True)
    assert not changes(before, after, limit=4).is_too_much


def test_views_of_the_same_rows_differ_in_nothing() -> None:
    """An index may be another one for the sites or the rules alone."""
    before, after = between(shot(instance()), replace(shot(instance()), problems=(FAILURE,)))

    assert changes(before, after) == Changes(index=after.index)


def test_parts_that_views_share_are_not_looked_at() -> None:
    """Equal parts are found by identity: their rows may be many."""

    class Unseen(tuple[ServiceRow, ...]):
        __slots__ = ()

        def __iter__(self) -> object:  # type: ignore[override] # it is the point
            raise AssertionError("looked at")

    before, after = between(
        shot(instance("web"), instance("db")), shot(instance("web", port=1), instance("db"))
    )
    rows = Unseen(before.workings.parts["db"].rows)
    views = [
        replace(
            view,
            workings=replace(
                view.workings,
                parts={
                    **view.workings.parts,
                    "db": replace(view.workings.parts["db"], rows=rows),
                },
            ),
        )
        for view in (before, after)
    ]

    assert [row.service for row in changes(*views).services.changed] == ["web"]


def test_rendered_changes_have_rows_and_all_indexes() -> None:
    """A page takes the rows, and loads again what moved besides."""
    before, after = between(
        shot(instance("web", id="a/ç d@e"), members=[member("n1")]),
        shot(members=[member("n1", 4)], problems=(FAILURE,)),
    )

    told = json.loads(render_changes(before, after))

    assert told["services"]["removed"] == [["dc1", "n1", "a/ç d@e"]]
    assert told["services"]["problems"] == [str(FAILURE)]
    assert [(row["name"], row["status"]) for row in told["nodes"]["changed"]] == [("n1", "dead")]
    assert {name: told[name] for name in told if name.endswith("index")} == {
        "index": 2,
        "services_index": 2,
        "nodes_index": 2,
        "sites_index": 1,
        "rules_index": 1,
    }


def test_rendered_changes_that_are_too_much_say_so_in_short() -> None:
    """The line is never longer than the limit allows."""
    before, after = between(shot(), shot(*(instance(id=f"w{at}") for at in range(9))))

    told = json.loads(render_changes(before, after, limit=3))

    assert told["is_too_much"] is True
    assert told["services"] == told["nodes"] == {"changed": [], "removed": []}


def test_rows_in_a_table_of_its_own_are_the_same_rows() -> None:
    """Who keeps views may drop what their tables worked out."""
    before, after = between(shot(instance()), shot(instance()))
    bare = replace(after, services=Table(after.services.rows, after.services.schema))

    assert changes(before, bare) == Changes(index=after.index)
