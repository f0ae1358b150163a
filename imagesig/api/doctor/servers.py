"""The steps of `diagnose` for any server: its proxy, its TLS certificates and its clock."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime

from msgspec.structs import replace

from imagesig.api.doctor.diagnosis import Diagnosis, State, Steps, failed
from imagesig.crypto.certificate import Certificate
from imagesig.errors import ImagesigError, MalformedError
from imagesig.external import external_call
from imagesig.http.handshake import Authorities, Handshake, any_certificate, handshake, server_time
from imagesig.http.proxies import Proxies, Proxy, ProxyDecision, unused_entries
from imagesig.keys.endpoint import Endpoint
from imagesig.text import quote
from imagesig.url import parse_url

_CLOCK_SECONDS = 60
_DATES = ("expired", "not yet valid")
_OPTIONS = {
    "": "--registry-ca FILE, or ca_file=",
    "Vault ": "VAULT_CACERT=FILE, or ?ca=FILE",
    "KMS ": "AWS_CA_BUNDLE=FILE",
    "trust ": "--notary-ca FILE, or docker's tls/HOST:PORT/ca.crt",
}
"""What names the authorities, by the beginning of the steps' names."""
_OTHER_OPTION = "the setting of the key store for certificate authorities"
_SHOWN_CERTIFICATES = 5
_SHOWN_NAMES = 10


def proxy(area: str, url: str, decide: Callable[[], ProxyDecision], environ: Mapping[str, str]) -> Iterator[Diagnosis]:
    """Which proxy a request to this URL goes through, and why; then the settings that have no effect."""
    decision = decide()
    if decision.proxy is None:
        yield Diagnosis(area, State.OK, f"none: {decision.reason}")
    else:
        host = parse_url(url).host
        hint = f"if {host} is to be reached without a proxy, add {host} to NO_PROXY"
        if "NO_PROXY" not in decision.reason:
            hint = f"if {host} is to be reached without a proxy, unset {decision.reason.partition(' ')[0]}"
        yield Diagnosis(area, State.OK, f"{decision.proxy}: {decision.reason}", hint)
    scheme = parse_url(url).scheme
    other = "http" if scheme == "https" else "https"
    for name in (f"{scheme}_proxy", f"{other}_proxy", "all_proxy", "no_proxy"):
        upper, lower = environ.get(name.upper(), ""), environ.get(name, "")
        if upper and lower and upper != lower:
            yield _ignored(area, name, f"{name.upper()} is set to another value, which is used", f"unset {name}")
    for name in ("ALL_PROXY", "all_proxy"):
        if environ.get(name):
            yield _ignored(area, name, "it is not read", "set HTTPS_PROXY and HTTP_PROXY")
    variables = (f"{scheme}_proxy", f"{other}_proxy")
    here, there = (environ.get(name.upper()) or environ.get(name) for name in variables)
    if there and not here:
        used = f"it is for {other}:// addresses, and this is {scheme}://"
        yield _ignored(area, variables[1].upper(), used, f"if {scheme}:// needs a proxy, set {variables[0].upper()}")
    for entry in unused_entries(environ.get("NO_PROXY") or environ.get("no_proxy") or ""):
        hint = "separate entries by commas; each is a host, .domain, host:port, an address or a CIDR block"
        yield Diagnosis(area, State.NOTE, f"{quote(entry)} in NO_PROXY names no host", hint)


def _ignored(area: str, variable: str, why: str, hint: str) -> Diagnosis:
    return Diagnosis(area, State.NOTE, f"{variable} has no effect here: {why}", hint)


def endpoint(found: Endpoint, environ: Mapping[str, str]) -> Iterator[Diagnosis]:
    """The steps for the server of a key service."""
    prefix, url, steps = f"{found.name} ", parse_url(found.url), Steps()
    proxies = found.proxies or Proxies.from_environment(environ)

    def encrypted() -> Iterator[Diagnosis]:
        if found.context is None:
            yield Diagnosis(f"{prefix}TLS", State.OK if url.is_loopback else State.NOTE, "not used")
        elif found.server_name:
            yield Diagnosis(
                f"{prefix}TLS", State.NOTE, f"not tried: {found.server_name} is the name in its certificate"
            )
        else:
            usual = Authorities.of(None, environ)
            named_by, place = found.authorities if found.authorities[0] else (usual.named_by, usual.place)
            authorities = Authorities(named_by, place, found.context)
            yield from tls(prefix, found.url, proxies.decide(url), authorities)

    def timed() -> Iterator[Diagnosis]:
        yield clock(f"{prefix}clock", found.name, server_time(url, proxies.find(url), found.context))

    yield from steps.run(
        f"{prefix}proxy", lambda: proxy(f"{prefix}proxy", found.url, lambda: proxies.decide(url), environ), needed=True
    )
    yield from steps.run(f"{prefix}TLS", encrypted, needed=True)
    if not found.server_name:
        yield from steps.run(f"{prefix}clock", timed)


def tls(prefix: str, url: str, decision: ProxyDecision, authorities: Authorities) -> Iterator[Diagnosis]:
    """Whether the server's certificates are trusted, by which authorities, and what the server sends.

    `prefix` begins the names of the steps.
    """
    area, trusted = f"{prefix}TLS", f"the authorities in {authorities.place} ({authorities.named_by})"
    try:
        seen = handshake(parse_url(url), decision.proxy, authorities)
    except ImagesigError as error:
        yield _unconnected(prefix, error, decision)
        return
    certificates = [_certificate(der) for der in seen.certificates[:_SHOWN_CERTIFICATES]]
    if authorities.is_anybody:
        yield Diagnosis(area, State.NOTE, f"{seen.version}, every certificate is accepted", "unset VAULT_SKIP_VERIFY")
    elif seen.fault is None and authorities.problem:
        detail = f"{seen.version}, trusted, but {authorities.place} ({authorities.named_by}) {authorities.problem}"
        yield Diagnosis(area, State.NOTE, detail, f"correct or unset {authorities.named_by}")
    elif seen.fault is None:
        yield Diagnosis(area, State.OK, f"{seen.version}, trusted by {trusted}")
    elif authorities.problem:
        detail = f"{seen.fault}; {authorities.place} ({authorities.named_by}) {authorities.problem}"
        hint = "name a PEM file with the authorities: --registry-ca FILE, or SSL_CERT_FILE"
        yield Diagnosis(area, State.FAILED, detail, hint)
    else:
        hint = _hint(seen, [item for item in certificates if isinstance(item, Certificate)], decision.proxy, prefix)
        yield Diagnosis(area, State.FAILED, f"{seen.fault}; imagesig trusts {trusted}", hint)
    for number, item in enumerate(certificates, 1):
        place = f"{number} of {len(seen.certificates)}"
        if isinstance(item, ImagesigError):
            yield Diagnosis(f"{prefix}certificate", State.NOTE, f"{place}: {item}")
        else:
            yield _described(f"{prefix}certificate", place, item, datetime.now(UTC))
    if seen.fault is not None and any(word in str(seen.fault) for word in _DATES):
        whose = "the server, whose certificate is not trusted"
        yield clock(f"{prefix}clock", whose, server_time(parse_url(url), decision.proxy, any_certificate()))


def _unconnected(prefix: str, error: ImagesigError, decision: ProxyDecision) -> Diagnosis:
    """The result if there is no TLS: without a connection, it is about the connection."""
    step = failed(prefix + ("TLS" if isinstance(error.__cause__, ssl.SSLError) else "connection"), error)
    if prefix and "--plain-http" in step.hint:
        step = replace(step, hint=f"if it speaks HTTP without TLS, write http:// in the address of {prefix.strip()}")
    if decision.proxy is None:
        return step
    hint = f"{step.hint}; {decision.reason}: correct it, or add the host to NO_PROXY".removeprefix("; ")
    return replace(step, hint=hint)


def _certificate(der: bytes) -> Certificate | ImagesigError:
    try:
        return Certificate.from_der(der)
    except ImagesigError as error:
        return error


def _described(area: str, place: str, certificate: Certificate, now: datetime) -> Diagnosis:
    try:
        names = _names(certificate)
    except MalformedError as error:
        names = (str(error),)
    shown = ", ".join(map(quote, names[:_SHOWN_NAMES])) + (", …" if len(names) > _SHOWN_NAMES else "")
    until = f"valid from {certificate.not_before:%Y-%m-%d %H:%M} to {certificate.not_after:%Y-%m-%d %H:%M} UTC"
    issuer = "itself" if certificate.subject_der == certificate.issuer_der else quote(certificate.issuer)
    detail = f"{place}: {certificate.label}, issued by {issuer}, {until}{', for ' if shown else ''}{shown}"
    hint = "renew the server's certificate, or correct this machine's clock"
    if certificate.not_before <= now <= certificate.not_after:
        return Diagnosis(area, State.OK, detail)
    when = "is not valid yet" if now < certificate.not_before else "has expired"
    return Diagnosis(area, State.FAILED, f"{detail}: it {when}; it is {now:%Y-%m-%d %H:%M} UTC here", hint)


def _names(certificate: Certificate) -> tuple[str, ...]:
    """The host names and addresses of a certificate."""
    from cryptography import x509

    found = certificate.extension(x509.SubjectAlternativeName)
    if found is None:
        return ()
    with external_call(certificate.label, lambda _: MalformedError("its names cannot be read")):
        return tuple(str(name.value) for name in found.value)


def _hint(seen: Handshake, certificates: list[Certificate], through: Proxy | None, prefix: str) -> str:
    """What to do about certificates that are not trusted."""
    assert seen.fault is not None
    if "--registry-ca" not in seen.fault.hint or not certificates:
        return seen.fault.hint
    last = certificates[-1]
    is_root = last.subject_der == last.issuer_der
    wanted = last.label if is_root else quote(last.issuer)
    maker = f" (the proxy {through} may have made it)" if through else ""
    sends = ", or let the server send its whole chain" if len(certificates) == 1 and not is_root else ""
    return f"name a PEM file with the certificate of {wanted}{maker}: {_OPTIONS.get(prefix, _OTHER_OPTION)}{sends}"


def clock(area: str, whose: str, time: datetime | None) -> Diagnosis:
    """How far this machine's clock is from a server's."""
    if time is None:
        return Diagnosis(area, State.NOTE, f"{whose} sends no time")
    seconds = (datetime.now(UTC) - time).total_seconds()
    if abs(seconds) <= _CLOCK_SECONDS:
        return Diagnosis(area, State.OK, f"agrees with the clock of {whose}")
    direction = "ahead of" if seconds > 0 else "behind"
    return Diagnosis(
        area,
        State.FAILED,
        f"{abs(seconds):.0f} s {direction} the clock of {whose}: valid tokens and certificates may be refused",
        "set the clock, for example with chrony or systemd-timesyncd",
    )
