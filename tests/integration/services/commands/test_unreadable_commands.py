"""What cannot be taken as a command is answered all the same, once, without its input, if anybody can be answered."""

import json
from dataclasses import dataclass, field

import pytest

from agents.commands import CommandsAgent
from agents.guard import Guard
from agents.records import Record
from tests.integration.services.books import rows
from tests.integration.services.commands.shop import Shop, command_values

CARD = "4242424242424242"


@dataclass
class KeptDeadLetters:
    """Dead letters in memory."""

    records: list[Record] = field(default_factory=list)

    async def send(self, record: Record, error: Exception) -> None:
        assert CARD not in repr(error)
        self.records.append(record)


class Topic:
    """The commands topic as its agent sees it."""

    def __init__(self, shop: Shop) -> None:
        self.dead_letters = KeptDeadLetters()
        self._agent = CommandsAgent(shop.runner, Guard("commands", self.dead_letters), per_gateway=2)

    async def bring(self, *values: bytes) -> None:
        records = [
            Record(topic="commands", partition=0, offset=offset, key=b"p1", value=value, headers=())
            for offset, value in enumerate(values)
        ]
        await self._agent.run(records)


def written(of_kind: str, /, **values: object) -> bytes:
    """A command as upstream writes it."""
    content = {**command_values(of_kind), "command_id": "c1", **values}
    return json.dumps({"command": content}, default=str).encode()


async def answers(shop: Shop) -> list[tuple[object, ...]]:
    """The published results: id, outcome, code, field."""
    return await rows(
        shop.database,
        "select payload::jsonb ->> 'command_id', payload::jsonb ->> 'outcome', payload::jsonb ->> 'code',"
        " payload::jsonb ->> 'field' from outbox where aggregatetype = 'payments.command-results.v1' order by id",
    )


@pytest.mark.parametrize(
    ("kind", "changes", "code", "at"),
    [
        ("create_payment", {"amount_minor": "12.50"}, "invalid_input", "amount_minor"),
        ("create_payment", {"metadata": {"pan": CARD}}, "card_number_refused", "metadata.pan"),
        ("create_payment", {"metadata": {CARD: "pan"}}, "card_number_refused", "metadata"),
        ("refund", {"reason": f"card {CARD} 12/30"}, "card_number_refused", "reason"),
        ("submit_manual_payment", {"notes": CARD}, "card_number_refused", "notes"),
        ("save_payment_method", {"token": CARD}, "card_number_refused", "token"),
        ("refund", {"kind": CARD}, "invalid_input", "kind"),
        ("setup_mandate", {"amuont": 5}, "invalid_input", "amuont"),
    ],
)
async def test_it_is_refused_once_and_its_input_is_neither_told_nor_kept(
    shop: Shop, capsys: pytest.CaptureFixture[str], kind: str, changes: dict[str, object], code: str, at: str
) -> None:
    topic = Topic(shop)
    value = written(kind, **changes)
    await topic.bring(value, value)
    await topic.bring(value)
    assert await answers(shop) == [("c1", "refused", code, at)]
    assert topic.dead_letters.records == []
    assert shop.gateway.calls == 0
    for table in ("commands", "outbox", "audit_log"):
        assert CARD not in str(await rows(shop.database, f"select * from {table}"))  # noqa: S608 - literals
    assert CARD not in "".join(capsys.readouterr())


async def test_an_id_that_was_refused_once_stays_refused(shop: Shop) -> None:
    topic = Topic(shop)
    await topic.bring(written("create_payment", amount_minor="?"), written("create_payment"))
    assert await answers(shop) == [("c1", "refused", "invalid_input", "amount_minor")]
    assert await rows(shop.database, "select id from payments") == []


async def test_an_id_that_was_used_keeps_its_result_when_something_unreadable_comes_under_it(shop: Shop) -> None:
    topic = Topic(shop)
    await topic.bring(written("create_payment"), written("create_payment", amount_minor="?"))
    await topic.bring(written("create_payment", amount_minor=7))
    assert await answers(shop) == [("c1", "succeeded", None, None)]
    assert shop.gateway.calls == 1


@pytest.mark.parametrize(
    "value",
    [b"", b"\xff\xfe", b"{}", b'{"command": {"kind": "refund"}}', written("refund", command_id=CARD)],
    ids=["empty", "no text", "empty object", "no ids", "a card number as its id"],
)
async def test_what_names_nobody_is_a_dead_letter_and_its_neighbours_go_through(shop: Shop, value: bytes) -> None:
    topic = Topic(shop)
    await topic.bring(value, written("create_payment"))
    assert [record.value for record in topic.dead_letters.records] == [value]
    assert await answers(shop) == [("c1", "succeeded", None, None)]


async def test_every_command_of_a_batch_gets_its_one_result(shop: Shop) -> None:
    topic = Topic(shop)
    values = [written("create_payment", command_id=f"c{n}", payment_id=f"p{n}") for n in range(5)]
    values += [written("refund", command_id=f"r{n}", payment_id=f"p{n}") for n in range(5)]
    values += [written("capture", command_id=f"x{n}", amount_minor=-1) for n in range(5)]
    await topic.bring(*values, *values)
    found = await answers(shop)
    assert len(found) == 15
    assert {outcome for command_id, outcome, *_ in found if str(command_id).startswith("c")} == {"succeeded"}
    assert {code for command_id, _, code, _ in found if str(command_id).startswith("r")} == {"operation_not_allowed"}
    assert {code for command_id, _, code, _ in found if str(command_id).startswith("x")} == {"invalid_input"}
