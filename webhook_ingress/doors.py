"""Which gateway and account a path belongs to, and what is particular about a gateway's callbacks."""

from collections.abc import Callable
from dataclasses import dataclass

from connectors.base import Registration
from domain.errors import NotFound
from webhook_ingress.directory import AccountDirectory
from webhook_ingress.metrics import IngressMetrics
from webhook_ingress.request import split_path
from webhook_ingress.responses import Answer, Refusal, build_answer

RegistrationLookup = Callable[[str], Registration]
"""Returns a gateway's registration; raises NotFound."""

START_RETRY_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Door:
    """What a gateway's callbacks must bring, and what happens when one has been stored."""

    gateway: str
    required_headers: tuple[str, ...]
    answer: Answer
    count_accepted: Callable[[int, float], None]


class Doors:
    """The doors of all gateways, each made when it is first knocked at."""

    def __init__(
        self, directory: AccountDirectory, registration_of: RegistrationLookup, metrics: IngressMetrics
    ) -> None:
        self._directory = directory
        self._registration_of = registration_of
        self._metrics = metrics
        self._doors: dict[str, Door] = {}

    def find(self, path: str) -> tuple[Door, str]:
        """Return the door and account of a path. Nobody learns which of the two we do not have."""
        names = split_path(path)
        if names is not None and self._directory.knows(*names):
            gateway, account = names
            try:
                return self._doors.get(gateway) or self._open(gateway), account
            except NotFound:
                pass
        elif not self._directory.ready():
            # A gateway that is told 404 may give the address up for good.
            raise Refusal(503, "starting", "accounts are not known yet", retry_after_seconds=START_RETRY_SECONDS)
        raise Refusal(404, "not_found", "nothing takes callbacks here")

    def _open(self, gateway: str) -> Door:
        registration = self._registration_of(gateway)
        told = registration.acknowledgement
        door = Door(
            gateway=registration.key,
            required_headers=registration.required_headers,
            answer=build_answer(told.status_code, told.body, told.content_type),
            count_accepted=self._metrics.accepted(registration.key).count,
        )
        self._doors[gateway] = door
        return door
