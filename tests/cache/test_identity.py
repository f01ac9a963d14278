"""Identities: what stands for a token, and says nothing about it."""

from hypothesis import given
from hypothesis import strategies as st

from consul_edge.cache.identity import REMEMBERED, Identities
from consul_edge.core.key import ANONYMOUS

TOKENS = st.text(max_size=40)


@given(TOKENS, TOKENS)
def test_tokens_differ_their_identities_do(one: str, other: str) -> None:
    """Promise 2: nobody is taken for another; and the same token is always the same."""
    identities = Identities()
    assert (identities.of(one) == identities.of(other)) == (one == other)


def test_nobody_brings_a_token_he_is_anonymous() -> None:
    """Consul's anonymous token has an identity of its own, which no token can have."""
    identities = Identities()
    assert identities.of("") == ANONYMOUS
    assert ANONYMOUS not in {identities.of(token) for token in ("anonymous", " ", "\0")}


def test_identity_does_not_show_the_token() -> None:
    """It is what stands in keys and snapshots."""
    token = "b1gs33cr3t-1234-5678"
    identity = Identities().of(token)
    assert not any(token[at : at + 4] in identity for at in range(len(token) - 3))


def test_two_processes_know_one_token_its_identities_differ() -> None:
    """Without the secret nobody can check a guess: not even whether two edges serve one client."""
    assert Identities().of("token") != Identities().of("token")


def test_secret_of_an_earlier_process_is_adopted_the_identities_are_those() -> None:
    """So that its snapshot's entries find their clients again."""
    before, after = Identities(), Identities()
    of_new = after.of("token")
    after.adopt(before.secret)
    assert after.of("token") == before.of("token") != of_new


def test_many_tokens_are_tried_what_is_remembered_is_bounded() -> None:
    """Promise 8, and forgetting changes nothing."""
    identities = Identities()
    first = identities.of("0")
    for number in range(1, REMEMBERED + 100):
        identities.of(str(number))
    assert len(identities._known) <= REMEMBERED
    assert identities.of("0") == first


def test_token_is_no_text_it_has_an_identity_nonetheless() -> None:
    """A header's bytes that are no UTF-8 come as surrogates."""
    assert len(Identities().of("\udcff")) == 32
