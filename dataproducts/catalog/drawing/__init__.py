"""Pictures drawn on the server: plain data in, SVG and inline HTML out as `markupsafe.Markup`.

Nothing here reads a database or a clock. A strict content security policy holds: classes and presentation attributes only;
colors are in `web/static/drawing.css`. Every picture has a table beside it on the page, which is what a screen reader is meant to read.
"""
