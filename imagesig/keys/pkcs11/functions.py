"""Makes a module's answers to what signing does not need harmless. Call everything here under the module's lock.

python-pkcs11 gives up at the first call that fails: a broken slot hides every token, and an attribute that a module
refuses hides every key. It has no way to replace a call. So its `lib` object gets a copy of the module's table of
functions (CK_FUNCTION_LIST) in which a few functions are those below. Calls that sign are the module's own.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

from imagesig.keys.pkcs11.codes import CODES, code_in, name_of_code

_ULONG, _POINTER = ctypes.c_ulong, ctypes.c_void_p
_UNAVAILABLE = _ULONG(-1).value
_WORD_BYTES = 8
_SIZE_OF_SLOT_INFO, _SIZE_OF_TOKEN_INFO, _TOKEN_FLAGS_AT = 108, 204, 96
_SERIAL, _READ_WRITE = 0x04, 0x02
_PRIVATE_KEY = 3
# TOKEN_INITIALIZED, LOGIN_REQUIRED and USER_PIN_INITIALIZED
_USUAL_FLAGS = 0x400 | 0x04 | 0x08
_OK, _TYPE_INVALID = CODES["OK"], CODES["ATTRIBUTE_TYPE_INVALID"]
_EXPECTED = frozenset({_OK, _TYPE_INVALID, CODES["ATTRIBUTE_SENSITIVE"]})
_NO_TOKEN = frozenset({CODES["TOKEN_NOT_PRESENT"], CODES["TOKEN_NOT_RECOGNIZED"]})
_LOST_NAMES = (
    "DEVICE_ERROR DEVICE_MEMORY DEVICE_REMOVED SESSION_CLOSED SESSION_HANDLE_INVALID OBJECT_HANDLE_INVALID "
    "KEY_HANDLE_INVALID TOKEN_NOT_PRESENT USER_NOT_LOGGED_IN CRYPTOKI_NOT_INITIALIZED"
)
_LOST = frozenset(CODES[name] for name in _LOST_NAMES.split())


class _Table(ctypes.Structure):
    """CK_FUNCTION_LIST of PKCS#11 2.x: a version and 68 functions."""

    _fields_ = (("version", ctypes.c_ubyte * 2), ("call", _POINTER * 68))


class _Attribute(ctypes.Structure):
    _fields_ = (("type", _ULONG), ("value", _POINTER), ("size", _ULONG))


class _Mechanism(ctypes.Structure):
    _fields_ = (("type", _ULONG), ("parameter", _POINTER), ("size", _ULONG))


class _InitializeArguments(ctypes.Structure):
    _fields_ = (("mutexes", _POINTER * 4), ("flags", _ULONG), ("reserved", _POINTER))


_OS_LOCKING_OK = 2
_ATTRIBUTES = ctypes.POINTER(_Attribute)
_HANDLE = ctypes.POINTER(_ULONG)

# The place in the table, and the arguments, of each function that is replaced here or called by us.
_FUNCTIONS: dict[str, tuple[int, tuple[Any, ...]]] = {
    "initialize": (0, (_POINTER,)),
    "slot_info": (5, (_ULONG, _POINTER)),
    "token_info": (6, (_ULONG, _POINTER)),
    "open_session": (12, (_ULONG, _ULONG, _POINTER, _POINTER, _HANDLE)),
    "close_session": (13, (_ULONG,)),
    "attribute_value": (24, (_ULONG, _ULONG, _ATTRIBUTES, _ULONG)),
    "find_init": (26, (_ULONG, _ATTRIBUTES, _ULONG)),
    "find": (27, (_ULONG, _HANDLE, _ULONG, _HANDLE)),
    "find_final": (28, (_ULONG,)),
    "sign_init": (42, (_ULONG, _POINTER, _ULONG)),
    "sign": (43, (_ULONG, ctypes.c_char_p, _ULONG, ctypes.c_char_p, _HANDLE)),
}
_REPLACED = frozenset(_FUNCTIONS) - {"close_session", "sign_init", "sign"}


class Functions:
    """The functions of one loaded module, and what they answered.

    `slots` says what is wrong with each slot of the last listing; `unknown` are the slots whose token cannot be read.
    With `tolerant`, also answers such as CKR_DEVICE_ERROR do not matter where signing does not need the call: the
    caller has already tried again with new sessions.
    """

    def __init__(self) -> None:
        self.slots: dict[int, str] = {}
        self.unknown: set[int] = set()
        self.tolerant = False
        self._interrupt: BaseException | None = None
        self._real: dict[str, Any] = {}
        self._newest_session: int | None = None
        self._no_search: set[int] = set()
        self._optional_search: set[int] = set()
        self._table: _Table | None = None
        self._replacements: list[Any] = []

    def replace_in(self, lib: Any) -> None:
        """Puts the replacements into a `lib` of python-pkcs11, unless its layout is not the known one."""
        place = _table_of(lib)
        if place is None:
            return
        table = self._table = _Table.from_buffer_copy(_Table.from_address(place.value or 0))
        for name, (index, arguments) in _FUNCTIONS.items():
            prototype = ctypes.CFUNCTYPE(_ULONG, *arguments)
            self._real[name] = prototype(table.call[index])
            if name in _REPLACED:
                replacement = prototype(self._shielded(getattr(self, f"_{name}")))
                self._replacements.append(replacement)
                table.call[index] = ctypes.cast(replacement, _POINTER).value
        # `lib` uses the table until the interpreter has ended: never free it.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self))
        place.value = ctypes.addressof(table)

    def close_session(self, handle: int) -> None:
        """Closes a session; the module's answer does not matter."""
        if "close_session" in self._real:
            self._real["close_session"](handle)

    def close_newest_session(self) -> None:
        """Closes the session opened last. After a refused login python-pkcs11 loses its handle."""
        newest, self._newest_session = self._newest_session, None
        if newest is not None:
            self.close_session(newest)

    def sign_exactly(self, key: Any, mechanism: int, data: bytes, size: int) -> bytes | None:
        """A signature into a buffer of exactly `size` bytes, without asking the module for the size first."""
        if not self._real:
            return None
        session, wanted = key.session.handle, _Mechanism(mechanism)
        signature, length = ctypes.create_string_buffer(size), _ULONG(size)
        code = self._real["sign_init"](session, ctypes.addressof(wanted), key.handle)
        # An active operation is that of this key, whose signature the module refused to put into a larger buffer.
        if code not in (_OK, CODES["OPERATION_ACTIVE"]):
            return None
        code = self._real["sign"](session, data, len(data), signature, ctypes.byref(length))
        return signature.raw if code == _OK and length.value == size else None

    def raise_interrupt(self) -> None:
        """Raises what interrupted a function below, such as KeyboardInterrupt: it cannot pass through C code."""
        interrupt, self._interrupt = self._interrupt, None
        if interrupt is not None:
            raise interrupt

    def note(self, slot: int, function: str, code: int) -> None:
        self.slots[slot] = f"{function} answers {name_of_code(code)}"

    def _shielded(self, function: Callable[..., int]) -> Callable[..., int]:
        def call(*arguments: Any) -> int:
            try:
                return function(*arguments)
            except BaseException as error:  # noqa: BLE001 - raised again by `raise_interrupt`
                self._interrupt = error
                return CODES["GENERAL_ERROR"]

        return call

    # --- the replacements ----------------------------------------------------------------------------------------

    def _initialize(self, arguments: int | None) -> int:
        """Initialises a module that refuses to be initialised without arguments: its arguments allow locking."""
        code: int = self._real["initialize"](arguments)
        if code == CODES["ARGUMENTS_BAD"] and arguments is None:
            with_locks = _InitializeArguments(flags=_OS_LOCKING_OK)
            code = self._real["initialize"](ctypes.addressof(with_locks))
        return code

    def _slot_info(self, slot: int, info: int) -> int:
        """A slot that cannot be described has no description."""
        if code := self._real["slot_info"](slot, info):
            self.note(slot, "C_GetSlotInfo", code)
            ctypes.memset(info, 0, _SIZE_OF_SLOT_INFO)
        return _OK

    def _token_info(self, slot: int, info: int) -> int:
        """A token that cannot be described has no label, and the usual flags."""
        code: int = self._real["token_info"](slot, info)
        self.unknown.discard(slot)
        if code in _NO_TOKEN and not self.tolerant:
            return code
        if code:
            self.note(slot, "C_GetTokenInfo", code)
            self.unknown.add(slot)
            ctypes.memset(info, 0, _SIZE_OF_TOKEN_INFO)
            _ULONG.from_address(info + _TOKEN_FLAGS_AT).value = _USUAL_FLAGS
        return _OK

    def _open_session(self, slot: int, flags: int, application: int, notify: int, handle: Any) -> int:
        """A token that knows no read-only sessions gets one that may write."""
        code: int = self._real["open_session"](slot, flags, application, notify, handle)
        if code == CODES["SESSION_READ_ONLY"] and flags == _SERIAL:
            code = self._real["open_session"](slot, flags | _READ_WRITE, application, notify, handle)
        self._newest_session = None if code else handle[0]
        return code

    def _attribute_value(self, session: int, item: int, attributes: Any, count: int) -> int:
        """An attribute that the module refuses for any reason is one that the object does not have."""
        sizes = [attributes[place].size for place in range(count)]
        code: int = self._real["attribute_value"](session, item, attributes, count)
        if code in _EXPECTED or self._matters(code):
            return code
        missing = False
        for place, size in enumerate(sizes):
            # The module may have replaced it by -1, for which it could write past the end of the buffer.
            attributes[place].size = size
            if count == 1 or self._real["attribute_value"](session, item, ctypes.byref(attributes[place]), 1):
                attributes[place].size, missing = _UNAVAILABLE, True
        return _TYPE_INVALID if missing else _OK

    def _find_init(self, session: int, template: Any, count: int) -> int:
        classes = [attribute.value for attribute in template[:count] if attribute.type == 0]
        # Private keys can also be searched by class alone.
        optional = count > 1 or any(_ULONG.from_address(place).value != _PRIVATE_KEY for place in classes)
        (self._optional_search.add if optional else self._optional_search.discard)(session)
        code: int = self._real["find_init"](session, template, count)
        if code == CODES["OPERATION_ACTIVE"]:  # the module did not end the search before
            self._real["find_final"](session)
            code = self._real["find_init"](session, template, count)
        if code:  # python-pkcs11 ends it nevertheless
            self._no_search.add(session)
        return self._code_of_search(session, code)

    def _find(self, session: int, found: Any, most: int, count: Any) -> int:
        return self._code_of_search(session, self._real["find"](session, found, most, count))

    def _find_final(self, session: int) -> int:
        """The results are there: how the search ends does not matter."""
        if session in self._no_search:
            self._no_search.discard(session)
        else:
            self._real["find_final"](session)
        return _OK

    def _code_of_search(self, session: int, code: int) -> int:
        harmless = code and session in self._optional_search and not self._matters(code)
        return CODES["FUNCTION_FAILED"] if harmless else code

    def _matters(self, code: int) -> bool:
        return code in _LOST and not self.tolerant


def _table_of(lib: Any) -> ctypes.c_void_p | None:
    """The word of the object that points to the table of functions; None if its layout is not the known one.

    python-pkcs11 declares three pointers there; a `lib` whose `__init__` did not run has only the first.
    """
    import pkcs11._pkcs11

    if ctypes.sizeof(_ULONG) != _WORD_BYTES or ctypes.sizeof(_POINTER) != _WORD_BYTES:
        return None  # the sizes of structures above are those of 64 bits
    library: Any = pkcs11._pkcs11
    if library.HasFuncList.__basicsize__ - object.__basicsize__ != 3 * ctypes.sizeof(_POINTER):
        return None
    first, *others = (_POINTER * 3).from_address(id(lib) + object.__basicsize__)
    if not first or any(others):
        return None
    return _POINTER.from_address(id(lib) + object.__basicsize__)


def initialize(lib: Any) -> None:
    """Initialises the module, unless other code in this process, or the parent process, did: it also finalizes it."""
    import pkcs11.exceptions

    try:
        lib.initialize()
    except pkcs11.exceptions.PKCS11Error as error:
        if code_in(error) != "CKR_CRYPTOKI_ALREADY_INITIALIZED":
            raise
