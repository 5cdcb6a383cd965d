"""A local Acmepay for the tests: orders, refunds and idempotency keys, in memory."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

API_KEY = "test_local_api_key"

Item = dict[str, Any]


class LocalAcmepay(ThreadingHTTPServer):
    """One account's orders. Tests change them to play the payer."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.orders: dict[str, Item] = {}
        self.answers: dict[str, tuple[int, Item]] = {}

    @property
    def url(self) -> str:
        """Where it is reached."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def carry_out(self, path: str, body: Item) -> tuple[int, Item]:
        """Make an order or a refund."""
        if path == "/v1/orders":
            order_id = f"ord_{len(self.orders) + 1}"
            page = f"https://pay.acmepay.example/{order_id}"
            order = {**body, "id": order_id, "status": "open", "checkout_url": page, "updated_at": 1767322790}
            self.orders[order_id] = {**order, "refunds": []}
            return 201, self.orders[order_id]
        order = self.orders[path.split("/")[3]]
        if order["status"] != "paid" or body["amount"] > order["amount"]:
            return 400, {"error": {"message": "there is not as much to refund"}}
        refund = {name: order[name] for name in ("currency", "reference", "updated_at")}
        refund |= {"id": f"ref_{len(order['refunds']) + 1}", "order_id": order["id"], "status": "pending", **body}
        order["refunds"].append(refund)
        return 201, refund


class Handler(BaseHTTPRequestHandler):
    """The API over HTTP."""

    server: LocalAcmepay

    def do_GET(self) -> None:
        """Show an order."""
        order = self.server.orders.get(self.path.split("/")[3])
        self._answer(404 if order is None else 200, order or {"error": {"message": "there is no such order"}})

    def do_POST(self) -> None:
        """Carry a request out once for each idempotency key."""
        body, key = self.rfile.read(int(self.headers["Content-Length"])), self.headers["Idempotency-Key"]
        if key not in self.server.answers:
            self.server.answers[key] = self.server.carry_out(self.path, json.loads(body))
        self._answer(*self.server.answers[key])

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _answer(self, status: int, content: Item) -> None:
        if self.headers["Authorization"] != f"Bearer {API_KEY}":
            status, content = 401, {"error": {"message": "the API key is not known"}}
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def serving() -> Iterator[LocalAcmepay]:
    """Serve in a thread until the test is over."""
    with LocalAcmepay() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
