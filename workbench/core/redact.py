"""Secrets recognised by their name and by their shape, so that none is written down."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

HIDDEN: Final = "[redacted]"

# Whole words between underscores and dashes: HF_TOKEN and --api-key, never TOKENIZERS_PARALLELISM or max_tokens.
_NAME: Final = re.compile(
    r"(?:^|[_.\-])(?:token|secret|secrets|password|passwd|passphrase|api_?key|apikey|access_?key(?:_id)?|"
    r"secret_?key|private_?key|credential|credentials|auth|bearer)(?:$|[_.\-])",
    re.IGNORECASE,
)
# Of environment variables also what is run together or short: PGPASSWORD, MYSQL_PWD, SMTP_PASS, OPENAI_KEY.
_VARIABLE: Final = re.compile(
    r"\w*(?:password|passwd|passphrase|secret|token|apikey)|\w+_(?:pwd|pass|key|pat|dsn|cookie|sas)|sshpass",
    re.IGNORECASE,
)

# A digit and a capital are asked of the looser ones: `sk-learn-logistic-regression` is a name, not a key.
_MIXED: Final = r"(?=[A-Za-z0-9_\-]*\d)(?=[A-Za-z0-9_\-]*[A-Z])"
_SHAPES: Final = (
    r"\bhf_[A-Za-z0-9]{20,}",  # Hugging Face
    r"\bapi_org_[A-Za-z0-9]{20,}",  # Hugging Face, organisations
    rf"\bsk-{_MIXED}[A-Za-z0-9_\-]{{20,}}",  # OpenAI, Anthropic
    r"\bgh[pousr]_[A-Za-z0-9]{20,}",  # GitHub
    r"\bgithub_pat_[A-Za-z0-9_]{22,}",
    r"\bglpat-[A-Za-z0-9_\-]{20,}",  # GitLab
    r"\bpypi-[A-Za-z0-9_\-]{40,}",
    r"\bxox[abeprs]-[A-Za-z0-9\-]{10,}",  # Slack
    r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",  # AWS
    r"\bAIza[A-Za-z0-9_\-]{35}",  # Google
    r"\b[sr]k_(?:live|test)_[A-Za-z0-9]{16,}",  # Stripe
    r"\bSG\.[A-Za-z0-9_\-]{16,}\.[A-Za-z0-9_\-]{16,}",  # SendGrid
    r"\bnpm_[A-Za-z0-9]{36}",
    r"\bdckr_pat_[A-Za-z0-9_\-]{20,}",
    r"\bya29\.[A-Za-z0-9_\-]{20,}",  # Google, OAuth
    r"\bhooks\.slack\.com/services/[A-Za-z0-9/]{20,}",
    r"\b(?:AccountKey|SharedAccessKey)=[A-Za-z0-9+/]{40,}={0,2}",  # Azure
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?:[^\"]*?-----END [A-Z ]*PRIVATE KEY-----)?",
    r"\beyJ[A-Za-z0-9_\-]{10,}\.[A-Za-z0-9_\-]{10,}\.[A-Za-z0-9_\-]{5,}",  # JSON web tokens
)
_SHAPE: Final = re.compile("|".join(_SHAPES))
# Of prose ("a basic understanding") it is told by a digit.
_BEARER: Final = re.compile(r"(?i)(\b(?:bearer|basic)\s+)(?=[A-Za-z._~+/\-]*\d)[A-Za-z0-9._~+/\-]{12,}=*")
_URL_PASSWORD: Final = re.compile(r"(\b[a-z][a-z0-9+.\-]*://)[^/\s:@\"]*:[^/\s@\"]+@", re.IGNORECASE)
_ASSIGNMENT: Final = re.compile(r"^(-{0,2}[\w.\-]+)=(.+)$", re.DOTALL)


def secret_name(name: str) -> bool:
    """Whether a variable, option or field of that name holds a secret."""
    return _NAME.search(name) is not None


def secret_variable(name: str) -> bool:
    """Whether an environment variable of that name holds a secret."""
    return secret_name(name) or _VARIABLE.fullmatch(name) is not None


def secret_shape(text: str) -> bool:
    """Whether `text` holds something that has the shape of a key, token or password."""
    return any(pattern.search(text) for pattern in (_SHAPE, _BEARER, _URL_PASSWORD))


def text(value: str) -> str:
    """`value` with everything shaped like a secret replaced."""
    value = _SHAPE.sub(HIDDEN, value)
    value = _BEARER.sub(rf"\1{HIDDEN}", value)
    return _URL_PASSWORD.sub(rf"\1{HIDDEN}@", value)


def argv(arguments: Sequence[str]) -> list[str]:
    """A command line without its secrets: `--token x`, `--api-key=x`, `launch.env.HF_TOKEN=x`, and by shape."""
    return list(_without_secrets(arguments))


def _names_secret(name: str) -> bool:
    of_env = name.startswith("launch.env.") and secret_variable(name.removeprefix("launch.env."))
    return of_env or secret_name(name)


def _without_secrets(arguments: Sequence[str]) -> Iterator[str]:
    hide_next = False
    for argument in arguments:
        assignment = _ASSIGNMENT.match(argument)
        if hide_next and not argument.startswith("-"):
            yield HIDDEN
        elif assignment and _names_secret(assignment[1].lstrip("-")):
            yield f"{assignment[1]}={HIDDEN}"
        else:
            yield text(argument)
        hide_next = argument.startswith("-") and not assignment and secret_name(argument.lstrip("-"))
