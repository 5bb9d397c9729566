"""What the kit leans on in Dagster, written down: an upgrade that changes one of these has to fail here, not in a product."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import pytest

DAYS = dg.DailyPartitionsDefinition("2026-01-01")
SPAN = {"dagster/asset_partition_range_start": "2026-01-01", "dagster/asset_partition_range_end": "2026-01-03"}
KEY = dg.AssetKey("a")


def asset(body: Callable[..., Iterator[Any]], **settings: Any) -> dg.AssetsDefinition:
    """An asset "a" with one check, made the way the kit makes them."""
    spec = dg.AssetSpec("a", partitions_def=settings.get("partitions_def"))

    @dg.multi_asset(name="a", specs=[spec], check_specs=[dg.AssetCheckSpec("rule", asset="a", blocking=True)], **settings)
    def made(context):  # type: ignore[no-untyped-def]
        yield from body(context)

    return made


def logged(instance: Any, run_id: str, kind: str) -> list[Any]:
    return [e.dagster_event for e in instance.all_logs(run_id) if e.dagster_event and e.dagster_event.event_type_value == kind]


def test_a_failed_blocking_check_does_not_stop_its_own_asset_from_being_recorded(instance: Any) -> None:
    """So rows are validated before they are stored, by ourselves."""

    def body(_: Any) -> Iterator[Any]:
        yield dg.MaterializeResult(asset_key="a", check_results=[dg.AssetCheckResult(passed=False, check_name="rule")])

    result = dg.materialize([asset(body)], instance=instance, raise_on_error=False)
    assert instance.get_latest_materialization_event(KEY) is not None
    assert result.get_asset_check_evaluations()[0].passed is False


def test_a_check_result_before_a_failure_is_recorded_and_a_materialization_is_not(instance: Any) -> None:
    def body(_: Any) -> Iterator[Any]:
        yield dg.AssetCheckResult(passed=False, check_name="rule", asset_key=KEY)
        raise dg.Failure("one sentence", allow_retries=False)

    result = dg.materialize([asset(body)], instance=instance, raise_on_error=False)
    assert not result.success
    assert instance.get_latest_materialization_event(KEY) is None
    (evaluation,) = logged(instance, result.run_id, "ASSET_CHECK_EVALUATION")
    assert evaluation.asset_check_evaluation_data.passed is False
    (failure,) = logged(instance, result.run_id, "STEP_FAILURE")
    assert failure.step_failure_data.user_failure_data.description == "one sentence"


def test_a_failure_without_retries_is_not_retried_and_one_with_is(instance: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dg.RetryPolicy, "calculate_delay", lambda *_: 0)
    attempts: list[bool] = []

    def body(allow: bool) -> Callable[..., Iterator[Any]]:
        def run(_: Any) -> Iterator[Any]:
            attempts.append(allow)
            raise dg.Failure("no", allow_retries=allow)
            yield

        return run

    for allow in (False, True):
        dg.materialize([asset(body(allow), retry_policy=dg.RetryPolicy(max_retries=2))], instance=instance, raise_on_error=False)
    assert attempts == [False, True, True, True]


def test_a_materialization_logged_before_a_failure_is_stored_though_the_result_in_memory_leaves_it_out(instance: Any) -> None:
    """So the partitions that a failing run stored are not lost to Dagster; whoever reads them has to read the event log."""

    def body(context: Any) -> Iterator[Any]:
        context.log_event(dg.AssetMaterialization(KEY, partition="2026-01-02", tags={"dagster/data_version": "x"}))
        raise dg.Failure("the third day is missing", allow_retries=False)
        yield

    result = dg.materialize([asset(body, partitions_def=DAYS)], tags=SPAN, instance=instance, raise_on_error=False)
    assert instance.get_materialized_partitions(KEY) == {"2026-01-02"}
    assert len(logged(instance, result.run_id, "ASSET_MATERIALIZATION")) == 1
    assert result.get_asset_materialization_events() == []


def test_metadata_added_for_a_partition_is_on_its_event_and_the_data_version_is_the_same_on_all(instance: Any) -> None:
    def body(context: Any) -> Iterator[Any]:
        for key in context.partition_keys:
            context.add_asset_metadata({"key": key}, KEY, partition_key=key)
        yield dg.MaterializeResult(asset_key=KEY, data_version=dg.DataVersion("all"))

    result = dg.materialize([asset(body, partitions_def=DAYS)], tags=SPAN, instance=instance, raise_on_error=False)
    found = [e.materialization for e in result.get_asset_materialization_events()]
    assert {m.partition: m.metadata["key"].value for m in found} == {f"2026-01-0{n}": f"2026-01-0{n}" for n in (1, 2, 3)}
    assert {m.tags["dagster/data_version"] for m in found} == {"all"}


def test_a_run_may_hold_assets_with_and_without_partitions(instance: Any) -> None:
    seen = {}

    @dg.asset
    def whole(context):  # type: ignore[no-untyped-def]
        seen["whole"] = context.partition_keys

    @dg.asset(partitions_def=DAYS)
    def cut(context):  # type: ignore[no-untyped-def]
        seen["cut"] = context.partition_keys

    result = dg.materialize([whole, cut], partition_key="2026-01-02", instance=instance)
    partitions = {e.asset_key.to_user_string(): e.materialization.partition for e in result.get_asset_materialization_events()}
    assert partitions == {"whole": None, "cut": "2026-01-02"}
    assert seen["cut"] == ["2026-01-02"]
    assert seen["whole"] == ["2026-01-02"]  # which is why the kit asks the declaration, not the context


def test_a_run_without_a_partition_starts_all_the_same(instance: Any) -> None:
    seen = []

    @dg.asset(partitions_def=DAYS)
    def cut(context):  # type: ignore[no-untyped-def]
        seen.append((context.has_partition_key, context.has_partition_key_range))

    assert dg.materialize([cut], instance=instance).success
    assert seen == [(False, False)]


def test_only_what_json_knows_may_be_metadata() -> None:
    with pytest.raises(dg.DagsterError, match="not JSON serializable"):
        dg.JsonMetadataValue({"day": datetime(2026, 1, 1, tzinfo=UTC)})


def test_the_tags_that_tell_a_retry_from_a_new_run() -> None:
    from dagster._core.storage import tags

    assert tags.RESUME_RETRY_TAG == "dagster/is_resume_retry"
    assert tags.ASSET_RESUME_RETRY_TAG == "dagster/is_asset_resume_retry"
    assert tags.RETRY_NUMBER_TAG == "dagster/retry_number"


def test_an_offset_of_one_makes_todays_partition_part_of_the_day() -> None:
    days = dg.DailyPartitionsDefinition("2026-01-01", timezone="Europe/Oslo", end_offset=1)
    evening = datetime(2026, 1, 2, 23, 30, tzinfo=UTC)  # already the third in Oslo
    assert days.get_partition_keys(current_time=evening)[-1] == "2026-01-03"


def test_a_subclass_made_from_an_assets_attributes_is_an_asset_wherever_dagster_takes_one(instance: Any) -> None:
    """`Dataset` is that. A copy Dagster makes of it is a plain asset, and so it should be."""

    class Own(dg.AssetsDefinition):
        pass

    def body(_: Any) -> Iterator[Any]:
        yield dg.AssetCheckResult(passed=True, check_name="rule", asset_key=KEY)
        yield dg.MaterializeResult(asset_key=KEY)

    own = Own.__new__(Own)
    own.__dict__.update(asset(body).__dict__)
    assert dg.Definitions(assets=[own]).resolve_asset_graph().has(KEY)
    assert dg.materialize([own], instance=instance).success
    assert type(own.with_attributes(group_names_by_key={KEY: "g"})).__name__ in ("Own", "AssetsDefinition")


def test_an_automation_sensor_of_ours_takes_the_place_of_dagsters_own() -> None:
    """Which is off until someone switches it on."""

    @dg.asset(automation_condition=dg.AutomationCondition.eager(), group_name="g")
    def automatic() -> None: ...

    sensor = dg.AutomationConditionSensorDefinition(
        "mine", target=dg.AssetSelection.groups("g"), default_status=dg.DefaultSensorStatus.RUNNING
    )
    own = dg.Definitions(assets=[automatic], sensors=[sensor]).get_repository_def()
    assert [(s.name, s.default_status) for s in own.sensor_defs] == [("mine", dg.DefaultSensorStatus.RUNNING)]


def test_names_of_checks_are_ascii_letters_digits_and_underscores() -> None:
    for name in ("a b", "å", "a-b", "a/b"):
        spec = dg.AssetCheckSpec(name, asset="a")
        with pytest.raises(dg.DagsterInvalidDefinitionError):

            @dg.multi_asset(specs=[dg.AssetSpec("a")], check_specs=[spec])
            def made(): ...  # type: ignore[no-untyped-def]


def test_an_external_asset_is_a_spec_among_assets() -> None:
    definitions = dg.Definitions(assets=[dg.AssetSpec("source"), dg.AssetSpec("a", deps=["source"])])
    assert not definitions.resolve_asset_graph().get(dg.AssetKey("source")).is_executable
