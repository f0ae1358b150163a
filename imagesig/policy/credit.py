"""Who is credited with which signer, where one signer fits several authorities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import TypeVar

_Signer = TypeVar("_Signer")


def credit(fitting: Mapping[str, Sequence[_Signer]]) -> dict[str, _Signer]:
    """Authorities with one signer each, no signer for two of them, and as many authorities as that allows.

    `fitting` has, by authority, the signers whose signatures count for it. This is a largest matching in a bipartite
    graph, found by augmenting paths: an authority whose signers are taken gets one if its holder finds another.
    """
    # With as many signers as there are authorities one is always left, so further ones change nothing: whoever stores
    # signatures by a thousand keys does not make this slow.
    most = len(fitting)
    if most == 1:
        return {authority: signers[0] for authority, signers in fitting.items() if signers}
    choices = {authority: tuple(islice(dict.fromkeys(signers), most)) for authority, signers in fitting.items()}
    held: dict[str, _Signer] = {}
    holders: dict[_Signer, str] = {}
    for authority in choices:
        asked_by: dict[_Signer, str] = {}
        free = _find_free(authority, choices, holders, asked_by)
        while free is not None:
            taker = asked_by[free]
            handed_on = held.get(taker)
            held[taker], holders[free] = free, taker
            free = handed_on
    return held


def _find_free(
    authority: str,
    choices: Mapping[str, Sequence[_Signer]],
    holders: Mapping[_Signer, str],
    asked_by: dict[_Signer, str],
) -> _Signer | None:
    """A signer that nobody holds, for the authority or for a holder who would hand its own on; notes who asked."""
    asking = [authority]
    for one in asking:
        for signer in choices[one]:
            if signer in asked_by:
                continue
            asked_by[signer] = one
            if signer not in holders:
                return signer
            asking.append(holders[signer])
    return None
