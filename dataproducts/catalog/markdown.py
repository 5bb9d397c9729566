"""Markdown by other people as HTML that can do nothing: no HTML of theirs, no images, links only to http, https and mailto."""

from __future__ import annotations

import functools
import html
from typing import Any

MAX_MARKDOWN = 20_000
_TAGS = {
    "p", "br", "em", "strong", "del", "code", "pre", "blockquote", "ul", "ol", "li", "a", "hr",
    "h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td",
}  # fmt: skip


@functools.cache
def _parser() -> Any:
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False, "linkify": False, "maxNesting": 20}).enable(["table", "strikethrough"])
    parser.disable(["image", "html_inline", "html_block", "autolink"])
    return parser


@functools.lru_cache(maxsize=2_000)
def render(text: str) -> str:
    """Safe HTML of a markdown text; headings begin below those of the page, what is longer than 20,000 characters is cut."""
    if not text.strip():
        return ""
    import nh3

    tokens = _parser().parse(text[:MAX_MARKDOWN])
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, int(token.tag[1]) + 2)}"
    made = _parser().renderer.render(tokens, _parser().options, {})
    return nh3.clean(made, tags=_TAGS, attributes={"a": {"href"}}, url_schemes={"http", "https", "mailto"}, link_rel="nofollow noopener")


@functools.lru_cache(maxsize=2_000)
def plain(text: str, limit: int = 240) -> str:
    """The words of a markdown text on one line, cut at a word; for cards and meta tags. Not HTML: escape it where it is shown."""
    import nh3

    words = " ".join(html.unescape(nh3.clean(render(text), tags=set())).split())
    if len(words) <= limit:
        return words
    return words[:limit].rsplit(" ", 1)[0] + " …"
