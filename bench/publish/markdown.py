"""A document of the tree as HTML: tables, headings that a link can name, targets as the caller asks."""

import re
from collections.abc import Callable
from itertools import pairwise

from markdown_it import MarkdownIt
from markdown_it.token import Token

from bench.report.wording import unbroken


def to_html(text: str, target_of: Callable[[str], str | None]) -> str:
    """Markdown as HTML. ``target_of``: from a link's or picture's target to the page's; None drops the link."""
    parser = MarkdownIt("commonmark", {"html": True}).enable("table")
    tokens = parser.parse(text)
    _name_headings(tokens)
    for token in tokens:
        token.children = _retargeted(token.children or [], target_of) if token.type == "inline" else token.children
        for text_token in (child for child in token.children or [] if child.type == "text"):  # code stays as typed
            text_token.content = unbroken(text_token.content)
    html = str(parser.renderer.render(tokens, parser.options, {}))
    return html.replace("<table>", '<div class="scroll"><table>').replace("</table>", "</table></div>")


def title_of(text: str, otherwise: str) -> str:
    """The first heading's text."""
    match = re.search(r"^# +(.+)$", text, re.MULTILINE)
    return match[1].strip() if match else otherwise


def slug(heading: str) -> str:
    """The name under which GitHub knows a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def _name_headings(tokens: list[Token]) -> None:
    taken: dict[str, int] = {}
    for token, inner in pairwise(tokens):
        if token.type == "heading_open":
            name = slug("".join(child.content for child in inner.children or []))
            count = taken[name] = taken.get(name, -1) + 1
            token.attrSet("id", f"{name}-{count}" if count else name)


def _retargeted(tokens: list[Token], target_of: Callable[[str], str | None]) -> list[Token]:
    """``tokens`` with other targets; a dropped link leaves its text."""
    kept, dropped = [], 0
    for token in tokens:
        name = {"link_open": "href", "image": "src"}.get(token.type)
        if name:
            target = target_of(str(token.attrGet(name)))
            if target is None and token.type == "link_open":
                dropped += 1
                continue
            token.attrSet(name, target or "")
        elif token.type == "link_close" and dropped:
            dropped -= 1
            continue
        kept.append(token)
    return kept
