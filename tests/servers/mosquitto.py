"""A real MQTT broker for tests: Mosquitto, provisioned once by mosquitto.sh into a folder, run as a process of ours
with TLS, passwords and rights as a test wants them; killed, stopped and started again at will. Knows no topic.
"""

import contextlib
import datetime
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.servers.required import Unavailable

SCRIPT = Path(__file__).with_name("mosquitto.sh")
FOLDER_VARIABLE = "QUANTD_MOSQUITTO_FOLDER"  # where it is provisioned; default in the temporary folder
DEADLINE_S = 60.0


def provision() -> Path:
    """The folder with the broker's files. Raises Unavailable with the script's words."""
    folder = Path(os.environ.get(FOLDER_VARIABLE, Path(tempfile.gettempdir()) / f"quantd-mosquitto-{os.getuid()}"))
    done = subprocess.run([str(SCRIPT), str(folder)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Unavailable(f"no Mosquitto: {' '.join((done.stderr or done.stdout).split())[-300:]}")
    return folder / "root" / "usr"


class Certificates:
    """An authority of our own, a certificate of the broker and one of a client; files in a folder."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.authority, self.folder = folder / "ca.crt", folder
        now = datetime.datetime.now(datetime.UTC)
        keys = {name: ec.generate_private_key(ec.SECP256R1()) for name in ("ca", "broker", "client")}
        root, root_name = keys["ca"], _named("quantd test authority")
        for name, key in keys.items():
            made = (
                x509.CertificateBuilder()
                .subject_name(root_name if name == "ca" else _named(name))
                .issuer_name(root_name)
                .public_key(key.public_key())
                .serial_number(x509.random_serial_number())
                .not_valid_before(now - datetime.timedelta(hours=1))
                .not_valid_after(now + datetime.timedelta(days=2))
                .add_extension(x509.BasicConstraints(ca=name == "ca", path_length=None), critical=True)
                .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
                .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root.public_key()), critical=False)
            )
            if name == "ca":
                usage = {word: word in ("key_cert_sign", "crl_sign") for word in _USAGES}
                made = made.add_extension(x509.KeyUsage(**usage), critical=True)
            if name == "broker":
                names = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
                made = made.add_extension(x509.SubjectAlternativeName(names), critical=False)
            self._write(name, made.sign(root, hashes.SHA256()), key)

    def _write(self, name: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        self.certificate(name).write_bytes(certificate.public_bytes(Encoding.PEM))
        self.key(name).write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        self.key(name).chmod(0o600)

    def certificate(self, name: str) -> Path:
        """Of "ca", "broker" or "client"."""
        return self.folder / f"{name}.crt"

    def key(self, name: str) -> Path:
        """Its private half."""
        return self.folder / f"{name}.key"


class MosquittoServer:
    """One broker on a port of its own. Use as a context: it is gone afterwards.

    `users` = name → password; empty = anybody. `rights` = lines of an ACL file. `tls` = with these certificates, and a
    client must have one where `mutual`.
    """

    def __init__(
        self,
        programs: Path,
        folder: Path,
        *,
        users: dict[str, str] | None = None,
        rights: str = "",
        tls: Certificates | None = None,
        mutual: bool = False,
    ) -> None:
        self._programs = programs
        self._folder = folder
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True)
        lines = [f"listener {self.port} 127.0.0.1", "persistence false", "log_dest stderr", "connection_messages true"]
        lines.append("set_tcp_nodelay true")  # as deploy/docker/mosquitto has it
        if os.getuid() == 0:
            lines.append("user root")  # it would become a user who may not read the files of a test
        lines.append(f"allow_anonymous {'false' if users else 'true'}")
        if users:
            lines.append(f"password_file {self._passwords(users)}")
        if rights:
            (folder / "rights").write_text(rights)
            lines.append(f"acl_file {folder / 'rights'}")
        if tls is not None:
            lines += [
                f"cafile {tls.authority}",
                f"certfile {tls.certificate('broker')}",
                f"keyfile {tls.key('broker')}",
            ]
            lines.append(f"require_certificate {'true' if mutual else 'false'}")
        (folder / "mosquitto.conf").write_text("\n".join(lines) + "\n")

    def _passwords(self, users: dict[str, str]) -> Path:
        path = self._folder / "passwords"
        path.touch(mode=0o600)
        for name, password in users.items():
            program = str(self._programs / "bin" / "mosquitto_passwd")
            subprocess.run([program, "-b", str(path), name, password], check=True, capture_output=True)
        return path

    def __enter__(self) -> "MosquittoServer":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def start(self) -> None:
        """Start, and wait until it takes connections."""
        command = ["setpriv", "--pdeathsig=KILL", str(self._programs / "sbin" / "mosquitto"), "-c"]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, str(self._folder / "mosquitto.conf")], stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        deadline = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), timeout=2.0).close()
                return
            time.sleep(0.01)
        raise RuntimeError((self._folder / "log").read_text()[-2000:])

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def give(self, rights: str) -> None:
        """Other rights for everybody, as an administrator would while it runs."""
        assert self._process is not None
        log = self._folder / "log"
        (self._folder / "rights").write_text(rights)
        before, deadline = log.read_text().count("Reloading config"), time.monotonic() + DEADLINE_S
        self._process.send_signal(signal.SIGHUP)
        while log.read_text().count("Reloading config") == before:
            assert time.monotonic() < deadline, "it does not read its rights anew"
            time.sleep(0.01)

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """It stands still, as on a machine that hangs."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)


_USAGES = (
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
    "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
)  # fmt: skip


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
