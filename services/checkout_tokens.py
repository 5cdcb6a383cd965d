"""The secrets of a hosted page, all derived from the one in its address.

    token            32 random bytes, in the address that the payer is sent. Known to the payer and to nobody here.
      │ HMAC         cannot be turned round
      ▼
    return token     in the address to which the gateway sends the payer back. It shows how the payment stands and can
      │ SHA-256      begin nothing, because it is told to the gateway and stored with the command that tells it.
      ▼
    digest           what is stored. It finds the page, and leads to neither of the others.

The form token is derived from the token as well. It proves that a form comes from a page of ours: whoever can make one
knows the token, and so could have opened the page. There is no session in the browser that a foreign site could borrow,
so that is all the protection a form here needs, and no secret of this process takes part: any process can check it.
"""

import hashlib
import hmac
import re
import secrets
from base64 import urlsafe_b64encode

TOKEN_BYTES = 32

_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
_FOR_RETURN = b"paystream checkout: return"
_FOR_FORM = b"paystream checkout: form"


def new_token() -> str:
    """Make the secret of a page's address."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def is_token(text: str) -> bool:
    """Say whether a text can be a token or a return token."""
    return _TOKEN.fullmatch(text) is not None


def return_token_of(token: str) -> str:
    """The secret of the address that the payer comes back to."""
    return urlsafe_b64encode(_derive(token, _FOR_RETURN)).decode().rstrip("=")


def digest_of(token: str) -> bytes:
    """What finds the page of a token."""
    return digest_of_return(return_token_of(token))


def digest_of_return(return_token: str) -> bytes:
    """What finds the page of a return token."""
    return hashlib.sha256(return_token.encode()).digest()


def form_token_of(token: str) -> str:
    """What a form of the page carries."""
    return _derive(token, _FOR_FORM).hex()


def is_form_token(token: str, offered: str) -> bool:
    """Say whether a form comes from the token's page."""
    return hmac.compare_digest(form_token_of(token).encode(), offered.encode("utf-8", "surrogateescape"))


def is_return_of(token: str, return_token: str) -> bool:
    """Say whether a return token is derived from a token."""
    return is_token(token) and hmac.compare_digest(return_token_of(token).encode(), return_token.encode())


def _derive(token: str, purpose: bytes) -> bytes:
    return hmac.digest(token.encode(), purpose, "sha256")
