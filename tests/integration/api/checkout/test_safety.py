"""What the hosted page must never do, whoever opens it and whatever is written on it."""

import re

import httpx
import pytest

from bootstrap.rate_limits import RateLimiter
from services.checkout_tokens import return_token_of
from storage.unit_of_work import Database
from tests.integration.api.checkout.conftest import Clock
from tests.integration.api.checkout.payer import HOSTILE, Page, PageGateway, begin, link, open_page, return_path
from tests.integration.api.conftest import Api, payment
from tests.integration.api.paying import post
from tests.integration.services.books import rows
from tests.integration.services.commands.shop import TESTGATE


async def test_a_page_loads_nothing_from_elsewhere_and_runs_nothing(
    acme: httpx.AsyncClient, browser: httpx.AsyncClient
) -> None:
    answer = await browser.get((await link(acme))["path"])

    policy = answer.headers["content-security-policy"].split("; ")
    assert "default-src 'none'" in policy
    assert "style-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert not [part for part in policy if part.startswith("script-src")]
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"
    page = Page(answer.text)
    assert page.scripts == []
    (style,) = [attributes["href"] for attributes in page.tagged("link")]
    sheet = await browser.get(str(style))
    assert (sheet.status_code, sheet.headers["content-type"]) == (200, "text/css; charset=utf-8")
    assert "immutable" in sheet.headers["cache-control"]
    assert "url(" not in sheet.text


async def test_whatever_is_no_page_looks_the_same(
    acme: httpx.AsyncClient, browser: httpx.AsyncClient, clock: Clock, gateway: PageGateway
) -> None:
    path = (await link(acme))["path"]
    await begin(browser, path)
    clock.forward(days=7, seconds=1)
    token = path.rpartition("/")[2]
    paths = [
        path,
        "/pay/x",
        f"/pay/{'A' * 43}",
        f"/pay/{token}A",
        f"/pay/{token[:-1]}%00",
        f"/pay/{return_token_of(token)}",
        f"/pay/{token}/return",
        f"/pay/{'é' * 43}/return",
    ]

    answers = [await browser.get(one) for one in paths] + [await browser.post(one) for one in paths]

    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.text for answer in answers}) == 1
    assert "This link is not valid" in Page(answers[0].text).text
    assert len(gateway.effects) == 1


@pytest.mark.parametrize("fields", [{}, {"form_token": ""}, {"form_token": "0" * 64}, {"form_token": "é"}])
async def test_a_form_that_does_not_come_from_the_page_begins_nothing(
    acme: httpx.AsyncClient, browser: httpx.AsyncClient, gateway: PageGateway, fields: dict[str, str]
) -> None:
    answer = await browser.post((await link(acme))["path"], data=fields)

    assert answer.status_code == 403
    assert gateway.calls == 0


async def test_the_form_of_one_page_does_not_begin_another(
    acme: httpx.AsyncClient, browser: httpx.AsyncClient, gateway: PageGateway
) -> None:
    first, second = [(await link(acme))["path"] for _ in range(2)]
    (form,) = (await open_page(browser, first)).forms

    assert (await browser.post(second, data=form.fields)).status_code == 403
    assert gateway.calls == 0


async def test_bodies_that_are_no_form_are_no_form(acme: httpx.AsyncClient, browser: httpx.AsyncClient) -> None:
    path = (await link(acme))["path"]
    urlencoded = {"content-type": "application/x-www-form-urlencoded"}
    bodies: list[tuple[bytes, dict[str, str]]] = [
        (b"{}", {"content-type": "application/json"}),
        (b"\xff\xfe=%ff", urlencoded),
        (b"&".join(b"a=1" for _ in range(1_000)), urlencoded),
        (b"", {}),
    ]

    answers = [await browser.post(path, content=body, headers=headers) for body, headers in bodies]
    too_large = await browser.post(path, content=b" " * 300_000, headers=urlencoded)

    assert [answer.status_code for answer in answers] == [403] * 4
    assert too_large.status_code == 413


async def test_what_merchants_write_stays_text(api: Api, browser: httpx.AsyncClient, database: Database) -> None:
    async with database.transaction() as transaction:
        await transaction.connection.exec_driver_sql(
            "update accounts set name = $1, mode = 'test' where id = 'acme'", (HOSTILE,)
        )
    acme = api.client(await api.key("acme"))
    made = await link(acme, description=HOSTILE, return_url='https://shop.example/?a="><script>alert(1)</script>')

    answer = await browser.get(made["path"])
    page = Page(answer.text)

    assert page.text.count(" ".join(HOSTILE.split())) == 4
    assert page.scripts == []
    assert not list(page.tagged("img"))
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    assert list(page.links) == ['https://shop.example/?a="><script>alert(1)</script>']
    assert "49" not in page.text
    assert len(list(page.tagged("bdi"))) == 3
    assert "Test payment: no money is moved." in page.text


@pytest.mark.parametrize(
    "parameters",
    [
        {"redirect_url": "javascript:alert(1)"},
        {"redirect_url": "https://x\r\nset-cookie: a=b"},
        {"form_action": "javascript:alert(1)", "form_fields": "{}"},
        {"form_action": "https://x; script-src *", "form_fields": "{}"},
        {"form_action": "https://x;script-src/", "form_fields": "{}"},
        {"form_action": "https://x", "form_fields": "[]"},
    ],
)
async def test_a_gateway_cannot_send_payers_anywhere_but_to_the_web(
    api: Api, acme: httpx.AsyncClient, browser: httpx.AsyncClient, parameters: dict[str, str]
) -> None:
    api.gateways[TESTGATE] = PageGateway.handing_out(TESTGATE, parameters)

    answer = await begin(browser, (await link(acme))["path"])

    assert answer.status_code == 500
    assert "This is our mistake" in Page(answer.text).text
    assert "location" not in answer.headers
    assert "alert" not in answer.text


async def test_the_address_of_a_page_is_written_down_nowhere(
    api: Api,
    acme: httpx.AsyncClient,
    browser: httpx.AsyncClient,
    gateway: PageGateway,
    database: Database,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("DEBUG")
    path = (await link(acme))["path"]
    token = path.rpartition("/")[2]
    await begin(browser, path)
    await browser.get(return_path(path), params={"proof": "false"})
    gateway.parameters = {"redirect_url": "javascript:broken"}
    other = (await link(acme))["path"]
    assert (await begin(browser, other)).status_code == 500

    captured = capfd.readouterr()
    # The browser of this test says where it goes; that is not our log.
    said = [record.getMessage() for record in caplog.records if record.name != "httpx"]
    logged = f"{captured.out}{captured.err}{said}"
    tables = await rows(
        database, "select relname from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace"
    )
    kept = [await rows(database, f"select row_to_json(t)::text from {name} t") for (name,) in tables]  # noqa: S608

    assert "a hosted page failed" in logged
    for secret in (token, other.rpartition("/")[2]):
        assert secret not in logged
        assert secret not in str(kept)
    # The gateway is told where to send the payer back to, and so is the record of what it was told.
    assert return_token_of(token) in str(kept)


async def test_a_page_remembers_its_payer_in_a_cookie_that_only_it_reads(
    api: Api, acme: httpx.AsyncClient, browser: httpx.AsyncClient, gateway: PageGateway
) -> None:
    answer = await begin(browser, (await link(acme))["path"])
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "path=/pay" in cookie
    assert "samesite=lax" in cookie
    assert "secure" not in cookie

    public = api.context.settings.api.model_copy(update={"public_url": "https://pay.example/"})
    object.__setattr__(api.context, "settings", api.context.settings.model_copy(update={"api": public}))
    made = await post(acme, "/v1/payment-links", 201, **payment())
    assert re.fullmatch(r"https://pay\.example/pay/[A-Za-z0-9_-]{43}", made["url"])
    path = made["url"].removeprefix("https://pay.example")
    shown = await browser.get(path)
    assert "form-action 'self' https:" in shown.headers["content-security-policy"].split("; ")
    assert "secure" in (await begin(browser, path)).headers["set-cookie"].lower()


async def test_an_address_is_slowed_down(api: Api, acme: httpx.AsyncClient, browser: httpx.AsyncClient) -> None:
    path = (await link(acme))["path"]
    limiter = RateLimiter(rate_per_second=0.1, burst=2, monotonic=lambda: 0.0)
    object.__setattr__(api.context, "limiter", limiter)

    answers = [await browser.get(path) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert int(answers[2].headers["retry-after"]) >= 1
    assert "too many requests" in Page(answers[2].text).text


async def test_pages_are_no_part_of_the_described_api(browser: httpx.AsyncClient) -> None:
    paths = (await browser.get("/openapi.json")).json()["paths"]
    assert not [path for path in paths if path.startswith("/pay/")]
    assert (await browser.get("/pay/assets/other.css")).status_code == 404
