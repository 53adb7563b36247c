"""As whom a run would act, compared with who asks. Source: THREATS 2.2, DESIGN §8 (users are sent as numbers)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dockwarden.engine.facts.model import UserFacts
from dockwarden.engine.known import Known
from dockwarden.engine.users import EffectiveUser, effective_user, group_id, groups_of

HOST = "host"


def user_of_run(spec: str, userns_mode: str, known: Known, place: str = "User") -> EffectiveUser:
    """Return whom a new container or task runs as: the request's user, else the image's, else root.

    Raises:
        Forbidden: `user.unknown`, `user.unclear`.
    """
    image = known.image
    is_remapped = known.userns_remap and userns_mode != HOST
    passwd, group = (image.passwd, image.group) if image else (None, None)
    if spec or image is None:
        return effective_user(spec, passwd, group, is_given=bool(spec), is_remapped=is_remapped, place=place)
    return effective_user(image.user, passwd, group, is_given=False, is_remapped=is_remapped, place=f"USER of image {image.id[:19]}")


def user_of_exec(spec: str, known: Known) -> EffectiveUser:
    """Return whom an exec runs as: the request's user, else the container's.

    Raises:
        Forbidden: as above.
    """
    container, image = known.container, known.image
    is_remapped = known.userns_remap and (container is None or container.userns_mode != HOST)
    passwd, group = (image.passwd, image.group) if image else (None, None)
    if container is None:
        return EffectiveUser(0, 0, (), spec, bool(spec), is_clear=False)
    return effective_user(spec or container.user, passwd, group, is_given=bool(spec), is_remapped=is_remapped)


def group_numbers(groups: Iterable[str], known: Known) -> tuple[int, ...]:
    """Return `GroupAdd` as numbers, names looked up in the image.

    Raises:
        Forbidden: `user.unknown`, `user.unclear`.
    """
    text = known.image.group if known.image else ""
    return tuple(dict.fromkeys(group_id(group, text) for group in groups))


def group_escapes(user: EffectiveUser, added: Iterable[int], known: Known) -> Iterator[str]:
    """Yield an escape for each added group that neither the caller is in nor the image gives to this user."""
    account, image = known.principal.account, known.image
    own = {account.gid, *account.groups} if account else set()
    if image is not None and user.is_clear:
        own |= {user.gid, *groups_of(user.uid, image.passwd, image.group)}
    own.discard(0)
    return (f"group:{gid}" for gid in added if gid not in own)


def user_facts(user: EffectiveUser, added: Iterable[int], known: Known, userns_mode: str = "") -> UserFacts:
    """Return what policy sees of `user`; a group that is added counts as his. In a user namespace, no id is the host's,
    and root is judged as root, not as another account.
    """
    account = known.principal.account
    gids = {user.gid, *user.groups, *added}
    own = {account.gid, *account.groups} if account else set()
    is_remapped = known.userns_remap and userns_mode != HOST
    is_others_uid = user.uid in known.accounts and (account is None or user.uid != account.uid)
    is_root = user.is_root or (0 in gids and not is_remapped)
    return UserFacts(
        is_root=is_root,
        is_given=user.is_given,
        is_caller=account is not None and user.is_clear and user.uid == account.uid and gids <= own,
        is_other_account=not (is_root or is_remapped) and (is_others_uid or bool(gids & known.host_groups - own)),
        uid=user.uid,
        gid=user.gid,
    )
