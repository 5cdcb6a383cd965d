"""Bank accounts: what is needed to pay into one or out of one, and the rules that catch a mistyped number.

Sources: ISO 13616 (IBAN, with the check of ISO 7064 MOD 97-10), the IBAN registry for lengths per country, ISO 9362
(BIC), the ABA's check digit of routing numbers, and ISO 20022's external codes of clearing systems.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from domain.bank_text import bank_name
from domain.errors import InvalidInput

LONGEST_NAME = 70
LONGEST_LOCAL_NUMBER = 34
SHOWN_DIGITS = 4

_LENGTHS = (
    "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 "
    "ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 "
    "LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 "
    "PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 "
    "YE30"
)
IBAN_LENGTHS: Mapping[str, int] = MappingProxyType({item[:2]: int(item[2:]) for item in _LENGTHS.split()})
_SEPA = (
    "AD AL AT BE BG CH CY CZ DE DK EE ES FI FR GB GI GR HR HU IE IS IT LI LT LU LV MC MD ME MK MT NL NO PL PT RO RS SE "
    "SI SK SM VA"
)
SEPA_COUNTRIES = frozenset(_SEPA.split())
"""Countries whose accounts a SEPA credit transfer reaches (EPC409-09)."""

CLEARING_SYSTEMS: Mapping[str, str] = MappingProxyType(
    {
        "AUBSB": "[0-9]{6}",
        "CACPA": "[0-9]{9}",
        "GBDSC": "[0-9]{6}",
        "HKNCC": "[0-9]{3}",
        "INFSC": "[A-Z]{4}0[A-Z0-9]{6}",
        "NZNCC": "[0-9]{6}",
        "SGIBG": "[0-9]{7}",
        "USABA": "[0-9]{9}",
        "ZANCC": "[0-9]{6}",
    }
)
"""Clearing systems by ISO 20022's external code, and how each writes the number of a bank."""

US_CLEARING = "USABA"
INDIAN_CLEARING = "INFSC"

_IBAN = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}")
_BIC = re.compile(r"[A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2}(?:[A-Z0-9]{3})?")
_LOCAL_NUMBER = re.compile(r"[A-Za-z0-9\-]{3,34}")
_COUNTRY = re.compile(r"[A-Z]{2}")
_COMPANY_ID = re.compile(r"[A-Z0-9]{1,10}")
_ABA_WEIGHTS = (3, 7, 1, 3, 7, 1, 3, 7, 1)


class HolderKind(StrEnum):
    """Who holds an account; American files keep the two apart."""

    COMPANY = "company"
    INDIVIDUAL = "individual"


class AccountKind(StrEnum):
    """What an American account is."""

    CHECKING = "checking"
    SAVINGS = "savings"


@dataclass(frozen=True, slots=True, kw_only=True)
class BankAccount:
    """An account at a bank, named by its IBAN, or by its number and its bank's number in a clearing system.

    `town` and `country` are the holder's, for banks that ask for an address. Raises InvalidInput, naming the field and
    never its value, when something cannot be right.
    """

    holder: str
    iban: str | None = field(default=None, repr=False)
    bic: str | None = None
    number: str | None = field(default=None, repr=False)
    clearing_system: str | None = None
    bank_code: str | None = None
    holder_kind: HolderKind = HolderKind.COMPANY
    account_kind: AccountKind = AccountKind.CHECKING
    town: str | None = None
    country: str | None = None

    def __post_init__(self) -> None:
        bank_name(self.holder, LONGEST_NAME)
        if (self.iban is None) == (self.number is None):
            raise InvalidInput("give either an IBAN, or an account number with its bank's code", field="iban")
        if self.iban is not None:
            check_iban(self.iban)
        else:
            _check_local(self)
        if self.bic is not None and not _BIC.fullmatch(self.bic):
            raise InvalidInput("a BIC has 8 or 11 capital letters and digits", field="bic")
        if self.country is not None and not _COUNTRY.fullmatch(self.country):
            raise InvalidInput("a country is two capital letters (ISO 3166)", field="country")
        if self.town is not None:
            bank_name(self.town, LONGEST_NAME)

    @property
    def masked(self) -> str:
        """What people may see: which country or clearing system, and the last digits."""
        if self.iban is not None:
            return f"{self.iban[:2]}…{self.iban[-SHOWN_DIGITS:]}"
        number = self.number or ""
        shown = SHOWN_DIGITS if len(number) > 2 * SHOWN_DIGITS else SHOWN_DIGITS // 2
        return f"{self.clearing_system} …{number[-shown:]}"

    @property
    def is_in_sepa(self) -> bool:
        """Whether a SEPA credit transfer reaches the account."""
        return self.iban is not None and self.iban[:2] in SEPA_COUNTRIES


@dataclass(frozen=True, slots=True, kw_only=True)
class DebtorAccount:
    """An account that payouts are paid from. `company_id` and `bank_name` are what American files name it by."""

    account: BankAccount
    company_id: str | None = None
    bank_name: str | None = None

    def __post_init__(self) -> None:
        if self.company_id is not None and not _COMPANY_ID.fullmatch(self.company_id):
            raise InvalidInput("a company's id has up to 10 capital letters and digits", field="company_id")
        if self.bank_name is not None:
            bank_name(self.bank_name, LONGEST_NAME)


def check_iban(iban: str) -> str:
    """Return an IBAN in its electronic form when its length and its check digits are right; raise InvalidInput."""
    if not _IBAN.fullmatch(iban):
        raise InvalidInput("an IBAN is two letters, two digits and the account, without spaces", field="iban")
    length = IBAN_LENGTHS.get(iban[:2])
    if length is None:
        raise InvalidInput(f"there are no IBANs of the country {iban[:2]}", field="iban")
    if len(iban) != length:
        raise InvalidInput(f"an IBAN of {iban[:2]} has {length} characters, this has {len(iban)}", field="iban")
    if int("".join(str(int(character, 36)) for character in iban[4:] + iban[:4])) % 97 != 1:
        raise InvalidInput("the check digits of the IBAN are wrong", field="iban")
    return iban


def check_routing_number(number: str) -> str:
    """Return an American routing number when its check digit is right; raise InvalidInput otherwise."""
    if not re.fullmatch(CLEARING_SYSTEMS[US_CLEARING], number):
        raise InvalidInput("a routing number has nine digits", field="bank_code")
    weighed = sum(weight * int(digit) for weight, digit in zip(_ABA_WEIGHTS, number, strict=True))
    if weighed == 0 or weighed % 10:
        raise InvalidInput("the check digit of the routing number is wrong", field="bank_code")
    return number


def _check_local(account: BankAccount) -> None:
    if account.number is None or not _LOCAL_NUMBER.fullmatch(account.number):
        raise InvalidInput("an account number has 3 to 34 letters, digits and hyphens", field="number")
    pattern = CLEARING_SYSTEMS.get(account.clearing_system or "")
    if pattern is None:
        raise InvalidInput(
            f"an account number needs a clearing system, one of {', '.join(CLEARING_SYSTEMS)}", field="clearing_system"
        )
    if account.bank_code is None or not re.fullmatch(pattern, account.bank_code):
        raise InvalidInput(f"this is no bank's code in {account.clearing_system}", field="bank_code")
    if account.clearing_system == US_CLEARING:
        check_routing_number(account.bank_code)
