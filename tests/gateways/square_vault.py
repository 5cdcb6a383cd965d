"""What the local Square keeps beside payments: customers, cards on file, payment links."""

import secrets

from tests.gateways.square_state import DECLINED, GOOD, UNCHANGEABLE, Item, Refusal, SquareState, find, new_id, now

_NAMES = ("given_name", "family_name", "company_name", "email_address", "phone_number")


class SquareVault:
    """Customers, cards and links of one seller."""

    def __init__(self, state: SquareState) -> None:
        self._state = state
        self.customers: dict[str, Item] = {}
        self.cards: dict[str, Item] = {}
        self.links: dict[str, Item] = {}
        self._searchable: set[str] = set()

    def search_customers(self, query: Item) -> list[Item]:
        """Find customers by their reference. New ones are found only after `settle`; capitals do not count."""
        wanted = query["filter"]["reference_id"]["exact"].lower()
        found = (self.customers[name] for name in sorted(self._searchable))
        return [customer for customer in found if customer.get("reference_id", "").lower() == wanted]

    def create_customer(self, content: Item) -> Item:
        """Create a customer, who has some name or address."""
        if not any(content.get(name) for name in _NAMES):
            raise Refusal("At least one name or address is required.")
        if len(content.get("reference_id", "")) > 100 or len(content.get("given_name", "")) > 300:
            raise Refusal("The reference is too long.", code="VALUE_TOO_LONG")
        customer = {**content, "id": new_id(), "created_at": now()}
        self.customers[customer["id"]] = customer
        return customer

    def create_card(self, content: Item) -> Item:
        """Keep a card for a customer."""
        customer = find(self.customers, content["card"]["customer_id"])
        if content["source_id"] == DECLINED:
            raise Refusal("Authorization error: 'GENERIC_DECLINE'", 402, "GENERIC_DECLINE", "PAYMENT_METHOD_ERROR")
        if content["source_id"] not in {GOOD, UNCHANGEABLE}:
            raise Refusal("Card nonce not found.", 404, "NOT_FOUND")
        card = {
            "id": f"ccof:{secrets.token_hex(10)}",
            "customer_id": customer["id"],
            "card_brand": "VISA",
            "last_4": "5858",
            "exp_month": 3,
            "exp_year": 2030,
            "enabled": True,
            "created_at": now(),
        }
        self.cards[card["id"]] = card
        return card

    def cards_of(self, customer_id: str) -> list[Item]:
        """The cards of a customer, the latest first."""
        return [card for card in self.cards.values() if card["customer_id"] == customer_id][::-1]

    def create_link(self, content: Item) -> Item:
        """Make a page to pay an order on."""
        order = self._state.create_order(content["order"])
        link_id = secrets.token_hex(8).upper()
        link = {
            "id": link_id,
            "version": 1,
            "order_id": order["id"],
            "description": content.get("description", ""),
            "checkout_options": content.get("checkout_options", {}),
            "payment_note": content.get("payment_note"),
            "url": f"https://square.example/u/{link_id}",
            "created_at": now(),
        }
        self.links[link_id] = link
        return link

    def delete_link(self, link_id: str) -> Item:
        """Delete a link, and give its order up."""
        link = find(self.links, link_id)
        order = self._state.orders[link["order_id"]]
        if order["state"] == "OPEN":
            self._state.cancel_order(order)
        del self.links[link_id]
        return {"id": link_id, "cancelled_order_id": order["id"]}

    def settle(self) -> None:
        """Let searches find the customers that are new."""
        self._searchable |= self.customers.keys()
