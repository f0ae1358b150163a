"""kryoptic, a PKCS#11 module in Rust: it has OpenSSL inside, and is built from two published crates."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.peers import debian
from tests.peers.golang import COMPILER
from tests.peers.workshop import InstallFailed, Workshop

LIBCLANG = "libclang==18.1.1"
"""kryoptic's build reads the headers of OpenSSL with it."""
_OPENSSL = ("no-shared", "no-module", "no-legacy", "no-tests", "no-docs", "no-apps", "no-engine")
_WANTED = """\
[package]
name = "wanted"
version = "0.1.0"
edition = "2021"
[dependencies]
kryoptic = "={kryoptic}"
openssl-src = "={openssl}"
"""


@dataclass(frozen=True, slots=True)
class Kryoptic:
    """A recipe: versions of the crates kryoptic and openssl-src. It needs Rust, and takes two minutes."""

    version: str
    openssl: str

    def install(self, workshop: Workshop) -> str:
        """The version; crates.io's index confirms the checksum of each crate."""
        cargo = shutil.which("cargo")
        if cargo is None:
            raise InstallFailed("cargo: not found on PATH, Rust is needed to build kryoptic")
        debian.ensure(workshop, (*(() if shutil.which("gcc") else COMPILER), "libsqlite3-dev"))
        with workshop.whole_root() as root:
            build = root / "build"
            made = self._built(workshop, build, cargo)
            shutil.copy(made, root / made.name)
            shutil.rmtree(build)
        workshop.publish(workshop.root / made.name)
        return self.version

    def _built(self, workshop: Workshop, build: Path, cargo: str) -> Path:
        environ = {"CARGO_HOME": str(build / "cargo")}
        wanted, openssl, kryoptic = build / "wanted", build / "openssl", build / "kryoptic"
        (wanted / "src").mkdir(parents=True)
        (wanted / "src" / "lib.rs").touch()
        (wanted / "Cargo.toml").write_text(_WANTED.format(kryoptic=self.version, openssl=self.openssl))
        workshop.run(cargo, "fetch", cwd=wanted, env=environ)
        (crates,) = (build / "cargo" / "registry" / "src").iterdir()
        (source,) = crates.glob(f"openssl-src-{self.openssl}+*/openssl")
        shutil.copytree(source, openssl, symlinks=True)
        shutil.copytree(crates / f"kryoptic-{self.version}", kryoptic)
        # Not by the build script of openssl-src, which needs a generator that the crate leaves out.
        workshop.run("./Configure", "-fPIC", *_OPENSSL, cwd=openssl)
        workshop.run("make", f"-j{os.cpu_count() or 1}", "build_generated", "libcrypto.a", cwd=openssl)
        _use_ossl_sys(kryoptic / "Cargo.toml")
        workshop.run(sys.executable, "-m", "pip", "install", "--quiet", "--target", build / "libclang", LIBCLANG)
        headers = workshop.run("gcc", "-print-file-name=include").strip()
        environ |= {
            "LIBCLANG_PATH": str(build / "libclang" / "clang" / "native"),
            "BINDGEN_EXTRA_CLANG_ARGS": f"-I{headers}",
            "KRYOPTIC_OPENSSL_SOURCES": str(openssl),
        }
        options = ("--release", "--lib", "--no-default-features", "--features", "standard,pqc")
        workshop.run(cargo, "build", *options, cwd=kryoptic, env=environ)
        return kryoptic / "target" / "release" / "libkryoptic_pkcs11.so"


def _use_ossl_sys(manifest: Path) -> None:
    """Makes kryoptic build its own bindings of OpenSSL: the published ones are for another version."""
    before, found, after = manifest.read_text().partition("[dependencies.ossl]")
    wanted, there, rest = after.partition("default-features = false")
    if not (found and there):
        raise InstallFailed(f"{manifest}: no dependency on ossl without its default features, this recipe changes it")
    manifest.write_text(f'{before}{found}{wanted}features = ["ossl-sys"]\n{there}{rest}')
