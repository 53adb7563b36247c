"""How Dockerfiles are read here, held against the Engine that builds them: what it fetches, sets or copies is told before it does."""

from __future__ import annotations

import http.server
import io
import tarfile
import threading
from collections.abc import Iterator

import pytest

from dockwarden.engine.dockerfile import read_dockerfile
from fixtures.engine import PrivateEngine

pytestmark = pytest.mark.timeout(60)
ADDRESS = "http://SERVER"


class Server(http.server.ThreadingHTTPServer):
    """Answers everything, and counts it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str] = []


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"hi")

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the tests' output is the tests'."""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    made = Server()
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


def build(engine: PrivateEngine, text: str, *options: str) -> tuple[bool, str]:
    """Whether the Engine built `text`, and what it said."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in (("Dockerfile", text.encode()), ("x", b"x")):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    done = engine.docker("build", "-q", "--force-rm", *options, "-", input=out.getvalue())
    return done.returncode == 0, (done.stdout + done.stderr).decode()


@pytest.mark.parametrize(
    "text",
    [
        f"FROM scratch\nADD {ADDRESS}/a /z",
        'FROM scratch\nADD "http"://SERVER/a /z',
        "FROM scratch\nADD h\\ttp://SERVER/a /z",
        'FROM scratch\nADD http:/"/"SERVER/a /z',
        'FROM scratch\nADD ["\\u0068ttp://SERVER/a", "/z"]',
        'FROM scratch\nADD ["h\\\\ttp://SERVER/a", "/z"]',
        "FROM scratch\nENV X=h\nADD ${X}ttp://SERVER/a /z",
        "FROM scratch\nARG X=http\nADD $X://SERVER/a /z",
        "  # escape=`\nFROM scratch\nADD h`ttp://SERVER/a /z",
        "\ufeff# escape=`\nFROM scratch\nADD h`ttp://SERVER/a /z",
        f"#!x\n# escape=`\nFROM scratch\nCOPY x `/\nADD {ADDRESS}/a /z",
        f"FROM scratch\n\u00a0ADD {ADDRESS}/a /z",
        f"FROM scratch\nADD\x0b{ADDRESS}/a /z",
        f"FROM scratch\nADD\t{ADDRESS}/a\x0c/z",
        f"FROM scratch\nADD -- {ADDRESS}/a /z",
        f"FROM scratch\nADD \\\n# c\n\n  # d\n\n {ADDRESS}/a \\\n /z \\",
        f"FROM scratch AS a\nONBUILD ADD {ADDRESS}/a /z\nCOPY x /\nFROM a",
        "# escape=`\nFROM scratch AS a\nONBUILD ADD h`ttp://SERVER/a /z\nCOPY x /\nFROM a",
    ],
)
def test_every_address_that_the_engine_fetches_is_told_before(engine: PrivateEngine, server: Server, text: str) -> None:
    server.asked.clear()
    done, said = build(engine, text.replace("SERVER", f"127.0.0.1:{server.server_port}"), "--no-cache")

    assert (True, ["/a"]) == (done, server.asked), said
    assert set() != read_dockerfile(text, {}).escapes


@pytest.mark.parametrize(
    "text",
    [f"FROM scratch\nADD\x1c{ADDRESS}/a /z", "FROM scratch\nADD HTTP://SERVER/a /z", f"FROM scratch\nCOPY x /\n# ADD {ADDRESS}/a /z\n#\\\nCOPY x /y"],
)
def test_what_looks_like_an_address_to_python_alone_is_not_fetched(engine: PrivateEngine, server: Server, text: str) -> None:
    server.asked.clear()
    build(engine, text.replace("SERVER", f"127.0.0.1:{server.server_port}"), "--no-cache")

    assert [] == server.asked


def test_the_stage_s_own_name_is_an_image_to_the_engine(engine: PrivateEngine) -> None:
    assert 0 == engine.docker("tag", "busybox", "ofbob").returncode
    own = "FROM scratch AS ofbob\nCOPY --from=ofbob /etc/passwd /stolen"

    assert (True, ["ofbob"]) == (build(engine, own)[0], read_dockerfile(own, {}).images)
    assert not build(engine, own.replace("ofbob", "nosuch.invalid"))[0]


@pytest.mark.parametrize(
    "text",
    [
        "ARG V=busybox\nARG V\nFROM ${V:-rootimg}", 'ARG V=busybox\nARG "V"=rootimg\nFROM $V', "FROM root$http_proxy",
        "ARG V=root\nARG W=${V}img\nFROM $W", "ARG V\nFROM ${V:-rootimg}", "ARG V=a\nFROM ${V:+rootimg}", "ARG V='rootimg'\nFROM \"$V\"",
    ],
)
def test_the_image_that_the_engine_builds_on_is_the_one_told_or_it_is_unclear(engine: PrivateEngine, text: str) -> None:
    arguments = {"http_proxy": "img"}
    done, said = build(engine, text, "--build-arg", "http_proxy=img")
    user = engine.docker("image", "inspect", "-f", "{{.Config.User}}", said.split()[0]).stdout if done else b""
    wants = read_dockerfile(text, arguments)

    assert b"root\n" == user, said
    assert ["rootimg"] == wants.images or wants.escapes


@pytest.mark.parametrize(
    ("lines", "path"),
    [
        ('WORKDIR "/pr"oc\nWORKDIR self', "/proc/self"), ("WORKDIR /pr\\oc", "/proc"), ("ENV A=/x D='/proc'\nWORKDIR $D", "/proc"),
        ("ENV A=/proc\nENV A=/x B=$A\nWORKDIR $B", "/proc"), ("ENV D /proc\nWORKDIR ${D}/", "/proc"), ("WORKDIR /a\nWORKDIR ../proc", "/proc"),
        ("WOR\u212aDIR /proc", "/proc"), ("WORKDIR -- /proc", "/proc"), ("ENV A=x\\ B=/y\nENV B=/proc\nWORKDIR $B", "/proc"),
    ],
)
def test_every_working_folder_below_proc_is_told_or_unclear(engine: PrivateEngine, lines: str, path: str) -> None:
    text = f"FROM busybox\n{lines}"
    done, said = build(engine, text)

    assert done, said
    assert path == engine.docker("image", "inspect", "-f", "{{.Config.WorkingDir}}", said.split()[0]).stdout.decode().strip().rstrip("/")
    assert {"working-dir", "build-unclear"} & {fact.partition(":")[0] for fact in read_dockerfile(text, {}).escapes}


@pytest.mark.parametrize("line", ["LABEL a=\\ dw=x", "LABEL a=\"\\\" dw=x", "LABEL d`w=x", "LABEL 'd'w=x", "LABEL dw a=b", "LABEL a=b\tdw=c"])
def test_every_label_that_the_engine_sets_is_told_or_unclear(engine: PrivateEngine, line: str) -> None:
    for head in ("", "# escape=`\n"):
        text = f"{head}FROM busybox\n{line}"
        done, said = build(engine, text)
        labels = engine.docker("image", "inspect", "-f", "{{json .Config.Labels}}", said.split()[0]).stdout if done else b""
        wants = read_dockerfile(text, {})

        assert b'"dw"' not in labels or "dw" in wants.labels or wants.escapes
