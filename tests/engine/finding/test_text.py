"""Secrets in command lines, arguments, history and scripts, and nothing but them."""

from __future__ import annotations

import pytest

from dockwarden.engine.finding import LOOKED_AT, find_in_arguments, find_in_text, masked
from dockwarden.engine.finding.honest import MARK
from dockwarden.engine.veil import mask

HIDDEN = "█"
NPM = "npm_" + "aB3dE6gH9j" * 3 + "kL5mN2"


@pytest.mark.parametrize(
    "line",
    [
        "mysql -u root -p«hunter2» db",
        "mysql -u root -p'«hun ter2»' db",
        "mysqldump --password=«hunter2» --all-databases",
        "docker login -u me -p «hunter2» registry.example.com",
        "docker run -p 8080:80 -e POSTGRES_PASSWORD=«hunter2» -e TZ=Europe/Paris postgres:16",
        'docker run -e "POSTGRES_PASSWORD=«hunter 2»" postgres',
        "docker build --build-arg NPM_TOKEN=«abcdef123456» .",
        "curl -u admin:«hunter2» https://example.com",
        "curl -H 'Authorization: Bearer «abcDEF123456ghiJKL»' https://example.com",
        "curl -H 'X-Api-Key: «0123456789abcdef»' https://example.com",
        'curl "https://example.com/y?access_token=«abcdef123456»&x=1"',
        """curl -d '{"username":"a","password":"«hunter2»"}' https://example.com""",
        "redis-cli -a «hunter2» ping",
        "redis-server --requirepass «hunter2» --appendonly yes",
        "psql postgresql://app:«hun%40ter»@db/x -c 'select 1'",
        """psql -c "CREATE USER app WITH PASSWORD '«hunter2»'" """,
        """mysql -e "ALTER USER 'a'@'%' IDENTIFIED WITH mysql_native_password BY '«hunter2»'" """,
        'echo "root:«hunter2»" | chpasswd',
        "echo «hunter2» | docker login --password-stdin",
        "htpasswd -bc /etc/f user «hunter2»",
        "sshpass -p «hunter2» ssh a@b",
        "keytool -import -storepass «changeit» -alias x",
        "java -Ddb.password=«abc123» -jar app.jar",
        "|1 DB_PASSWORD=«hunter2» HTTP_PROXY=http://p:3128 /bin/sh -c make build # buildkit",
        "/bin/sh -c #(nop)  ENV API_KEY=«abc123def456»",
        "ENV API_KEY «abc123def456»",
        f"RUN echo '//registry.npmjs.org/:_authToken=«{NPM}»' > ~/.npmrc",
        "aws configure set aws_secret_access_key «abcDEF123»",
        "kubectl create secret generic x --from-literal=password=«hunter2»",
        'CMD ["mysqld","--password","«hunter2»"]',
        'CMD ["node" "server.js" "--apiKey=«abcdef123456»"]',
        "sh -c 'PGPASSWORD=\"«hunter2»\" psql'",
        "mc alias set minio http://minio:9000 minioadmin «minioadmin»",
        "Server=db;Database=x;User Id=sa;Password=«Str0ng!»;TrustServerCertificate=true",
        "password: «hunter2»",
        "machine db login app password «hunter2»",
        "db.internal:5432:app:app:«hunter2»",
    ],
)
def test_only_the_secret_part_is_masked(line: str) -> None:
    before, _, rest = line.partition("«")
    secret, _, after = rest.partition("»")

    assert before + HIDDEN + after == masked(before + secret + after, HIDDEN)


@pytest.mark.parametrize(
    "line",
    [
        "mysql -u root -p",
        "grep password /etc/shadow",
        "cat /run/secrets/password",
        "The password must be long. Token: see the manual for more.",
        "PASSWORD=$(cat /run/secrets/x) ./run",
        "export PASSWORD=${DB_PASSWORD}",
        "ansible-vault decrypt --vault-password-file=/x/y",
        "git commit -m 'add token support'",
        "--token-ttl 3600 --token-type bearer",
        "gh auth login --with-token",
        "tar -C /x -p -xf y",
        "ssh -p 2222 host",
        "mkdir -p /data/x",
        "cd $PWD; PWD=/app",
        "docker run -d pepper:22.27 --auth-host=scram-sha-256",
        "gpg --batch --recv-keys B42F6819007F00F88E364FD4036A9C25BF357DD4",
        "curl -o a https://example.com/releases/download/v1.2.3/tool_Linux_x86_64.tar.gz",
        "apt-get install -y ca-certificates=20230311 libssl3=3.0.11-1~deb12u2",
        "echo '0a1b2c3d0a1b2c3d0a1b2c3d0a1b2c3d0a1b2c3d0a1b2c3d0a1b2c3d0a1b2c3d  x' | sha256sum -c",
    ],
)
def test_an_honest_line_stays_as_it_is(line: str) -> None:
    assert () == find_in_text(line)


@pytest.mark.parametrize(
    "arguments",
    [
        ["app", "--password", "«a b c»", "--verbose"],
        ["mysql", "-u", "root", "-p«hun ter»"],
        ["mysql", "-p", "db"],
        ["env", "DB_PASSWORD=«my pass»", "run"],
        ["sh", "-c", "mysql -p«hunter2» -e 'select 1'; echo done"],
        ["sh", "-c", "DB_PASSWORD=«hunter2» psql -h db"],
        ["redis-cli", "-a", "«hunter2»"],
        ["docker", "login", "-u", "a", "-p", "«b c»"],
        ["curl", "-u", "a:«b c»", "https://example.com"],
        ["run", "--token-file", "/x"],
        ["echo", "", "\0"],
        [],
    ],
)
def test_arguments_keep_their_edges(arguments: list[str]) -> None:
    plain = [argument.replace("«", "").replace("»", "") for argument in arguments]

    found = find_in_arguments(plain)

    marked = []
    for argument, spans in zip(plain, found, strict=True):
        for span in reversed(spans):
            argument = argument[: span.start] + "«" + argument[span.start : span.end] + "»" + argument[span.end :]
        marked.append(argument)
    assert arguments == marked


def test_what_was_not_looked_at_is_masked_as_a_whole() -> None:
    text = "word " * (LOOKED_AT // 5 + 1000)

    assert text[:LOOKED_AT] + HIDDEN == masked(text, HIDDEN)


def test_the_mark_is_the_veils() -> None:
    assert MARK == mask.MARK
