"""What opens a door is in no excerpt that leaves; what helps stays."""

from __future__ import annotations

import re
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.notification import JobNotification, Link
from service.core.redaction import LONGEST_EXCERPT, REDACTED, PatternError, Redaction, cut, cut_in_the_middle, redact
from service.core.telling.compose import Links, compose
from tests.support.builders import (
    JOB,
    MESSAGE,
    attempt,
    container,
    execution,
    receipt,
    record,
    rejected,
    requested,
    task,
)

ECR = "111122223333.dkr.ecr.eu-west-1.amazonaws.com/thumbs"

SIGNED = [
    "https://prod-layers.s3.eu-west-1.amazonaws.com/1f/layer?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature={}",
    "https://d.cloudfront.net/layer?Expires=1700000000&Signature={}&Key-Pair-Id=K1",
    "https://s3.amazonaws.com/b/k?AWSAccessKeyId={}&Expires=1",
    "https://host.example/layer?sig={}",
    "...256&X-Amz-SignedHeaders=host&X-Amz-Signature={}",
    "...%26X-Amz-Signature%3D{}",
    "X-Amz-Security-Token: {}",
    '{{"Name":"TASK_TOKEN","Value":"{}"}}',
    '{{\\"Name\\":\\"TASK_TOKEN\\",\\"Value\\":\\"{}\\"}}',
    "TASK_TOKEN={}",
    "Authorization: Bearer {}",
    "taskToken: {}",
    "https://user:{}@registry.example/v2",
]


@pytest.mark.parametrize("text", SIGNED, ids=[str(number) for number in range(len(SIGNED))])
@given(
    secret=st.text("0123456789abcdef", min_size=40, max_size=64),
    before=st.text(max_size=30),
    after=st.text(max_size=30),
)
def test_no_signature_and_no_token_is_shown(text: str, secret: str, before: str, after: str) -> None:
    """Whatever stands around it, what opens a door is not left in a text."""
    assert secret not in redact(f"{before}{text.format(secret)} {after}")


@pytest.mark.parametrize("length", [1024, 1100, 5000])
@pytest.mark.parametrize("text", ["password={} end", "secret='{}' end", "--api-key {} end", "cookie: session={}"])
def test_a_long_secret_is_hidden_to_its_end(text: str, length: int) -> None:
    """The end of one is a secret too."""
    hidden = redact(text.format("1" * length))
    assert "1" not in hidden and hidden.endswith(text.partition("{}")[2])


def test_a_task_token_without_its_name_is_known_by_its_shape() -> None:
    """Step Functions' tokens are long base64 that begin with AAAA."""
    token = "AAAAKgAAAAIAAAAAAAAAAf" + "q1W2/e3R4+t5" * 30 + "=="
    assert redact(f"for {token}, said it") == "for [redacted], said it"


def test_what_helps_is_left() -> None:
    """ARNs, images, digests and plain URLs stay: they are what a person must look at."""
    text = (
        f"CannotPullContainerError: {ECR}@sha256:{'1f' * 32}: may require authorization: server message: "
        "Basic authentication arn:aws:iam::111122223333:role/service-role/jobferry-execution "
        "https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_cannot_pull_image.html"
    )
    assert redact(text) == text


NAMED = [
    "password={}",
    "DB_PASSWORD: {}",
    'db.password = "{}"',
    '{{"clientSecret": "{}"}}',
    '{{\\"api_key\\":\\"{}\\"}}',
    "--password {}",
    "run --token={} --fast",
    "AccountKey={};EndpointSuffix=core",
    "refresh_token={}&grant_type=x",
    "postgres://web:{}@db.internal/web",
    "redis://:{}@cache.internal",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ{}In0.abc-{}_def",
    "glpat-{}",
    "-----BEGIN PRIVATE KEY-----\\nMIIE{}\\n-----END PRIVATE KEY-----",
]


@pytest.mark.parametrize("text", NAMED)
@given(secret=st.text("0123456789abcdef", min_size=24, max_size=64))
def test_no_password_key_or_token_is_shown(text: str, secret: str) -> None:
    """By its name or by its shape, and hiding it twice changes nothing."""
    hidden = redact(text.format(secret, secret))
    assert secret not in hidden
    assert redact(hidden) == hidden


# What vendors' tokens look like, by the rules of gitleaks and trufflehog; all are made up.
VENDORS = [
    ("AKIA", "ABCDEFGHIJKLMNOP"),
    ("ABIA", "ABCDEFGHIJKLMNOP"),
    ("ghp_", "aB3" * 12),
    ("glpat-", "aB3-" * 5),
    ("glptt-", "0a" * 20),
    ("xoxb-", "12345678901-aB3dE5"),
    ("xapp-1-", "A0123-123-0a0b"),
    ("https://hooks.slack.com/", "services/T0123ABCD/B0123ABCD/aB3dE5gH7jK9mN1pQ2rS4tU6"),
    ("https://discord.com/api/webhooks/", "123456789012345678/" + "aB3-" * 17),
    ("sk_test_", "aB3d" * 6),
    ("ya29.", "aB3d" * 12),
    ("SG.", "aB3d" * 5 + "." + "aB3d" * 10),
    ("SK", "0a1b" * 8),
    ("key-", "0a1b" * 8),
    ("npm_", "aB3d" * 9),
    ("pypi-", "AgEIcHlwaS5vcmc" + "aB3d" * 12),
    ("hf_", "aBcD" * 8),
    ("dapi", "0a1b" * 8),
    ("dop_v1_", "0a1b" * 16),
    ("hvs.", "aB3d" * 20),
    ("aB3dE5gH7jK9mN.atlasv1.", "aB3d" * 16),
    ("sk-", "aB3d" * 5 + "T3BlbkFJ" + "aB3d" * 5),
    ("sk-proj-", "aB3-" * 20),
    ("sk-ant-api03-", "aB3-" * 24),
    ("123456789:", "AA" + "aB3" * 11),
    ("shpat_", "0a1b" * 8),
    ("NRAK-", "AB3" * 9),
    ("glsa_", "aB3d" * 8 + "_0a1b2c3d"),
    ("lin_api_", "aB3d" * 10),
    ("PMAK-", "0a" * 12 + "-" + "0a" * 17),
    ("AGE-SECRET-KEY-1", "AB3" * 19),
    ("dp.pt.", "aB3d" * 11),
    ("Authorization: Basic ", "dXNlcjpwdw=="),
    ("authorization: token ", "0a1b2c3d"),
    ("Set-Cookie: ", "sessionid=0a1b2c3d; HttpOnly"),
    ("GITHUB_TOKEN=", "abcdefgh12345678"),
    ("?sv=2020&sig=", "aB3d%2B" * 6),
    ("password%3D", "hunter2"),
    ("<password>", "hunter2</"),
    ("curl -u deploy:", "hunter2"),
    ("", "aB3d" * 40),
]


@pytest.mark.parametrize(("before", "secret"), VENDORS, ids=[before or "a long word" for before, _ in VENDORS])
def test_a_credential_is_known_by_its_shape(before: str, secret: str) -> None:
    """Wherever it stands in a line, and the words around it stay."""
    hidden = redact(f"cannot log in with {before}{secret} at host 7")
    assert secret.partition("<")[0] not in hidden
    assert hidden.startswith("cannot log in") and "[redacted]" in hidden


HARMLESS = [
    f"{ECR}@sha256:{'1f' * 32}",
    "commit 0123456789abcdef0123456789abcdef01234567",
    "5fea7756-0ea4-451a-a703-a558b933e274",
    "s3://bucket/jobs/thumbs-42/logs/1-1/main-0123456789abcdef0123456789abcdef.log",
    "arn:aws:ecs:eu-west-1:111122223333:task/jobs/0123456789abcdef0123456789abcdef",
    "Requesting secret: arn:aws:secretsmanager:eu-west-1:111122223333:secret:db-AbCdEf",
    "password: None",
    "password=***",
    "SyntaxError: Unexpected token: '}'",
    "next token: 3, max_tokens=4096",
    "KeyError: 'password'",
    "glue-job-that-transforms-the-orders-of-a-day failed",
    "docker run -u 1000:1000 x",
    "cookie: none was sent",
    "Authorization: header missing",
    "=" * 130,
    "test_one.py " + "." * 130 + " [ 40%]",
    "#" * 10 + "-" * 150,
    "ACGT" * 40,
    "sha512 " + "0a1b2c3d" * 16,
    "/srv/" + "a_long_directory_name/" * 12 + "x.py",
]


@pytest.mark.parametrize("text", HARMLESS)
def test_what_only_looks_odd_is_left(text: str) -> None:
    """Rulers, digests, genomes and the talk of tokens are what a person reads a log for."""
    assert redact(text) == text


KEY = ["-----BEGIN RSA PRIVATE KEY-----", "MIIEow+/IBAAKCAQEA7", "q83vZ0/Tt9wB", "-----END RSA PRIVATE KEY-----"]


@pytest.mark.parametrize("first", range(3))
def test_a_private_key_over_several_lines_is_hidden(first: int) -> None:
    """Also where the last lines that are told begin in its midst."""
    shown = "\n".join(Redaction.of().lines([*KEY[first:], "could not connect"]))
    assert "could not connect" in shown
    assert not any(line in shown for line in KEY[1:3])


# As `openssl genpkey` breaks its lines; made for this test, and of no use elsewhere.
BODY = [b64encode(bytes((7 * n + 13 * m) % 256 for m in range(48))).decode() for n in range(9)]


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param([KEY[0], *BODY, "q83vZ0/Tt9wB"], id="without its END"),
        pytest.param(BODY, id="its middle alone"),
        pytest.param([*BODY[:1], "q83vZ0/Tt9wB"], id="its last two lines"),
        pytest.param([f"  {line}" for line in BODY], id="indented"),
    ],
)
def test_a_private_key_without_its_marks_is_hidden(lines: list[str]) -> None:
    """What is told is a log's last lines, and they may begin and end anywhere."""
    shown = "\n".join(Redaction.of().lines(["could not connect", *lines]))
    assert "could not connect" in shown
    assert not any(line.strip() in shown for line in lines if line != KEY[0])


def test_a_pattern_of_ones_own_hides_what_it_finds() -> None:
    """All of it, or where it has a group named `secret`, that."""
    redaction = Redaction.of([r"tok_[0-9a-f]{8}", r"account (?P<secret>[0-9]{6})"])
    assert redaction.text("tok_01ab34cd of account 123456") == "[redacted] of account [redacted]"


UNUSABLE = {
    "(": "no regular expression",
    "x*": "matches nothing at all",
    "": "matches nothing at all",
    "(a+)+b": "can take for ever",
    r"(?:\w+\s*)*x": "can take for ever",
    r"([a-z]{2,}){3}": "can take for ever",
}


@pytest.mark.parametrize(("pattern", "why"), UNUSABLE.items())
def test_a_pattern_that_cannot_be_used_says_why(pattern: str, why: str) -> None:
    """By its number: the pattern itself may be a secret that was pasted into the wrong place."""
    with pytest.raises(PatternError, match=f"^pattern 2 .*{why}"):
        Redaction.of(["fine", pattern])


UNLUCKY = [
    "eyJ-",
    "password=",
    "://",
    "://a:",
    "://a?",
    "a:",
    KEY[0],
    "AAAA",
    "TASK_TOKEN,",
    "\\",
    " ",
    "pwd  ",
    "token=",
    "-u a:",
    "cookie: a=",
    "A1a=",
    "a.",
    "1234567890:AA",
]


@pytest.mark.parametrize("piece", UNLUCKY)
def test_no_text_takes_long(piece: str) -> None:
    """Texts that nearly match everywhere, ten times as long as any excerpt: each is done, and stays within bounds."""
    assert len(redact(piece * (10 * LONGEST_EXCERPT // len(piece)))) <= 4 * LONGEST_EXCERPT


@given(st.text(max_size=90), st.integers(8, 60))
def test_a_cut_in_the_middle_keeps_both_ends(text: str, longest: int) -> None:
    """Within the length, and without half a word unless that is most of it."""
    short = cut_in_the_middle(text, longest)
    assert len(short) <= longest
    if short != text:
        beginning, _, end = short.partition("…")
        assert text.startswith(beginning) and text.endswith(end[1:])


def test_both_ends_are_whole_words() -> None:
    """As half a secret is known by no pattern."""
    assert cut_in_the_middle("one two three four five six seven eight", 24) == "one two three… eight"


@given(st.text(max_size=60), st.integers(2, 40))
def test_a_cut_leaves_no_half_word(text: str, longest: int) -> None:
    """Half a token is known by no pattern; only a word that is half of all is cut itself."""
    short = cut(text, longest)
    assert len(short) <= longest
    if short != text:
        kept = short.removesuffix("…")
        assert text.startswith(kept)
        assert text[len(kept)].isspace() or " " not in kept[longest // 2 :]


# In a notification.

SECRET = "hunter2hunter2"
LINK = Link(url="https://logs.s3.amazonaws.com/x?X-Amz-Signature=1", expires_at="2023-11-21T22:13:20.000Z")


def leaky(redaction: Redaction, words: str) -> JobNotification:
    """A failed job, of which everybody who has words of his own says these."""
    links = Links({("jobferry-logs", f"jobs/{JOB}/logs/1-1/main-t1.log"): LINK})
    job = record(
        requested(),
        execution("FAILED", error="StageFailed", cause=f'{{"evidence": "it said {words}"}}',
                  attempts=(attempt(passed=False, exit_code=None, error=f"Bad {words}"),)),
        task(stopped_reason=words, containers=(container(exit_code=None, reason=words), container("side", 1))),
        receipt(tail=("connecting", words)),
        receipt(name="side", status="absent", why=words, s3_key=None, s3_bucket=None),
    )  # fmt: skip
    return compose(job, links, {}, redaction)


@pytest.mark.parametrize("words", [f"password={SECRET}", f"tok_{SECRET}"])
def test_no_excerpt_of_a_notification_holds_a_secret(words: str) -> None:
    """Neither in its fields nor in its text; the links are still whole."""
    shown = leaky(Redaction.of([r"tok_\w{8,64}"]), words)
    assert SECRET not in shown.model_dump_json()
    assert len(re.findall(re.escape("[redacted]"), shown.model_dump_json())) >= 8
    assert LINK.url in shown.text


def test_without_the_pattern_it_would_have_been_told() -> None:
    """So that the test above can fail: nothing else hides this token."""
    assert SECRET in leaky(Redaction.of(), f"tok_{SECRET}").model_dump_json()


def test_what_a_refusal_quotes_is_redacted() -> None:
    """A producer's slip of the paste goes to all subscribers otherwise."""
    problem = {"field": "stages.0.environment", "message": f"unknown: password={SECRET}", "remedy": "Remove it."}
    shown = compose(record(rejected(problems=[problem])), Links())
    assert SECRET not in shown.model_dump_json()
    assert MESSAGE in shown.id


CUTS: tuple[tuple[str, int, str], ...] = (
    ("", 5, ""),
    ("12345", 5, "12345"),
    ("123456", 5, "1234…"),
    ("abcde fghij", 8, "abcde…"),
    ("abcde fghij", 6, "abcde…"),
    ("ab cdefghij", 8, "ab cdef…"),
    ("abcd efghij", 8, "abcd…"),
    ("abc defghij", 8, "abc def…"),
)


@pytest.mark.parametrize(("text", "longest", "kept"), CUTS)
def test_where_a_text_is_cut(text: str, longest: int, kept: str) -> None:
    """At the last space, unless half of the room would be empty then."""
    assert cut(text, longest) == kept


CUTS_IN_THE_MIDDLE: tuple[tuple[str, int, str], ...] = (
    ("0123456789abcdef", 16, "0123456789abcdef"),
    ("0123456789abcdefg", 16, "012345678… cdefg"),
    ("one two three four five six", 24, "one two three… five six"),
    ("aa bb cc dd ee ff gg hh ii", 16, "aa bb cc… hh ii"),
)


@pytest.mark.parametrize(("text", "longest", "kept"), CUTS_IN_THE_MIDDLE)
def test_where_a_text_is_cut_in_its_middle(text: str, longest: int, kept: str) -> None:
    """Five eighths are its beginning's, the rest its end's; both are whole words where there are such."""
    assert cut_in_the_middle(text, longest) == kept


def test_so_much_of_an_excerpt_is_looked_at_and_shown() -> None:
    """The longest cause as it is, and no character more."""
    assert redact("x " * 16_384) == "x " * 16_384
    assert len(redact("x " * 16_384 + "y")) == 32_768


def test_no_lines_are_no_lines() -> None:
    """And an empty one is one."""
    hide = Redaction.of()
    assert hide.lines(()) == hide.lines(iter(())) == ()
    assert hide.lines(("",)) == ("",)
    assert hide.lines(iter(("a", "", "b"))) == ("a", "", "b")


def test_of_a_pattern_with_a_group_named_secret_only_that_is_hidden() -> None:
    """Where it stands; without the group, all that was found; a group that found nothing hides the whole."""
    assert Redaction.of([r"pin (?P<secret>\d{4}) ok"]).text("a pin 1234 ok b") == "a pin [redacted] ok b"
    assert Redaction.of([r"pin (?P<number>\d{4})"]).text("a pin 1234 b") == "a [redacted] b"
    assert Redaction.of([r"pin (?:(?P<secret>\d{4})|none)"]).text("a pin none b") == "a [redacted] b"


def test_the_pattern_that_cannot_be_used_is_named_by_its_number() -> None:
    """The first is 1."""
    with pytest.raises(PatternError, match="pattern 1 is no"):
        Redaction.of(["("])
    with pytest.raises(PatternError, match="pattern 2 also matches nothing"):
        Redaction.of(["a", "b*"])


def test_of_a_pattern_with_a_group_for_the_secret_all_else_stays() -> None:
    """Whatever its other groups are called; without such a group all that matched is hidden."""
    named = Redaction.of((r"(?P<user>[a-z]+)/(?P<secret_key>[0-9]{4})/(?P<host>[a-z]+)",))
    assert named.text("bob/1234/db") == f"bob/{REDACTED}/db"
    unnamed = Redaction.of((r"(?P<user>[a-z]+)/[0-9]{4}",))
    assert unnamed.text("bob/1234/db") == f"{REDACTED}/db"
