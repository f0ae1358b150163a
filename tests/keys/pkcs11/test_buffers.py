"""What a module writes stays inside the buffers that it was given, whatever it answered before."""

from __future__ import annotations

import ctypes
from typing import Any

import pytest

from imagesig.keys.pkcs11.codes import CODES
from imagesig.keys.pkcs11.functions import Functions, _Attribute

UNAVAILABLE = ctypes.c_ulong(-1).value


@pytest.mark.parametrize("answer", ["BUFFER_TOO_SMALL", "FUNCTION_FAILED", "GENERAL_ERROR"])
def test_attributes_that_are_asked_again_have_the_sizes_of_their_buffers(answer: str) -> None:
    """PKCS#11 writes -1 as the size of what it does not give: asked again with it, a module may write any length."""
    asked: list[tuple[int, ...]] = []

    def module(_session: int, _object: int, attributes: Any, count: int) -> int:
        listed = ctypes.cast(attributes, ctypes.POINTER(_Attribute))
        asked.append(tuple(listed[place].size for place in range(count)))
        for place in range(count):
            listed[place].size = UNAVAILABLE
        return CODES[answer]

    functions = Functions()
    functions._real["attribute_value"] = module
    buffers = [ctypes.create_string_buffer(size) for size in (4, 8, 16)]
    attributes = (_Attribute * 3)(
        *(_Attribute(kind, ctypes.addressof(buffer), len(buffer)) for kind, buffer in enumerate(buffers))
    )
    code = functions._attribute_value(1, 2, ctypes.cast(attributes, ctypes.POINTER(_Attribute)), 3)
    assert code == CODES["ATTRIBUTE_TYPE_INVALID"]
    assert asked == [(4, 8, 16), (4,), (8,), (16,)]
    assert [attribute.size for attribute in attributes] == [UNAVAILABLE] * 3
