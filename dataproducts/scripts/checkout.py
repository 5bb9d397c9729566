"""A git repository at a branch, tag or commit: fetched each run, and written out where nothing of it can change what others see."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from dataproducts import settings
from dataproducts.errors import ConfigurationError, DeclarationError, SourceError
from dataproducts.files import locked

_SECONDS = 300


def refuse_faults(url: str, ref: str, where: str) -> None:
    """Raise DeclarationError for what is no address of a repository, or no name in one."""
    if not re.fullmatch(r"(https://|ssh://|file://|/|[\w.-]+@)[^\s'\"]+", url):
        raise DeclarationError(f"{where}: {shown(url)!r} is no address of a git repository; write https://..., ssh://... or git@host:path")
    if re.match(r"https?://[^/]*:[^/]*@", url):
        raise DeclarationError(
            f"{where}: the address of {shown(url)} holds a password; leave it out, and let git's own configuration have it"
        )
    if not re.fullmatch(r"(?!-)[\w./+-]{1,200}", ref) or ".." in ref:
        raise DeclarationError(f"{where}: {ref!r} is no branch, tag or commit")


def checked_out(url: str, ref: str, folder: Path, where: str) -> str:
    """Write the files of a ref into a folder; gives the commit. Raises SourceError where there is no such ref, or no answer."""
    cache = settings.home() / "scripts" / "repositories" / f"{hashlib.sha256(url.encode()).hexdigest()[:16]}.git"
    with locked(cache.with_suffix(".lock")):
        if not (cache / "HEAD").exists():
            _git(["init", "--quiet", "--bare", str(cache)], where, url)
        _git(["-C", str(cache), "fetch", "--quiet", "--depth", "1", "--no-tags", "--", url, ref], where, url)
        commit = _git(["-C", str(cache), "rev-parse", "--verify", "FETCH_HEAD^{commit}"], where, url).strip()
        folder.mkdir(exist_ok=True)
        apart = {"GIT_INDEX_FILE": str(folder.with_name(f"{folder.name}.index"))}  # the folder is no working copy, and has no .git
        _git(["--git-dir", str(cache), "--work-tree", str(folder), "checkout", "--quiet", "--force", commit, "--", "."], where, url, apart)
    return commit


def shown(url: str) -> str:
    """An address without what may be a password."""
    return re.sub(r"//[^/@]*@", "//", url)


def _git(arguments: list[str], where: str, url: str, apart: Mapping[str, str] | None = None) -> str:
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "GIT_ALLOW_PROTOCOL": "https:ssh:file", "LC_ALL": "C", **(apart or {})}
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, timeout=_SECONDS, env=environment, errors="replace")
    except FileNotFoundError:
        raise ConfigurationError(f"{where}: git is not installed, and its script is in {shown(url)}; install git") from None
    except subprocess.TimeoutExpired:
        raise SourceError(f"{where}: {shown(url)} did not answer within {_SECONDS // 60} minutes; nothing was stored") from None
    if done.returncode:
        said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        raise SourceError(
            f"{where}: git cannot get it from {shown(url)} ({shown(said[0]) if said else 'no reason given'}); nothing was stored"
        )
    return done.stdout
