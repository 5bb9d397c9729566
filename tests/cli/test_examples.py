"""`dataproducts examples`: which pass, and running them."""

from __future__ import annotations

from tests.cli.conftest import Location


def test_examples_are_run_and_their_state_is_told(location: Location) -> None:
    folder = location.folder / "assets/weather/examples"
    folder.mkdir(exist_ok=True)
    (folder / "good.py").write_text('"""How many?"""\nprint(1)\n')
    (folder / "bad.py").write_text("print(x)\n")
    assert "weather/good.py  never run" in location.ok("examples", "weather")
    ran = location.run("examples", "weather", "--run")
    assert ran.exit_code == 1
    assert ran.stderr.splitlines()[-1] == "error: weather: bad.py: line 1: NameError: name 'x' is not defined"
    assert "weather/good.py  passed 20" in ran.stdout
    assert "weather/bad.py   failed 20" in ran.stdout
    (folder / "good.py").write_text("print(2)\n")
    assert "weather/good.py  not run since it changed" in location.ok("examples")
    assert location.refusal("examples", "weather/items").startswith("'weather/items' is a dataset; examples are of a product")
    assert "there is no product 'wether'" in location.refusal("examples", "wether")
    (folder / "bad.py").unlink()
    (folder / "good.py").unlink()
