"""Labelled rows for the finder of secrets, made from a seed when they are asked for, so that no token stands in the repository.

How they were made, and what the measure is worth. A *family* is one kind of secret or of honest value, with the names that it goes by. Of a
family in `SECRET` and `HONEST`, half of the rows (by a hash of the row) are for tuning and half are held out; while the rules were made, only
failures of tuning rows were looked at. The families of the `…_UNSEEN` and `…_FRESH` tables are held out whole, as families.

- `…_UNSEEN` was written beside the rules and first looked at when the tuning half was clean: precision 0.983, recall 1.000 over the held-out
  half, 24 honest rows found. They were mended by rules of a kind, not of a row: a UUID is cut out of a token before it is judged, a fingerprint
  and words with small numbers (`scram-sha-256`) are not made by chance, a path below a root folder is a path, a colon in a .pgpass password is
  escaped, a plural is its singular.
- `…_FRESH` was written after that, to have rows that nothing was mended for: precision 0.998, recall 0.933 at first look. One family was missed
  whole, .netrc, and got its documented format; one honest row was a host's name under SALT_MASTER.

- Then command lines and some ninety variables were written by hand, what failed of them was mended, and it became tests.

So the figures that the tests hold are of mended rules; the honest forecast for a kind nobody thought of is the first look's. What none of this
does: one author wrote rules and families, and the shares are made up: it is no field study. Tokens follow the documented length, alphabet and
prefix of their makers, but are random; checksums inside of them are not made right.

Labels: what lets somebody in is a secret, `changeme` and `postgres` under a password's name among it. A reference to a secret kept
elsewhere, a hole of a template, a public key, a digest, an id and a setting about secrets are none.
"""

from __future__ import annotations

import base64
import hashlib
import json
import random
import string
import uuid
from collections.abc import Callable
from dataclasses import dataclass

SEED = 20_250
PER_FAMILY = {"seen": 52, "unseen": 18, "fresh": 40}
B62 = string.ascii_letters + string.digits
B64 = B62 + "+/"
URLSAFE = B62 + "-_"
HEX = "0123456789abcdef"
LOWER36 = string.ascii_lowercase + string.digits
UPPER36 = string.ascii_uppercase + string.digits
WORDS = ["alpha", "amber", "anchor", "apple", "april", "arrow", "autumn", "basket", "beacon", "birch", "blue", "bridge", "bright", "candle", "castle", "cedar", "chase", "cloud", "copper", "coral", "crystal", "dawn", "delta", "dragon", "eagle", "echo", "ember", "falcon", "fern", "field", "flame", "forest", "fox", "garden", "ghost", "glass", "gold", "granite", "harbor", "hazel", "honey", "horse", "iron", "island", "ivory", "jade", "juniper", "kite", "lake", "lemon", "light", "lotus", "maple", "marble", "meadow", "mint", "moon", "moss", "mountain", "night", "north", "oak", "ocean", "olive", "onyx", "orange", "orbit", "otter", "pearl", "pepper", "pine", "planet", "plum", "quartz", "quiet", "rain", "raven", "red", "river", "rose", "ruby", "saffron", "sage", "sand", "shadow", "silver", "sky", "snow", "solar", "spring", "staple", "stone", "storm", "summer", "sun", "swift", "tiger", "timber", "topaz", "valley", "velvet", "violet", "water", "west", "willow", "wind", "winter", "wolf", "yellow", "zephyr"]
COMMON = ("changeme", "postgres", "password", "admin", "secret", "example", "root", "123456", "letmein", "hunter2", "P@ssw0rd", "minioadmin", "guest", "wordpress", "test1234", "qwerty", "toor", "mysecretpassword")

R = random.Random
Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Row:
    """One labelled row; `kind` is the family's name."""

    name: str
    value: str
    is_secret: bool
    kind: str
    group: str

    @property
    def is_held_out(self) -> bool:
        return self.group != "seen" or hashlib.sha256(f"{self.name}\0{self.value}".encode()).digest()[0] & 1 == 1


def some(r: R, letters: str, least: int, most: int = 0) -> str:
    return "".join(r.choices(letters, k=r.randint(least, most or least)))


def b64(text: str | bytes) -> str:
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


def b64url(text: str | bytes) -> str:
    return base64.urlsafe_b64encode(text if isinstance(text, bytes) else text.encode()).decode().rstrip("=")


def word(r: R) -> str:
    return r.choice(WORDS)


def password(r: R) -> str:
    match r.randrange(8):
        case 0:
            return r.choice(COMMON)
        case 1:
            return f"{word(r).title()}{r.randint(1, 2030)}{r.choice('!?#$.*')}"
        case 2:
            return "-".join(word(r) for _ in range(4))
        case 3:
            return some(r, B62 + "!@#%^*()_+=?", 12, 28)
        case 4:
            return some(r, HEX, 16, 40)
        case 5:
            return b64(r.randbytes(r.randint(12, 32)))
        case 6:
            return word(r) + some(r, string.digits, 1, 5)
        case _:
            return some(r, B62, 8, 32)


def plain_password(r: R) -> str:
    """One that stands in a URL or a connection string without escapes."""
    return next(one for one in iter(lambda: password(r), "") if not set(one) & set("@/:#?&;%= ,'\"+^()*$"))


def host(r: R) -> str:
    return r.choice(["db", "localhost", f"{word(r)}.internal", f"{word(r)}-{word(r)}.example.com", f"10.{r.randrange(256)}.{r.randrange(256)}.{r.randrange(1, 255)}"])


def path(r: R) -> str:
    return r.choice(["/run/secrets/", "/etc/ssl/private/", "/var/lib/app/", "/home/app/.config/", "/opt/", "./conf/"]) + f"{word(r)}-{word(r)}" + r.choice(["", ".txt", ".pem", ".json", "/token"])


def uuid4(r: R) -> str:
    return str(uuid.UUID(bytes=r.randbytes(16), version=4))


def pem(r: R, label: str) -> str:
    body = b64(r.randbytes(r.choice([118, 300, 608])))
    return f"-----BEGIN {label}-----\n" + "\n".join(body[at : at + 64] for at in range(0, len(body), 64)) + f"\n-----END {label}-----\n"


def jwt(r: R) -> str:
    head = json.dumps({"alg": r.choice(["HS256", "RS256", "ES256", "EdDSA"]), "typ": "JWT"}, separators=(",", ":"))
    claims = json.dumps({"sub": word(r), "iat": r.randint(1_600_000_000, 1_800_000_000), "scope": [word(r)]}, separators=(",", ":"))
    return f"{b64url(head)}.{b64url(claims)}.{b64url(r.randbytes(r.choice([32, 64])))}"


def prefix(r: R) -> str:
    return r.choice(["APP", "MY", "DB", "CI", "SVC", word(r).upper(), f"{word(r)}_{word(r)}".upper()])


def plain_name(r: R) -> str:
    """A name that says nothing."""
    return r.choice(["VALUE", "DATA", "CONFIG", "X", "SETTING", "INPUT", "EXTRA", "OPTS", "PARAM", f"{word(r)}_{word(r)}".upper(), f"{word(r).upper()}_CONFIG", f"com.example.{word(r)}"])


def named(ends: str, value: Callable[[R], str]) -> Callable[[R], Pair]:
    """Rows of names that end so, each after a prefix."""
    return lambda r: (f"{prefix(r)}_{r.choice(ends.split())}", value(r))


def exactly(names: str, value: Callable[[R], str]) -> Callable[[R], Pair]:
    return lambda r: (r.choice(names.split()), value(r))


def anywhere(names: str, value: Callable[[R], str]) -> Callable[[R], Pair]:
    """Rows whose name is its maker's, or says nothing: the structure must be enough."""
    return lambda r: (r.choice(names.split()) if r.random() < 0.4 else plain_name(r), value(r))


def one_of(*values: str) -> Callable[[R], str]:
    return lambda r: r.choice(values)


def url(r: R, schemes: str, secret: Callable[[R], str] = plain_password) -> str:
    return f"{r.choice(schemes.split())}://{r.choice(['app', 'root', 'user', word(r)])}:{secret(r)}@{host(r)}:{r.randint(1000, 9999)}/{word(r)}"


Family = Callable[[R], Pair]

SECRET: dict[str, Family] = {
    "password": named("PASSWORD PASS PASSWD DB_PASSWORD ROOT_PASSWORD USER_PASSWORD ADMIN_PASSWORD PASSPHRASE", password),
    "image-password": exactly(
        "POSTGRES_PASSWORD PGPASSWORD MYSQL_ROOT_PASSWORD MYSQL_PASSWORD MYSQL_PWD MARIADB_ROOT_PASSWORD MARIADB_PASSWORD MONGO_INITDB_ROOT_PASSWORD RABBITMQ_DEFAULT_PASS REDIS_PASSWORD "
        "REDISCLI_AUTH GF_SECURITY_ADMIN_PASSWORD KEYCLOAK_ADMIN_PASSWORD KC_DB_PASSWORD WORDPRESS_DB_PASSWORD NEXTCLOUD_ADMIN_PASSWORD ELASTIC_PASSWORD MINIO_ROOT_PASSWORD GITLAB_ROOT_PASSWORD",
        password,
    ),
    "named-token": named("TOKEN AUTH_TOKEN ACCESS_TOKEN API_TOKEN REFRESH_TOKEN", lambda r: r.choice([some(r, B62, 16, 40), some(r, HEX, 32, 40), uuid4(r)])),
    "named-secret": named("SECRET CLIENT_SECRET SECRET_KEY SESSION_SECRET JWT_SECRET", lambda r: r.choice([some(r, B62, 16, 50), "-".join(word(r) for _ in range(4)), uuid4(r)])),
    "named-key": named("API_KEY APIKEY ACCESS_KEY PRIVATE_KEY ENCRYPTION_KEY SIGNING_KEY", lambda r: r.choice([some(r, B62, 20, 40), some(r, HEX, 32), some(r, HEX, 64), b64(r.randbytes(32))])),
    "neutral-end": lambda r: (f"{prefix(r)}_{r.choice(['PASSWORD', 'SECRET', 'API_KEY'])}_{r.choice(['PROD', '2', 'DEV', 'NEW', 'OLD', 'STAGING'])}", some(r, B62, 10, 30)),
    "hinted-key": named("KEY LICENSE_KEY SERVICE_KEY MAPS_KEY", lambda r: r.choice([some(r, B62, 24, 40), some(r, HEX, 32), b64(r.randbytes(24))])),
    "credentials": named("CREDENTIALS BASIC_AUTH AUTH", lambda r: f"{word(r)}:{r.choice([some(r, B62, 8, 20), word(r).title() + str(r.randint(10, 99))])}"),
    "aws-access-key": anywhere("AWS_ACCESS_KEY_ID AWS_KEY", lambda r: r.choice(["AKIA", "ASIA"]) + some(r, string.ascii_uppercase + "234567", 16)),
    "aws-secret-key": exactly("AWS_SECRET_ACCESS_KEY S3_SECRET_KEY MINIO_SECRET_KEY AWS_SECRET_KEY", lambda r: some(r, B64, 40)),
    "aws-secret-unnamed": lambda r: (plain_name(r), some(r, B64, 40)),
    "github-token": anywhere("GITHUB_TOKEN GH_TOKEN GITHUB_PAT", lambda r: r.choice(["ghp_", "gho_", "ghs_", "ghu_"]) + some(r, B62, 36)),
    "github-pat": anywhere("GITHUB_TOKEN", lambda r: f"github_pat_{some(r, B62, 22)}_{some(r, B62, 59)}"),
    "gitlab-token": anywhere("GITLAB_TOKEN CI_JOB_TOKEN", lambda r: r.choice(["glpat-", "glrt-", "gldt-"]) + some(r, URLSAFE, 20)),
    "slack-token": anywhere("SLACK_BOT_TOKEN", lambda r: f"xox{r.choice('bp')}-{some(r, string.digits, 11)}-{some(r, string.digits, 12)}-{some(r, B62, 24)}"),
    "stripe-key": anywhere("STRIPE_SECRET_KEY STRIPE_KEY", lambda r: r.choice(["sk_live_", "rk_live_", "sk_test_"]) + some(r, B62, 24, 99)),
    "sendgrid-key": anywhere("SENDGRID_API_KEY", lambda r: f"SG.{some(r, URLSAFE, 22)}.{some(r, URLSAFE, 43)}"),
    "npm-token": anywhere("NPM_TOKEN", lambda r: "npm_" + some(r, B62, 36)),
    "pypi-token": anywhere("TWINE_PASSWORD PYPI_TOKEN", lambda r: "pypi-AgEIcHlwaS5vcmc" + some(r, URLSAFE, 100, 150)),
    "docker-token": anywhere("DOCKER_PASSWORD", lambda r: "dckr_pat_" + some(r, URLSAFE, 27)),
    "vault-token": anywhere("VAULT_TOKEN", lambda r: "hvs." + some(r, URLSAFE, 24, 100)),
    "openai-key": anywhere("OPENAI_API_KEY", lambda r: "sk-" + r.choice(["", "proj-"]) + some(r, B62, 48)),
    "google-key": anywhere("GOOGLE_API_KEY MAPS", lambda r: "AIza" + some(r, URLSAFE, 34) + r.choice(B62)),
    "telegram-token": anywhere("TELEGRAM_BOT_TOKEN BOT", lambda r: f"{some(r, '123456789', 10)}:AA{some(r, URLSAFE, 32)}{r.choice(B62)}"),
    "private-key": anywhere("SSH_PRIVATE_KEY TLS_KEY", lambda r: pem(r, r.choice(["RSA PRIVATE KEY", "PRIVATE KEY", "EC PRIVATE KEY", "OPENSSH PRIVATE KEY", "ENCRYPTED PRIVATE KEY"]))),
    "jwt": anywhere("ID_JWT SESSION", jwt),
    "url-password": anywhere("DATABASE_URL REDIS_URL MONGO_URL CELERY_BROKER_URL", lambda r: url(r, "postgres postgresql mysql mongodb redis amqp mongodb+srv")),
    "azure-storage": anywhere("AZURE_STORAGE_CONNECTION_STRING", lambda r: f"DefaultEndpointsProtocol=https;AccountName={word(r)}store;AccountKey={b64(r.randbytes(64))};EndpointSuffix=core.windows.net"),
    "gcp-json": anywhere("GOOGLE_CREDENTIALS GCP_SA_JSON", lambda r: json.dumps({"type": "service_account", "project_id": word(r), "private_key_id": some(r, HEX, 40), "private_key": pem(r, "PRIVATE KEY"), "client_email": f"{word(r)}@{word(r)}.iam.gserviceaccount.com"})),
    "base64-secret": lambda r: (plain_name(r), b64(r.choice([url(r, "postgres mysql"), pem(r, "PRIVATE KEY"), "ghp_" + some(r, B62, 36), json.dumps({"password": password(r)}), f"DB_PASSWORD={some(r, B62, 12, 20)}\nDEBUG=1\n"]))),
    "java-property": exactly("JAVA_OPTS JAVA_TOOL_OPTIONS MAVEN_OPTS CATALINA_OPTS", lambda r: f"-Xmx{r.randint(1, 8)}g -D{r.choice(['javax.net.ssl.keyStorePassword', 'javax.net.ssl.trustStorePassword', 'db.password', 'spring.datasource.password'])}={plain_password(r)} -Dfile.encoding=UTF-8"),
    "entropy": lambda r: (plain_name(r), r.choice([some(r, B62, 32, 64), b64(r.randbytes(r.choice([24, 32, 48]))), some(r, URLSAFE, 43)])),
}

SECRET_UNSEEN: dict[str, Family] = {
    "unseen-image-password": exactly(
        "SPRING_DATASOURCE_PASSWORD LDAP_ADMIN_PASSWORD LDAP_BIND_PASSWORD SONAR_JDBC_PASSWORD DB_PASSWD PMA_PASSWORD MQ_APP_PASSWORD MSSQL_SA_PASSWORD SA_PASSWORD ORACLE_PWD COUCHDB_PASSWORD "
        "INFLUXDB_ADMIN_PASSWORD DOCKER_INFLUXDB_INIT_PASSWORD ARANGO_ROOT_PASSWORD VNC_PW SMTP_PASS NEXUS_SECURITY_INITIAL_PASSWORD JENKINS_PASS CLICKHOUSE_PASSWORD ME_CONFIG_BASICAUTH_PASSWORD PGADMIN_DEFAULT_PASSWORD",
        password,
    ),
    "unseen-label": lambda r: (r.choice(["com.example.db-password", "app.apiToken", "service.clientSecret", "io.acme.dbPassword", "backup.encryption-key"]), some(r, B62, 12, 30)),
    "unseen-german": named("PASSWORT KENNWORT", password),
    "unseen-rails": exactly("SECRET_KEY_BASE RAILS_MASTER_KEY OTP_SECRET DEVISE_SECRET_KEY", lambda r: some(r, HEX, r.choice([32, 64, 128]))),
    "unseen-django": exactly("DJANGO_SECRET_KEY SECRET_KEY", lambda r: some(r, LOWER36 + "!@#$%^&*(-_=+)", 50)),
    "unseen-laravel": exactly("APP_KEY", lambda r: "base64:" + b64(r.randbytes(32))),
    "unseen-wordpress-salt": exactly("WORDPRESS_AUTH_KEY WORDPRESS_SECURE_AUTH_KEY WORDPRESS_LOGGED_IN_KEY WORDPRESS_NONCE_KEY WORDPRESS_AUTH_SALT WORDPRESS_NONCE_SALT", lambda r: some(r, HEX, 40)),
    "unseen-cookie": exactly("RABBITMQ_ERLANG_COOKIE", lambda r: some(r, string.ascii_uppercase, 20)),
    "unseen-neo4j": exactly("NEO4J_AUTH", lambda r: f"neo4j/{plain_password(r)}"),
    "unseen-traefik": lambda r: (f"traefik.http.middlewares.{word(r)}.basicauth.users", f"{word(r)}:$apr1${some(r, B62, 8)}${some(r, B62 + './', 22)}"),
    "unseen-shopify": anywhere("SHOPIFY_TOKEN", lambda r: "shpat_" + some(r, HEX, 32)),
    "unseen-databricks": anywhere("DATABRICKS_TOKEN", lambda r: "dapi" + some(r, HEX, 32)),
    "unseen-digitalocean": anywhere("DIGITALOCEAN_ACCESS_TOKEN", lambda r: "dop_v1_" + some(r, HEX, 64)),
    "unseen-anthropic": anywhere("ANTHROPIC_API_KEY", lambda r: f"sk-ant-api03-{some(r, URLSAFE, 93)}AA"),
    "unseen-huggingface": anywhere("HF_TOKEN", lambda r: "hf_" + some(r, string.ascii_letters, 34)),
    "unseen-age": anywhere("SOPS_AGE_KEY", lambda r: "AGE-SECRET-KEY-1" + some(r, "023456789ACDEFGHJKLMNPQRSTUVWXYZ", 58)),
    "unseen-twilio": anywhere("TWILIO_API_KEY", lambda r: "SK" + some(r, HEX, 32)),
    "unseen-discord": anywhere("DISCORD_TOKEN", lambda r: f"{r.choice('MNO')}{some(r, B62, 23)}.{some(r, B62, 6)}.{some(r, URLSAFE, 37)}{r.choice(B62)}"),
    "unseen-swarm": anywhere("JOIN", lambda r: f"SWMTKN-1-{some(r, LOWER36, 50)}-{some(r, LOWER36, 25)}"),
    "unseen-maker": lambda r: (plain_name(r), f"{r.choice(['acme', 'zeta', 'kolo', 'orbit'])}_{r.choice(['live', 'pat', 'key', 'sec'])}_{some(r, B62, 32, 48)}"),
    "unseen-jdbc": exactly("JDBC_URL SPRING_DATASOURCE_URL", lambda r: r.choice([f"jdbc:postgresql://{host(r)}:5432/{word(r)}?user=app&password={plain_password(r)}", f"jdbc:oracle:thin:{word(r)}/{plain_password(r)}@//{host(r)}:1521/XE", f"jdbc:sqlserver://{host(r)};databaseName={word(r)};user=sa;password={plain_password(r)};encrypt=true"])),
    "unseen-odbc": exactly("ODBC_DSN CONNECTION ConnectionStrings__Default", lambda r: r.choice([f"Driver={{ODBC Driver 18 for SQL Server}};Server={host(r)};Database={word(r)};Uid=sa;Pwd={plain_password(r)};", f"Server={host(r)};Database={word(r)};User Id=sa;Password={plain_password(r)};"])),
    "unseen-libpq": exactly("PG_CONNINFO DSN", lambda r: f"host={host(r)} port=5432 dbname={word(r)} user=app password={plain_password(r)} sslmode=require"),
    "unseen-pgpass": exactly("PGPASS_CONTENT PGPASS_LINE", lambda r: f"{host(r)}:5432:{word(r)}:app:{plain_password(r)}"),
    "unseen-url": anywhere("BROKER SMTP_URL LDAP_URL PROXY HTTP_PROXY HTTPS_PROXY", lambda r: url(r, "amqps smtp ldap http https clickhouse nats sftp rediss")),
    "unseen-header": exactly("EXTRA_HEADERS CURL_OPTS OTEL_EXPORTER_OTLP_HEADERS", lambda r: r.choice([f"Authorization: Basic {b64(word(r) + ':' + password(r))}", f"Authorization: Bearer {some(r, URLSAFE, 32, 60)}", f"X-Api-Key: {some(r, B62, 32)}", f"api-key={some(r, HEX, 40)}"])),
    "unseen-docker-config": exactly("DOCKER_AUTH_CONFIG DOCKER_CONFIG_JSON", lambda r: json.dumps({"auths": {f"registry.{word(r)}.com": {"auth": b64(f"{word(r)}:{password(r)}")}}})),
    "unseen-wireguard": exactly("WG_PRIVATE_KEY WIREGUARD_PRIVATE_KEY WG_PRESHARED_KEY", lambda r: b64(r.randbytes(32))),
    "unseen-ethereum": exactly("DEPLOYER_PRIVATE_KEY WALLET_PRIVATE_KEY", lambda r: "0x" + some(r, HEX, 64)),
    "unseen-der": lambda r: (plain_name(r), b64(b"\x30\x82\x04\xbd\x02\x01\x00\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00" + r.randbytes(600))),
    "unseen-slack-webhook": anywhere("SLACK_WEBHOOK_URL", lambda r: f"https://hooks.slack.com/services/T{some(r, UPPER36, 10)}/B{some(r, UPPER36, 10)}/{some(r, B62, 24)}"),
    "unseen-order": lambda r: (r.choice(["PASSWORD_GRAFANA", "TOKEN_SONAR", "SECRET_PAYMENTS", "APIKEY_WEATHER"]), some(r, B62, 16, 32)),
    "unseen-azure-client": anywhere("AZURE_CLIENT_SECRET", lambda r: f"{some(r, B62, 3)}8Q~{some(r, B62 + '_.~-', 33)}{r.choice(B62)}"),
    "unseen-command": exactly("STARTUP_CMD HEALTHCHECK_CMD", lambda r: r.choice([f"mysqladmin ping -h localhost -u root -p{plain_password(r)}", f"redis-server --requirepass {plain_password(r)}", f"curl -u admin:{plain_password(r)} http://{host(r)}/health"])),
}


def version(r: R) -> str:
    return f"{r.randint(0, 30)}.{r.randint(0, 30)}.{r.randint(0, 30)}" + r.choice(["", "", "-alpine", "-rc.1", f"+build.{r.randint(1, 999)}", "-SNAPSHOT", "~debian-1"])


def class_path(r: R) -> str:
    return ":".join(f"/opt/{word(r)}/lib/{word(r)}-{word(r)}-{version(r)}.jar" for _ in range(r.randint(1, 4)))


def number(r: R) -> str:
    return str(r.choice([r.randint(1, 60), r.randint(1000, 65535), r.randint(60, 86400)]))


HONEST: dict[str, Family] = {
    "path-variable": exactly("PATH LD_LIBRARY_PATH PYTHONPATH NODE_PATH GOPATH MANPATH", lambda r: ":".join(f"/usr/{word(r)}/{r.choice(['bin', 'lib', 'sbin'])}" for _ in range(r.randint(1, 5)))),
    "folder": lambda r: (r.choice(["PWD", "OLDPWD", "HOME", "PGDATA", "TMPDIR", "WORKDIR", "JAVA_HOME"]), path(r)),
    "secret-file": lambda r: (f"{prefix(r)}_{r.choice(['PASSWORD_FILE', 'SECRET_FILE', 'TOKEN_FILE', 'KEY_FILE', 'PRIVATE_KEY_PATH', 'PASSWORD_FILE'])}", path(r)),
    "secret-path": lambda r: (f"{prefix(r)}_{r.choice(['TOKEN', 'PRIVATE_KEY', 'CREDENTIALS', 'SECRET'])}", path(r)),
    "about-number": lambda r: (f"{prefix(r)}_{r.choice(['TOKEN_TTL', 'PASSWORD_MIN_LENGTH', 'TOKEN_EXPIRY', 'KEY_SIZE', 'SECRET_VERSION', 'PASSWORD_MAX_AGE', 'TOKEN_LIFETIME', 'SECRET_ROTATION_DAYS', 'API_KEY_LENGTH'])}", number(r)),
    "about-word": lambda r: (f"{prefix(r)}_{r.choice(['PASSWORD_POLICY', 'TOKEN_TYPE', 'SECRET_NAME', 'KEY_ID', 'AUTH_METHOD', 'PASSWORD_HASHER', 'TOKEN_ISSUER', 'SECRET_STORE', 'CREDENTIALS_PROVIDER', 'KEY_ALGORITHM'])}", r.choice([word(r), f"{word(r)}-{word(r)}", "strict", "bearer", "RS256", "bcrypt"])),
    "allow-empty": lambda r: (r.choice(["MYSQL_ALLOW_EMPTY_PASSWORD", "MYSQL_RANDOM_ROOT_PASSWORD", "MARIADB_ALLOW_EMPTY_ROOT_PASSWORD", "MARIADB_RANDOM_ROOT_PASSWORD", "ALLOW_EMPTY_PASSWORD", f"{prefix(r)}_REQUIRE_PASSWORD", f"{prefix(r)}_USE_TOKEN", f"{prefix(r)}_ENABLE_API_KEY"]), r.choice(["yes", "true", "1", "no", "false", "0"])),
    "placeholder": lambda r: (f"{prefix(r)}_{r.choice(['PASSWORD', 'TOKEN', 'API_KEY', 'SECRET'])}", r.choice(["<your-token>", "<password>", f"<{word(r)}-api-key>", "your-api-key-here", f"your-{word(r)}-token", f"YOUR_{word(r).upper()}_KEY", "xxxxxxxx", "********", "REPLACE_ME", "[REDACTED]", f"insert-{word(r)}-here", "..."])),
    "reference": lambda r: (f"{prefix(r)}_{r.choice(['PASSWORD', 'TOKEN', 'API_KEY', 'SECRET', 'PRIVATE_KEY'])}", r.choice([f"${{{word(r).upper()}_PASSWORD}}", f"$DB_{word(r).upper()}", f"dockwarden://{word(r)}/{word(r)}/password", f"vault:secret/data/{word(r)}#password", f"arn:aws:secretsmanager:eu-west-1:{some(r, string.digits, 12)}:secret:{word(r)}-{some(r, B62, 6)}", f"{{{{ {word(r)}_password }}}}", f"op://{word(r)}/{word(r)}/credential", f"$(cat /run/secrets/{word(r)})", "dockwarden:masked"])),
    "url-without": lambda r: (r.choice(["API_URL", "DATABASE_URL", "REDIS_URL", "TOKEN_URL", "OAUTH_TOKEN_ENDPOINT", "BASE_URL", "JWKS_URI"]), r.choice([f"https://{word(r)}.example.com/{word(r)}/oauth/token", f"redis://{host(r)}:6379/0", f"postgres://app@{host(r)}:5432/{word(r)}", f"postgres://app:${{DB_PASSWORD}}@{host(r)}:5432/{word(r)}", f"http://{host(r)}:{r.randint(1000, 9999)}/v1?page={r.randint(1, 9)}"])),
    "uuid": lambda r: (plain_name(r) if r.random() < 0.5 else f"{prefix(r)}_{r.choice(['ID', 'CLIENT_ID', 'TENANT_ID', 'UUID'])}", uuid4(r)),
    "commit": lambda r: (r.choice(["GIT_COMMIT", "SOURCE_COMMIT", "VCS_REF", "REVISION", plain_name(r)]), some(r, HEX, r.choice([7, 40, 40, 64]))),
    "digest": lambda r: (r.choice(["IMAGE_DIGEST", "SHA256", "CHECKSUM", "NODE_SHA256", plain_name(r)]), r.choice(["sha256:", "", "sha512-"]) + r.choice([some(r, HEX, 64), some(r, HEX, 64)])),
    "gpg": lambda r: (r.choice(["GPG_KEY", "GPG_KEYS", "NGINX_GPGKEY_FINGERPRINT"]), " ".join(some(r, "0123456789ABCDEF", 40) for _ in range(r.randint(1, 2)))),
    "version": lambda r: (r.choice(["NODE_VERSION", "PYTHON_VERSION", "PG_VERSION", "NGINX_VERSION", "REDIS_VERSION", "PG_MAJOR", "GOSU_VERSION", "PYTHON_PIP_VERSION", "JAVA_VERSION"]), version(r)),
    "locale": lambda r: (r.choice(["LANG", "LC_ALL", "LANGUAGE", "TZ"]), r.choice(["C", "en_US", "de_DE", "pl_PL", "ja_JP", "fr_FR"]) + r.choice([".UTF-8", ".utf8", "@euro", ".ISO-8859-1"]) if r.random() < 0.5 else f"{r.choice(['Europe', 'America', 'Asia', 'Africa'])}/{word(r).title()}_{word(r).title()}"),
    "switch": lambda r: (f"{prefix(r)}_{r.choice(['DEBUG', 'ENABLED', 'VERBOSE', 'SSL', 'AUTH', 'TELEMETRY'])}", r.choice(["true", "false", "1", "0", "on", "off", "yes", "no"])),
    "number": lambda r: (f"{prefix(r)}_{r.choice(['PORT', 'TIMEOUT', 'WORKERS', 'MAX_TOKENS', 'REPLICAS', 'LIMIT', 'TOKEN_LIMIT'])}", number(r)),
    "host": lambda r: (f"{prefix(r)}_{r.choice(['HOST', 'SERVER', 'ADDR', 'ENDPOINT'])}", f"{host(r)}:{r.randint(1000, 9999)}"),
    "image-setting": exactly(
        "POSTGRES_USER POSTGRES_DB MYSQL_DATABASE MYSQL_USER MONGO_INITDB_DATABASE RABBITMQ_DEFAULT_USER RABBITMQ_DEFAULT_VHOST GF_SERVER_ROOT_URL_PATH KC_HOSTNAME WORDPRESS_DB_NAME WORDPRESS_TABLE_PREFIX "
        "NEXTCLOUD_ADMIN_USER MINIO_ROOT_USER DISCOVERY_TYPE GITLAB_USER KEYCLOAK_ADMIN JENKINS_USER POSTGRES_HOST_AUTH_METHOD",
        lambda r: r.choice([word(r), f"{word(r)}_{word(r)}", "trust", "single-node", "scram-sha-256"]),
    ),
    "java": exactly("JAVA_OPTS ES_JAVA_OPTS JVM_ARGS MAVEN_OPTS", lambda r: f"-Xms{r.randint(1, 8)}g -Xmx{r.randint(1, 16)}g -XX:+UseG1GC -XX:MaxRAMPercentage={r.randint(50, 90)} -D{word(r)}.{word(r)}={word(r)}"),
    "java-trust": exactly("JAVA_OPTS JAVA_TOOL_OPTIONS", lambda r: f"-Djavax.net.ssl.trustStore=/etc/{word(r)}/{word(r)}.jks -Djava.security.egd=file:/dev/./urandom -Djava.security.auth.login.config=/etc/{word(r)}/jaas.conf"),
    "class-path": exactly("CLASSPATH JAVA_CLASS_PATH", class_path),
    "class-name": lambda r: (f"{prefix(r)}_{r.choice(['CLASS', 'HANDLER', 'SERIALIZER', 'MODULE'])}", f"com.{word(r)}.{word(r)}.{word(r).title()}{word(r).title()}{r.choice(['Factory', 'Impl', 'Service', 'V2Handler'])}"),
    "public-key": lambda r: (r.choice(["SSH_PUBLIC_KEY", "AUTHORIZED_KEYS", "DEPLOY_PUBLIC_KEY", plain_name(r)]), f"ssh-{r.choice(['ed25519', 'rsa'])} AAAA{r.choice(['C3NzaC1lZDI1NTE5AAAAI', 'B3NzaC1yc2EAAAADAQABAAAB'])}{some(r, B64, 43, 300)} {word(r)}@{word(r)}"),
    "certificate": lambda r: (r.choice(["TLS_CERT", "CA_CERT", "CERTIFICATE", plain_name(r)]), pem(r, r.choice(["CERTIFICATE", "PUBLIC KEY", "CERTIFICATE REQUEST", "X509 CRL"]))),
    "plain-base64": lambda r: (plain_name(r), b64(r.choice([json.dumps({word(r): word(r), "level": r.randint(1, 9), "enabled": True}), f"[{word(r)}]\nname = {word(r)}\nport = {number(r)}\nHost = {word(r).title()}\n", f"<{word(r)}><Name>{word(r).title()}</Name><size>{number(r)}</size></{word(r)}>"]))),
    "pod-name": lambda r: (r.choice(["POD_NAME", "HOSTNAME", "NODE_NAME", plain_name(r)]), r.choice([f"{word(r)}-{word(r)}-{some(r, 'bcdfghjklmnpqrstvwxz2456789', 9)}-{some(r, 'bcdfghjklmnpqrstvwxz2456789', 5)}", some(r, HEX, 12), f"ip-10-{r.randrange(256)}-{r.randrange(256)}-{r.randrange(256)}.eu-west-1.compute.internal"])),
    "arn": lambda r: (r.choice(["ROLE_ARN", "AWS_ROLE", "TOPIC", plain_name(r)]), f"arn:aws:{r.choice(['iam', 's3', 'sns', 'sqs', 'lambda'])}:{r.choice(['', 'eu-west-1'])}:{some(r, string.digits, 12)}:{r.choice(['role', 'function', 'topic'])}/{word(r).title()}{word(r).title()}Role"),
    "bucket": lambda r: (f"{prefix(r)}_{r.choice(['BUCKET', 'URI', 'BACKUP_TARGET'])}", f"{r.choice(['s3', 'gs', 'azblob'])}://{word(r)}-{word(r)}-{r.randint(100, 999)}/{word(r)}/{word(r)}.tar.gz"),
    "key-name": lambda r: (f"{prefix(r)}_{r.choice(['CACHE_KEY', 'PRIMARY_KEY', 'PARTITION_KEY', 'ROUTING_KEY', 'KEY', 'SORT_KEY'])}", r.choice([word(r), f"{word(r)}_{word(r)}", f"{word(r)}.{word(r)}.{word(r)}", f"{word(r)}-{word(r)}"])),
    "sentence": lambda r: (r.choice(["DESCRIPTION", "MOTD", "MESSAGE", "org.opencontainers.image.description"]), f"The {word(r)} service needs a token for the {word(r)} API; see the {word(r)} guide to set your password and keys"),
}

HONEST_UNSEEN: dict[str, Family] = {
    "unseen-ci": lambda r: (r.choice(["GITHUB_SHA", "CI_COMMIT_SHA", "CI_PIPELINE_ID", "GITHUB_RUN_ID", "CI_COMMIT_REF_SLUG", "BUILD_TAG", "CI_PROJECT_PATH", "GITHUB_REF"]), r.choice([some(r, HEX, 40), some(r, string.digits, 10), f"jenkins-{word(r)}-{word(r)}-{r.randint(1, 999)}", f"refs/heads/feature/{word(r)}-{r.randint(1, 9999)}"])),
    "unseen-kubernetes": lambda r: (f"{word(r).upper()}_{r.choice(['PORT', 'SERVICE_HOST', 'PORT_443_TCP', 'PORT_443_TCP_ADDR', 'SERVICE_PORT_HTTPS'])}", r.choice([f"tcp://10.{r.randrange(256)}.{r.randrange(256)}.1:443", "443", f"10.{r.randrange(256)}.0.1"])),
    "unseen-nvidia": lambda r: (r.choice(["NVIDIA_VISIBLE_DEVICES", "NVIDIA_REQUIRE_CUDA", "NV_CUDA_LIB_VERSION", "NV_LIBNCCL_PACKAGE", "CUDA_DEVICE_ORDER"]), r.choice([f"GPU-{uuid4(r)}", f"cuda>={r.randint(10, 13)}.{r.randint(0, 9)} brand=tesla,driver>=470,driver<471", f"libnccl2={version(r)}-1+cuda12.{r.randint(0, 9)}", f"12.{r.randint(0, 9)}.{r.randint(0, 200)}-1"])),
    "unseen-tokenizer": lambda r: (r.choice(["TOKENIZERS_PARALLELISM", "MAX_TOKENS", "TOKENIZER_NAME", "VLLM_MAX_NUM_BATCHED_TOKENS", "PAD_TOKEN_ID", "TOKENIZER", "NUM_TOKENS", "HF_TOKENIZER_PATH"]), r.choice(["false", "true", number(r), f"{word(r)}/{word(r)}-7b-instruct", f"meta-{word(r)}/{word(r).title()}-3-8B"])),
    "unseen-oci-label": lambda r: (f"org.opencontainers.image.{r.choice(['revision', 'version', 'created', 'source', 'licenses', 'title', 'base.digest'])}", r.choice([some(r, HEX, 40), version(r), f"2024-0{r.randint(1, 9)}-1{r.randint(0, 9)}T0{r.randint(0, 9)}:12:33.{r.randint(100, 999)}Z", f"https://github.com/{word(r)}/{word(r)}", "Apache-2.0", f"sha256:{some(r, HEX, 64)}"])),
    "unseen-compose-label": lambda r: (f"com.docker.compose.{r.choice(['config-hash', 'project', 'service', 'image', 'container-number', 'project.config_files', 'oneoff'])}", r.choice([some(r, HEX, 64), f"{word(r)}-{word(r)}", f"sha256:{some(r, HEX, 64)}", number(r), f"/srv/{word(r)}/compose.yaml", "False"])),
    "unseen-traefik-label": lambda r: (f"traefik.http.routers.{word(r)}.{r.choice(['rule', 'entrypoints', 'tls.certresolver', 'middlewares'])}", r.choice([f"Host(`{word(r)}.example.com`) && PathPrefix(`/{word(r)}`)", "websecure", f"{word(r)}@docker", f"{word(r)}-auth@file,{word(r)}-headers"])),
    "unseen-otel": lambda r: (r.choice(["OTEL_RESOURCE_ATTRIBUTES", "OTEL_SERVICE_NAME", "TRACEPARENT", "OTEL_TRACES_SAMPLER", "OTEL_EXPORTER_OTLP_ENDPOINT"]), r.choice([f"service.name={word(r)},deployment.environment=prod,service.version={version(r)}", f"00-{some(r, HEX, 32)}-{some(r, HEX, 16)}-01", f"http://{host(r)}:4317", f"parentbased_traceidratio_{r.randint(1, 99)}"])),
    "unseen-ls-colors": lambda r: ("LS_COLORS", "rs=0:di=01;34:ln=01;36:" + ":".join(f"*.{word(r)[:3]}=01;{r.randint(30, 37)}" for _ in range(12))),
    "unseen-colour": lambda r: (f"{prefix(r)}_{r.choice(['COLOR', 'THEME', 'ACCENT'])}", "#" + some(r, HEX, r.choice([3, 6, 8]))),
    "unseen-ids": lambda r: (f"{prefix(r)}_{r.choice(['REQUEST_ID', 'ACCOUNT_ID', 'BUILD_ID', 'SESSION_ID', 'PRODUCT_ID', 'GOBUILDID'])}", r.choice([some(r, URLSAFE, 21), f"prod_{some(r, B62, 14)}", some(r, "0123456789ABCDEFGHJKMNPQRSTVWXYZ", 26), "/".join(some(r, URLSAFE, 20) for _ in range(4))])),
    "unseen-cid": lambda r: (r.choice(["CONTENT_CID", "ROOT", "IPFS_HASH"]), "Qm" + some(r, "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz", 44)),
    "unseen-wallet": lambda r: (r.choice(["WALLET_ADDRESS", "CONTRACT_ADDRESS", "PAYOUT_ADDRESS"]), r.choice(["0x" + some(r, HEX, 40), "1" + some(r, "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz", 33)])),
    "unseen-public-token": lambda r: (r.choice(["STRIPE_PUBLISHABLE_KEY", "RECAPTCHA_SITE_KEY", "VAPID_PUBLIC_KEY", "WG_PUBLIC_KEY", "COSIGN_PUBLIC_KEY", "COMPANY_PUBKEY"]), r.choice([f"pk_live_{some(r, B62, 24)}", "6L" + some(r, URLSAFE, 38), "B" + some(r, URLSAFE, 86), b64(r.randbytes(32))])),
    "unseen-fingerprint": lambda r: (r.choice(["HOST_FINGERPRINT", "SSH_HOST_KEY_FINGERPRINT", "CERT_THUMBPRINT", plain_name(r)]), r.choice(["SHA256:" + b64(r.randbytes(32)).rstrip("="), ":".join(some(r, HEX, 2) for _ in range(16))])),
    "unseen-integrity": lambda r: (r.choice(["SCRIPT_INTEGRITY", "SRI", plain_name(r)]), f"sha{r.choice(['256', '384', '512'])}-" + b64(r.randbytes(48))),
    "unseen-grafana": lambda r: (r.choice(["GF_AUTH_ANONYMOUS_ENABLED", "GF_AUTH_GENERIC_OAUTH_TOKEN_URL", "GF_AUTH_GENERIC_OAUTH_SCOPES", "GF_SECURITY_COOKIE_SAMESITE", "GF_AUTH_LOGIN_COOKIE_NAME", "GF_INSTALL_PLUGINS", "GF_AUTH_JWT_HEADER_NAME"]), r.choice(["true", f"https://{word(r)}.example.com/oauth2/token", "openid profile email", "lax", f"{word(r)}_session", f"{word(r)}-{word(r)}-panel {version(r)}", f"X-{word(r).title()}-Assertion"])),
    "unseen-object": lambda r: (r.choice(["IMAGE_PULL_SECRET", "TLS_SECRET", "KUBERNETES_TLS_SECRET", "SSH_KEY_NAME", "SIGNING_KEY_ID", "DOCKER_SECRET_NAME", "AWS_KMS_KEY_ARN", "INGRESS_TLS_SECRET"]), r.choice([f"{word(r)}-tls", f"{word(r)}-{word(r)}", "regcred", f"{word(r)}-registry"])),
    "unseen-command": lambda r: (r.choice(["CMD", "ENTRYPOINT", "STARTUP", "HEALTHCHECK_CMD"]), r.choice([f"gunicorn --workers {r.randint(1, 9)} --bind 0.0.0.0:{number(r)} {word(r)}.wsgi:app", f"psql -h {host(r)} -U app -d {word(r)} -p 5432", f"docker run -p 80{r.randint(10, 99)}:80 -v /srv/{word(r)}:/data {word(r)}:{version(r)}", f"npm run {word(r)} -- --port {number(r)} --keep-alive", f"curl -fsS http://{host(r)}/health"])),
    "unseen-gitlab": lambda r: (r.choice(["GITLAB_OMNIBUS_CONFIG", "GITLAB_POST_RECONFIGURE_SCRIPT"]), f"external_url 'https://{word(r)}.example.com'; gitlab_rails['gitlab_shell_ssh_port'] = {number(r)}; nginx['listen_port'] = 80; gitlab_rails['password_authentication_enabled_for_web'] = false"),
    "unseen-user-agent": lambda r: (r.choice(["USER_AGENT", "HTTP_AGENT", "SCRAPER_UA"]), f"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.{r.randint(10, 99)} (KHTML, like Gecko) Chrome/{r.randint(90, 140)}.0.0.0 Safari/537.36"),
    "unseen-json": lambda r: (f"{prefix(r)}_JSON", json.dumps({"name": word(r), "replicas": r.randint(1, 9), "hosts": [host(r), host(r)], "tokenTtl": r.randint(60, 9000), "authMode": word(r)})),
    "unseen-credentials": lambda r: (r.choice(["GOOGLE_APPLICATION_CREDENTIALS", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "KUBECONFIG", "AWS_WEB_IDENTITY_TOKEN_FILE", "SSH_AUTH_SOCK"]), r.choice([f"/var/run/secrets/{word(r)}/credentials.json", f"/home/app/.{word(r)}/config", f"/v2/credentials/{uuid4(r)}", f"/tmp/ssh-{some(r, B62, 10)}/agent.{number(r)}"])),
    "unseen-cipher": lambda r: (r.choice(["SSL_CIPHERS", "TLS_CIPHER_SUITES", "KEX_ALGORITHMS", "JWT_ALGORITHMS"]), ":".join(r.sample(["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384", "TLS_AES_128_GCM_SHA256", "curve25519-sha256", "HS512", "RS256", "ES384", "DHE-RSA-CHACHA20-POLY1305"], 3))),
    "unseen-expression": lambda r: (r.choice(["CRON_SCHEDULE", "LOG_FORMAT", "PROMETHEUS_QUERY", "FILTER_REGEX", "PS1"]), r.choice([f"*/{r.randint(1, 59)} {r.randint(0, 23)} * * *", f"%(asctime)s {word(r)} %(levelname)s %(message)s", f"rate({word(r)}_requests_total{{job=\"{word(r)}\"}}[{r.randint(1, 9)}m])", f"^/{word(r)}/[a-z0-9-]+/v{r.randint(1, 9)}$", r"\u@\h:\w\$ " + word(r)])),
    "unseen-registry": lambda r: (r.choice(["IMAGE", "BASE_IMAGE", "RUNNER_IMAGE", plain_name(r)]), f"{r.choice(['ghcr.io', 'registry.example.com:5000', 'quay.io'])}/{word(r)}/{word(r)}:{version(r)}@sha256:{some(r, HEX, 64)}"),
    "unseen-auth-setting": lambda r: (r.choice(["SMTP_AUTH", "AUTH", "REGISTRY_AUTH", "KAFKA_AUTH", "HTTP_AUTH", "NEO4J_AUTH", "PGAUTH", "API_AUTH"]), r.choice(["plain", "login", "htpasswd", "token", "none", "scram-sha-256", "basic", "oauth2", f"{word(r)}", f"{word(r)}-{word(r)}"])),
    "unseen-date": lambda r: (r.choice(["BUILD_DATE", "CREATED", "RELEASE", "SNAPSHOT"]), r.choice([f"20{r.randint(10, 26)}-0{r.randint(1, 9)}-{r.randint(10, 28)}T{r.randint(10, 23)}:{r.randint(10, 59)}:{r.randint(10, 59)}Z", str(r.randint(1_600_000_000, 1_800_000_000)), f"20{r.randint(10, 26)}0{r.randint(1, 9)}{r.randint(10, 28)}T{r.randint(100000, 235959)}Z"])),
    "unseen-compose-hole": lambda r: (r.choice(["DATABASE_URL", "AMQP_URL", "ADMIN_URL"]), r.choice([f"postgres://${{DB_USER}}:${{DB_PASSWORD}}@{host(r)}/{word(r)}", f"amqp://user:<password>@{host(r)}:5672", f"mysql://{word(r)}:{{{{ db_password }}}}@{host(r)}/{word(r)}", f"redis://:***@{host(r)}:6379"])),
}


def sentence_of(r: R, count: int) -> str:
    return " ".join(word(r) for _ in range(count))


SECRET_FRESH: dict[str, Family] = {
    "fresh-service": lambda r: r.choice([
        ("CLOUDFLARE_API_TOKEN", some(r, URLSAFE, 40)), ("DD_API_KEY", some(r, HEX, 32)), ("DD_APP_KEY", some(r, HEX, 40)), ("AUTH0_CLIENT_SECRET", some(r, URLSAFE, 64)), ("NEXTAUTH_SECRET", b64(r.randbytes(32))),
        ("N8N_ENCRYPTION_KEY", some(r, B62, 32)), ("HASURA_GRAPHQL_ADMIN_SECRET", password(r)), ("AUTHELIA_SESSION_SECRET", some(r, B62, 64)), ("VAULT_UNSEAL_KEY", b64(r.randbytes(33))),
        ("BORG_PASSPHRASE", password(r)), ("RESTIC_PASSWORD", password(r)), ("AWS_SESSION_TOKEN", "IQoJb3JpZ2luX2Vj" + some(r, B64, 300)), ("ACME_EAB_HMAC_KEY", some(r, URLSAFE, 43)), ("TURN_SECRET", password(r)),
        ("EMAIL_HOST_PASSWORD", password(r)), ("mysql_password", password(r)), ("S3_SECRET", some(r, B64, 40)), ("B2_APPLICATION_KEY", "K00" + some(r, B62, 28)), ("RCLONE_CONFIG_S3_SECRET_ACCESS_KEY", some(r, B64, 40)),
        ("ADMIN_PW", password(r)), ("SASL_PASSWORD", password(r)), ("MINIO_SERVER_SECRET", some(r, B62, 20)), ("STREAM_KEY", f"live_{some(r, string.digits, 9)}_{some(r, B62, 30)}"),
    ]),
    "fresh-tunnel": lambda r: ("TUNNEL_TOKEN", b64(json.dumps({"a": some(r, HEX, 32), "t": uuid4(r), "s": b64(r.randbytes(32))}))),
    "fresh-tailscale": anywhere("TS_AUTHKEY TAILSCALE_AUTHKEY", lambda r: f"tskey-auth-{some(r, B62, 12)}CNTRL-{some(r, B62, 32)}"),
    "fresh-mnemonic": exactly("MNEMONIC WALLET_MNEMONIC", lambda r: sentence_of(r, 12)),
    "fresh-json": lambda r: (plain_name(r), json.dumps({"engine": "postgres", "host": host(r), "username": word(r), "password": password(r)})),
    "fresh-yaml": lambda r: (plain_name(r), f"database:\n  host: {host(r)}\n  user: {word(r)}\n  password: {plain_password(r)}\n"),
    "fresh-npmrc": lambda r: (r.choice(["NPM_RC", "NPMRC_CONTENT"]), f"//registry.{word(r)}.com/:_authToken={uuid4(r)}\nalways-auth=true\n"),
    "fresh-netrc": lambda r: (r.choice(["NETRC", "NETRC_CONTENT"]), f"machine {host(r)} login {word(r)} password {plain_password(r)}"),
    "fresh-index": exactly("PIP_INDEX_URL PIP_EXTRA_INDEX_URL GOPROXY GIT_REPO", lambda r: f"https://{word(r)}:{plain_password(r)}@{word(r)}.example.com/simple/"),
    "fresh-composer": exactly("COMPOSER_AUTH", lambda r: json.dumps({"http-basic": {f"repo.{word(r)}.com": {"username": word(r), "password": some(r, B62, 16)}}})),
    "fresh-jaas": exactly("KAFKA_SASL_JAAS_CONFIG SASL_JAAS", lambda r: f'org.apache.kafka.common.security.plain.PlainLoginModule required username="{word(r)}" password="{plain_password(r)}";'),
    "fresh-shoutrrr": exactly("WATCHTOWER_NOTIFICATION_URL NOTIFY_URL", lambda r: r.choice([f"smtp://{word(r)}:{plain_password(r)}@{host(r)}:587/?from=a@b.c", f"telegram://{some(r, '123456789', 10)}:AA{some(r, URLSAFE, 32)}{r.choice(B62)}@telegram?chats=@{word(r)}"])),
    "fresh-kubeconfig": lambda r: (r.choice(["KUBE_CONFIG", "KUBECONFIG_B64"]), b64(f"apiVersion: v1\nkind: Config\nusers:\n- name: {word(r)}\n  user:\n    token: {jwt(r)}\n")),
    "fresh-basic-url": anywhere("PROMETHEUS_REMOTE_WRITE LOKI_URL", lambda r: f"https://{some(r, string.digits, 6)}:{some(r, B62, 24)}@logs-prod.{word(r)}.net/loki/api/v1/push"),
    "fresh-plural": exactly("KAFKA_CLIENT_PASSWORDS REDIS_PASSWORDS", lambda r: f"{some(r, B62, 14)},{some(r, B62, 14)}"),
}

HONEST_FRESH: dict[str, Family] = {
    "fresh-look-alike": lambda r: r.choice([
        ("KEYBOARD_LAYOUT", r.choice(["us", "de", "fr-latin9"])), ("MONKEY_NAME", word(r)), ("AUTHOR", f"{word(r).title()} {word(r).title()} <{word(r)}@example.com>"), ("COMPASS_VERSION", version(r)), ("PASSENGER_APP_ENV", "production"),
        ("BYPASS_CACHE", "true"), ("PASSIVE_PORTS", f"{number(r)}:{number(r)}"), ("HOTKEY", f"ctrl+shift+{r.choice(string.ascii_lowercase)}"), ("KEYSPACE", f"{word(r)}_{word(r)}"), ("SALT_MASTER", host(r)), ("SALT_VERSION", version(r)),
        ("COOKIE_DOMAIN", f".{word(r)}.example.com"), ("SEED", number(r)), ("RANDOM_SEED", number(r)), ("LICENSE", r.choice(["Apache-2.0", "MIT", "BSD-3-Clause", "accept"])), ("OTP_ISSUER", word(r)), ("WEBHOOK_URL", f"https://{word(r)}.example.com/hooks/{word(r)}"),
        ("discovery.seed_hosts", f"{word(r)}01,{word(r)}02"), ("AUTHENTIK_HOST", f"https://auth.{word(r)}.com"), ("KEYCLOAK_URL", f"https://{word(r)}.example.com/realms/{word(r)}"), ("SECRETS_DIR", path(r)), ("SECRETS_BACKEND", f"airflow.{word(r)}.{word(r).title()}Backend"),
        ("KEYSTORE_TYPE", "PKCS12"), ("TRUSTSTORE_PATH", path(r)), ("PASSWORD_RESET_TEMPLATE", f"{word(r)}/{word(r)}.html"), ("CREDSTORE", "desktop"), ("KEEPALIVE", number(r)), ("TOKENS_PER_MINUTE", number(r)), ("AUTH_TYPE", word(r)),
        ("DB_AUTH_PLUGIN", "caching_sha2_password"), ("MYSQL_AUTHENTICATION_PLUGIN", "mysql_native_password"), ("PASSWORDLESS_LOGIN", "true"), ("CSRF_TOKEN_HEADER", "X-CSRF-Token"), ("SECRET_SANTA_DATE", "2024-12-24"),
        ("KEY_PREFIX", f"{word(r)}:{word(r)}:"), ("REDIS_KEY_PREFIX", f"{word(r)}:"), ("API_KEY_HEADER", "X-Api-Key"), ("PUBLIC_KEY_URL", f"https://{word(r)}.example.com/jwks.json"), ("SSH_KEY_TYPE", "ed25519"), ("JWT_EXPIRES_IN", f"{r.randint(1, 30)}d"),
    ]),
    "fresh-kafka": lambda r: r.choice([("KAFKA_ADVERTISED_LISTENERS", f"PLAINTEXT://{host(r)}:9092,SSL://{host(r)}:9093"), ("KAFKA_KEY_SERIALIZER", "org.apache.kafka.common.serialization.StringSerializer"), ("KAFKA_CLUSTER_ID", some(r, URLSAFE, 22)), ("KAFKA_LISTENER_SECURITY_PROTOCOL_MAP", "PLAINTEXT:PLAINTEXT,SSL:SSL"), ("CONNECT_KEY_CONVERTER", f"io.{word(r)}.connect.avro.AvroConverter")]),
    "fresh-runtime": lambda r: r.choice([
        ("ASPNETCORE_URLS", f"http://+:{number(r)}"), ("npm_config_user_agent", f"npm/{version(r)} node/v{version(r)} linux x64 workspaces/false"), ("GIT_SSH_COMMAND", f"ssh -i /root/.ssh/{word(r)} -o StrictHostKeyChecking=no"), ("RUNNER_TRACKING_ID", f"github_{uuid4(r)}"),
        ("DOCKER_CONTENT_TRUST", "1"), ("PHP_INI_DIR", "/usr/local/etc/php"), ("PHP_EXTRA_CONFIGURE_ARGS", f"--enable-fpm --with-fpm-user={word(r)} --with-password-argon2 --with-sodium=shared"), ("PHPIZE_DEPS", "autoconf dpkg-dev file g++ gcc libc-dev make pkg-config re2c"),
        ("RUST_LOG", f"{word(r)}=debug,{word(r)}::auth=trace"), ("NODE_OPTIONS", f"--max-old-space-size={number(r)} --openssl-legacy-provider"), ("GUNICORN_CMD_ARGS", f"--bind=0.0.0.0:{number(r)} --workers={r.randint(1, 9)}"), ("UWSGI_CHEAPER", number(r)),
    ]),
    "fresh-image-data": lambda r: (r.choice(["LOGO_B64", "FAVICON", "BANNER"]), r.choice(["", "data:image/png;base64,"]) + b64(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + r.randbytes(r.randint(40, 400)))),
    "fresh-wrapped-public": lambda r: (r.choice(["CA_BUNDLE_B64", "PUBLIC_KEY_PEM_B64", "IDP_CERT", plain_name(r)]), r.choice([b64(pem(r, "CERTIFICATE")), b64(pem(r, "PUBLIC KEY")), b64(b"\x30\x82\x03\x9a\x30\x82\x02\x82\xa0\x03" + r.randbytes(500))])),
    "fresh-label": lambda r: (r.choice(["maintainer", "org.label-schema.vcs-ref", "com.nvidia.cudnn.version", "io.k8s.description", "build_version", "desktop.docker.io/binds/0/Source", "io.kubernetes.pod.uid", "io.kubernetes.container.hash"]), r.choice([f"{word(r).title()} Team <{word(r)}@example.com>", some(r, HEX, 8), version(r), uuid4(r), f"{word(r)} version:- {version(r)} Build-date:- 2024-01-0{r.randint(1, 9)}T00:00:00+00:00"])),
    "fresh-path-list": lambda r: (r.choice(["PKG_CONFIG_PATH", "XDG_DATA_DIRS", "KEYRINGS", "SECRET_PATHS"]), ":".join(f"/usr/share/{word(r)}/{word(r).title()}{r.randint(1, 9)}" for _ in range(3))),
    "fresh-feature": lambda r: (f"{r.choice(['FEATURE', 'FLAG', 'ENABLE'])}_{word(r).upper()}_{r.choice(['TOKEN', 'PASSWORD', 'AUTH', 'API_KEY', 'SECRET'])}", r.choice(["true", "false", "off", "enabled", "disabled"])),
    "fresh-sql": lambda r: (r.choice(["INIT_SQL", "QUERY"]), f"SELECT id, password_hash FROM {word(r)} WHERE token IS NOT NULL AND name = '{word(r)}'"),
    "fresh-json-honest": lambda r: (plain_name(r), json.dumps({"auth": {"type": word(r), "tokenUrl": f"https://{word(r)}.example.com/token"}, "passwordPolicy": "strict", "keyId": some(r, HEX, 16), "secretRef": {"name": f"{word(r)}-db"}})),
    "fresh-sentry": lambda r: (r.choice(["SENTRY_DSN", "NEXT_PUBLIC_SENTRY_DSN"]), f"https://{some(r, HEX, 32)}@o{r.randint(10, 99999)}.ingest.sentry.io/{r.randint(1000, 99999)}"),
    "fresh-secret-object": lambda r: (r.choice(["SECRET_REF", "VAULT_SECRET_PATH", "AWS_SECRET_ARN", "KEYVAULT_NAME", "TOKEN_SECRET_NAME", "SECRET_PROVIDER_CLASS"]), r.choice([f"{word(r)}-{word(r)}", f"secret/data/{word(r)}/{word(r)}", f"kv/{word(r)}"])),
}


def rows(seed: int = SEED) -> tuple[Row, ...]:
    """Every row, once, the same in each run: as many of each family as its table says, or as there are."""
    made: dict[Pair, Row] = {}
    tables = ((SECRET, True, "seen"), (HONEST, False, "seen"), (SECRET_UNSEEN, True, "unseen"), (HONEST_UNSEEN, False, "unseen"), (SECRET_FRESH, True, "fresh"), (HONEST_FRESH, False, "fresh"))
    for families, is_secret, group in tables:
        for kind, family in families.items():
            r, want = random.Random(f"{seed} {kind}"), len(made) + PER_FAMILY[group]
            for _ in range(400):
                if len(made) < want:
                    pair = family(r)
                    made.setdefault(pair, Row(*pair, is_secret, kind, group))
    return tuple(made.values())


def tuning() -> tuple[Row, ...]:
    """The rows that the rules were tuned on."""
    return tuple(row for row in rows() if not row.is_held_out)


def held_out() -> tuple[Row, ...]:
    """The rows that the goals are measured on."""
    return tuple(row for row in rows() if row.is_held_out)
