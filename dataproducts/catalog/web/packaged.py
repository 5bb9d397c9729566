"""Files that ship with the catalog: read once, found by name only, so that no request reaches the file system."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

FOLDER = Path(__file__).parent / "static"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8",
}


@dataclass(frozen=True)
class File:
    """One file; `tag` changes with its content."""

    content: bytes
    media_type: str
    tag: str


@functools.cache
def files() -> dict[str, File]:
    """Every file of `static/` by its name below it. Kinds that a page cannot use are not served."""
    found = {}
    for path in sorted(FOLDER.rglob("*")):
        if path.is_file() and path.suffix in _TYPES:
            content = path.read_bytes()
            tag = hashlib.blake2b(content, digest_size=8).hexdigest()
            found[path.relative_to(FOLDER).as_posix()] = File(content, _TYPES[path.suffix], tag)
    return found


def address(name: str) -> str:
    """The path of a file, which changes with its content so that it may be kept for ever. Raises KeyError for a file there is not."""
    return f"/static/{name}?v={files()[name].tag}"


async def serve(request: Request) -> Response:
    """A file."""
    file = files().get(request.path_params["name"])
    if file is None:
        raise HTTPException(404)
    is_pinned = request.query_params.get("v") == file.tag
    kept = "public, max-age=31536000, immutable" if is_pinned else "no-cache"
    return Response(file.content, headers={"cache-control": kept, "etag": f'"{file.tag}"', "content-type": file.media_type})
