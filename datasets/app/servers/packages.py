"""Installs missing Debian packages; their own services are neither started nor used."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

BASE = {"postgresql": "postgres", "redis-server": "redis-server", "caddy": "caddy"}  # Debian package -> a program of it
EXPORTERS = {"prometheus-node-exporter": "prometheus-node-exporter", "prometheus-redis-exporter": "prometheus-redis-exporter",
             "prometheus-postgres-exporter": "prometheus-postgres-exporter"}


def postgres_bin(program):
    """Returns the path of a PostgreSQL program: Debian has them outside of PATH, by version."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"), key=lambda path: int(path.parts[4].partition(".")[0]))
    return str(found[-1]) if found else shutil.which(program)


def postgres_version():
    """Returns the major version of PostgreSQL that `postgres_bin` finds, or None."""
    path = postgres_bin("postgres")
    text = subprocess.run([path, "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout if path else ""
    return int(text.split()[2].partition(".")[0]) if text else None


def missing(packages):
    """Returns those of package -> program whose program is not installed."""
    return [p for p, program in packages.items()
            if not (postgres_bin(program) if p == "postgresql" else shutil.which(program))]


def hypopg_package():
    """Returns the Debian package of HypoPG for this PostgreSQL when it is not installed, else None."""
    version = postgres_version() or 15
    present = Path(f"/usr/share/postgresql/{version}/extension/hypopg.control").exists()
    return None if present else f"postgresql-{version}-hypopg"


def install(packages):
    """Installs packages through apt as root. Ends the program with a line where that is not possible."""
    if not packages:
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        sys.exit(f"missing: {', '.join(packages)}; run as root on Debian, or: apt-get install {' '.join(packages)}")
    policy = Path("/usr/sbin/policy-rc.d")
    ours = not policy.exists()
    if ours:  # apt would otherwise start the services on their usual ports
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    try:
        subprocess.run(["apt-get", "update", "-q"], check=True, stdout=sys.stderr)
        subprocess.run(["apt-get", "install", "-q", "-y", "--no-install-recommends", *packages], check=True,
                       stdout=sys.stderr, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})
    finally:
        if ours:
            policy.unlink()


def version(*command):
    """Returns the first line that a program prints about its version."""
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return (run.stdout.strip().splitlines() or [""])[0]
