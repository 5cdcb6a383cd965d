"""Puts the parts of a process together from its settings."""

from bootstrap.clock import system_clock
from bootstrap.settings import KeySettings, Settings, SettlementSettings
from domain.errors import InvalidInput
from services.gateways import Gateways
from services.settle import SettlementRules
from storage.sealing import KeyRing
from storage.unit_of_work import Database


def build_database(settings: Settings, application_name: str) -> Database:
    """The process's pool of connections."""
    return Database(
        settings.database_url, pool_size=settings.database.pool_size, application_name=f"paystream-{application_name}"
    )


def build_key_ring(settings: KeySettings) -> KeyRing:
    """The ring that opens credentials. Raises InvalidInput, saying what to set, when there is none."""
    if not settings.ring:
        raise InvalidInput(
            "no key ring: set PAYSTREAM_KEYS__RING to a JSON object of key ids to 32 bytes of base64, and"
            " PAYSTREAM_KEYS__ACTIVE to one of the ids",
            field="keys.ring",
        )
    return KeyRing.from_base64(
        {key_id: secret.get_secret_value() for key_id, secret in settings.ring.items()}, settings.active
    )


def build_gateways(settings: Settings, database: Database) -> Gateways:
    """The connectors of every account."""
    return Gateways(database, build_key_ring(settings.keys), system_clock)


def build_settlement_rules(settings: SettlementSettings) -> SettlementRules:
    """The rules of settlement."""
    return SettlementRules(
        window_seconds=settings.window_seconds,
        grace_seconds=settings.grace_seconds,
        auto_approve_threshold_minor=settings.auto_approve_threshold_minor,
        auto_approve_threshold_by_currency=settings.auto_approve_threshold_by_currency,
        second_approval_threshold_minor=settings.second_approval_threshold_minor,
        second_approval_threshold_by_currency=settings.second_approval_threshold_by_currency,
    )
