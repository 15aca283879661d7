"""The operator's file: documented whole, refused with every fault, never telling a secret."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat, load_pem_private_key
from plant.certificates import Authority
from pydantic import BaseModel

from monitor import refusal, yamlfile
from monitor.config import Config, MqttLink, Rack, Settings, check, load, unknown_skus
from monitor.environment import RESERVED
from monitor.errors import ConfigError
from monitor.model import Phase

SHIPPED = Path(__file__).parent.parent / "deploy" / "monitor.yaml"


def faults(tmp_path: Path, text: str, environment: dict[str, str] | None = None) -> list[str]:
    """Load a text and return its faults, the file called monitor.yaml."""
    path = tmp_path / "monitor.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as error:
        load(path, environment or {})
    return [str(fault).replace(str(path), "monitor.yaml") for fault in error.value.faults]


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "monitor.yaml"
    path.write_text(text)
    return path


def paths(model: type[BaseModel], before: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the path of every key of a model, lists by their first item and mappings by their only one."""
    for key, annotation in refusal.fields(model).items():
        yield (*before, key)
        for shape in refusal.flat(annotation):
            inner = {tuple: (0,), dict: ("R0012",)}.get(get_origin(shape), ())
            of = get_args(shape)[-1 if get_origin(shape) is dict else 0] if inner else shape
            if isinstance(of, type) and issubclass(of, BaseModel):
                yield from paths(of, (*before, key, *inner))


def uncommented() -> str:
    return re.sub(r"^( *)#(?=\w+:)", r"\1", SHIPPED.read_text(), flags=re.MULTILINE)


def test_the_shipped_file_is_the_defaults() -> None:
    assert load(SHIPPED, {}) == Config() == load(None, {})
    assert check(SHIPPED, {}) == []


@pytest.mark.parametrize("path", list(paths(Config)), ids=yamlfile.name)
def test_each_key_is_in_the_shipped_file(path: tuple[str | int, ...]) -> None:
    document, broken = yamlfile.parse(uncommented(), "monitor.yaml")
    assert not broken

    assert path in document.keys


def test_the_shipped_file_without_its_comments_is_a_configuration() -> None:
    text = re.sub(r"\n *((password_file|token_file): /etc/dcmon/bus.token|map:).*", "", uncommented())  # the one or the other
    document, broken = yamlfile.parse(text, "monitor.yaml")

    config, refused = yamlfile.validate(document, Config)

    assert (broken, refused) == ([], [])
    assert config is not None
    assert config.influx is not None
    assert config.influx.bucket == "alerts"
    assert config.racks["R0012"] == Rack(sku="gb200_nvl72", serial="1653024001234", lot="2026-07-A", phase=Phase.SOAK)


def test_an_unknown_key_names_its_line_and_the_nearest(tmp_path: Path) -> None:
    assert faults(tmp_path, "site: a\nstore:\n  pth: /x\n") == ['monitor.yaml:3:3: store.pth: unknown key; did you mean "path"?']


def test_an_unknown_key_far_from_all_lists_them(tmp_path: Path) -> None:
    assert faults(tmp_path, "store: {zzz: 1}\n") == ["monitor.yaml:1:9: store.zzz: unknown key; known keys: flush, keep_days, path"]


def test_every_fault_is_told_in_one_run(tmp_path: Path) -> None:
    text = "store:\n  flush: -1\n  flush: 2\nlinks:\n  - port: 99999\n    dialect: dxs\ninflux: {url: ftp://x, org: o}\nracks:\n  R1: {phase: sook}\nlog_level: 3\n"

    found = faults(tmp_path, text, {"DCMON_STOR__PATH": "/x", "DCMON_TIME__TICK": "soon"})

    assert found == [
        "monitor.yaml:2:10: store.flush: found -1; must be greater than 0",
        "monitor.yaml:3:3: store.flush: key is already on line 2; keep one",
        "monitor.yaml:5:11: links[0].port: found 99999; must be less than or equal to 65535",
        'monitor.yaml:6:14: links[0].dialect: found "dxs"; did you mean "dsx"?',
        "monitor.yaml:7:1: influx.bucket: is missing; add it",
        "monitor.yaml:7:15: influx.url: found \"ftp://x\"; must match pattern '^https?://'",
        'monitor.yaml:9:15: racks.R1.phase: found "sook"; did you mean "soak"?',
        "monitor.yaml:10:12: log_level: found 3; use one of: debug, info, warning, error",
        "DCMON_STOR__PATH: unknown variable; did you mean DCMON_STORE__PATH?",
        'DCMON_TIME__TICK: time.tick: found "soon"; must be a valid number',
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("links: []\n", "monitor.yaml:1:1: links: is empty; give at least one link"),
        ("links: [{}, {}]\n", 'monitor.yaml:1:1: links: 2 links are called "bus"; give each a name of its own'),
        ("links:\n- tls: {cert: a}\n", "monitor.yaml:2:3: links[0].tls: cert and key go together; give both or neither"),
        (
            "links:\n- {password_file: a, token_file: b}\n",
            "monitor.yaml:2:3: links[0]: password_file and token_file exclude each other; keep one",
        ),
        ("links:\n- password_file: a\n", "monitor.yaml:2:3: links[0]: password_file without username; add username"),
        ("links:\n- topics: []\n", "monitor.yaml:2:3: links[0].topics: is empty; give at least one topic filter, or remove the key"),
        ("links:\n- topics: [a, b, a]\n", 'monitor.yaml:2:3: links[0].topics: "a" stands here 2 times; keep one'),
        (
            'links:\n- topics: ["a#"]\n',
            'monitor.yaml:2:12: links[0].topics[0]: found "a#"; "#" stands alone as the last level; write for example a/#',
        ),
        ('links:\n- name: ""\n', 'monitor.yaml:2:9: links[0].name: found ""; must have at least 1 character'),
        ('links:\n- host: ""\n', 'monitor.yaml:2:9: links[0].host: found ""; the name or address of the broker is needed'),
        (
            "links:\n- host: mqtt://127.0.0.1:1883/x\n",
            'monitor.yaml:2:9: links[0].host: found "mqtt://127.0.0.1:1883/x"; write the name alone, 127.0.0.1; `tls` makes the link encrypted',
        ),
        (
            "links:\n- host: bus:1883\n",
            'monitor.yaml:2:9: links[0].host: found "bus:1883"; write the name alone, bus; `port` is a key of its own',
        ),
        (
            "links:\n- host: me:hunter2@bus\n",
            "monitor.yaml:2:9: links[0].host: holds a user name; write the name alone, bus, and put the user into username and password_file",
        ),
        ("site: 5\n", "monitor.yaml:1:7: site: found 5; text is needed, so put it in quotes"),
        ("store: /var\n", 'monitor.yaml:1:8: store: found "/var"; `key: value` lines are needed; known keys: flush, keep_days, path'),
        ("racks: [R1]\n", "monitor.yaml:1:1: racks: found a list; `key: value` lines are needed"),
        ("time: {lateness: .inf}\n", 'monitor.yaml:1:18: time.lateness: found ".inf"; must be a valid number'),
        ('time: {lateness: "inf"}\n', 'monitor.yaml:1:18: time.lateness: found "inf"; must be a finite number'),
    ],
)
def test_a_fault_says_where_what_and_what_would_do(tmp_path: Path, text: str, expected: str) -> None:
    assert faults(tmp_path, text) == [expected]


def test_a_missing_file_is_one_fault(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot be read: No such file or directory$"):
        load(tmp_path / "none.yaml", {})


def test_the_environment_goes_over_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, "store: {keep_days: 3}\nlinks:\n- {name: a}\n- {name: b, host: old}\nracks: {rack-7: {}}\n")

    config = load(
        path,
        {
            "DCMON_STORE__KEEP_DAYS": "30",
            "DCMON_LINKS__1__HOST": "broker",
            "DCMON_LINKS__1__TOPICS__0": "BMS/#",
            "DCMON_LINKS__2__NAME": "12",
            "DCMON_LINKS__0__TLS__CA": "/ca.pem",
            "DCMON_INFLUX__ORG": '"o"',
            "DCMON_INFLUX__BUCKET": "b",
            "DCMON_RACKS__RACK-7__SKU": "gb200_nvl72",
            "HOME": "/",
        },
    )

    assert config.store.keep_days == 30
    assert [(link.name, link.host) for link in config.links] == [("a", "127.0.0.1"), ("b", "broker"), ("12", "127.0.0.1")]
    assert config.links[1].topics == ("BMS/#",)
    assert config.links[0].tls is not None
    assert config.influx is not None
    assert (config.influx.org, config.influx.bucket) == ("o", "b")
    assert config.racks["rack-7"].sku == "gb200_nvl72"


def test_the_environment_alone_is_enough() -> None:
    assert load(None, {"DCMON_LINKS__0__HOST": "broker"}).links == (MqttLink(host="broker"),)


def test_the_environment_can_take_a_part_away(tmp_path: Path) -> None:
    assert load(written(tmp_path, "influx: {org: o, bucket: b}\n"), {"DCMON_INFLUX": "null"}).influx is None


def test_links_are_counted_as_numbers() -> None:
    config = load(None, {f"DCMON_LINKS__{index}__NAME": f"bus{index}" for index in range(12)})

    assert [link.name for link in config.links] == [f"bus{index}" for index in range(12)]


def test_reserved_names_are_no_settings() -> None:
    assert load(None, dict.fromkeys(RESERVED, "anything")) == Config()


@pytest.mark.parametrize(
    "variable",
    [
        "DCMON_",
        "DCMON___",
        "DCMON_STORE__PATH__X",
        "DCMON_LINKS__1__HOST",
        "DCMON_LINKS__X",
        "DCMON_RACKS__R9__SKU",
        "DCMON_LINKS__-1__HOST",
    ],
)
def test_a_variable_that_names_nothing_is_a_fault(variable: str) -> None:
    with pytest.raises(ConfigError, match=f"^{variable}: unknown variable; "):
        load(None, {variable: "1"})


def test_a_variable_below_a_wrong_value_leaves_the_fault_to_the_file(tmp_path: Path) -> None:
    [fault] = faults(tmp_path, "store: 5\n", {"DCMON_STORE__PATH": "/x"})

    assert fault.startswith("monitor.yaml:1:8: store: found 5; `key: value` lines are needed")


def test_a_secret_in_the_wrong_place_is_not_told(tmp_path: Path) -> None:
    text = (
        "links:\n- password: hunter2\n  token_file: [hunter2]\n  tls: {password: hunter2}\n"
        "influx: {token: hunter2, token_file: 1, url: 'ftp://me:hunter2@host', org: o, bucket: b}\n"
    )

    found = faults(tmp_path, text, {"DCMON_PASSWORD": "hunter2", "DCMON_LINKS__0__PASSWORD_FILE": "0x1"})

    assert len(found) == 7
    assert "hunter2" not in "\n".join(found)


def test_a_secret_where_its_file_belongs_is_not_told(tmp_path: Path) -> None:
    path = written(tmp_path, f"links:\n- token_file: {'hunter2' * 50}\ninflux: {{org: o, bucket: b, token_file: hunter2}}\n")

    found = "\n".join(map(str, check(path, {})))

    assert found.count("a value that is not shown") == 2
    assert "hunter2" not in found


def test_check_looks_for_the_files_that_are_named(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("")
    path = written(
        tmp_path,
        f"rules: {tmp_path}/ca.pem\nstore: {{path: /nowhere}}\nlinks:\n- tls:\n    ca: {tmp_path}/ca.pem\n    cert: {tmp_path}\n    key: {tmp_path}/no.key\n",
    )
    config = load(path, {})  # files may come later; only `check` asks for them now

    found = [str(fault).replace(str(tmp_path), "") for fault in check(path, {"DCMON_LINKS__0__TOKEN_FILE": "/no.token"})]

    assert config.links[0].tls is not None
    assert found == [
        '/monitor.yaml:1:8: rules: "/ca.pem" is no folder; a folder that this user can read is needed',
        '/monitor.yaml:5:9: links[0].tls.ca: "/ca.pem" cannot be loaded (no certificate or crl found); certificates of the CA in PEM are needed',
        '/monitor.yaml:6:11: links[0].tls.cert: "" is no file; a file that this user can read is needed',
        '/monitor.yaml:7:10: links[0].tls.key: "/no.key" does not exist; a file that this user can read is needed',
        'DCMON_LINKS__0__TOKEN_FILE: links[0].token_file: "/no.token" does not exist; a file that this user can read is needed',
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("/run/secrets/bus", True),
        ("../bus", True),
        ("bus.token", True),
        ("hunter2", False),
        ("hunter.two", False),
        ("eyJhbGciOi.eyJzdWIi.c2lnbmF0dXJl", False),
        ("aGVsbG8/d29ybGQ+Zm9v", False),
        ("/" + "a" * 80, False),
    ],
)
def test_the_path_of_a_secret_is_told_and_a_secret_is_not(tmp_path: Path, text: str, told: bool) -> None:
    [fault] = check(written(tmp_path, f"links:\n- token_file: {text}\n"), {})

    assert (text in fault.text) == told
    assert fault.text.endswith("does not exist; a file that this user can read is needed")


def test_check_loads_what_tls_will_load(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "ca")
    cert, key = authority.issue("client")
    _, other = authority.issue("other")
    (tmp_path / "locked.key").write_bytes(
        load_pem_private_key(key.read_bytes(), None).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"hunter2"))
    )

    def said(ca: Path, cert: Path, key: Path) -> list[str]:
        path = written(tmp_path, f"links:\n- tls:\n    ca: {ca}\n    cert: {cert}\n    key: {key}\n")
        return [str(fault).replace(str(tmp_path), "") for fault in check(path, {})]

    assert said(authority.ca, cert, key) == []
    assert said(key, cert, other) == [
        '/monitor.yaml:3:9: links[0].tls.ca: "/client.key" cannot be loaded (no certificate or crl found); certificates of the CA in PEM are needed',
        '/monitor.yaml:5:10: links[0].tls.key: "/other.key" cannot be loaded (key values mismatch); the private key of `cert` in PEM is needed',
    ]
    assert said(authority.ca, key, key) == [
        '/monitor.yaml:4:11: links[0].tls.cert: "/client.key" cannot be loaded (no certificate or crl found); a certificate in PEM is needed'
    ]
    assert said(authority.ca, cert, tmp_path / "locked.key") == [
        '/monitor.yaml:5:10: links[0].tls.key: "/locked.key" is encrypted with a passphrase; a key without one is needed'
    ]


@pytest.mark.parametrize("below", ["", "/store"])
def test_a_store_that_cannot_be_a_folder_is_a_fault(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("")

    [fault] = check(written(tmp_path, f"store: {{path: {tmp_path}/file{below}}}\n"), {})

    assert str(fault).endswith(f'monitor.yaml:1:15: store.path: "{tmp_path}/file{below}" is no folder, or below a file; name a folder')


@pytest.mark.parametrize("topic", ["a#", "x/#/y", "a+b", "+a/b", "", "a\\0b", "x" * 65_536, "é" * 32_768])
def test_a_topic_that_is_no_filter_is_a_fault(tmp_path: Path, topic: str) -> None:
    [fault] = faults(tmp_path, f'links:\n- topics:\n  - a/#\n  - "{topic}"\n')

    assert fault.startswith("monitor.yaml:4:5: links[0].topics[1]: found ")
    assert len(fault) < 250


@pytest.mark.parametrize("topic", ["#", "+", "/", "a/+/b/#", "+/+", "$SYS/#", "x" * 65_535])
def test_a_topic_filter_is_taken(topic: str) -> None:
    assert MqttLink(topics=(topic,)).topics == (topic,)


@pytest.mark.parametrize("host", ["bus", "bus.example.org", "10.0.0.1", "::1", "fe80::1%eth0"])
def test_a_host_is_taken(host: str) -> None:
    assert MqttLink(host=host).host == host


def test_check_knows_the_skus_of_the_limits(tmp_path: Path) -> None:
    path = written(tmp_path, "racks:\n  R1: {sku: gb200_nvl27}\n  R2: {sku: gb200_nvl72}\n  R3: {}\n")
    found = unknown_skus(path, {"DCMON_RACKS__R3__SKU": "x"}, {"gb200_nvl72", "b"})

    assert [str(fault).replace(str(path), "monitor.yaml") for fault in found] == [
        'monitor.yaml:2:13: racks.R1.sku: found "gb200_nvl27"; did you mean "gb200_nvl72"?',
        'DCMON_RACKS__R3__SKU: racks.R3.sku: found "x"; known SKUs: b, gb200_nvl72',
    ]


@pytest.mark.parametrize(("variable", "near"), [("DCMON_STOR", "DCMON_STORE"), ("DCMON_CONFG", "DCMON_CONFIG")])
def test_a_variable_of_the_command_line_is_suggested(variable: str, near: str) -> None:
    with pytest.raises(ConfigError, match=f"^{variable}: unknown variable; did you mean {near}\\?$"):
        load(None, {variable: "1"})


def test_settings_do_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Config().site = "other"  # type: ignore[misc]


def test_a_part_echoes_no_value() -> None:
    class Part(Settings):
        number: int

    value: Any = "hunter2"
    with pytest.raises(ValueError, match="number") as error:
        Part(number=value)

    assert "hunter2" not in str(error.value)
