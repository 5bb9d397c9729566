"""What a script's pod runs before and after the script, in the image of the code location: its files come, and its rows go.

`python -m dataproducts.kubernetes.carrier bring|hand-over FOLDER STAGING ...`: the script itself needs neither this package nor the lake.
"""

from __future__ import annotations

import sys
import tarfile
from pathlib import Path

from dataproducts.errors import DataProductsError
from dataproducts.ports.package.place import place
from dataproducts.scripts.environments import interpreter

FILES, ROWS, ENVIRONMENT = "files.tar", "rows", "environment"
NOTHING, TOO_LARGE, OUTSIDE = 3, 4, 5
"""Exit statuses of what was not handed over."""


def bring(folder: Path, staging: str, requirements: str = "", *also: str) -> int:
    """Unpack what the run has put there, and install the script's packages."""
    packed = folder.with_suffix(".tar")
    if not place(staging).fetch(FILES, packed):
        print(f"there are no files at {staging}; they went with the run that put them there")
        return 1
    with tarfile.open(packed) as archive:
        archive.extractall(folder, filter="data")
    packed.unlink()
    if requirements:
        python = interpreter(folder / requirements, also, requirements, print)
        (folder / ENVIRONMENT).symlink_to(python.parent.parent)
    return 0


def hand_over(folder: Path, staging: str, output: str, most: str) -> int:
    """Put the file that the script has written where the run takes it from."""
    written = (folder / output).resolve()
    if not written.is_relative_to(folder.resolve()):  # where this container's own secrets would be
        return OUTSIDE
    if not written.is_file():
        return NOTHING
    if written.stat().st_size > int(most):
        return TOO_LARGE
    place(staging).bring(ROWS, written)
    return 0


def main(what: str, folder: str, staging: str, *arguments: str) -> int:
    """Do it; an error is a sentence on the last line."""
    try:
        return bring(Path(folder), staging, *arguments) if what == "bring" else hand_over(Path(folder), staging, *arguments)
    except DataProductsError as error:
        print(error)
        return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
