"""Apache Kafka on this machine: the broker's own jars, KRaft mode, one node on loopback, data in a folder."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from streams.errors import BrokerError
from streams.runtime.server import BrokerProcess

_DEPLOY = Path(__file__).resolve().parents[2] / "deploy" / "kafka"
_JARS = _DEPLOY / "target" / "jars"
_CLUSTER_ID = "ZGF5Ym9va2RheWJvb2tkYQ"  # 16 bytes in URL-safe base64, as Kafka wants it
_OLDEST_JAVA = 17


class ApacheKafka(BrokerProcess):
    """One Apache Kafka node on ``host:port``, controller on the port after it, everything it keeps in
    ``data_dir``.

    ``jars`` is what :func:`fetch_jars` returned. Stopped or killed, it starts again on the same data.
    ``heap`` is in Java's notation. Raises :class:`BrokerError` where Java is missing or too old.
    """

    def __init__(
        self,
        data_dir: Path,
        port: int = 9092,
        jars: Path = _JARS,
        *,
        host: str = "127.0.0.1",
        controller_port: int | None = None,
        heap: str = "1g",
        java_options: Sequence[str] = (),
    ) -> None:
        self.data_dir = data_dir.resolve()
        self.controller_port = controller_port or port + 1
        self._properties = self.data_dir / "server.properties"
        self._java = [require_java(), "-cp", str(jars.resolve() / "*")]
        self._java += [f"-Dlog4j2.configurationFile={_DEPLOY / 'log4j2.properties'}"]
        argv = [*self._java, f"-Xmx{heap}", "-XX:+ExitOnOutOfMemoryError", *java_options]
        argv += ["kafka.Kafka", str(self._properties)]
        super().__init__(
            "Apache Kafka broker",
            argv,
            host,
            port,
            _CLUSTER_ID,
            self.data_dir / "kafka.log",
            setting="--port",
            prepare=self._prepare_storage,
        )
        self.part.stop_within = 30.0

    def _prepare_storage(self) -> None:
        self._require_port(self.controller_port)
        logs = self.data_dir / "data"
        logs.mkdir(parents=True, exist_ok=True)
        _require_checkout(_DEPLOY / "server.properties")
        template = (_DEPLOY / "server.properties").read_text()
        for name, value in {
            "{host}": self.host,
            "{port}": self.port,
            "{controller_port}": self.controller_port,
            "{data_dir}": logs,
        }.items():
            template = template.replace(name, str(value))
        self._properties.write_text(template)
        if (logs / "meta.properties").exists():
            return
        # The C1 compiler alone: the tool runs for a second.
        command = [*self._java, "-Xmx256m", "-XX:TieredStopAtLevel=1", "kafka.tools.StorageTool", "format"]
        command += ["-t", _CLUSTER_ID, "-c", str(self._properties)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise BrokerError(f"{logs}: Kafka cannot use this folder: {_last_line(done.stderr or done.stdout)}")


def fetch_jars(pom: Path = _DEPLOY / "pom.xml") -> Path:
    """The folder with Kafka's jars; Maven brings them first where they are missing or the pom has changed.

    Raises :class:`BrokerError` where the pom, Maven or Java is missing, or Maven fails.
    """
    _require_checkout(pom)
    target, jars = pom.parent / "target", pom.parent / "target" / "jars"
    stamp, wanted = target / "jars.complete", hashlib.sha256(pom.read_bytes()).hexdigest()
    target.mkdir(exist_ok=True)
    with (target / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two that start at once share one download
        if not stamp.exists() or stamp.read_text() != wanted:
            stamp.unlink(missing_ok=True)
            shutil.rmtree(jars, ignore_errors=True)  # jars of two versions side by side would not start
            _run_maven(pom)
            stamp.write_text(wanted)
    return jars


def _run_maven(pom: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise BrokerError(
            "Maven (mvn) is not installed, which brings Apache Kafka's jars: install it with a JDK, or use "
            "the embedded broker"
        )
    require_java()
    done = subprocess.run([maven, "-q", "-B", "-f", str(pom), "package"], capture_output=True, text=True, check=False)
    if done.returncode:
        errors = [line[8:] for line in done.stdout.splitlines() if line.startswith("[ERROR] ")]
        why = errors[0] if errors else _last_line(done.stderr)
        raise BrokerError(f"Maven could not bring Apache Kafka's jars: {why}")


def require_java() -> str:
    """The path of ``java``. Raises :class:`BrokerError` where there is none, or an older one than Kafka
    needs.
    """
    java = shutil.which("java")
    if java is None:
        raise BrokerError(f"Java is not installed: Apache Kafka needs Java {_OLDEST_JAVA} or later")
    told = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    # openjdk version "17.0.15" 2025-04-15
    version = told.partition('"')[2].partition('"')[0].split(".")[0]
    if version.isdigit() and int(version) < _OLDEST_JAVA:
        raise BrokerError(f"{java} is Java {version}: Apache Kafka needs Java {_OLDEST_JAVA} or later")
    return java


def _require_checkout(file: Path) -> None:
    if not file.exists():
        raise BrokerError(f"{file}: missing; Apache Kafka is started from a checkout of the project, not from a wheel")


def _last_line(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "it gave no reason")
