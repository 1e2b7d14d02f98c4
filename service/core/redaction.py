"""Hide what opens a door, in every excerpt that leaves: last words, reasons, causes, evidence. One place for all.

The log itself is archived as it was written: it is under its bucket's policy, an e-mail is under nobody's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from schemas.errors import JobferryError

REDACTED = "[redacted]"
# Of one excerpt so much is looked at and shown, so that no pattern has a long text to lose its way in.
LONGEST_EXCERPT = 32_768  # A cause is no longer [botocore, SensitiveCause].
_SECRET_GROUP = "secret"
_NAMED = (
    r"pass(?:word|wd|phrase)|pwd|(?:(?:api|access|private|secret|account|auth|encryption|signing)[_.-]?)(?:key|token)"
    r"|(?:refresh|session|id|bearer|client|personal)[_.-]?(?:token|secret)|client[_.-]?secret|secret"
)

# Values that open nothing, and are what one looks for in a log: `password: None`, a secret's ARN.
_NO_SECRET = r"(?!arn:aws|None\b|null\b|undefined\b|\*{3})"

# Credentials that are known by their own shape, wherever they stand.
_BY_SHAPE = "|".join(
    (
        r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Za-z0-9])",
        r"gh[opsur]_[A-Za-z0-9]{20,255}|github_pat_\w{20,255}",  # GitHub
        r"gl(?:pat|dt|rt|cbt|ptt|ft|imt|agent|oas|ffct|soat)-[\w-]{20,64}",  # GitLab
        r"xox[abeoprs]-[\w-]{10,255}|xapp-\d-[\w-]{10,255}",  # Slack
        r"[rs]k_(?:live|test)_[A-Za-z0-9]{10,128}",  # Stripe
        r"sk-(?:proj|ant|svcacct|admin|or)-[\w-]{20,255}|sk-[A-Za-z0-9]{20,64}",  # OpenAI, Anthropic and the like
        r"AIza[\w-]{35}|ya29\.[\w-]{20,512}",  # Google
        r"SG\.[\w-]{16,32}\.[\w-]{16,64}|SK[0-9a-f]{32}|(?<![\w-])key-[0-9a-f]{32}",  # SendGrid, Twilio, Mailgun
        r"npm_[A-Za-z0-9]{36}|pypi-[\w-]{50,255}|hf_[A-Za-z0-9]{30,64}",
        # Databricks, DigitalOcean, Shopify; HashiCorp's Vault and cloud, Doppler
        r"dapi[0-9a-f]{32}|do[opr]_v1_[0-9a-f]{64}|shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}",
        r"hv[bsr]\.[\w-]{24,255}|[A-Za-z0-9]{14}\.atlasv1\.[\w-]{60,80}|dp\.[a-z]{2,8}\.[A-Za-z0-9]{40,64}",
        # New Relic, Grafana, Linear, Postman
        r"NRAK-[A-Z0-9a-z]{27}|gl(?:sa|c)_[\w=+/-]{30,255}|lin_api_[A-Za-z0-9]{40}|PMAK-[0-9a-f]{24}-[0-9a-f]{34}",
        r"AGE-SECRET-KEY-1[A-Z0-9]{50,64}|\d{8,10}:AA[\w-]{33}",  # age, Telegram
    )
)

# Every repeat is bounded, or runs over characters that what follows it cannot be: none can take long. A secret is
# hidden to its end, however long it is. What is hidden is the group `secret`, or where there is none all that matched.
_ALWAYS: tuple[str, ...] = (
    # A query string is dropped whole: which of its fields are secret differs by who signed it; ECS quotes signed URLs
    # of layers [amazon-ecs-agent PR #4545]. The named fields catch what is left of a URL that was cut, and headers.
    r"://[^\s?\"'<>\\]{1,1024}\?(?P<secret>[^\s\"'<>]+)",
    r"://(?P<secret>[^\s/@:]{0,256}:[^\s/@]{1,1024})@",
    r"(?i)(?:X-Amz-(?:Signature|Security-Token|Credential)|Signature|AWSAccessKeyId|Key-Pair-Id"
    r"|aws_secret_access_key|aws_session_token)\\*[\"']?\s*(?:=|:|%3D)\s*(?P<secret>[^\s&\"',;<>]+)",
    # The task's token stands in its overrides, which causes quote.
    r"(?i)TASK_?TOKEN\\*[\"']?\s*(?:[=:]|,\s*\\*[\"']?Value\\*[\"']?\s*:)\s*\\*[\"']?(?P<secret>[^\s\"'\\&,}]+)",
    r"(?i)\b(?:Bearer|Basic|AWS4-HMAC-SHA256)\s+(?P<secret>[^\s\"',]{20,})",
    r"(?i)\bauthorization\\*[\"']?\s{0,3}[:=]\s{0,3}\\*[\"']?(?:basic|bearer|token|apikey)\s{1,3}(?P<secret>[^\s\"',;]{6,})",
    r"(?i)\b(?:set-)?cookie\\*[\"']?\s{0,3}[:=]\s{0,3}\\*[\"']?(?P<secret>[\w.-]{1,256}=[^\r\n\"']+)",
    r"\bhooks\.slack\.com/(?P<secret>[\w/-]{10,256})|\bapi/webhooks/(?P<secret2>\d{5,30}/[\w-]{20,128})",
    r"\beyJ[A-Za-z0-9_-]{8,4096}\.[A-Za-z0-9_-]{8,8192}(?:\.[A-Za-z0-9_-]{0,4096})?",
    rf"(?<![A-Za-z0-9])(?:{_BY_SHAPE})",
    # `secret:` with a colon before it is a part of an ARN, which a person needs.
    rf"(?i)(?<![:/])(?:{_NAMED})s?\\*[\"']?\s{{0,3}}(?:=>?|:|%3D)\s{{0,3}}\\*(?:\"(?P<secret>[^\"\\]+)"
    rf"|'(?P<secret2>[^'\\]+)|{_NO_SECRET}(?P<secret3>[^\s\"',;&)}}]+))",
    # A variable of ECS's environment, as a text that a cause or an input quotes: its name, then its value.
    rf"(?i)(?:{_NAMED})[\w.-]{{0,64}}\\*[\"']\s{{0,3}},\s{{0,3}}\\*[\"']value\\*[\"']\s{{0,3}}:\s{{0,3}}\\*\"(?P<secret>[^\"\\]+)",
    rf"(?i)<(?:{_NAMED})>(?P<secret>[^<]+)<",
    # Any other token, where what it is looks like one: `unexpected token: foo` and `next token = 3` stay.
    r"(?i)(?<![A-Za-z0-9])token\\*[\"']?\s{0,3}(?:=>?|:|%3D)\s{0,3}\\*[\"']?(?=[A-Za-z_.~+/=-]{0,63}[0-9])(?!arn:)"
    r"(?P<secret>[\w.~+/=-]{16,})",
    r"[?&]sig=(?P<secret>[^\s&\"'<>]{8,})",
    # curl -u user:password; numbers are a user's and a group's.
    r"(?<!\S)(?:-u|--user)[ =](?!\d)[^\s:]{1,256}:(?P<secret>\S+)",
    rf"(?i)--(?:{_NAMED}|token)[= ](?P<secret>[^\s\"']+)",
    # A private key runs over lines, of which an excerpt may have only the last.
    r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----(?P<secret>(?s:.{1,32768}?))(?=-----END|\Z)",
    r"\A(?P<secret>(?:(?!-----BEGIN)(?s:.)){1,32768}?)-----END [A-Z ]{0,40}PRIVATE KEY",
    # Or has neither its first line nor its last: a line of base64 as PEM breaks it [RFC 7468], and those that follow.
    r"(?m)^[ \t]{0,8}(?=[A-Za-z+/]{0,75}[0-9])(?=[A-Z0-9+/]{0,75}[a-z])(?=[a-z0-9+/]{0,75}[A-Z])"
    r"(?P<secret>[A-Za-z0-9+/]{60,76}={0,2}(?:\r?\n[ \t]{0,8}[A-Za-z0-9+/]{1,76}={0,2}(?=\r?$)){0,400})(?=\r?$)",
    # A token of Step Functions: several hundred characters of base64, that begin with a length of four bytes.
    r"AAAA[A-Za-z0-9+/=_-]{60,}",
    # Or any word of such a length in which letters of both cases and digits are mixed; a ruler or a genome is none.
    r"(?<![A-Za-z0-9+=_-])(?=[A-Za-z+=_-]{0,119}[0-9])(?=[A-Z0-9+=_-]{0,119}[a-z])(?=[a-z0-9+=_-]{0,119}[A-Z])"
    r"[A-Za-z0-9+=_-]{120,}",
)
# A repeat of a group that ends in a repeat: on a hostile line, `(a+)+b` takes longer than the job's life.
_REPEATED_REPEAT = re.compile(r"(?<!\\)(?:[*+]|,\d*\})[?+]?\)(?:[*+]|\{)")


class PatternError(JobferryError, ValueError):
    """A pattern cannot be used, and why."""


def checked_patterns(texts: tuple[str, ...]) -> tuple[str, ...]:
    """The patterns, if they can be used to find secrets. Raises PatternError, which says by its number which cannot."""
    for number, text in enumerate(texts, start=1):
        _check(number, text)
    return texts


def _check(number: int, text: str) -> None:
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise PatternError(f"pattern {number} is no regular expression: {error}") from None
    if pattern.search("") is not None:
        raise PatternError(f"pattern {number} also matches nothing at all, so it would be found everywhere")
    if _REPEATED_REPEAT.search(text):
        raise PatternError(
            f"pattern {number} repeats a group that ends in a repeat, which can take for ever on an unlucky line"
        )


@dataclass(frozen=True)
class Redaction:
    """What is hidden: always credentials, signatures, tokens and private keys, and what the patterns find besides."""

    patterns: tuple[re.Pattern[str], ...]

    @classmethod
    def of(cls, patterns: Iterable[str] = ()) -> Redaction:
        """With these patterns besides; of one with a group named `secret`, only that is hidden. Raises PatternError."""
        return cls(tuple(re.compile(text) for text in (*_ALWAYS, *checked_patterns(tuple(patterns)))))

    def text(self, text: str) -> str:
        """An excerpt without its secrets."""
        text = text[:LONGEST_EXCERPT]
        for pattern in self.patterns:
            text = pattern.sub(_hidden, text)
        return text

    def lines(self, lines: Iterable[str]) -> tuple[str, ...]:
        """Lines without their secrets, also where one runs over several of them."""
        return tuple(self.text("\n".join(lines)).split("\n")) if (lines := tuple(lines)) else ()


def redact(text: str) -> str:
    """An excerpt without what is always hidden."""
    return _BUILT_IN.text(text)


def cut(text: str, longest: int) -> str:
    """The text's beginning; a word that does not fit is left out, since half a secret is known by no pattern.

    Unless it is so long that little else would be left.
    """
    if len(text) <= longest:
        return text
    kept = text[: longest - 1]
    whole_words = kept if text[longest - 1].isspace() else kept.rpartition(" ")[0]
    return (whole_words if len(whole_words) >= longest // 2 else kept) + "…"


def cut_in_the_middle(text: str, longest: int) -> str:
    """The text's beginning and its end, for what names itself at the one and says why at the other; as in `cut`."""
    if len(text) <= longest:
        return text
    beginning = cut(text, longest * 5 // 8)
    end = text[-(longest - len(beginning) - 1) :]
    whole_words = end.partition(" ")[2]
    return f"{beginning} {whole_words if len(whole_words) >= len(end) // 2 else end}"


def _hidden(match: re.Match[str]) -> str:
    groups = (name for name in match.groupdict() if name.startswith(_SECRET_GROUP) and match[name] is not None)
    name = next(groups, None)
    if name is None:
        return REDACTED
    start, end = (position - match.start() for position in match.span(name))
    return match[0][:start] + REDACTED + match[0][end:]


_BUILT_IN = Redaction.of()
