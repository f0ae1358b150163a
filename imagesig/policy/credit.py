"""Which authority is credited with which signer, if one signer fits several authorities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import TypeVar

_Signer = TypeVar("_Signer")


def credit(fitting: Mapping[str, Sequence[_Signer]]) -> dict[str, _Signer]:
    """As many authorities as possible with one signer each; no signer belongs to two of them.

    `fitting` has, by authority, the signers whose signatures fit it. This is a largest matching in a bipartite graph,
    found by augmenting paths: an authority whose signers are all assigned gets one if its owner can use another one.
    """
    # An authority with as many signers as there are authorities always gets one. Further signers change nothing, and
    # are left out: signatures by a thousand keys do not make this slow.
    most = len(fitting)
    if most == 1:
        return {authority: signers[0] for authority, signers in fitting.items() if signers}
    choices = {authority: tuple(islice(dict.fromkeys(signers), most)) for authority, signers in fitting.items()}
    signer_of: dict[str, _Signer] = {}
    owner_of: dict[_Signer, str] = {}
    for authority in choices:
        asked_by: dict[_Signer, str] = {}
        free = _find_free(authority, choices, owner_of, asked_by)
        while free is not None:
            taker = asked_by[free]
            released = signer_of.get(taker)
            signer_of[taker], owner_of[free] = free, taker
            free = released
    return signer_of


def _find_free(
    authority: str,
    choices: Mapping[str, Sequence[_Signer]],
    owner_of: Mapping[_Signer, str],
    asked_by: dict[_Signer, str],
) -> _Signer | None:
    """A free signer for the authority, or for an owner that would then release its own; notes who asked for each."""
    asking = [authority]
    for one in asking:
        for signer in choices[one]:
            if signer in asked_by:
                continue
            asked_by[signer] = one
            if signer not in owner_of:
                return signer
            asking.append(owner_of[signer])
    return None
