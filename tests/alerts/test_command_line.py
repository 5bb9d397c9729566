"""`dataproducts alerts`: who is told, what is open, and whether a message arrives."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import dagster as dg
import pytest
from click.testing import CliRunner, Result

from dataproducts.alerts.sensor import NAME, Alerting
from dataproducts.cli.alerts import alerts
from dataproducts.cli.group import Commands
from tests.alerts.conftest import SECRET, Clock, MailServer, Webhook
from tests.publication.conftest import write


@pytest.fixture
def command(log: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """The command where these are the products."""
    group = Commands("dataproducts", commands={"alerts": alerts})

    def run(products: list[Any], *arguments: str) -> Result:
        monkeypatch.setattr("dataproducts.definitions.products", lambda: {one.name: one for one in products})
        with monkeypatch.context() as patch:
            patch.setattr(dg.DagsterInstance, "get", classmethod(lambda _: log))
            patch.setattr(log, "__exit__", lambda *_: None, raising=False)
            return CliRunner().invoke(group, ["alerts", *arguments])

    return run


def test_it_says_who_is_told_and_what_is_open(command: Any, shop_told: Any, log: Any, slack: Webhook) -> None:
    from dagster._core.definitions.run_request import InstigatorType
    from dagster._core.remote_origin import InProcessCodeLocationOrigin, RemoteInstigatorOrigin, RemoteRepositoryOrigin
    from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, SensorInstigatorData
    from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

    shop = shop_told("{slack_webhook: SLACK_SHOP, email: [a@example.com]}")
    listed = command([shop])
    assert listed.exit_code == 0
    assert [line.split() for line in listed.stdout.splitlines()] == [
        ["told", "of", "by"],
        ["the", "Slack", "webhook", "SLACK_SHOP", "shop", "ready"],
        ["mail", "to", "a@example.com", "shop", *["DATAPRODUCTS_SMTP_HOST", "and", "DATAPRODUCTS_SMTP_FROM", "are", "not", "set"]],
    ]
    assert "nothing is open" in listed.stderr

    clock = Clock()
    write(log, [(clock.time, dg.AssetCheckEvaluation(shop.datasets["sales"].key, "shape", passed=False, metadata={}))])
    cursor = Alerting({"shop": shop}, "dataproducts", now=clock.now).tick(log, None).cursor
    location = InProcessCodeLocationOrigin(LoadableTargetOrigin(module_name="x"), location_name="dataproducts")
    origin = RemoteInstigatorOrigin(RemoteRepositoryOrigin(location, "__repository__"), NAME)
    log.add_instigator_state(InstigatorState(origin, InstigatorType.SENSOR, InstigatorStatus.RUNNING, SensorInstigatorData(cursor=cursor)))
    assert "shop/sales: check shape failed  " in command([shop]).stdout
    found = json.loads(command([shop], "--json").stdout)
    assert [(one["kind"], one["subject"], list(one["told"])) for one in found["open"]] == [
        ("check_failed", "shop/sales", ["slack:SLACK_SHOP"])
    ]
    assert found["receivers"][0]["fault"] is None
    assert SECRET not in str(found)


def test_where_nobody_is_declared_it_says_what_to_write(command: Any, product: Any) -> None:
    listed = command([product])
    assert (listed.exit_code, listed.stdout) == (0, "")
    assert "no product says who is to be told; write `alerts` into a product.yaml" in listed.stderr
    tried = command([product], "--test", "shop")
    assert tried.stderr == "error: nobody is told for shop; write `alerts` into its product.yaml, with slack_webhook or email\n"


def test_a_trial_reaches_those_of_a_team_or_a_product_and_says_who_was_not_reached(
    command: Any, shop_told: Any, slack: Webhook, mail: MailServer
) -> None:
    shops = [shop_told("{slack_webhook: SLACK_SHOP, email: [a@example.com]}"), shop_told("{email: [b@example.com]}", "market")]
    done = command(shops, "--test", "team-shop")
    assert done.exit_code == 0, done.output
    assert sorted(done.stdout.splitlines()) == [
        "sent: mail to a@example.com",
        "sent: mail to b@example.com",
        "sent: the Slack webhook SLACK_SHOP",
    ]
    assert slack.posted[0]["text"] == "[shop] This is a test"
    assert "Nothing is wrong." in mail.messages[0].get_content()
    slack.answers = [500]
    failed = command(shops, "--test", "shop")
    assert (failed.exit_code, failed.stdout) == (1, "sent: mail to a@example.com\n")
    assert failed.stderr == "error: the Slack webhook SLACK_SHOP answered 500\n"
    unknown = command(shops, "--test", "shopp")
    assert unknown.stderr == "error: there is no team or product 'shopp' in this code location; it has market, shop, team-shop\n"
