"""The characters that banks take: Latin letters without marks, digits, and a few signs (EPC217-08, "Latin set").

Names are transliterated rather than cut out, because a creditor's bank compares them with its own records. What has
no Latin form is refused: a payment to `......` would be stopped by a person, days later.
"""

# ruff: noqa: RUF001 - letters of other alphabets that look like Latin ones are what this file is about.

import re
import unicodedata

from domain.errors import InvalidInput

ALLOWED = re.compile(r"[A-Za-z0-9/\-?:().,'+ ]*")
"""What every bank of the SEPA schemes takes, and every bank that reads SWIFT's character set x."""

_LETTERS = {
    # Letters of Latin alphabets that Unicode does not take apart into a base letter and a mark.
    "ß": "ss", "ẞ": "SS", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "đ": "d", "Đ": "D",
    "ð": "d", "Ð": "D", "ħ": "h", "Ħ": "H", "ı": "i", "ł": "l", "Ł": "L", "þ": "th", "Þ": "TH", "ŋ": "n", "Ŋ": "N",
    "ŧ": "t", "Ŧ": "T", "ə": "a", "Ə": "A",
    # Greek (ISO 843) and Cyrillic (the national systems of Bulgaria, Serbia, North Macedonia and Ukraine).
    "α": "a", "β": "v", "γ": "g", "δ": "d", "ε": "e", "ζ": "z", "η": "i", "θ": "th", "ι": "i", "κ": "k", "λ": "l",
    "μ": "m", "ν": "n", "ξ": "x", "ο": "o", "π": "p", "ρ": "r", "σ": "s", "ς": "s", "τ": "t", "υ": "y", "φ": "f",
    "χ": "ch", "ψ": "ps", "ω": "o",
    "а": "a", "б": "b", "в": "v", "г": "g", "ґ": "g", "д": "d", "е": "e", "ё": "e", "є": "ie", "ж": "zh", "з": "z",
    "и": "i", "й": "y", "і": "i", "ї": "i", "к": "k", "л": "l", "м": "m", "н": "n", "о": "o", "п": "p", "р": "r",
    "с": "s", "т": "t", "у": "u", "ф": "f", "х": "h", "ц": "ts", "ч": "ch", "ш": "sh", "щ": "sht", "ъ": "a", "ы": "y",
    "ь": "y", "э": "e", "ю": "yu", "я": "ya", "ђ": "dj", "ј": "j", "љ": "lj", "њ": "nj", "ћ": "c", "џ": "dz",
    "ѓ": "gj", "ќ": "kj", "ѕ": "dz",
}  # fmt: skip
_SIGNS = {
    "&": "+", "_": "-", "@": "(at)", "‐": "-", "‑": "-", "‒": "-", "–": "-", "—": "-", "‘": "'", "’": "'", "ʼ": "'",
    "`": "'", "´": "'", "“": "'", "”": "'", '"': "'", "\t": " ", "\n": " ", "\r": " ", ";": ",", "{": "(", "}": ")",
    "[": "(", "]": ")", "\\": "/", "|": "/", "!": ".", "*": ".", "#": ".", "%": ".", "$": ".", "€": "EUR", "£": "GBP",
    "<": "(", ">": ")", "=": "-", "~": "-", "^": ".", "⁄": "/", "№": "No",
}  # fmt: skip
_SPACES = re.compile(r" {2,}")


def transliterate(text: str) -> str:
    """Write a text with the characters banks take.

    Raises InvalidInput, naming the character and not the text, when one has no Latin form.
    """
    latin = "".join(map(_latin, unicodedata.normalize("NFC", text)))
    return _SPACES.sub(" ", latin).strip()


def bank_name(text: str, longest: int) -> str:
    """Write somebody's name for a bank: transliterated, cut to a length, and with a letter or digit in it.

    A name begins with a letter or a digit, because banks' systems read a slash, and spreadsheets a plus or a minus, as
    something else than the beginning of a name.
    """
    name = transliterate(text).lstrip("/-?:().,'+ ")[:longest].rstrip()
    if not name:
        raise InvalidInput("a name needs at least one letter or digit", field="holder")
    return name


def _latin(character: str) -> str:
    if character.isascii() and ALLOWED.fullmatch(character):
        return character
    found = _SIGNS.get(character) or _LETTERS.get(character) or _capital(character)
    if found is not None:
        return found
    base = "".join(part for part in unicodedata.normalize("NFKD", character) if not unicodedata.combining(part))
    if base == character:
        raise InvalidInput(
            f"{unicodedata.name(character, 'a character')} cannot be written in the characters that banks take:"
            " give the name in Latin letters",
            field="holder",
        )
    return "".join(map(_latin, base))


def _capital(character: str) -> str | None:
    small = _LETTERS.get(character.lower()) if len(character.lower()) == 1 else None
    return None if small is None else small.capitalize()
