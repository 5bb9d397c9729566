"""Whoever is declared is told once of what begins and once of what ends, whatever goes wrong between them and the sensor."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from dataproducts.alerts.cases import MOST_OVER, Case, Memory
from dataproducts.alerts.sensor import NAME, Alerting, alerts_sensor
from dataproducts.product_facts import Trouble
from dataproducts.publication.reconcile import reconciliation
from dataproducts.publication.sensor import Publication
from tests.alerts.conftest import Clock, MailServer, Webhook, serving
from tests.publication.conftest import Memory as Catalog
from tests.publication.conftest import delivered, write


class Teller:
    """The sensor's work, tick by tick, with the cursor that Dagster would keep."""

    def __init__(self, log: Any, *products: Any, clock: Clock | None = None, **settings: Any) -> None:
        self.log, self.clock = log, clock or Clock()
        self.alerting = Alerting(
            {one.name: one for one in products}, "here", now=self.clock.now, seconds=self.clock.seconds, **{"patience": 5.0, **settings}
        )
        self.cursor: str | None = None

    def tick(self, *, keep: bool = True) -> Any:
        ticked = self.alerting.tick(self.log, self.cursor)
        self.cursor = ticked.cursor if keep else self.cursor
        return ticked

    def later(self, **span: float) -> None:
        self.clock.time += timedelta(**span)

    @property
    def memory(self) -> Memory:
        memory = Memory.read(self.cursor)
        assert memory is not None
        return memory


def says(dataset: Any, check: str, passed: bool, severity: str = "ERROR", **metadata: Any) -> dg.AssetCheckEvaluation:
    return dg.AssetCheckEvaluation(
        asset_key=dataset.key,
        check_name=check,
        passed=passed,
        severity=dg.AssetCheckSeverity[severity],
        metadata={name: dg.TextMetadataValue(value) for name, value in metadata.items()},
    )


def test_a_failed_run_is_told_once_and_once_more_when_what_it_lacked_has_been_made(
    shop_told: Callable[..., Any], log: Any, slack: Webhook, mail: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CATALOG_DAGSTER_URL", "https://dagster.example.com/")
    monkeypatch.setenv("CATALOG_BASE_URL", "https://katalog.example.com")
    monkeypatch.setenv("DATAPRODUCTS_RUNBOOK_URL", "https://example.com/runbook.html")
    shop = shop_told("{slack_webhook: SLACK_SHOP, email: [team-shop@example.com]}")
    teller = Teller(log, shop)
    prices = shop.datasets["prices"]
    assert teller.tick().summary == "nothing new; 0 open"
    run = dg.materialize([prices], partition_key="p13", instance=log, raise_on_error=False)
    assert teller.tick().summary == "1 told to 2; 1 open"
    (text,) = slack.texts
    assert text.startswith("NEW: [shop] shop/prices was not made\nSince ")
    assert "p13: Stopped by ValueError; the run's log has the rest." in text
    assert "Kari" not in str(slack.posted)  # what an author's code says may quote a row
    (context,) = [b for b in slack.posted[0]["blocks"] if b["type"] == "context"]
    assert context["elements"][0]["text"] == " · ".join(
        [
            f"<https://dagster.example.com/runs/{run.run_id}|Run>",
            "<https://dagster.example.com/assets/shop/prices|Asset>",
            "<https://katalog.example.com/datasets/shop/prices|Dataset>",
            "<https://example.com/runbook.html#a-run-failed|Runbook>",
        ]
    )
    (message,) = mail.messages
    assert message["Subject"] == "NEW: [shop] shop/prices was not made"
    assert mail.taken[0][0] == ["team-shop@example.com"]
    assert f"Run: https://dagster.example.com/runs/{run.run_id}\n" in message.get_content()
    assert message["Auto-Submitted"] == "auto-generated"

    assert teller.tick().summary == "nothing new; 1 open"
    dg.materialize([prices], partition_key="p13", instance=log, raise_on_error=False)  # fails again, which is the same
    write(log, [(teller.clock.time, delivered(prices, "p14"))])  # and another partition mends nothing
    assert teller.tick().told == 0

    write(log, [(teller.clock.time, delivered(prices, "p13", 1))])
    assert teller.tick().summary == "1 told to 2; 0 open"
    assert slack.texts[1].startswith("OVER: [shop] shop/prices was not made")
    assert mail.messages[1]["Subject"] == "OVER: [shop] shop/prices was not made"
    assert teller.tick().told == 0
    assert (len(slack.posted), len(mail.taken)) == (2, 2)
    assert teller.memory.cases == {}


def test_a_failed_check_is_told_with_what_it_found_and_a_warning_only_where_that_is_declared(
    shop_told: Callable[..., Any], log: Any, slack: Webhook, mail: MailServer
) -> None:
    quiet = shop_told()
    sales = quiet.datasets["sales"]
    keen = shop_told("{email: [a@example.com], kinds: [check_warned]}", "market")
    other = keen.datasets["sales"]
    teller = Teller(log, quiet, keen)
    at = teller.clock.time
    write(log, [(at, says(sales, "shape", False, faults="column x is gone", examples="41")), (at, says(sales, "row_count", False, "WARN"))])
    write(log, [(at, says(other, "row_count", False, "WARN", remarks="p01: 3 rows, 900 before")), (at, says(other, "shape", False))])
    teller.tick()
    assert len(slack.texts) == len(mail.messages) == 1
    assert "shop/sales: check shape failed" in slack.texts[0]
    assert "faults: column x is gone" in slack.texts[0]
    assert "41" not in slack.texts[0]
    assert mail.messages[0]["Subject"] == "NEW: [market] market/sales: check row_count warns"
    assert "remarks: p01: 3 rows, 900 before" in mail.messages[0].get_content()
    write(log, [(at, says(sales, "shape", True)), (at, says(other, "row_count", True))])
    teller.tick()
    assert [text.split(":")[0] for text in slack.texts] == ["NEW", "OVER"]
    assert mail.messages[1]["Subject"].startswith("OVER")


def test_what_failed_and_was_mended_between_two_looks_is_told_as_past(shop_told: Callable[..., Any], log: Any, slack: Webhook) -> None:
    shop = shop_told()
    teller = Teller(log, shop)
    teller.tick()
    at = teller.clock.time
    write(log, [(at, says(shop.datasets["sales"], "shape", False)), (at, says(shop.datasets["sales"], "shape", True))])
    teller.tick()
    assert slack.texts[0].startswith("PASSED: [shop] shop/sales: check shape failed")
    assert "it is over" in slack.texts[0]
    teller.tick()
    assert len(slack.posted) == 1


def test_a_first_look_goes_back_a_day_and_tells_what_is_still_open(shop_told: Callable[..., Any], log: Any, slack: Webhook) -> None:
    shop = shop_told()
    sales, clock = shop.datasets["sales"], Clock()
    write(
        log,
        [
            (clock.time - timedelta(days=3), says(sales, "old", False)),
            (clock.time - timedelta(hours=3), says(sales, "mended", False)),
            (clock.time - timedelta(hours=2), says(sales, "mended", True)),
            (clock.time - timedelta(hours=1), says(sales, "shape", False)),
        ],
    )
    Teller(log, shop, clock=clock).tick()
    assert [text.splitlines()[0] for text in slack.texts] == ["NEW: [shop] shop/sales: check shape failed"]


def test_what_goes_on_is_told_again_after_the_declared_time(shop_told: Callable[..., Any], log: Any, slack: Webhook) -> None:
    shop = shop_told("{slack_webhook: SLACK_SHOP, remind_hours: 6}")
    teller = Teller(log, shop)
    write(log, [(teller.clock.time, says(shop.datasets["sales"], "shape", False))])
    teller.tick()
    for _ in range(3):
        teller.later(hours=2)
        teller.tick()
    assert [text.split(":")[0] for text in slack.texts] == ["NEW", "STILL"]
    assert "for 6 hours" in slack.texts[1]


def test_a_dataset_that_is_older_than_its_freshness_is_stale_until_it_is_made(
    shop_told: Callable[..., Any], log: Any, slack: Webhook
) -> None:
    import pandera.polars as pa

    import dataproducts as dp

    class Row(pa.DataFrameModel):
        """Rows."""

        number: int = dp.column("Number.")

    shop = shop_told()

    @shop.dataset(schema=Row, freshness=timedelta(hours=26))
    def fresh() -> Any:
        """Every day."""
        return None

    @shop.dataset(schema=Row, schedule="0 5 * * *", freshness=timedelta(days=60))
    def archive() -> Any:
        """Every night, and few mind."""
        return None

    @shop.dataset(schema=Row, schedule="0 5 * * *")
    def nightly() -> Any:
        """Every night."""
        return None

    teller = Teller(log, shop)
    write(log, [(teller.clock.time, delivered(one, None)) for one in (fresh, archive, nightly)])
    teller.tick()
    teller.later(hours=26)
    teller.tick()
    assert slack.texts == []
    teller.later(minutes=1)
    teller.tick()
    (text,) = slack.texts
    assert text.startswith("NEW: [shop] shop/fresh is stale")
    assert "its freshness is 26 hours" in text
    teller.later(hours=6)  # a day, an hour for the clock, and the six that a run may take
    teller.tick()
    assert "shop/nightly has not been made" in slack.texts[1]
    assert "by its schedule it is made at least every 31 hours" in slack.texts[1]

    write(log, [(teller.clock.time, delivered(fresh, None, 2)), (teller.clock.time, delivered(nightly, None, 2))])
    another = Teller(log, shop, clock=teller.clock)  # another process, that has seen none of it
    another.cursor = teller.cursor
    another.tick()
    assert slack.texts[2].startswith("[shop] 2 over\nOVER: shop/fresh is stale")
    assert teller.alerting.looking.made["shop/fresh"] < teller.clock.time - timedelta(hours=26)
    teller.cursor = another.cursor
    assert teller.tick().told == 0  # the first one has not seen it being made, and asks before it says so


def test_what_was_never_made_is_missed_too_and_silent_hours_watch_what_comes_from_a_source(
    shop_told: Callable[..., Any], log: Any, slack: Webhook
) -> None:
    shop = shop_told("{slack_webhook: SLACK_SHOP, silent_hours: 12}")  # sales has a source, the others neither that nor a schedule
    teller = Teller(log, shop)
    teller.tick()
    teller.later(hours=12, minutes=1)
    teller.tick()
    (text,) = slack.texts
    assert "shop/sales has not been made" in text
    assert "never made, and waited for since" in text
    assert "silent_hours is 12" in text
    write(log, [(teller.clock.time, delivered(shop.datasets["sales"], "p01"))])
    teller.tick()
    assert slack.texts[1].startswith("OVER: [shop] shop/sales has not been made")


def test_messages_that_were_given_up_and_differences_between_catalog_and_lake_are_told(
    shop_told: Callable[..., Any], log: Any, slack: Webhook
) -> None:
    shop, catalog = shop_told(), Catalog()
    write(log, [(datetime.now(UTC), delivered(shop.datasets["totals"], None))])
    catalog.poison = lambda message: getattr(message, "dataset", "") == "shop/totals"
    clock = Clock()
    publisher = Publication({"shop": shop}, catalog, "here", now=clock.now)
    cursor = None
    for _ in range(3):
        cursor = publisher.tick(log, cursor).cursor
    teller = Teller(log, shop, clock=clock)
    teller.tick()
    assert slack.texts[0].startswith("NEW: [shop] publish_metadata has given up messages")
    assert "it is poison" in slack.texts[0]

    catalog.poison = lambda _: False
    teller.later(days=1, minutes=1)  # what was given up is tried once more
    publisher.tick(log, cursor)
    teller.tick()
    assert slack.texts[1].startswith("OVER: [shop] publish_metadata has given up messages")

    jobs = {one.name: one for one in reconciliation({"shop": shop}, catalog, "here") if hasattr(one, "name")}
    asset, reconciled = reconciliation({"shop": shop}, catalog, "here")[:2]
    job = dg.Definitions(assets=[asset], asset_checks=[reconciled], jobs=[jobs["reconcile_catalog"]]).resolve_job_def("reconcile_catalog")
    known, catalog.newest = catalog.newest, None  # type: ignore[method-assign, assignment]
    job.execute_in_process(instance=log, raise_on_error=False)
    teller.tick()
    assert slack.texts[2].startswith("NEW: [shop] the reconciliation reconciled does not pass")
    assert "It could not be done" in slack.texts[2]
    catalog.newest = lambda _: {}  # type: ignore[method-assign]
    job.execute_in_process(instance=log)
    catalog.newest = known  # type: ignore[method-assign]
    assert teller.tick().told == 0
    assert "3 missing" in teller.memory.cases["reconciliation:here#reconciled"].text
    job.execute_in_process(instance=log)
    teller.tick()
    assert slack.texts[3].startswith("OVER: [shop] the reconciliation reconciled does not pass")


def test_a_receiver_that_is_down_misses_nothing_doubles_nothing_and_holds_up_no_other(
    shop_told: Callable[..., Any], log: Any, slack: Webhook, mail: MailServer
) -> None:
    shop = shop_told("{slack_webhook: SLACK_SHOP, email: [a@example.com]}")
    sales = shop.datasets["sales"]
    teller = Teller(log, shop)
    slack.answers, mail.drops = [500, 503, 429], 1
    write(log, [(teller.clock.time, says(sales, "shape", False)), (teller.clock.time, says(sales, "row_count", False))])
    ticked = teller.tick()
    assert (len(mail.taken), len(slack.posted), ticked.told) == (0, 0, 0)
    assert any("the Slack webhook SLACK_SHOP answered 500; not told 1 times in a row" in problem for problem in ticked.problems)
    teller.tick()
    assert (len(mail.taken), len(slack.posted)) == (1, 0)
    write(log, [(teller.clock.time, says(sales, "shape", True))])
    teller.tick()
    assert mail.messages[1]["Subject"] == "OVER: [shop] shop/sales: check shape failed"
    teller.tick()
    assert slack.texts[0].startswith("[shop] 1 new, 1 passed\nNEW: shop/sales: check row_count failed")
    assert "PASSED: shop/sales: check shape failed" in slack.texts[0]
    assert teller.tick().summary == "nothing new; 1 open"
    assert (len(mail.taken), len(slack.posted)) == (2, 1)
    assert teller.memory.silent == {}


def test_a_tick_that_was_killed_before_its_cursor_was_kept_loses_nothing(shop_told: Callable[..., Any], log: Any, slack: Webhook) -> None:
    shop = shop_told()
    teller = Teller(log, shop)
    teller.tick()
    write(log, [(teller.clock.time, says(shop.datasets["sales"], "shape", False))])
    teller.tick(keep=False)
    teller.tick()
    assert [text.split(":")[0] for text in slack.texts] == ["NEW", "NEW"]
    assert teller.tick().told == 0


def test_a_thousand_failures_are_one_message_that_slack_takes(shop_told: Callable[..., Any], log: Any, slack: Webhook) -> None:
    shop = shop_told()
    teller = Teller(log, shop)
    write(log, [(teller.clock.time, says(shop.datasets["sales"], f"rule_{n:04}", False)) for n in range(1_000)])
    teller.alerting.looking.__dict__["_checks"] = {("shop/sales", f"rule_{n:04}") for n in range(1_000)}
    assert teller.tick().told == 1_000
    (posted,) = slack.posted
    assert posted["text"] == "[shop] 1000 new"
    assert len(posted["blocks"]) <= 50
    assert "And 985 more" in str(posted["blocks"][-1])
    assert len(teller.cursor or "") < 100_000
    assert teller.tick().told == 0


def test_what_is_no_longer_declared_is_forgotten(shop_told: Callable[..., Any], log: Any, slack: Webhook) -> None:
    shop = shop_told()
    teller = Teller(log, shop)
    write(log, [(teller.clock.time, says(shop.datasets["sales"], name, False)) for name in ("shape", "a_rule_that_went")])
    teller.tick()
    assert set(teller.memory.cases) == {"check_failed:shop/sales#shape"}
    del shop.datasets["sales"]
    renewed = Teller(log, shop, clock=teller.clock)
    renewed.cursor = teller.cursor
    renewed.tick()
    assert renewed.memory.cases == {}
    assert len(slack.posted) == 1


def test_a_slow_receiver_is_given_up_and_the_others_are_told_in_the_same_tick(
    shop_told: Callable[..., Any], log: Any, slack: Webhook, mail: MailServer
) -> None:
    slack.held = threading.Event()
    shop = shop_told("{slack_webhook: SLACK_SHOP, email: [a@example.com]}")
    teller = Teller(log, shop, patience=0.3)
    write(log, [(teller.clock.time, says(shop.datasets["sales"], "shape", False))])
    ticked = teller.tick()
    slack.held.set()
    assert "the Slack webhook SLACK_SHOP did not answer within 0 s" in str(ticked.problems)
    assert len(mail.taken) == 1
    slack.held = None
    teller.tick()
    assert len(slack.posted) == 1


def test_when_the_time_is_over_the_rest_is_told_in_the_next_tick_those_who_answer_first(
    shop_told: Callable[..., Any], log: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ExitStack() as stack:
        hooks = [stack.enter_context(serving(Webhook())) for _ in range(3)]
        shops = []
        for n, hook in enumerate(hooks):
            monkeypatch.setenv(f"SLACK_{n}", hook.url)
            shops.append(shop_told(f"{{slack_webhook: SLACK_{n}}}", f"shop_{n}"))
        hooks[0].answers = [500]
        clock = Clock()
        teller = Teller(log, *shops, clock=clock, budget=10)
        for recipient in teller.alerting.recipients.values():

            def slowly(*given: Any, send: Any = recipient.receiver.send) -> Any:
                clock.elapsed += 5
                return send(*given)

            monkeypatch.setattr(recipient.receiver, "send", slowly)
        write(log, [(clock.time, says(shop.datasets["sales"], "shape", False)) for shop in shops])
        ticked = teller.tick()
        assert [len(hook.posted) for hook in hooks] == [0, 1, 0]
        assert "SLACK_2: the time was over" in str(ticked.problems)
        teller.tick()
        assert [len(hook.posted) for hook in hooks] == [1, 1, 1]
        assert [hook.paths for hook in hooks][2] == [hooks[2].url.split(str(hooks[2].server_port))[1]]


def test_the_sensor_is_on_where_somebody_can_be_told_and_says_so_where_nobody_can(
    shop_told: Callable[..., Any], product: Any, log: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    assert alerts_sensor({"none": product}, "here") is None
    shop = shop_told(name="market")
    sensor = alerts_sensor({"market": shop}, "here")
    assert sensor is not None
    assert (sensor.name, sensor.default_status) == (NAME, dg.DefaultSensorStatus.STOPPED)
    assert "Nothing to alert with: SLACK_SHOP is not set." in (sensor.description or "")
    with dg.build_sensor_context(instance=log) as context:
        assert sensor.evaluate_tick(context).skip_message == "nothing to alert with: SLACK_SHOP is not set"
    monkeypatch.setenv("SLACK_SHOP", "https://hooks.slack.com/services/x")
    on = alerts_sensor({"market": shop}, "here")
    assert on is not None
    assert on.default_status is dg.DefaultSensorStatus.RUNNING


def test_in_dagster_the_cursor_is_kept_and_the_same_is_not_told_by_two_ticks(
    shop_told: Callable[..., Any], log: Any, slack: Webhook
) -> None:
    shop = shop_told()
    sensor = alerts_sensor({"shop": shop}, "here")
    assert sensor is not None
    dg.materialize([shop.datasets["prices"]], partition_key="p13", instance=log, raise_on_error=False)
    cursor = None
    for expected in ("1 told to 1; 1 open", "nothing new; 1 open"):
        with dg.build_sensor_context(instance=log, cursor=cursor) as context:
            tick = sensor.evaluate_tick(context)
        cursor = tick.cursor
        assert tick.skip_message == expected
    assert len(slack.posted) == 1


def test_a_port_that_failed_is_well_again_when_it_takes_something_or_has_nothing_to_take(
    facts_file: Callable[..., Any], log: Any, slack: Webhook
) -> None:
    import pandera.polars as pa

    import dataproducts as dp

    class Row(pa.DataFrameModel):
        """Rows."""

        number: int = dp.column("Number.", source="number")

    folder = facts_file()
    with (folder / "product.yaml").open("a") as facts:
        facts.write("alerts: {slack_webhook: SLACK_SHOP}\n")
    shop = dp.DataProduct(folder)
    parts = dg.StaticPartitionsDefinition(["a", "b"])

    @shop.dataset(schema=Row, partitions=parts, ports=[dp.Package()])
    def sales(partition: str) -> Any:
        """Sales."""
        return None

    (port,) = shop.ports["sales"]
    teller = Teller(log, shop)
    teller.tick()
    taken = dg.AssetMaterialization(port.key, partition="b")
    for ending in (taken, dg.AssetCheckEvaluation(port.key, "arrived", passed=True, metadata={})):
        memory = teller.memory
        memory.begin(Trouble.RUN_FAILED, "shop/sales/package", teller.clock.time, "a: the disk is full", waiting={"a"})
        teller.cursor = memory.text()
        teller.tick()
        write(log, [(teller.clock.time, ending)])
        teller.tick()
    assert [text.splitlines()[0] for text in slack.texts] == [
        "NEW: [shop] shop/sales was not delivered to package",
        "OVER: [shop] shop/sales was not delivered to package",
    ] * 2


def test_a_memory_survives_being_written_and_one_that_is_none_is_begun_anew() -> None:
    at = Clock().time
    memory = Memory(unmade={"shop/a": at}, silent={"slack:A": 2})
    memory.begin(Trouble.RUN_FAILED, "shop/a", at, "p01: nei\n" * 200, run="r", waiting={f"p{n}" for n in range(500)})
    memory.begin(Trouble.CHECK_FAILED, "shop/a", at, "ø", check="a#b")
    memory.cases["check_failed:shop/a#a#b"].told["slack:A"] = at
    memory.end(Trouble.CHECK_FAILED, "shop/a", at, check="a#b")
    again = Memory.read(memory.text())
    assert again == memory
    case = memory.cases["run_failed:shop/a"]
    assert len(case.text) <= 400
    assert "\n" not in case.text
    assert len(case.waiting) == 100
    for text in (None, "", "{}", "2 x", "1 x", "1 ", f"{memory.text()[:50]}"):
        assert Memory.read(text) is None


def test_what_ends_and_begins_again_is_told_as_new_to_those_who_heard_the_end() -> None:
    at = Clock().time
    memory = Memory()
    memory.begin(Trouble.STALE, "shop/a", at, "late")
    (case,) = memory.cases.values()
    case.told = {"a": at, "b": at}
    memory.end(Trouble.STALE, "shop/a", at)
    case.heard_end = {"a"}
    memory.begin(Trouble.STALE, "shop/a", at + timedelta(hours=1), "late again")
    assert (case.ended, set(case.told), case.heard_end) == (None, {"b"}, set())


def test_of_what_is_over_and_cannot_be_told_only_the_newest_are_kept() -> None:
    at = Clock().time
    memory = Memory()
    for n in range(MOST_OVER + 7):
        memory.begin(Trouble.STALE, f"shop/d{n}", at + timedelta(seconds=n), "late")
        memory.end(Trouble.STALE, f"shop/d{n}", at + timedelta(days=1))
    memory.begin(Trouble.STALE, "shop/open", at - timedelta(days=9), "late")
    assert memory.forget_oldest() == 7
    assert len(memory.cases) == MOST_OVER + 1
    assert Case(Trouble.STALE, "shop/d7", at, "").key in memory.cases
