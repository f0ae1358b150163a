"""Debian packages for the tests: installed from the machine's own suite, or unpacked from another without installing.

The machine's own apt sources say where packages come from; no archive is named here.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.peers.workshop import InstallFailed, Workshop

Source = tuple[str, str, list[str], list[str]]
"""Options in brackets, address, suites, components: one line of apt's sources."""

_updated: set[str] = set()
"""Suites whose package lists this run has fetched; "" is the machine's own."""


@dataclass(frozen=True, slots=True)
class Installed:
    """A recipe: packages of the machine's own suite, for a program on PATH."""

    program: str
    packages: tuple[str, ...]

    def install(self, workshop: Workshop) -> str:
        """The version of the first package, after installing those that are missing (as root)."""
        missing = [package for package in self.packages if _installed_version(workshop, package) is None]
        if missing:
            _install(workshop, missing)
        if shutil.which(self.program) is None:
            raise InstallFailed(f"{self.program} is not on PATH after installing {' '.join(self.packages)}")
        return _installed_version(workshop, self.packages[0]) or "of unknown version"


@dataclass(frozen=True, slots=True)
class Unpacked:
    """A recipe: a program of any Debian suite, unpacked into the cache.

    `version` is the Debian version this project was tried with. A newer one of the same major.minor is taken with a
    notice; any other stops the run, since what it agrees with is then unknown. With `libraries` the program runs with
    them; if one is the C library, under their suite's own loader, for a program that needs a newer one than the
    machine's. A `patched` program names that loader itself, because it runs itself again from /proc/self/exe, which
    must not be the loader.
    """

    suite: str
    package: str
    version: str
    program: str
    libraries: tuple[str, ...] = ()
    patched: bool = False

    def install(self, workshop: Workshop) -> str:
        """The Debian version that the archive served."""
        with workshop.whole_root() as root:
            got = _unpack(workshop, root, self.suite, self.package, self.version, *self.libraries)
            if self.patched:
                self._patch(workshop, root)
            elif self.libraries:
                self._wrap(root, workshop.root)
        program = workshop.root / ("run" if self.libraries and not self.patched else self.program)
        workshop.publish(program)
        word = "version" if self.package in {"cosign", "docker-buildx", "notation", "notary"} else "--version"
        workshop.run(program, word)
        return got

    def present(self, cache: Path) -> bool:
        """Always true: the stamp and the link in `bin` decide."""
        return True

    def _wrap(self, root: Path, final: Path) -> None:
        wrapper = root / "run"
        wrapper.write_text(f'#!/bin/sh\n{self._run_line(root, final)} "{final / self.program}" "$@"\n')
        wrapper.chmod(0o755)

    def _patch(self, workshop: Workshop, root: Path) -> None:
        """Has the program name the loader and the folder of its libraries, with patchelf of the machine's own suite."""
        loader = workshop.root / _loader(root, self.suite).relative_to(root)
        with tempfile.TemporaryDirectory() as folder:
            _unpack_own(workshop, Path(folder), "patchelf")
            named = ("--set-interpreter", loader, "--force-rpath", "--set-rpath", loader.parent)
            workshop.run(Path(folder) / "usr/bin/patchelf", *named, root / self.program)

    def _run_line(self, root: Path, final: Path) -> str:
        """What runs the program, in a line of shell."""
        if "libc6" not in self.libraries:
            # The program may run itself again from /proc/self/exe, as podman does: that must not be a loader.
            folders = [final / folder.relative_to(root) for folder in root.glob("*/lib/*-linux-gnu*")]
            folders += [final / folder.relative_to(root) for folder in root.glob("lib/*-linux-gnu*")]
            return f'LD_LIBRARY_PATH="{os.pathsep.join(map(str, folders))}" exec'
        loader = final / _loader(root, self.suite).relative_to(root)
        return f'exec "{loader}" --library-path "{loader.parent}"'


@dataclass(frozen=True, slots=True)
class Beside:
    """A recipe: a further program of a package that another peer, which comes first, has unpacked."""

    peer: str
    program: str

    def install(self, workshop: Workshop) -> str:
        workshop.publish(workshop.cache / "roots" / self.peer / self.program)
        return f"of {self.peer}"


@dataclass(frozen=True, slots=True)
class UnpackedLibrary:
    """A recipe: a shared library of any Debian suites, unpacked into the cache, that a test loads itself.

    `parts` are a suite, a package, its version, and other packages of the suite; the library's package is the first.
    `library` is a pattern in the unpacked folder.
    """

    parts: tuple[tuple[str, ...], ...]
    library: str

    def install(self, workshop: Workshop) -> str:
        """The Debian version that the archive served."""
        with workshop.whole_root() as root:
            versions = [_unpack(workshop, root, *part) for part in self.parts]
        (library,) = workshop.root.glob(self.library)
        library.chmod(0o755)
        workshop.publish(library)
        return versions[0]


@dataclass(frozen=True, slots=True)
class UnpackedPython:
    """A recipe: a Python of another Debian suite, with the C library of that suite, unpacked into the cache."""

    suite: str
    package: str
    version: str
    others: tuple[str, ...]

    def install(self, workshop: Workshop) -> str:
        """The Debian version that the archive served."""
        with workshop.whole_root() as root:
            got = _unpack(workshop, root, self.suite, self.package, self.version, *self.others)
            (loader,) = root.glob("usr/lib/*-linux-gnu*/ld-linux*.so.*")
            started = root / "usr/bin" / self.package
            real = started.rename(started.with_name(f"{self.package}.real"))
            loader, real = (workshop.root / path.relative_to(root) for path in (loader, real))
            # The name of the program says where its library is, so the wrapper has the place of the real program.
            run = f'exec "{loader}" --library-path "{loader.parent}" --argv0 "$0" "{real}" "$@"'
            started.write_text(f"#!/bin/sh\nunset PWD OLDPWD\n{run}\n")
            started.chmod(0o755)
        workshop.publish(workshop.root / "usr/bin" / self.package)
        return got


def _loader(root: Path, suite: str) -> Path:
    loaders = list(root.glob("usr/lib/*-linux-gnu*/ld-linux*.so.*"))
    if len(loaders) != 1:
        raise InstallFailed(f"the C library of Debian {suite} has {len(loaders)} loaders, needed one")
    return loaders[0]


def _unpack_own(workshop: Workshop, folder: Path, package: str) -> None:
    """Unpacks a package of the machine's own suite."""
    workshop.run("apt-get", "download", package, cwd=folder)
    for archive in folder.glob("*.deb"):
        workshop.run("dpkg", "-x", archive, folder)


def _unpack(workshop: Workshop, root: Path, suite: str, package: str, version: str, *others: str) -> str:
    """Unpacks the package, and others of its suite, into `root`. Returns its version in the archive."""
    downloads = root / "downloads"
    downloads.mkdir()
    workshop.run("apt-get", *_suite_options(workshop, suite), "download", package, *others, cwd=downloads)
    for archive in sorted(downloads.glob("*.deb")):
        workshop.run("dpkg", "-x", archive, root)
    (main,) = downloads.glob(f"{package}_*.deb")
    got = workshop.run("dpkg-deb", "-f", main, "Version").strip()
    shutil.rmtree(downloads)
    if _major_minor(got) != _major_minor(version):
        raise InstallFailed(
            f"Debian {suite} serves {package} {got}, needed {version} or one like it: "
            "try the new one with the interop tests and pin it in tests/peers/recipes.py"
        )
    if got != version:
        print(f"NOTICE: {package} of Debian {suite} is {got} now; imagesig was tried with {version}", flush=True)
    return got


def ensure(workshop: Workshop, packages: tuple[str, ...]) -> None:
    """Installs those of `packages` that the machine lacks."""
    missing = [package for package in packages if _installed_version(workshop, package) is None]
    if missing:
        _install(workshop, missing)


def _install(workshop: Workshop, missing: list[str]) -> None:
    if os.geteuid() != 0:
        raise InstallFailed(
            f"Debian packages are missing: {' '.join(missing)}; install them as root, then run this again"
        )
    if "" not in _updated:
        workshop.run("apt-get", "update")
        _updated.add("")
    workshop.run("apt-get", "install", "-y", "--no-install-recommends", *missing)


def _installed_version(workshop: Workshop, package: str) -> str | None:
    try:
        said = workshop.run("dpkg-query", "-W", "-f", "${db:Status-Status} ${Version}", package)
    except InstallFailed:
        return None
    status, _, version = said.partition(" ")
    return version if status == "installed" else None


def _major_minor(version: str) -> list[str]:
    return re.sub(r"^\d+:", "", version).split(".")[:2]


def _suite_options(workshop: Workshop, suite: str) -> list[str]:
    """apt-get options that make it see `suite` alone, with its own state; the list is fetched once in a run."""
    state = workshop.cache / "apt" / suite
    (state / "lists" / "partial").mkdir(parents=True, exist_ok=True)
    (state / "cache" / "archives" / "partial").mkdir(parents=True, exist_ok=True)
    sources = state / "sources.list"
    sources.write_text(_source_line(suite) + "\n")
    settings = {
        "Dir::State": state,
        "Dir::State::lists": state / "lists",
        "Dir::Cache": state / "cache",
        "Dir::Etc::sourcelist": sources,
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::Etc::preferences": "/dev/null",
        "Dir::Etc::preferencesparts": "/dev/null",
        "APT::Default-Release": "",
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
    }
    options = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
    if suite not in _updated:
        workshop.run("apt-get", *options, "--error-on=any", "update")
        _updated.add(suite)
    return options


def _source_line(suite: str) -> str:
    """The machine's own main archive line with `suite` put into it."""
    own = {_codename(), "stable", "testing", "unstable", "sid"}
    one_line = [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*.list"))]
    deb822 = sorted(Path("/etc/apt/sources.list.d").glob("*.sources"))
    sources = [source for file in one_line if file.exists() for source in one_line_sources(file.read_text())]
    sources += [source for file in deb822 for source in deb822_sources(file.read_text())]
    for options, uri, suites, components in sources:
        if own.intersection(suites) and "main" in components:
            return f"deb {options + ' ' if options else ''}{uri} {suite} main"
    raise InstallFailed(f"no apt source of this machine serves main of Debian {_codename()}, needed to reach {suite}")


def _codename() -> str:
    match = re.search(r'^VERSION_CODENAME="?([a-z]+)', Path("/etc/os-release").read_text(), re.MULTILINE)
    return match[1] if match else "sid"


def one_line_sources(text: str) -> list[Source]:
    """What a sources.list names."""
    line = re.compile(r"^\s*deb\s+(\[[^\]]*\])?\s*(\S+)\s+(\S+)\s+([^#\n]+)", re.MULTILINE)
    return [(match[1] or "", match[2], [match[3]], match[4].split()) for match in line.finditer(text)]


def deb822_sources(text: str) -> list[Source]:
    """What a *.sources file names."""
    field = re.compile(r"^([\w-]+):[ \t]*(.*(?:\n[ \t].*)*)", re.MULTILINE)
    found = []
    for stanza in re.split(r"\n\s*\n", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)):
        fields = {name.lower(): value.split() for name, value in field.findall(stanza)}
        if "deb" not in fields.get("types", []) or fields.get("enabled") == ["no"] or not fields.get("uris"):
            continue
        # A key written into the stanza itself does not fit on one line; apt uses its trusted keys instead.
        signed = fields.get("signed-by", [])
        options = f"[signed-by={signed[0]}]" if signed and signed[0].startswith("/") else ""
        found.append((options, fields["uris"][0], fields.get("suites", []), fields.get("components", [])))
    return found
