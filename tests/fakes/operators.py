"""Two operators with keys, the config that knows them, and signed requests. The keys are fixed and protect nothing."""

import json
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from daemon.authority.keys import FOLDER, SUFFIX, public_text, write_key
from daemon.authority.proof import Prover, Signer
from daemon.authority.verify import Authority
from daemon.config.persons import AuthoritySettings, OperatorSettings
from daemon.control.messages import decode_request
from daemon.control.server import ControlServer

KEYS: Final = {name: Ed25519PrivateKey.from_private_bytes(name.encode().ljust(32)) for name in ("ann", "bob")}
ANN: Final = Signer("ann", KEYS["ann"])
BOB: Final = Signer("bob", KEYS["bob"])
OPERATORS: Final = "".join(
    f'[authority.operators.{name}]\npublic_key = "{public_text(key)}"\n' for name, key in KEYS.items()
)
ONE_PERSON: Final = "[authority]\npersons = 1\n" + OPERATORS  # of a whole config: each may act alone
SETTINGS: Final = AuthoritySettings(
    operators={name: OperatorSettings(public_key=public_text(key)) for name, key in KEYS.items()}
)
ACCOUNT: Final = "DU0000001"
EPOCH: Final = 7


def an_authority(settings: AuthoritySettings = SETTINGS) -> Authority:
    """A verifier without a trader."""
    return Authority(settings, account=ACCOUNT, epoch=lambda: EPOCH, spent_step=lambda name: -1)


def give_key(state: Path, name: str = "ann") -> None:
    """The operator's key, where the command line looks for it."""
    write_key(KEYS[name], state / FOLDER / f"{name}{SUFFIX}")


def signed(command: str, fields: dict[str, Any], *, prover: Prover, account: str, epoch: int) -> bytes:
    """One request line with its proof."""
    given = {"id": 1, "command": command} | fields
    request = decode_request(json.dumps(given).encode())
    proof = prover.prove(request, account=account, epoch=epoch)
    shown = {name: getattr(proof, name) for name in proof.__struct_fields__}
    return json.dumps(given | {"proof": shown}).encode()


def ask(server: ControlServer | None, command: str, *, prover: Prover = ANN, **fields: Any) -> dict[str, Any]:
    """One signed request to a trader's own control server, and its answer."""
    assert server is not None
    authority = server.authority
    line = signed(command, fields, prover=prover, account=authority.account, epoch=authority.epoch())
    answer: dict[str, Any] = json.loads(server.answer(line, "socket"))
    return answer
