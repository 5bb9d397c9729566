"""What publication leans on in Dagster's event log, most of it private: an upgrade that changes it has to fail here."""

from __future__ import annotations

from typing import Any

import dagster as dg
import pytest
from dagster._core.events import DagsterEventType
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from sqlalchemy import select

KEY = dg.AssetKey("a")


def rows(instance: Any) -> list[tuple[Any, ...]]:
    with instance.event_log_storage.index_connection() as connection:
        query = select(
            SqlEventLogStorageTable.c.id,
            SqlEventLogStorageTable.c.dagster_event_type,
            SqlEventLogStorageTable.c.run_id,
            SqlEventLogStorageTable.c.asset_key,
            SqlEventLogStorageTable.c.partition,
            SqlEventLogStorageTable.c.timestamp,
        )
        return [tuple(row) for row in connection.execute(query.order_by(SqlEventLogStorageTable.c.id))]


def failing_run(instance: Any) -> str:
    @dg.multi_asset(specs=[dg.AssetSpec("a")], check_specs=[dg.AssetCheckSpec("rule", asset="a")])
    def made(context):  # type: ignore[no-untyped-def]
        yield dg.AssetCheckResult(passed=False, check_name="rule", asset_key=KEY)
        context.log_event(dg.AssetMaterialization(KEY, partition="x"))
        raise dg.Failure("one sentence", metadata={"failures": dg.JsonMetadataValue({"y": "e"})})

    return dg.materialize([made], instance=instance, raise_on_error=False).run_id


def test_materializations_checks_and_failed_runs_are_of_one_sequence_of_ids_also_on_sqlite(log: Any) -> None:
    run = failing_run(log)
    log.report_runless_asset_event(dg.AssetMaterialization("b"))
    kinds = ("ASSET_MATERIALIZATION", "ASSET_CHECK_EVALUATION", "PIPELINE_FAILURE")
    found = [row for row in rows(log) if row[1] in kinds]
    assert [(kind, of, key, partition) for _, kind, of, key, partition, _ in found] == [
        ("ASSET_CHECK_EVALUATION", run, None, None),
        ("ASSET_MATERIALIZATION", run, '["a"]', "x"),
        ("PIPELINE_FAILURE", run, None, None),
        ("ASSET_MATERIALIZATION", "", '["b"]', None),
    ]
    assert [row[0] for row in found] == sorted({row[0] for row in found})
    assert all(row[5].tzinfo is None for row in found)  # UTC, without saying so
    assert isinstance(log.event_log_storage, SqlEventLogStorage)


def test_our_reading_agrees_with_dagsters_own_summaries(log: Any) -> None:
    from dataproducts.publication.events import entries, records

    failing_run(log)
    log.report_runless_asset_event(dg.AssetMaterialization("b", partition="p"))
    summaries = log.get_asset_event_summary_records(DagsterEventType.ASSET_MATERIALIZATION, after_storage_id=0, ascending=True)
    ours = [e for e in entries(log, after=0, limit=100) if e.kind == "materialization"]
    assert [(s.storage_id, tuple(s.asset_key.path), s.partition, s.timestamp) for s in summaries] == [
        (e.id, e.asset, e.partition, e.at.timestamp()) for e in ours
    ]
    fetched = log.fetch_materializations(dg.AssetKey("b"), limit=1).records[0]
    assert records(log, [fetched.storage_id])[fetched.storage_id] == fetched.event_log_entry


def test_no_failed_materializations_are_stored_so_failures_are_read_from_their_runs(log: Any) -> None:
    run = failing_run(log)
    assert not log.event_log_storage.can_store_asset_failure_events
    assert log.fetch_failed_materializations(KEY, limit=10).records == []
    (failure,) = log.all_logs(run, of_type=DagsterEventType.STEP_FAILURE)
    assert failure.dagster_event.event_specific_data.user_failure_data.metadata["failures"].value == {"y": "e"}
    assert failure.dagster_event.step_key == "made"


def test_what_a_run_was_to_make_is_planned_by_asset_and_partition(log: Any) -> None:
    days = dg.StaticPartitionsDefinition(["a", "b", "c"])

    @dg.asset(partitions_def=days, backfill_policy=dg.BackfillPolicy.single_run())
    def cut() -> None: ...

    tags = {"dagster/asset_partition_range_start": "a", "dagster/asset_partition_range_end": "b"}
    run = dg.materialize([cut], tags=tags, instance=log).run_id
    planned = [e.dagster_event for e in log.all_logs(run, of_type=DagsterEventType.ASSET_MATERIALIZATION_PLANNED)]
    assert {e.asset_key for e in planned} == {dg.AssetKey("cut")}
    partitions = set()
    for data in (e.event_specific_data for e in planned):
        partitions |= set(data.partitions_subset.get_partition_keys()) if data.partitions_subset else {data.partition}
    assert partitions == {"a", "b"}


def test_a_wipe_deletes_the_rows_and_sqlite_gives_their_ids_out_again(log: Any) -> None:
    """So a mark alone does not say what has been published."""
    log.report_runless_asset_event(dg.AssetMaterialization("a"))
    first = max(row[0] for row in rows(log))
    log.wipe_assets([KEY])
    assert "ASSET_MATERIALIZATION" not in [row[1] for row in rows(log)]
    log.report_runless_asset_event(dg.AssetMaterialization("a"))
    assert max(row[0] for row in rows(log) if row[1] == "ASSET_MATERIALIZATION") <= first + 1


def test_a_sensor_that_raises_keeps_its_cursor_and_one_that_skips_moves_it(log: Any) -> None:
    @dg.sensor(name="moving")
    def moving(context):  # type: ignore[no-untyped-def]
        before = context.cursor
        context.update_cursor("moved")
        if before == "broken":
            raise ValueError("no")
        return dg.SkipReason("nothing new")

    with dg.build_sensor_context(instance=log, cursor="before") as context:
        assert moving.evaluate_tick(context).cursor == "moved"
    with dg.build_sensor_context(instance=log, cursor="broken") as context, pytest.raises(ValueError, match="no"):
        moving.evaluate_tick(context)
