"""Operators' proofs: good ones are taken once, everything else is refused with its remedy, and trying is bounded."""

import base64
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from core.errors import ConfigError
from daemon.authority import keys, totp
from daemon.authority.proof import CodeGiver, Signer, signed_bytes
from daemon.authority.signatures import EXPIRY_NS_MAX, NONCES_MAX, Unproven
from daemon.authority.verify import FAILURES_FREE, UNSIGNED, WAIT_NS, Authority
from daemon.config.persons import AuthoritySettings, OperatorSettings
from daemon.control.messages import Feature, Halt, Resume
from tests.fakes.operators import ACCOUNT, ANN, BOB, EPOCH, KEYS, SETTINGS

NOW_NS = 1_800_000_000 * 10**9
RESUME = Resume(id=1, reason="looked at it")
SECRET = b"12345678901234567890"  # of RFC 6238 appendix B


class World:
    """One verifier, its clock, its trader's run and the codes the books remember."""

    def __init__(self, settings: AuthoritySettings = SETTINGS) -> None:
        self.wall_ns = NOW_NS
        self.epoch = EPOCH
        self.steps: dict[str, int] = {}
        self.authority = Authority(
            settings,
            account=ACCOUNT,
            epoch=lambda: self.epoch,
            spent_step=lambda name: self.steps.get(name, -1),
            wall_ns=lambda: self.wall_ns,
        )

    def give(self, request: Any = RESUME, signer: Any = ANN, *, account: str = ACCOUNT, **changes: Any) -> Any:
        """A request with its proof, as changed on the way."""
        proof = signer.prove(request, account=account, epoch=self.epoch, wall_ns=self.wall_ns)
        return msgspec.structs.replace(request, proof=msgspec.structs.replace(proof, **changes))

    def refusal(self, request: Any) -> str:
        """Why it is not taken."""
        with pytest.raises(Unproven) as caught:
            self.authority.identify(request, "peer")
        return str(caught.value)


def with_code(tmp_path: Path) -> AuthoritySettings:
    """Ann has a key, carl an authenticator."""
    path = tmp_path / "carl.totp"
    keys.write_secret(totp.encode_secret(SECRET).encode(), path)
    carl = OperatorSettings(totp_secret_file=str(path), levels=("strategy", "symbol"))
    return msgspec.structs.replace(SETTINGS, operators=SETTINGS.operators | {"carl": carl})


def test_a_signature_says_who_it_was_and_is_good_once() -> None:
    """Name and key go into the journal; the same line again is refused, another signature is not."""
    world = World()
    line = world.give()
    identity = world.authority.identify(line, "peer")
    assert (identity.operator, identity.authority) == ("ann", f"signed:{ANN.key_id}")
    assert "used before" in world.refusal(line)
    assert world.authority.identify(world.give(signer=BOB), "peer").operator == "bob"


TAMPERED: dict[str, Callable[[World], Any]] = {
    "another reason": lambda w: msgspec.structs.replace(w.give(), reason="other"),
    "another scope": lambda w: msgspec.structs.replace(w.give(), strategy="alpha"),
    "another person": lambda w: w.give(operator="bob"),
    "another nonce": lambda w: w.give(nonce="0" * 32),
    "a later expiry": lambda w: w.give(expires_ns=NOW_NS + 40 * 10**9),
    "another account": lambda w: w.give(account="DU0000002"),
    "no base64": lambda w: w.give(signature="§§§"),
    "another key": lambda w: w.give(signer=Signer("ann", KEYS["bob"])),
}


@pytest.mark.parametrize("how", TAMPERED)
def test_a_changed_command_is_not_the_signed_one(how: str) -> None:
    """Every field is in the signed text: a relay can change nothing."""
    world = World()
    assert "is not that of" in world.refusal(TAMPERED[how](world))


def test_a_restart_makes_old_signatures_worthless() -> None:
    """The nonces of the run before are forgotten; its epoch is in the text."""
    world = World()
    line = world.give()
    world.epoch += 1
    assert "present run" in world.refusal(line)


def test_a_signature_lives_a_minute_at_most() -> None:
    """Out of date, good for too long, or with a nonce that could repeat: refused although it is signed right."""
    world = World()
    late = world.give()
    world.wall_ns += 31 * 10**9
    assert "out of date" in world.refusal(late)
    for nonce, expires_ns, says in (("n" * 32, world.wall_ns + EXPIRY_NS_MAX + 1, "for less"), ("n", 0, "nonce")):
        expires_ns = expires_ns or world.wall_ns + 10**9
        text = signed_bytes(RESUME, account=ACCOUNT, epoch=EPOCH, operator="ann", nonce=nonce, expires_ns=expires_ns)
        signature = base64.b64encode(KEYS["ann"].sign(text)).decode()
        assert says in world.refusal(world.give(nonce=nonce, expires_ns=expires_ns, signature=signature))


def test_what_is_remembered_is_bounded() -> None:
    """Used nonces are kept until they are out of date; when there are too many, signing waits for that."""
    world = World()
    for _ in range(NONCES_MAX):
        world.authority.identify(world.give(), "peer")
    assert "too many" in world.refusal(world.give())
    world.wall_ns += 60 * 10**9
    assert world.authority.identify(world.give(), "peer").operator == "ann"


def test_wrong_proofs_make_their_owner_wait() -> None:
    """After a few in a row nothing of that kind is looked at for a while; others go on, and a right one ends it."""
    world = World()
    for _ in range(FAILURES_FREE):
        assert "is not that of" in world.refusal(world.give(signature="AAAA"))
    assert "wait" in world.refusal(world.give())
    assert world.authority.identify(world.give(signer=BOB), "peer").operator == "bob"
    world.wall_ns += WAIT_NS
    assert world.authority.identify(world.give(), "peer").operator == "ann"
    assert "is not that of" in world.refusal(world.give(signature="AAAA"))


def test_a_code_is_taken_once_for_ever(tmp_path: Path) -> None:
    """The present step and its neighbours are; a step the books know as spent is not, nor any before it."""
    world = World(with_code(tmp_path))
    step = totp.step_at(NOW_NS)
    for given in (step - 1, step, step + 1):
        line = world.give(signer=CodeGiver("carl", totp.code_at(SECRET, given)))
        identity = world.authority.identify(line, "peer")
        assert (identity.operator, identity.authority) == ("carl", f"code:{given}")
        world.steps["carl"] = given
        assert "used before" in world.refusal(line)
    assert "used before" in world.refusal(world.give(signer=CodeGiver("carl", totp.code_at(SECRET, step))))
    for given in (step - 2, step + 2):
        assert "wrong or out of date" in world.refusal(
            world.give(signer=CodeGiver("carl", totp.code_at(SECRET, given)))
        )


def test_codes_cannot_be_guessed(tmp_path: Path) -> None:
    """Waits double up to an hour: in two months nobody tries more than 1,500 of a million."""
    world = World(with_code(tmp_path))
    tried = 0
    for _ in range(60 * 24):
        while "wait" not in world.refusal(world.give(signer=CodeGiver("carl", "000000"))):
            tried += 1
        world.wall_ns += 3_600 * 10**9
    assert tried < 1_500


def test_the_codes_of_the_standard() -> None:
    """RFC 6238 appendix B, SHA-1: its last six digits at its moments."""
    for seconds, code in ((59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (20000000000, "353130")):
        assert totp.code_at(SECRET, totp.step_at(seconds * 10**9)) == code


def test_levels_bind(tmp_path: Path) -> None:
    """An operator acts where the config says."""
    world = World(with_code(tmp_path))
    line = world.give(signer=CodeGiver("carl", totp.code_at(SECRET, totp.step_at(NOW_NS))))
    carl = world.authority.identify(line, "peer")
    assert world.authority.why_not_at(carl, "strategy") == ""
    assert "not account" in world.authority.why_not_at(carl, "account")


def test_without_a_proof_only_risk_is_cut() -> None:
    """Adding risk needs one, with the remedy said; a halt is taken even when its proof is worth nothing."""
    world = World()
    assert "--as NAME" in world.refusal(RESUME)
    assert "not known" in world.refusal(world.give(operator="eve"))
    assert "no authenticator" in world.refusal(world.give(signer=CodeGiver("ann", "123456")))
    halt = Halt(id=1, reason="r")
    for request in (halt, world.give(halt, signature="AAAA")):
        identity = world.authority.identify(request, "socket")
        assert (identity.operator, identity.authority) == ("socket", "peer")
    assert world.authority.identify(world.give(halt), "socket").operator == "ann"
    feature = Feature(id=1, name="heat", value=1.0, age_s=5)
    assert world.authority.identify(world.give(feature), "socket").operator == "socket"


def test_unsigned_must_be_said() -> None:
    """Without operators a trader refuses what adds risk, unless its config says that nobody need prove anything."""
    assert "operator add" in World(AuthoritySettings()).refusal(RESUME)
    unsigned = World(AuthoritySettings(unsigned=True, persons=1)).authority
    assert unsigned.identify(RESUME, "me").authority == UNSIGNED
    assert unsigned.identify(Halt(id=1, reason="r"), "me").authority == "peer"


def test_a_key_file_is_the_owners_alone(tmp_path: Path) -> None:
    """Mode 0600, never written over, refused when others may read it or the passphrase is wrong."""
    path = tmp_path / "ann.key"
    keys.write_key(KEYS["ann"], path, "open sesame")
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(ConfigError, match="is there already"):
        keys.write_key(KEYS["ann"], path)
    for passphrase, says in (("", "is encrypted"), ("wrong", "passphrase is wrong")):
        with pytest.raises(ConfigError, match=says):
            keys.read_key(path, passphrase)
    assert keys.public_text(keys.read_key(path, "open sesame")) == keys.public_text(KEYS["ann"])
    os.chmod(path, 0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        keys.read_key(path, "open sesame")


def test_secrets_are_looked_at_before_anything_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing variable, a short secret and one that is none name the field, and nothing of the secret."""
    carl = OperatorSettings(totp_secret_variable="QUANTD_TEST_SECRET")
    settings = AuthoritySettings(operators={"carl": carl})
    monkeypatch.delenv("QUANTD_TEST_SECRET", raising=False)
    for value, says in ((None, "is not set"), ("MFRGGZDF", "at least 16"), ("18901", "base32")):
        if value is not None:
            monkeypatch.setenv("QUANTD_TEST_SECRET", value)
        with pytest.raises(ConfigError, match=f"authority.operators.carl.totp_secret_variable: .*{says}") as caught:
            World(settings)
        assert value is None or value not in str(caught.value)
    monkeypatch.setenv("QUANTD_TEST_SECRET", totp.encode_secret(SECRET).lower())
    World(settings)
