"""The primitives as the vault uses them, against published vectors.

SHA-256: FIPS 180-4 examples. HMAC: RFC 4231. HKDF: RFC 5869. AES-256-GCM: McGrew and Viega, "The Galois/Counter Mode of Operation",
appendix B. Argon2id: the reference implementation's own tests and RFC 9106. SLIP-39: the test vectors of its specification.
"""

from __future__ import annotations

import hashlib
import hmac

import pytest
import shamir_mnemonic
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

LONG = b"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu"
KEY = "feffe9928665731c6d6a8f9467308308" * 2
PLAIN = (
    "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255"
)
SEALED = (
    "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad"
)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (b"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (b"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"),
        (LONG, "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"),
        (b"a" * 1_000_000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"),
    ],
)
def test_sha_256(message: bytes, expected: str) -> None:
    assert expected == hashlib.sha256(message).hexdigest()


@pytest.mark.parametrize(
    ("key", "message", "expected"),
    [
        (b"\x0b" * 20, b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
        (b"Jefe", b"what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
        (b"\xaa" * 20, b"\xdd" * 50, "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
        (bytes(range(1, 26)), b"\xcd" * 50, "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"),
        (b"\x0c" * 20, b"Test With Truncation", "a3b6167473100ee06e0c796c2955552b"),
        (b"\xaa" * 131, b"Test Using Larger Than Block-Size Key - Hash Key First", "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"),
        (
            b"\xaa" * 131,
            b"This is a test using a larger than block-size key and a larger than block-size data. "
            b"The key needs to be hashed before being used by the HMAC algorithm.",
            "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
        ),
    ],
)
def test_hmac_sha_256(key: bytes, message: bytes, expected: str) -> None:
    assert hmac.new(key, message, hashlib.sha256).hexdigest().startswith(expected)


@pytest.mark.parametrize(
    ("key", "salt", "info", "length", "expected"),
    [
        (
            b"\x0b" * 22, bytes(range(13)), bytes(range(0xF0, 0xFA)), 42,
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
        ),
        (
            bytes(range(0x50)), bytes(range(0x60, 0xB0)), bytes(range(0xB0, 0x100)), 82,
            "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71"
            "cc30c58179ec3e87c14c01d5c1f3434f1d87",
        ),
        (b"\x0b" * 22, b"", b"", 42, "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"),
    ],
)  # fmt: skip
def test_hkdf_sha_256(key: bytes, salt: bytes, info: bytes, length: int, expected: str) -> None:
    assert expected == HKDF(SHA256(), length, salt, info).derive(key).hex()


@pytest.mark.parametrize(
    ("key", "nonce", "plain", "place", "sealed", "tag"),
    [
        ("00" * 32, "00" * 12, "", "", "", "530f8afbc74536b9a963b4f1c4cb738b"),
        ("00" * 32, "00" * 12, "00" * 16, "", "cea7403d4d606b6e074ec5d3baf39d18", "d0d1c8a799996bf0265b98b5d48ab919"),
        (KEY, "cafebabefacedbaddecaf888", PLAIN, "", SEALED, "b094dac5d93471bdec1a502270e3cc6c"),
        (KEY, "cafebabefacedbaddecaf888", PLAIN[:120], "feedfacedeadbeeffeedfacedeadbeefabaddad2", SEALED[:120], "76fc6ece0f4e1768cddf8853bb2d551b"),
    ],
)
def test_aes_256_gcm(key: str, nonce: str, plain: str, place: str, sealed: str, tag: str) -> None:
    cipher = AESGCM(bytes.fromhex(key))
    made = cipher.encrypt(bytes.fromhex(nonce), bytes.fromhex(plain), bytes.fromhex(place))

    assert sealed + tag == made.hex()
    assert bytes.fromhex(plain) == cipher.decrypt(bytes.fromhex(nonce), made, bytes.fromhex(place))
    for wrong in (made[:-1] + bytes([made[-1] ^ 1]), bytes([made[0] ^ 0x80]) + made[1:]):
        with pytest.raises(InvalidTag):
            cipher.decrypt(bytes.fromhex(nonce), wrong, bytes.fromhex(place))


@pytest.mark.parametrize(
    ("passes", "memory_log", "lanes", "password", "salt", "expected"),
    [
        (2, 16, 1, b"password", b"somesalt", "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7"),
        (2, 18, 1, b"password", b"somesalt", "78fe1ec91fb3aa5657d72e710854e4c3d9b9198c742f9616c2f085bed95b2e8c"),
        (2, 8, 1, b"password", b"somesalt", "9dfeb910e80bad0311fee20f9c0e2b12c17987b4cac90c2ef54d5b3021c68bfe"),
        (2, 8, 2, b"password", b"somesalt", "6d093c501fd5999645e0ea3bf620d7b8be7fd2db59c20d9fff9539da2bf57037"),
        (1, 16, 1, b"password", b"somesalt", "f6a5adc1ba723dddef9b5ac1d464e180fcd9dffc9d1cbf76cca2fed795d9ca98"),
        (4, 16, 1, b"password", b"somesalt", "9025d48e68ef7395cca9079da4c4ec3affb3c8911fe4f86d1a2520856f63172c"),
        (2, 16, 1, b"differentpassword", b"somesalt", "0b84d652cf6b0c4beaef0dfe278ba6a80df6696281d7e0d2891b817d8c458fde"),
        (2, 16, 1, b"password", b"diffsalt", "bdf32b05ccc42eb15d58fd19b1f856b113da1e9a5874fdcc544308565aa8141c"),
    ],
)
def test_argon2id(passes: int, memory_log: int, lanes: int, password: bytes, salt: bytes, expected: str) -> None:
    kdf = Argon2id(salt=salt, length=32, iterations=passes, lanes=lanes, memory_cost=1 << memory_log)

    assert expected == kdf.derive(password).hex()


def test_argon2id_with_secret_and_associated_data() -> None:
    kdf = Argon2id(salt=b"\x02" * 16, length=32, iterations=3, lanes=4, memory_cost=32, ad=b"\x04" * 12, secret=b"\x03" * 8)

    assert "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659" == kdf.derive(b"\x01" * 32).hex()


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        (
            ["duckling enlarge academic academic agency result length solution fridge kidney coal piece deal husband erode duke ajar critical "
             "decision keyboard"],
            "bb54aac4b89dc868ba37d9cc21b2cece",
        ),
        (
            ["shadow pistol academic always adequate wildlife fancy gross oasis cylinder mustang wrist rescue view short owner flip making coding "
             "armed",
             "shadow pistol academic acid actress prayer class unknown daughter sweater depict flip twice unkind craft early superior advocate "
             "guest smoking"],
            "b43ceb7e57a0ea8766221624d01b0864",
        ),
    ],
)  # fmt: skip
def test_slip_39(shares: list[str], expected: str) -> None:
    assert expected == shamir_mnemonic.combine_mnemonics(shares, b"TREZOR").hex()


@pytest.mark.parametrize(
    "shares",
    [
        ["duckling enlarge academic academic agency result length solution fridge kidney coal piece deal husband erode duke ajar critical decision kidney"],
        ["shadow pistol academic always adequate wildlife fancy gross oasis cylinder mustang wrist rescue view short owner flip making coding armed"],
    ],
    ids=["a wrong checksum", "too few"],
)
def test_slip_39_refuses(shares: list[str]) -> None:
    with pytest.raises(shamir_mnemonic.MnemonicError):
        shamir_mnemonic.combine_mnemonics(shares, b"TREZOR")
