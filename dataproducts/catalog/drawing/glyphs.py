"""Small marks on a grid of 16 by 16: one per kind of node, one per status. A status differs in shape, not only in color."""

from __future__ import annotations

KINDS: dict[str, str] = {
    "product": "M8 1.8l5.5 3v6.4L8 14.2l-5.5-3V4.8zM2.7 4.9L8 7.8l5.3-2.9M8 7.8v6.2",
    "dataset": "M4 2.5h8A1.5 1.5 0 0 1 13.5 4v8a1.5 1.5 0 0 1-1.5 1.5H4A1.5 1.5 0 0 1 2.5 12V4A1.5 1.5 0 0 1 4 2.5zM2.5 6.3h11M6.6 6.3v7.2",
    "column": "M6 2.5h4a1 1 0 0 1 1 1v9a1 1 0 0 1-1 1H6a1 1 0 0 1-1-1v-9a1 1 0 0 1 1-1zM5 6.2h6",
    "version": "M8 2.2a5.8 5.8 0 1 0 0 11.6A5.8 5.8 0 0 0 8 2.2zM8 5v3.2l2.2 1.4",
    "contract": "M4 1.8h5.2L12.2 5v9.2H4zM9 1.8V5h3.2M6.2 8.2h3.8M6.2 11h3.8",
    "port": "M2 8h7.5M6.7 5l3 3-3 3M13 3v10",
    "team": (
        "M6 7.4a2.3 2.3 0 1 0 0-4.6 2.3 2.3 0 0 0 0 4.6zM1.8 13.2c.3-2.5 1.9-3.7 4.2-3.7s3.9 1.2 4.2 3.7"
        "M10.7 3a2.2 2.2 0 0 1 0 4.3M11.8 9.7c1.4.5 2.3 1.6 2.5 3.5"
    ),
    "person": "M8 7.4a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5zM3.2 13.6c.3-2.7 2.1-4 4.8-4s4.5 1.3 4.8 4",
    "concept": "M8 1.9a4.2 4.2 0 0 0-2.2 7.8v1.8h4.4V9.7A4.2 4.2 0 0 0 8 1.9zM6.3 13.9h3.4",
    "theme": "M2 4.5a1 1 0 0 1 1-1h3.2l1.5 1.7H13a1 1 0 0 1 1 1v5.8a1 1 0 0 1-1 1H3a1 1 0 0 1-1-1z",
    "keyword": "M6.3 2.5L4.7 13.5M11.3 2.5L9.7 13.5M2.7 6h11M2.3 10h11",
    "example": "M5.4 4.5L2 8l3.4 3.5M10.6 4.5L14 8l-3.4 3.5",
    "dashboard": "M3 13.5V8.5M8 13.5v-11M13 13.5V6",
    "source": (
        "M2.8 4c0-1.1 2.3-1.9 5.2-1.9s5.2.8 5.2 1.9-2.3 1.9-5.2 1.9S2.8 5.1 2.8 4v8c0 1.1 2.3 1.9 5.2 1.9s5.2-.8 5.2-1.9V4"
        "M2.8 8c0 1.1 2.3 1.9 5.2 1.9s5.2-.8 5.2-1.9"
    ),
    "run": "M4.8 2.9L12.6 8l-7.8 5.1z",
    "entry": "M3 13l.7-3.1L10.9 2.7l2.4 2.4-7.2 7.2z",
    "more": "M3 8h.01M8 8h.01M13 8h.01",
}
_OTHER = "M8 4.5a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7z"

_STATUSES: dict[str, tuple[str, str]] = {
    "good": ("M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1z", "M4.9 8.2l2.1 2.1 4.1-4.4"),
    "warn": ("M6.9 2.2a1.3 1.3 0 0 1 2.2 0l5.7 10.1a1.3 1.3 0 0 1-1.1 1.9H2.3a1.3 1.3 0 0 1-1.1-1.9z", "M8 5.9v3.3M8 11.6v.01"),
    "bad": ("M5.1 1h5.8L15 5.1v5.8L10.9 15H5.1L1 10.9V5.1z", "M5.6 5.6l4.8 4.8M10.4 5.6l-4.8 4.8"),
    "unknown": ("M8 1.7a6.3 6.3 0 1 0 0 12.6A6.3 6.3 0 0 0 8 1.7z", "M5.5 8h5"),
    "info": ("M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1z", "M8 7.4v3.6M8 4.9v.01"),
}


def kind_path(kind: str) -> str:
    """The outline of a kind; a circle if the kind has none."""
    return KINDS.get(kind, _OTHER)


def status_mark(status: str, x: float, y: float, scale: float = 1) -> str:
    """A status as a group: check in a disc, exclamation in a triangle, cross in an octagon, dash in a ring."""
    name = status if status in _STATUSES else "unknown"
    shape, sign = _STATUSES[name]
    grown = "" if scale == 1 else f" scale({scale:g})"
    return (
        f'<g class="dp-status dp-{name}" transform="translate({x:g} {y:g}){grown}">'
        f'<path d="{shape}"/><path class="dp-sign" d="{sign}"/></g>'
    )
