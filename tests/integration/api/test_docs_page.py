"""`/docs` in a browser without the internet: everything is from here, and the policy allows nothing else."""

import re

import httpx

from api.docs_page import POLICY
from tests.integration.api.conftest import Api

ABSOLUTE = re.compile(r"""(?:src|href|action)\s*=\s*["']?(?:[a-z]+:)?//""")


async def test_the_page_and_what_it_needs_is_here(api: Api) -> None:
    client = api.client()
    page = await client.get("/docs")
    needed = re.findall(r'(?:src|href)="([^"]+)"', page.text)

    assert page.headers["content-type"].startswith("text/html")
    assert len(needed) >= 4
    for address in needed:
        assert address.startswith("/"), address
        answer = await client.get(address)
        assert (answer.status_code, len(answer.content) > 100) == (200, True), address
        assert answer.headers["x-content-type-options"] == "nosniff"


async def test_no_other_host_is_named(api: Api) -> None:
    client = api.client()
    for address in ("/docs", "/docs/assets/start.js"):
        text = (await client.get(address)).text
        assert "://" not in text, address
        assert not ABSOLUTE.search(text), address


async def test_the_policy_keeps_the_page_to_this_origin(api: Api) -> None:
    policy = (await api.client().get("/docs")).headers["content-security-policy"]
    directives = dict(directive.strip().split(" ", 1) for directive in policy.split(";"))

    assert policy == POLICY
    assert directives["default-src"] == "'none'"
    assert directives["script-src"] == "'self'"
    assert directives["connect-src"] == "'self'"
    assert "//" not in policy
    assert "<script>" not in (await api.client().get("/docs")).text


async def test_the_style_fetches_nothing_from_elsewhere(api: Api) -> None:
    style = (await api.client().get("/docs/assets/swagger-ui.css")).text
    fetched = re.findall(r"url\(\s*[\"']?([^)\"']{0,20})", style)
    assert fetched
    assert all(address.startswith(("data:", "#")) for address in fetched), fetched
    assert "@import" not in style


async def test_other_files_of_the_package_are_not_served(api: Api) -> None:
    client = api.client()
    names = ("redoc.standalone.js", "..%2F__init__.py", "%2e%2e/core.py", "nothing.js")
    answers: list[httpx.Response] = [await client.get(f"/docs/assets/{name}") for name in names]
    assert {answer.status_code for answer in answers} == {404}
    assert {answer.json()["code"] for answer in answers} == {"not_found"}
