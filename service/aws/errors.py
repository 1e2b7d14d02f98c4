"""What a call raises when AWS, or the way to it, is in trouble."""

from __future__ import annotations

from aiohttp import ClientError as HttpError
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

# An answer that was cut off or garbled on its way ends in a parser's KeyError or ValueError, GarbledAnswerError and
# UnicodeDecodeError among them, or in a ResponseParserError, which is no BotoCoreError; credentials that have ended as
# soon as they are renewed, as a role's endpoint in trouble may hand them out, in a RuntimeError [botocore,
# RefreshableCredentials].
TROUBLE = (ClientError, BotoCoreError, HttpError, OSError, ValueError, KeyError, RuntimeError, ResponseParserError)
