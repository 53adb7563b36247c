"""Documented formats of tokens and keys, and where they stand in a text. A pure table, and one function over it.

Each row: what every such token contains, as it is written; its kind; why; and the format. A row's format runs only where a text contains
one of its anchors, so that a value without any costs a few substring searches. No format has nested or adjoining repetitions: the work is
linear in what is looked at.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from dockwarden.engine.finding.finding import Finding, Span
from dockwarden.engine.finding.wrapped import is_token_header

Check = Callable[[str], bool]
EDGE = r"(?<![A-Za-z0-9])"
"""A token begins where a word does."""


@dataclass(frozen=True, slots=True, eq=False)
class Format:
    """One documented format. The secret is the group `secret` of `shape`, or all of it; `check` says whether a match is one in earnest."""

    finding: Finding
    anchors: tuple[str, ...]
    shape: re.Pattern[str]
    check: Check | None = None

    @property
    def begins_word(self) -> bool:
        """Whether it begins where a word does."""
        return self.shape.pattern.startswith(EDGE)


def _has_digit_and_upper(token: str) -> bool:
    return any(letter.isdigit() for letter in token) and token.lower() != token


def _has_digit(token: str) -> bool:
    return any(letter.isdigit() for letter in token) and _is_not_repeated(token)


def _is_jwt(token: str) -> bool:
    return is_token_header(token.partition(".")[0])


def _is_not_repeated(token: str) -> bool:
    """A token of one or two letters again and again is an example's."""
    return len(set(token[-20:])) > 3


def _row(kind: str, what: str, anchors: str, shape: str, check: Check | None = _is_not_repeated) -> Format:
    return Format(Finding(kind, f"it has the form of {what}"), tuple(anchors.split()), re.compile(shape), check)


FORMATS: tuple[Format, ...] = (
    _row(
        "private-key", "a PEM, OpenSSH or PGP private key", "PRIVATE",
        r"-----BEGIN (?:[A-Z0-9]{1,16} ){0,3}PRIVATE KEY(?: BLOCK)?-----(?:[^-]|-(?!----END))*(?:-----END [A-Z0-9 ]{1,64}-----)?", None,
    ),
    _row("private-key", "a PuTTY private key", "Private-Lines:", r"Private-Lines: {0,4}[0-9]{1,4}[\sA-Za-z0-9+/=]{0,16384}"),
    _row("age-key", "an age identity", "AGE-SECRET-KEY-", r"AGE-SECRET-KEY-(?:PQ-)?1[02-9AC-HJ-NP-Z]{40,}"),
    _row(
        "aws-access-key", "an AWS access key id, half of a credential", "AKIA ASIA ABIA ACCA",
        EDGE + r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}(?![A-Za-z0-9])",
    ),
    _row("aws-access-key", "an Amazon Bedrock API key", "ABSK", EDGE + r"ABSK[A-Za-z0-9+/]{60,}={0,2}"),
    _row("github-token", "a GitHub token", "ghp_ gho_ ghu_ ghs_ ghr_", EDGE + r"gh[pousr]_[A-Za-z0-9]{36,255}"),
    _row("github-token", "a fine-grained GitHub token", "github_pat_", EDGE + r"github_pat_[A-Za-z0-9_]{36,255}"),
    _row("gitlab-token", "a GitLab token", "gl", EDGE + r"gl(?:pat|dt|rt|rtr|cbt|ptt|ft|imt|agent|oas|soat|ffct|wt)-[A-Za-z0-9_.=-]{20,300}"),
    _row("gitlab-token", "a GitLab runner's registration token", "GR13", EDGE + r"GR1348941[A-Za-z0-9_-]{20}"),
    _row("slack-token", "a Slack token", "xox", EDGE + r"xox[abceoprs](?:\.xox[bp])?-[A-Za-z0-9-]{10,250}"),
    _row("slack-token", "a Slack app token", "xapp-", EDGE + r"xapp-[0-9]-[A-Za-z0-9-]{10,250}"),
    _row(
        "webhook", "a Slack webhook's address", "hooks.slack",
        r"hooks\.slack(?:-gov)?\.com/(?:services|workflows|triggers)/(?P<secret>[A-Za-z0-9+/]{20,128})",
    ),
    _row(
        "webhook", "a Discord webhook's address", "/api/webhooks/",
        r"discord(?:app)?\.com/api/webhooks/[0-9]{16,20}/(?P<secret>[A-Za-z0-9_-]{60,80})",
    ),
    _row("webhook", "a Teams webhook's address", "webhook.office.com", r"webhook\.office\.com/webhookb2/(?P<secret>[A-Za-z0-9@/-]{60,256})"),
    _row("stripe-key", "a Stripe secret or restricted key", "sk_live_ sk_test_ rk_live_ rk_test_", EDGE + r"[sr]k_(?:live|test)_[A-Za-z0-9]{16,255}"),
    _row("webhook-secret", "a signing secret of webhooks", "whsec_", EDGE + r"whsec_[A-Za-z0-9+/]{24,128}={0,2}"),
    _row("sendgrid-key", "a SendGrid key", "SG.", EDGE + r"SG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{32,64}"),
    _row("twilio-key", "a Twilio API key", "SK", EDGE + r"SK[0-9a-f]{32}(?![A-Za-z0-9])"),
    _row("npm-token", "an npm token", "npm_", EDGE + r"npm_[A-Za-z0-9]{36,64}(?![A-Za-z0-9])"),
    _row("pypi-token", "a PyPI token", "pypi-", EDGE + r"pypi-AgE[A-Za-z0-9_-]{40,1024}"),
    _row("docker-token", "a Docker Hub token", "dckr_", EDGE + r"dckr_(?:pat|oat)_[A-Za-z0-9_-]{20,128}"),
    _row("docker-swarm-key", "a key of a Docker swarm", "SWM", EDGE + r"(?:SWMTKN-1-[0-9a-z]{40,64}-[0-9a-z]{20,32}|SWMKEY-1-[A-Za-z0-9+/]{40,64})"),
    _row("vault-token", "a Vault or OpenBao token", "hvs. hvb. hvr.", EDGE + r"hv[sbr]\.[A-Za-z0-9_-]{24,512}"),
    _row("vault-token", "an older Vault token", "s. b. r.", r"(?<![A-Za-z0-9_.-])[sbr]\.[A-Za-z0-9]{24}(?![A-Za-z0-9_.-])", _has_digit_and_upper),
    _row("terraform-token", "a Terraform Cloud token", ".atlasv1.", EDGE + r"[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_-]{60,128}"),
    _row("digitalocean-token", "a DigitalOcean token", "dop_v1_ doo_v1_ dor_v1_", EDGE + r"do[opr]_v1_[0-9a-f]{64}"),
    _row("anthropic-key", "an Anthropic key", "sk-ant-", EDGE + r"sk-ant-[A-Za-z0-9_-]{20,256}", _has_digit_and_upper),
    _row(
        "openai-key", "an OpenAI key", "sk-",
        EDGE + r"sk-(?:proj-|svcacct-|admin-|or-v1-|lf-)?[A-Za-z0-9_-]{20,256}",
        _has_digit,
    ),
    _row("huggingface-token", "a Hugging Face token", "hf_", EDGE + r"hf_[A-Za-z]{30,64}(?![A-Za-z0-9])"),
    _row("telegram-token", "a Telegram bot's token", ":A", EDGE + r"[0-9]{8,10}:A[A-Za-z0-9_-]{34}(?![A-Za-z0-9_-])"),
    _row(
        "discord-token", "a Discord bot's token", ".",
        EDGE + r"[MNO][A-Za-z0-9_-]{23,27}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,40}(?![A-Za-z0-9_-])", _has_digit_and_upper,
    ),
    _row("jwt", "a signed JSON web token", "eyJ", EDGE + r"eyJ[A-Za-z0-9_-]{8,2048}\.[A-Za-z0-9_-]{4,16384}\.[A-Za-z0-9_-]{16,2048}", _is_jwt),
    _row(
        "jwt", "an encrypted JSON web token", "eyJ",
        EDGE + r"eyJ[A-Za-z0-9_-]{8,2048}\.[A-Za-z0-9_-]{0,2048}\.[A-Za-z0-9_-]{8,64}\.[A-Za-z0-9_-]{4,16384}\.[A-Za-z0-9_-]{16,64}", _is_jwt,
    ),
    _row("google-key", "a Google API key", "AIza", EDGE + r"AIza[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])"),
    _row("google-secret", "a Google OAuth client's secret", "GOCSPX-", EDGE + r"GOCSPX-[A-Za-z0-9_-]{24,32}"),
    _row("google-token", "a Google OAuth token", "ya29. 1//0", EDGE + r"(?:ya29\.|1//0)[A-Za-z0-9_-]{30,1024}"),
    _row(
        "azure-key", "an Azure storage or service bus key", "AccountKey= SharedAccessKey= accountkey= sharedaccesskey=",
        r"(?i:AccountKey|SharedAccessKey)=(?P<secret>[A-Za-z0-9+/]{40,120}={0,2})",
    ),
    _row("azure-signature", "a shared access signature", "sig=", r"(?<=[?&;])sig=(?P<secret>[A-Za-z0-9%+/_-]{40,128}={0,2})"),
    _row(
        "azure-secret", "a Microsoft Entra client secret", "Q~",
        r"(?<![A-Za-z0-9_~.-])[A-Za-z0-9_~.-]{3}[0-9]Q~[A-Za-z0-9_~.-]{31,34}(?![A-Za-z0-9_~.-])",
    ),
    _row("shopify-token", "a Shopify token", "shp", EDGE + r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}"),
    _row("square-token", "a Square token", "sq0", EDGE + r"sq0(?:atp|csp|idp)-[A-Za-z0-9_-]{22,43}"),
    _row("mailgun-key", "a Mailgun key", "key-", EDGE + r"key-[0-9a-f]{32}(?![0-9a-zA-Z])"),
    _row("mailchimp-key", "a Mailchimp key", "-us", EDGE + r"[0-9a-f]{32}-us[0-9]{1,2}(?![0-9])"),
    _row("grafana-token", "a Grafana token", "glsa_ glc_", EDGE + r"(?:glsa_[A-Za-z0-9]{32}_[0-9a-fA-F]{8}|glc_[A-Za-z0-9+/]{32,400}={0,2})"),
    _row("databricks-token", "a Databricks token", "dapi", EDGE + r"dapi[0-9a-f]{32}(?:-[0-9])?(?![0-9a-zA-Z])"),
    _row("dynatrace-token", "a Dynatrace token", "dt0", EDGE + r"dt0[a-z][0-9]{2}\.[A-Z0-9]{24}\.[A-Z0-9]{64}"),
    _row("newrelic-key", "a New Relic key", "NRAK- NRII- NRAL", EDGE + r"(?:NRA[KA]-[A-Z0-9]{27}|NRII-[A-Za-z0-9_-]{32}|[0-9a-f]{36}NRAL)"),
    _row(
        "atlassian-token", "an Atlassian token", "ATATT3 ATCTT3 ATBB",
        EDGE + r"(?:AT[AC]TT3[A-Za-z0-9_=-]{60,256}|ATBB[A-Za-z0-9]{28,32}(?![A-Za-z0-9]))",
    ),
    _row("sentry-token", "a Sentry token", "sntry", EDGE + r"sntry[sua]_[A-Za-z0-9+/=_]{60,512}"),
    _row("artifactory-token", "an Artifactory token", "AKCp cmVmdGtu", EDGE + r"(?:AKCp[A-Za-z0-9]{69}|cmVmdGtu[A-Za-z0-9]{56})"),
    _row("nostr-key", "a Nostr private key", "nsec1", EDGE + r"nsec1[02-9ac-hj-np-z]{58}"),
    _row(
        "api-token", "an API token with its maker's sign",
        "lin_ ntn_ PMAK- dp. pscale_ HRKU- fo1_ fm2_ nfp_ rubygems_ pul- bkua_ CCIPAT_ tskey- figd_ sbp_ r8_ gsk_ xai- pplx- cfat_ cfut_ v1.0-",
        EDGE + r"(?:lin_(?:api|oauth)_[A-Za-z0-9]{32,64}|ntn_[A-Za-z0-9]{40,50}|PMAK-[0-9a-f]{24}-[0-9a-f]{34}|"
        r"dp\.(?:pt|st|ct|sa|scim|audit)\.[A-Za-z0-9._-]{40,64}|"
        r"pscale_(?:tkn|pw|oauth|app)_[A-Za-z0-9=._-]{32,64}|HRKU-[A-Za-z0-9_-]{36,64}|fo1_[A-Za-z0-9_-]{43}|fm2_[A-Za-z0-9+/=]{60,1024}|nfp_[A-Za-z0-9]{36}|rubygems_[0-9a-f]{48}|pul-[0-9a-f]{40}|"
        r"bkua_[0-9a-f]{40}|CCIPAT_[A-Za-z0-9]{20,24}_[0-9a-f]{40}|tskey-(?:auth|api|client|scim|webhook)-[A-Za-z0-9]{8,24}-[A-Za-z0-9]{20,40}|figd_[A-Za-z0-9_-]{38,44}|sbp_[0-9a-f]{40}|"
        r"r8_[A-Za-z0-9]{37}|gsk_[A-Za-z0-9]{48,56}|xai-[A-Za-z0-9]{70,90}|pplx-[A-Za-z0-9]{40,60}|cf[au]t_[A-Za-z0-9]{40,60}|v1\.0-[0-9a-f]{24}-[0-9a-f]{140,150})",
    ),
    _row(
        "password-hash", "a password's hash", "$apr1$ $1$ $2 $5$ $6$ $y$ $argon2 {SSHA} {SHA}",
        r"\$(?:apr1|1|5|6|y)\$[A-Za-z0-9./$=,]{16,200}|"
        r"\$2[abxy]?\$[0-9]{2}\$[A-Za-z0-9./]{53}|\$argon2(?:id|i|d)\$[A-Za-z0-9+/$=,]{30,256}|"
        r"\{S?SHA\}[A-Za-z0-9+/]{27,64}={0,2}",
    ),
)
SHORTEST = 15
"""No token of these formats is shorter."""


def _by_sign() -> tuple[tuple[str, tuple[tuple[str, Format], ...]], ...]:
    anchors = [(anchor, row) for row in FORMATS for anchor in row.anchors]
    signs = {sign: tuple(one for one in anchors if next((sign for sign in "_-.$:=" if sign in one[0]), "") == sign) for sign in ("", *"_-.$:=")}
    return tuple(signs.items())


ANCHORS = _by_sign()
"""The anchors, by the one sign that a text must hold for them to be in it: most values hold few signs."""


def formats_in(text: str) -> Iterator[Span]:
    """Yield every documented token in `text`, a format at a time."""
    if len(text) < SHORTEST:
        return
    rows = [row for sign, anchors in ANCHORS if sign in text for anchor, row in anchors if anchor in text]
    for at, row in enumerate(rows):
        if row in rows[:at]:
            continue
        for match in row.shape.finditer(text):
            if row.check is None or row.check(match[0]):
                start, end = match.span("secret") if "secret" in row.shape.groupindex else match.span()
                yield Span(start, end, row.finding)

