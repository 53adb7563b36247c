"""The wire to an outside vault: its KV version 2 engine and our token there, by hvac. No other file knows of HTTP or of hvac.

What it sends and reads may hold values and tokens, so no error of the libraries leaves this file: ours are made afresh, with the address
and the path alone, and outside of every `except`, so that none hangs in their chain.
Source: the HTTP API of HashiCorp Vault 1.9 and later and of OpenBao: kv-v2, auth/token, auth/approle, sys/health.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import requests
import urllib3
from hvac.adapters import RawAdapter  # type: ignore[import-untyped]  # it has no types of its own
from hvac.api.auth_methods import AppRole, Token  # type: ignore[import-untyped]  # it has no types of its own
from hvac.api.secrets_engines import KvV2  # type: ignore[import-untyped]  # it has no types of its own
from hvac.api.system_backend import Health  # type: ignore[import-untyped]  # it has no types of its own

from dockwarden.vault.outside_login import ByRole, ByToken, Lease, read_word
from dockwarden.words.errors import BadConfig, Unavailable

GIVES_NOTHING = "nothing is given until it does"
IN_DOUBT = "whether it made the change is not known: see dockwarden secret history"
HEALTHY = frozenset({200, 429, 472, 473})
"""What sys/health answers where calls are served: active, standby, and what Vault Enterprise has besides."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the outside vault is, and where in it our paths are."""

    url: str
    mount: str = "secret"
    prefix: str = ""
    namespace: str = ""
    ca: Path | None = None
    timeout_s: float = 10.0

    def __str__(self) -> str:
        return f"the outside vault at {self.url.rstrip('/')}"

    def full(self, path: str) -> str:
        """Our `path` as that engine has it."""
        return f"{self.prefix.strip('/')}/{path}".lstrip("/")


class Answer:
    """One answer. It may hold a value or a token: it does not print."""

    __slots__ = ("body", "status")

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        self.status, self.body = status, body

    @property
    def is_done(self) -> bool:
        """Whether it says that it was done; a redirect is no such thing, and is not followed: it could lead the token elsewhere."""
        return 200 <= self.status < 300

    def part(self, name: str) -> Mapping[str, Any]:
        """One object of the body, empty if it is not there."""
        found = self.body.get(name)
        return found if isinstance(found, dict) else {}


class Kv:
    """One engine, with one token of ours. Called by one thread at a time."""

    def __init__(self, place: Place, by: ByToken | ByRole, now: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time) -> None:
        self.place, self._by, self._now, self._wall = place, by, now, wall
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy, .netrc or certificate bundle that the environment names
        self._session.verify = str(place.ca) if place.ca else True
        self._adapter = RawAdapter(
            base_uri=place.url, session=self._session, timeout=place.timeout_s, allow_redirects=False, namespace=place.namespace or None,
            ignore_exceptions=True,
        )
        self._kv, self._token, self._roles, self._health = (kind(self._adapter) for kind in (KvV2, Token, AppRole, Health))
        self.lease: Lease | None = None
        """Our token's time, `None` while we have none."""

    # --- the engine; each raises Unavailable: `vault.outside_…` ---

    def metadata(self, path: str) -> Mapping[str, Any] | None:
        """What is known of a path, `None` where nothing is."""
        full = self.place.full(path)
        answer = self._look(path, lambda: self._kv.read_secret_metadata(full, mount_point=self.place.mount))
        return answer.part("data") if answer else None

    def data(self, path: str, version: int) -> Mapping[str, Any] | None:
        """The keys of one version, `None` where it is not there, deleted or destroyed."""
        full, mount = self.place.full(path), self.place.mount
        answer = self._look(path, lambda: self._kv.read_secret_version(full, version, mount_point=mount, raise_on_deleted_version=True))
        return answer.part("data").get("data") if answer else None

    def put(self, path: str, data: Mapping[str, str], newest: int) -> int | None:
        """Make a version after `newest`; its number, or `None` where another is the newest by now."""
        full, mount = self.place.full(path), self.place.mount
        answer = self._answered(lambda: self._kv.create_or_update_secret(full, dict(data), newest, mount_point=mount), IN_DOUBT)
        if answer.status == 400 and "check-and-set" in str(answer.body.get("errors")):
            return None
        number = self._judged(path, answer).part("data").get("version")
        if not isinstance(number, int):
            raise self._odd(path)
        return number

    def describe(self, path: str, custom: Mapping[str, str], delete_after: str) -> None:
        """Replace the custom metadata of a path, which comes to be if it is not there. `delete_after` is said again, since hvac would unset it."""
        full, mount = self.place.full(path), self.place.mount
        self._change(path, lambda: self._kv.update_metadata(full, mount_point=mount, custom_metadata=dict(custom), delete_version_after=delete_after))

    def delete(self, path: str, versions: Sequence[int]) -> None:
        """Let versions not be read; `versions` is not empty."""
        full, mount = self.place.full(path), self.place.mount
        self._change(path, lambda: self._kv.delete_secret_versions(full, list(versions), mount_point=mount))

    def undelete(self, path: str, versions: Sequence[int]) -> None:
        """Bring them back; `versions` is not empty."""
        full, mount = self.place.full(path), self.place.mount
        self._change(path, lambda: self._kv.undelete_secret_versions(full, list(versions), mount_point=mount))

    def destroy(self, path: str, versions: Sequence[int]) -> None:
        """Take them away for good; `versions` is not empty."""
        full, mount = self.place.full(path), self.place.mount
        self._change(path, lambda: self._kv.destroy_secret_versions(full, list(versions), mount_point=mount))

    def names(self, folder: str) -> list[str]:
        """What is in a folder ("" or with a slash at its end), in no order; folders have a slash at their end."""
        full, mount = self.place.full(folder), self.place.mount
        answer = self._look(folder, lambda: self._kv.list_secrets(full, mount_point=mount))
        keys = answer.part("data").get("keys") if answer else []
        if not isinstance(keys, list):
            raise self._odd(folder)
        return [key for key in keys if isinstance(key, str)]

    # --- itself ---

    def health(self) -> Mapping[str, Any]:
        """What it says of itself: `initialized`, `sealed`, `standby`, `version`. Raises: Unavailable: it does not answer."""
        answer = self._send(lambda: self._health.read_health_status(method="GET"))
        if answer.status in HEALTHY | {501, 503} and "sealed" in answer.body:
            return answer.body
        raise self._refusal("", answer)

    def close(self) -> None:
        """Forget the token and let go of the connections. The token is not revoked: it may be another's, too."""
        self._adapter.token, self.lease = None, None
        self._session.close()

    # --- our token ---

    def tend(self) -> float:
        """Have a token that is accepted, renewed ahead of its end; return in how many seconds to look again.

        Raises:
            Unavailable: `vault.outside_token`: there is none that is accepted; and as every call.
        """
        lease, now = self.lease, self._now()
        if lease is None or now >= lease.ends:
            lease = self._login()
        elif now >= lease.renew_at:
            lease = self._renewed(lease)
        return max(0.0, lease.renew_at - self._now())

    def _renewed(self, lease: Lease) -> Lease:
        """Renew it, or log in anew where that gives no more time. The lease that is there is kept where neither can be done now."""
        if lease.is_renewable:
            answer = self._send(self._token.renew_self)
            fresh = self._lease(answer.part("auth"), "lease_duration") if answer.is_done else None
            if fresh is not None and fresh.lasts_s * 2 > lease.first_s:
                self.lease = fresh.after(lease)
                return self.lease
        try:
            return self._login()
        except Unavailable:
            self.lease = lease.later(self._now())
            if self._now() >= lease.ends:
                raise
            return self.lease

    def _login(self) -> Lease:
        old, self._adapter.token, self.lease = self._adapter.token, None, None
        try:
            self.lease = self._by_role(self._by) if isinstance(self._by, ByRole) else self._by_token(self._by)
        except BaseException:
            self._adapter.token = old
            raise
        return self.lease

    def _by_role(self, by: ByRole) -> Lease:
        secret_id = self._read(by.secret_id_file)
        answer = self._send(lambda: self._roles.login(by.role_id, secret_id, use_token=False))
        auth = answer.part("auth")
        if answer.status in {400, 401, 403}:
            what = f"does not accept role_id and the secret id in {by.secret_id_file}"
            raise Unavailable("vault.outside_token", f"{self.place} {what}; put a new one there")
        token = auth.get("client_token")
        if not answer.is_done or not isinstance(token, str):
            raise self._refusal("", answer)
        self._adapter.token = token
        return self._lease(auth, "lease_duration")

    def _by_token(self, by: ByToken) -> Lease:
        self._adapter.token = self._read(by.file)
        answer = self._send(self._token.lookup_self)
        if answer.status in {400, 401, 403}:
            what = f"does not accept the token in {by.file}: it ended, or may not look itself up"
            raise Unavailable("vault.outside_token", f"{self.place} {what}; put a new one there")
        if not answer.is_done:
            raise self._refusal("", answer)
        return self._lease(answer.part("data"), "ttl")

    def _read(self, file: Path) -> str:
        try:
            return read_word(file)
        except BadConfig as error:
            fault = Unavailable("vault.outside_token", str(error))
        raise fault

    def _lease(self, said: Mapping[str, Any], name: str) -> Lease:
        seconds = said.get(name)
        if not isinstance(seconds, int) or isinstance(seconds, bool):
            raise self._odd("")
        return Lease.begun(self._now(), self._wall(), seconds, said.get("renewable") is True)

    # --- one call ---

    def _look(self, path: str, call: Callable[[], requests.Response]) -> Answer | None:
        """The answer of a read, `None` where there is nothing."""
        answer = self._answered(call)
        return None if answer.status == 404 and not answer.body.get("errors") else self._judged(path, answer)

    def _change(self, path: str, call: Callable[[], requests.Response]) -> None:
        self._judged(path, self._answered(call, IN_DOUBT))

    def _answered(self, call: Callable[[], requests.Response], if_away: str = GIVES_NOTHING) -> Answer:
        """What it answers with a token that it accepts: a 403 is asked again after one new login, if the token was to blame."""
        self.tend()
        answer = self._send(call, if_away)
        if answer.status in {401, 403} and not self._send(self._token.lookup_self).is_done:
            self._login()
            answer = self._send(call, if_away)
        return answer

    def _judged(self, path: str, answer: Answer) -> Answer:
        if not answer.is_done:
            raise self._refusal(path, answer)
        return answer

    def _send(self, call: Callable[[], requests.Response], if_away: str = GIVES_NOTHING) -> Answer:
        try:
            response = call()
            return Answer(response.status_code, _body(response))
        except requests.exceptions.SSLError:
            fault = Unavailable("vault.outside_tls", f"{self.place} shows no certificate that is believed here; nothing was sent; see [vault] ca")
        except (requests.RequestException, urllib3.exceptions.HTTPError, ValueError):
            fault = Unavailable("vault.outside_away", f"{self.place} does not answer; {if_away}")
        except OSError:  # requests' own way to say that the file is not there
            fault = Unavailable("vault.outside_tls", f"{self.place} was not asked: the file that [vault] ca names cannot be read")
        raise fault

    def _refusal(self, path: str, answer: Answer) -> Unavailable:
        """Why a call was not done, in our words: what it says itself is not repeated."""
        of = f" about {path}" if path else ""
        match answer.status:
            case 503:
                return Unavailable("vault.outside_sealed", f"{self.place} is sealed, or down for maintenance; ask those who run it")
            case 501:
                return Unavailable("vault.outside_sealed", f"{self.place} was never initialised; ask those who run it")
            case 429:
                return Unavailable("vault.outside_busy", f"{self.place} lets us ask no more for now; try again in a moment")
            case 401 | 403:
                may = "its policy there needs read, list, create, update on data, metadata, delete, undelete and destroy"
                return Unavailable("vault.outside_forbidden", f"{self.place} does not let dockwarden's token do this{of}; {may}")
            case 404:
                what = f"has no KV version 2 engine at {self.place.mount}"
                return Unavailable("vault.outside_mount", f"{self.place} {what}; see [vault] mount and namespace")
            case 200:
                return self._odd(path)
            case status if 300 <= status < 400:
                what = "sends us elsewhere, and we do not follow"
                return Unavailable("vault.outside_moved", f"{self.place} {what}; name the one that answers in [vault] outside")
        return Unavailable("vault.outside_failed", f"{self.place} answered {answer.status}{of}; its own log says why")

    def _odd(self, path: str) -> Unavailable:
        of = f" about {path}" if path else ""
        return Unavailable("vault.outside_answer", f"{self.place} answered what no KV version 2 engine does{of}; see [vault] outside and mount")


def _body(response: requests.Response) -> Mapping[str, Any]:
    """The JSON object of an answer, empty where it is none."""
    try:
        found = msgspec.json.decode(response.content)
    except msgspec.DecodeError:
        return {}
    return found if isinstance(found, dict) else {}
