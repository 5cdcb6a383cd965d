"""What the ingress needs to know about accounts, and nothing more."""

from typing import Protocol


class AccountDirectory(Protocol):
    """Says which accounts take callbacks from which gateways, from memory: it is asked once per request."""

    def knows(self, gateway: str, account: str) -> bool:
        """Say whether the account exists and takes callbacks from the gateway."""
        ...

    def ready(self) -> bool:
        """Say whether the accounts have been read at least once; until then nobody can say who is unknown."""
        ...

    async def start(self) -> None:
        """Begin to read and stay fresh; returns also when the source of accounts is not there yet."""
        ...

    async def stop(self) -> None:
        """Stop, and give back what was opened."""
        ...
