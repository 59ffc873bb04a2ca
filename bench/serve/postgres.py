"""A private PostgreSQL cluster in a folder: created on first use, reachable on loopback only, with a password.

FOLDER/database: PostgreSQL's files; FOLDER/pgpass: the password file for libpq, readable by its owner only.
"""

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from bench.console import BadInput
from bench.serve.process import LOOPBACK, Server, ServerFailed, reason, running, usable_port, wait_until

USER, DATABASE, ACCOUNT = "infogan", "mlflow", "postgres"
DEBIAN = Path("/usr/lib/postgresql")  # Debian keeps the server's programs outside the PATH, in a folder per version
STOPS = (signal.SIGINT, signal.SIGQUIT)  # fast shutdown, then immediate (recovers at the next start)
STOP_LIMIT_S = 60.0


@dataclass(frozen=True)
class Store:
    """A backend store of MLflow: its address, variables that its clients need, servers that must keep running."""

    uri: str
    environment: dict[str, str] = field(default_factory=dict)
    servers: tuple[Server, ...] = ()


def programs() -> Path | None:
    """Folder of ``initdb`` and ``postgres``: from the PATH, else Debian's newest; None if there is none."""
    found = shutil.which("initdb")
    versions = sorted(DEBIAN.glob("*/bin/initdb"), key=lambda p: [int(n) for n in p.parts[4].split(".") if n.isdigit()])
    candidates = [Path(found).resolve().parent] if found else [path.parent for path in reversed(versions)]
    return next((folder for folder in candidates if (folder / "postgres").exists()), None)


def require(folder: Path) -> tuple[Path, pwd.struct_passwd | None]:
    """The folder of programs and the account to run as. Raises BadInput if PostgreSQL cannot be used."""
    found = programs()
    if found is None:
        raise BadInput("PostgreSQL is not installed: `sudo make system-deps` (Debian), or --store sqlite")
    try:
        import psycopg2  # noqa: F401
    except ImportError:
        raise BadInput("psycopg2 is missing: `pip install psycopg2-binary`, or --store sqlite") from None
    return found, _account(folder)


def _account(folder: Path) -> pwd.struct_passwd | None:
    """The account ``postgres`` if this process is root, which PostgreSQL rejects.

    It must be able to enter the folder.
    """
    if os.geteuid() != 0:
        return None
    try:
        account = pwd.getpwnam(ACCOUNT)
    except KeyError:
        raise BadInput(f"PostgreSQL does not run as root and there is no user {ACCOUNT}: use another account") from None
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    entered = subprocess.run(
        ["/usr/bin/test", "-x", str(existing)], cwd="/", user=account.pw_uid, group=account.pw_gid, extra_groups=[]
    )
    if entered.returncode:
        raise BadInput(
            f"PostgreSQL runs as user {ACCOUNT} here, who has no access to {existing}: choose another --folder"
        )
    return account


@contextlib.contextmanager
def database(folder: Path, log: IO[bytes], signals: list[int]) -> Iterator[Store]:
    """Run the folder's cluster, created if missing, until the end of the block. Raises BadInput, ServerFailed."""
    found, account = require(folder)
    passfile, files = folder / "pgpass", folder / "database"
    if files.exists() and not passfile.exists():
        raise BadInput(f"{passfile}, the password of the database beside it, is missing")
    if not files.exists():
        _create(found, files, passfile, account)
    port = usable_port(None)
    command = [str(found / "postgres"), "-D", str(files), "-p", str(port)]
    command += ["-c", f"listen_addresses={LOOPBACK}", "-c", "unix_socket_directories="]
    with running("PostgreSQL", command, log, stops=STOPS, stop_limit_s=STOP_LIMIT_S, account=account) as server:
        wait_until(lambda: _is_ready(port, passfile), server, signals)
        uri = f"postgresql+psycopg2://{USER}@{LOOPBACK}:{port}/{DATABASE}"  # the password is in PGPASSFILE
        yield Store(uri, {"PGPASSFILE": str(passfile)}, (server,))


def _create(found: Path, files: Path, passfile: Path, account: pwd.struct_passwd | None) -> None:
    """Create the cluster under another name and rename it, so that a kill leaves no incomplete one.

    Raises ServerFailed.
    """
    incoming, password = files.with_name(f".{files.name}.incoming"), secrets.token_urlsafe(32)
    shutil.rmtree(incoming, ignore_errors=True)
    incoming.mkdir(mode=0o700)
    given = files.with_name(".password")
    write_private(given, password)
    write_private(passfile, f"{LOOPBACK}:*:*:{USER}:{password}\n")
    who = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if account else {}
    if account:
        for path in (incoming, given):
            os.chown(path, account.pw_uid, account.pw_gid)
    command = [str(found / "initdb"), "--pgdata", str(incoming), "--username", USER, "--pwfile", str(given)]
    command += ["--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C"]
    try:
        made = subprocess.run(command, cwd="/", capture_output=True, text=True, **who)  # type: ignore[call-overload]
    finally:
        given.unlink()
    if made.returncode:
        raise ServerFailed(f"initdb ended with code {made.returncode}: {reason(made.stderr)}")
    incoming.rename(files)


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, from the start."""
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _is_ready(port: int, passfile: Path) -> bool:
    """Whether the cluster answers; creates MLflow's database if it is missing."""
    import psycopg2

    try:
        connection = psycopg2.connect(
            host=LOOPBACK, port=port, user=USER, dbname="postgres", passfile=str(passfile), connect_timeout=5
        )
    except psycopg2.OperationalError:
        return False
    with contextlib.closing(connection):
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,))
            if cursor.fetchone() is None:
                cursor.execute(f"CREATE DATABASE {DATABASE}")
    return True
