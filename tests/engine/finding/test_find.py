"""Variables, one by one: what is a secret, what is none, and why."""

from __future__ import annotations

import base64
import random

import pytest

from dockwarden.engine.finding import LOOKED_AT, find
from engine.finding.rows import jwt, pem, some

GITHUB = "ghp_" + "aB3dE6gH9j" * 3 + "kL5mN2"
CHANCE = "Ab3kZ9qPm2Lx7RtV5wYc8Nd4"


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("POSTGRES_PASSWORD", "hunter2", "password"),
        ("POSTGRES_PASSWORD", "changeme", "password"),
        ("POSTGRES_PASSWORD", "123456", "password"),
        ("POSTGRES_PASSWORD", "x", "password"),
        ("POSTGRES_PASSWORD", "yourmom123", "password"),
        ("POSTGRES_PASSWORD", "put-cat-amber", "password"),
        ("POSTGRES_PASSWORD", "/p@ss", "password"),
        ("LDAP_BINDPW", "abc", "password"),
        ("PGPASSWORD", "abc", "password"),
        ("MYSQL_PWD", "abc", "password"),
        ("REDISCLI_AUTH", "abc", "password"),
        ("DB_PASSWORD_PROD", "hunter2", "password"),
        ("dbPassword", "hunter2", "password"),
        ("com.example.db-password", "hunter2", "password"),
        ("SECRET_KEY_BASE", "f" * 9 + "0123", "secret-key"),
        ("CI_TOKEN", "abc123", "token"),
        ("DB_PASSWORD_FILE", "Xk29fLq04mZz", "password"),
        ("MAPS_KEY", CHANCE, "key"),
        ("NEO4J_AUTH", "neo4j/hunter2", "credentials"),
        ("RABBITMQ_ERLANG_COOKIE", "QWERTZUIOPASDFGHJKLY", "cookie"),
        ("X", GITHUB, "github-token"),
        ("GITHUB_TOKEN", GITHUB, "github-token"),
        ("DATABASE_URL", "postgres://app:hunter2@db/x", "url-password"),
        ("REDIS_URL", "redis://:hunter2@cache:6379/0", "url-password"),
        ("JAVA_OPTS", "-Xmx1g -Djavax.net.ssl.keyStorePassword=changeit", "password"),
        ("X", "Driver={X};Server=db;Uid=sa;Pwd=hunter2;", "password"),
        ("X", "host=db user=app password=hunter2", "password"),
        ("X", "Authorization: Basic " + base64.b64encode(b"app:hunter2").decode(), "basic-auth"),
        ("X", base64.b64encode(b"postgres://app:hunter2@db/x").decode(), "url-password"),
        ("X", CHANCE, "entropy"),
    ],
)
def test_a_secret_is_found(name: str, value: str, kind: str) -> None:
    found = find(name, value)

    assert found is not None
    assert kind == found.kind


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PWD", "/app"),
        ("PWD", "hunter2"),
        ("OLDPWD", "hunter2"),
        ("DB_PASSWORD", ""),
        ("DB_PASSWORD", "true"),
        ("DB_PASSWORD", "${DB_PASSWORD}"),
        ("DB_PASSWORD", "dockwarden://prod/db/password"),
        ("DB_PASSWORD", "dockwarden:masked"),
        ("DB_PASSWORD", "dockwarden:masked:" + "ab" * 32),
        ("DB_PASSWORD", "<your-password>"),
        ("DB_PASSWORD", "********"),
        ("DB_PASSWORD", "your-password"),
        ("DB_PASSWORD", "yourpassword"),
        ("DB_PASSWORD", "replace_with_your_password"),
        ("DB_PASSWORD", "insert-the-token"),
        ("DB_PASSWORD", "password-goes-here"),
        ("DB_PASSWORD_FILE", "/run/secrets/db"),
        ("DB_PASSWORD", "/run/secrets/db"),
        ("DB_PASSWORD", "./secrets/db.txt"),
        ("DB_TOKEN", "/var/run/secrets/kubernetes.io/serviceaccount/token"),
        ("TOKEN_TTL", "3600"),
        ("CI_TOKEN", "3600"),
        ("PASSWORD_POLICY", "strict"),
        ("PASSWORD_MIN_LENGTH", "12"),
        ("TOKENIZERS_PARALLELISM", "false"),
        ("SECRET_NAME", "db-password"),
        ("KEY_ID", "0123456789abcdef"),
        ("MYSQL_ALLOW_EMPTY_PASSWORD", "yes"),
        ("MYSQL_RANDOM_ROOT_PASSWORD", "yes"),
        ("GPG_KEY", "A035C8C19219BA821ECEA86B64E628F8D684696D"),
        ("CACHE_KEY", "deps-v1-0a1b2c3d"),
        ("SMTP_AUTH", "scram-sha-256"),
        ("DATABASE_URL", "postgres://app@db/x"),
        ("DATABASE_URL", "postgres://app:${DB_PASSWORD}@db/x"),
        ("X", "123e4567-e89b-42d3-a456-426614174000"),
        ("X", "sha256:" + "0a1b2c3d" * 8),
        ("X", base64.b64encode(b'{"level": "info", "port": 8080}').decode()),
        ("GIT_COMMIT", "0a1b2c3d" * 5),
    ],
)
def test_an_honest_value_is_not(name: str, value: str) -> None:
    assert find(name, value) is None


@pytest.mark.parametrize("at", [0, 1000, LOOKED_AT - 5000])
def test_a_key_deep_in_a_long_value_is_found(at: int) -> None:
    r = random.Random(1)

    assert "private-key" == getattr(find("X", "word " * (at // 5) + "\n" + pem(r, "RSA PRIVATE KEY") + " word" * 300_000), "kind", "")
    assert "jwt" == getattr(find("X", "word " * (at // 5) + jwt(r) + " word" * 300_000), "kind", "")
    assert "npm-token" == getattr(find("X", "word " * (at // 5) + "npm_" + some(r, "aB3dE6", 36) + " word" * 300_000), "kind", "")


def test_a_token_without_a_signature_is_no_key() -> None:
    header, claims, _ = jwt(random.Random(2)).split(".")
    unsigned = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').decode().rstrip("=")

    assert getattr(find("X", f"{header}.{claims}."), "kind", "") != "jwt"
    assert getattr(find("X", f"{unsigned}.{claims}.{'x1Y' * 9}"), "kind", "") != "jwt"
