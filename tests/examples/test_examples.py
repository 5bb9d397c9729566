"""Examples of use: every one of ours passes against the sandbox, and one that does not is told in a sentence."""

from __future__ import annotations

import base64
import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from dataproducts.definitions import products
from dataproducts.examples import kept, running, worker
from dataproducts.examples.running import Outcome, run
from dataproducts.messages import Definition, ExampleOutput
from dataproducts.publication.describe import examples, with_results

OURS = [(product.name, path) for product in products().values() for path in running.files(product.folder)]


@pytest.fixture(scope="session")
def shown() -> dict[str, Outcome]:
    """What each of ours showed; run once."""
    return {}


@pytest.mark.parametrize(("product", "path"), OURS, ids=[f"{product}/{path.name}" for product, path in OURS])
def test_every_example_passes_against_the_sandbox(product: str, path: Path, sandbox_lake: Path, shown: dict[str, Outcome]) -> None:
    outcome = run(path)
    assert outcome.problem is None
    shown[f"{product}/{path.name}"] = outcome
    for one in outcome.outputs:
        if one.kind == "table":
            assert json.loads(one.content)["rows"]
        if one.kind == "image":
            assert base64.b64decode(one.content).startswith(b"\x89PNG")
            assert one.alt


def test_a_notebook_shows_its_tables_and_its_plots(shown: dict[str, Outcome]) -> None:
    kinds = [one.kind for one in shown["enhetsregisteret/employees_by_municipality.ipynb"].outputs]
    assert kinds == ["table", "image"]


def test_a_plot_is_called_by_its_heading(shown: dict[str, Outcome]) -> None:
    (plot,) = shown["enhetsregisteret/nye_enheter_per_aar.py"].outputs
    assert plot.alt == "Enheter etter året de ble registrert"


def test_each_product_has_two_examples_and_a_plot(shown: dict[str, Outcome]) -> None:
    for product in products():
        mine = [outcome for name, outcome in shown.items() if name.startswith(f"{product}/")]
        assert len(mine) >= 2, product
        assert any(one.kind == "image" for outcome in mine for one in outcome.outputs), product


def test_no_example_shows_a_personal_value(shown: dict[str, Outcome], sandbox_lake: Path) -> None:
    import dataproducts as dp

    names = set(dp.read("enhetsregisteret/enheter", columns=["navn"])["navn"])
    people = {name for name in names if name.replace(" ", "").isalpha() and len(name.split()) == 2}
    assert people
    for outcome in shown.values():
        for one in outcome.outputs:
            if one.kind != "image":
                assert not [name for name in people if name in one.content]


def written(folder: Path, name: str, source: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source)
    return path


BROKEN = [
    ("a.py", "print(1)\n\nraise KeyError('month')", r"^line 3: KeyError: 'month'"),
    ("a.py", "import sys\nsys.exit('no data')", r"^line 2: SystemExit: no data"),
    ("a.sql", "SELECT x FROM", r"^line 1: "),
    ("a.sql", "SELECT * FROM shop.nothing", r"^UnknownDataset: shop/nothing has no history in "),
    ("a.sql", "SELECT nothing FROM enhetsregisteret.organisasjonsformer", r"^Binder Error: .*nothing"),
    ("a.sql", "SELECT 1 AS x", r"^it names no dataset; write FROM product\.dataset"),
    ("a.sql", "DROP TABLE shop.sales", r"^it is not one SELECT"),
    ("a.sql", "SELECT * FROM read_csv('/etc/passwd'), enhetsregisteret.organisasjonsformer", r"^Permission Error"),
]


def worked(path: Path) -> dict[str, Any]:
    """What the process of an example writes down, without the process."""
    told = path.with_suffix(".json")
    worker.main(running.KINDS[path.suffix], path, told)
    found: dict[str, Any] = json.loads(told.read_text())
    return found


@pytest.mark.parametrize(("name", "source", "told"), BROKEN)
def test_what_does_not_work_is_one_sentence(name: str, source: str, told: str, tmp_path: Path, sandbox_lake: Path) -> None:
    assert re.search(told, worked(written(tmp_path, name, source))["problem"])


def test_one_that_dies_is_told_of(tmp_path: Path) -> None:
    outcome = run(written(tmp_path, "a.py", "import os\nprint('begun')\nos._exit(3)"))
    assert outcome.problem == "a.py ended before it was done: exit status 3"
    assert outcome.outputs == ()


@pytest.mark.parametrize(
    ("outputs", "told"),
    [
        ([], "shows nothing; print a result, or draw one"),
        (["kari@example.com"], "shows what looks like an e-mail address; choose columns without personal data"),
        (["Kari 12057900499"], "shows what looks like a national identity number; choose columns without personal data"),
        (["1"] * 13, "shows 13 things, and at most 12 are kept; show fewer"),
        (["x" * 150_000, "x" * 60_000], "shows 210,000 characters, and at most 200,000 are kept; show fewer rows or smaller plots"),
        (["organisasjonsnummer 889640782, 12 stillinger"], None),
    ],
)
def test_what_cannot_be_shown_to_everybody_is_refused(outputs: list[str], told: str | None) -> None:
    assert running.fault(tuple(ExampleOutput(kind="text", content=one) for one in outputs)) == told


def test_one_that_never_ends_is_ended(tmp_path: Path) -> None:
    began = time.monotonic()
    outcome = run(written(tmp_path, "a.py", "import time\nprint('begun')\ntime.sleep(600)"), seconds=3)
    assert outcome.problem == "a.py was still running after 3 seconds; make it shorter"
    assert time.monotonic() - began < 60


def test_sql_gives_a_table_cut_to_what_a_page_can_show(tmp_path: Path, sandbox_lake: Path) -> None:
    source = "SELECT kode, COUNT(*) OVER () AS n FROM {{ enhetsregisteret/organisasjonsformer }} AS f, UNNEST(GENERATE_ARRAY(1, 10)) AS x"
    (one,) = worked(written(tmp_path, "a.sql", source))["outputs"]
    table = json.loads(one["content"])
    assert table["columns"] == ["kode", "n"]
    assert table["numeric"] == [False, True]
    assert len(table["rows"]) == 50
    assert table["of"] == int(table["rows"][0][1])


def test_markup_in_what_is_shown_stays_text(tmp_path: Path, sandbox_lake: Path) -> None:
    source = "SELECT '<script>alert(1)</script>' AS `<b>x</b>`, kode FROM enhetsregisteret.organisasjonsformer LIMIT 1"
    (one,) = worked(written(tmp_path, "a.sql", source))["outputs"]
    assert json.loads(one["content"])["rows"][0][0] == "<script>alert(1)</script>"


# what is kept


def outcome(
    name: str = "a.py", digest: str = "d", at: str = "2026-11-01T12:00:00+00:00", problem: str | None = None, text: str = "1"
) -> Outcome:
    from datetime import datetime

    outputs = () if problem else (ExampleOutput(kind="text", content=text),)
    return Outcome(name, digest, datetime.fromisoformat(at), 1.5, outputs, problem)


def test_what_was_shown_is_kept_and_a_failure_does_not_take_it_away(home: Path) -> None:
    kept.store("shop", [outcome(), outcome("b.sql")])
    kept.store("shop", [outcome(at="2026-11-02T12:00:00+00:00", problem="a.py: line 1: KeyError")])
    found = kept.load("shop")
    assert set(found) == {"a.py", "b.sql"}
    one = found["a.py"]
    assert (str(one.passed_at)[:10], str(one.failed_at)[:10], one.problem) == ("2026-11-01", "2026-11-02", "a.py: line 1: KeyError")
    assert [output.content for output in one.outputs] == ["1"]
    kept.store("shop", [outcome(at="2026-11-03T12:00:00+00:00", text="2")])
    assert (kept.load("shop")["a.py"].failed_at, kept.load("shop")["a.py"].outputs[0].content) == (None, "2")


def test_what_another_source_showed_counts_for_nothing(home: Path) -> None:
    kept.store("shop", [outcome()])
    kept.store("shop", [outcome(digest="e", problem="a.py: no")])
    assert kept.load("shop")["a.py"].passed_at is None


def test_a_damaged_document_is_one_sentence(home: Path) -> None:
    from dataproducts.errors import ConfigurationError

    kept.store("shop", [outcome()])
    (home / "lake/shop/_examples/results.json").write_text('{"a.py": 1}')
    with pytest.raises(
        ConfigurationError, match=r"_examples/results\.json cannot be read \(TypeError\); delete it and run the examples again"
    ):
        kept.load("shop")


def test_the_catalog_is_told_of_what_the_present_source_showed(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "product"
    path = written(folder, "examples/a.py", '"""How many?"""\nprint(1)')
    kept.store("shop", [outcome(digest=running.digest(path.read_bytes()))])
    (told,) = with_results("shop", folder, examples(folder))
    assert (told.title, told.passed_at is not None, [one.content for one in told.outputs]) == ("How many?", True, ["1"])
    path.write_text('"""How many?"""\nprint(2)')
    (told,) = with_results("shop", folder, examples(folder))
    assert (told.passed_at, told.outputs) == (None, ())


def test_the_sensor_sends_what_examples_showed_when_they_have_run(home: Path, facts_file: Any, instance: Any) -> None:
    import dataproducts as dp
    from dataproducts.publication.sensor import Publication
    from tests.publication.conftest import Memory

    folder = facts_file()
    path = written(folder, "examples/a.py", '"""How many?"""\nprint(1)')
    product = dp.DataProduct(folder / "x.py")
    target = Memory()
    publication = Publication({"shop": product}, target, "here")
    ticked = publication.tick(instance, None)
    assert [m.product.examples[0].passed_at for m in target.of(Definition)] == [None]
    kept.store("shop", [outcome(digest=running.digest(path.read_bytes()))])
    again = publication.tick(instance, ticked.cursor)
    (sent,) = [m.product.examples[0] for m in target.of(Definition)[1:]]
    assert [one.content for one in sent.outputs] == ["1"]
    assert publication.tick(instance, again.cursor).sent == 0


def test_the_job_runs_and_keeps_them_all_and_fails_with_those_that_do_not_pass(home: Path, facts_file: Any, instance: Any) -> None:
    import dataproducts as dp
    from dataproducts.examples import job

    folder = facts_file()
    written(folder, "examples/good.py", "print(1)")
    written(folder, "examples/bad.py", "print(x)")
    made = job.definitions({"shop": dp.DataProduct(folder / "x.py")})
    assert [one.name for one in made.schedules or ()] == ["examples_daily"]
    result = made.resolve_job_def("examples").execute_in_process(instance=instance, raise_on_error=False)
    (failure,) = result.get_step_failure_events()
    assert failure.step_failure_data.user_failure_data.description == "shop: bad.py: line 1: NameError: name 'x' is not defined"
    assert {name: one.passed_at is not None for name, one in kept.load("shop").items()} == {"bad.py": False, "good.py": True}
