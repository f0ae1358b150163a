"""Resolves a PKCS#11 URI, with the environment, to a module, a token and a source of the PIN."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from imagesig.errors import InvalidArgument
from imagesig.keys.pkcs11.provider import Pkcs11Provider
from imagesig.keys.pkcs11.uri import Pkcs11Uri, parse_pkcs11_uri
from imagesig.keys.secrets import first_of, from_file
from imagesig.keys.uri import KeySettings
from imagesig.reading import check_file, is_file

_VARIABLES = ("IMAGESIG_PKCS11_MODULE", "COSIGN_PKCS11_MODULE_PATH")
_SOFTHSM = "SOFTHSM2_CONF"
_PROXY_MODULES = (
    "/usr/lib/x86_64-linux-gnu/p11-kit-proxy.so",
    "/usr/lib/aarch64-linux-gnu/p11-kit-proxy.so",
    "/usr/lib64/p11-kit-proxy.so",
    "/usr/lib/p11-kit-proxy.so",
)


def provider_from_uri(uri: str, settings: KeySettings) -> tuple[Pkcs11Provider, str]:
    """The provider, and the URI as the key's name; empty if the URI names only a token. See `ProviderFactory`.

    The module is the URI's `module-path`, else IMAGESIG_PKCS11_MODULE or COSIGN_PKCS11_MODULE_PATH, else p11-kit's
    proxy. The PIN comes from the URI's `pin-source`, else from `settings.secrets`.
    """
    parsed = parse_pkcs11_uri(uri)
    if parsed.pin_value:
        raise InvalidArgument(
            f"key URI {parsed}: every user of this machine can see a PIN in a URI",
            hint="use ?pin-source=file:/PATH, --passphrase-file or IMAGESIG_PKCS11_PIN",
        )
    pin_file = from_file(_pin_file(parsed), "pin-source") if parsed.pin_source else None
    secrets = settings.secrets if pin_file is None else first_of(pin_file, settings.secrets)
    module, named_by = _module_path(parsed, settings)
    check_file(module, f"{named_by}: PKCS#11 module")
    _check_configuration(module, settings.environ)
    provider = Pkcs11Provider(
        module,
        token=parsed.token,
        serial=parsed.serial,
        slot_id=parsed.slot_id,
        manufacturer=parsed.manufacturer,
        model=parsed.model,
        slot_description=parsed.slot_description,
        slot_manufacturer=parsed.slot_manufacturer,
        public_key=settings.expected,
        secrets=secrets,
    )
    return provider, str(parsed) if parsed.object or parsed.id else ""


def _check_configuration(module: Path, environ: Mapping[str, str]) -> None:
    """Checks SoftHSM's configuration file first, because a pipe would block SoftHSM for ever."""
    named = environ.get(_SOFTHSM)
    if named and "softhsm" in module.name:
        check_file(named, _SOFTHSM)


def _module_path(parsed: Pkcs11Uri, settings: KeySettings) -> tuple[Path, str]:
    """The module, and the option or variable with its path."""
    environ = settings.environ
    if parsed.module_name:
        raise InvalidArgument(
            f"key URI {parsed}: module-name is not supported", hint="give the path: module-path=/PATH"
        )
    if parsed.module_path:
        return Path(parsed.module_path), "module-path"
    for variable in _VARIABLES:
        if environ.get(variable):
            return Path(environ[variable]), variable
    for proxy in _PROXY_MODULES:
        if is_file(proxy):
            return Path(proxy), "p11-kit"
    raise InvalidArgument(
        f"key URI {parsed}: no PKCS#11 module configured",
        hint="set IMAGESIG_PKCS11_MODULE, or write ?module-path=/PATH/TO.so",
    )


def _pin_file(parsed: Pkcs11Uri) -> Path:
    source = parsed.pin_source
    path = Path(source.removeprefix("file:").removeprefix("//"))
    if source.startswith("|") or not path.is_absolute():
        raise InvalidArgument(f"key URI {parsed}: pin-source must be file:/ABSOLUTE/PATH")
    return path
