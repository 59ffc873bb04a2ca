"""One page over several results folders or references: each claim answered by the best evidence among them."""

import base64
import io
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench.claims.result import ClaimResult
from bench.records.storage import write_atomic
from bench.report import cards, evidence, pages, wording
from bench.report.arms import ArmView
from bench.report.build import Collected, collect, nothing_recorded
from bench.report.sentences import Answers
from bench.spec.tables import Spec

MAX_PICTURE = 80_000  # characters of a picture in a page; of a larger one the page has a smaller copy
PICTURE_WIDTH = 1200  # pixels, of such a one
PNG = "data:image/png;base64,"


@dataclass(frozen=True)
class Combined:
    """A page's folders, and the answer of each claim."""

    view: pages.CombinedView
    answers: Answers  # of each claim and arm the best evidence
    missing: list[str]
    left_out: list[str]


def combine(
    found: Mapping[str, Collected],
    spec: Spec,
    addresses: Mapping[str, str],
    links: Sequence[tuple[str, str]] = (),
    names: Sequence[str] | None = None,
) -> Combined:
    """The page over folders by name. ``addresses``: of each folder's own report, "" where it has none.

    ``names``: the experiments that are asked for; by default those with claims.
    """
    best = evidence.best(one for name, own in found.items() for one in evidence.of_folder(own.claims, name))
    views = [
        pages.FolderView(
            _anchor(name), name, addresses[name], collected.view, collected.missing[len(collected.view.absent) :]
        )
        for name, collected in found.items()
    ]
    shown = [_card(own, found[own[0].folder]) for own in best]
    recorded = {sweep.experiment for collected in found.values() for sweep in collected.view.sweeps}
    missing = nothing_recorded(spec, names, recorded)
    view = pages.CombinedView(cards.summary(shown), cards.shares(shown), shown, views, links, missing)
    said = [collected.answers for collected in found.values()]
    judged = {id(claim) for own in said for claim in own.judged}
    answers = Answers(
        [one.result for own in best for one in own if id(one.result) in judged],
        [line for own in said for line in own.too_short],
        [line for own in said for line in own.headlines],
    )
    missing = missing + [f"{folder.name}: {line}" for folder in views for line in folder.missing]
    left_out = [line for collected in found.values() for line in collected.left_out]
    return Combined(view, answers, missing, left_out)


def write_combined(
    folders: Mapping[str, Path], spec: Spec, to: Path, experiments: Iterable[str] | None, profile: str | None
) -> Combined:
    """Write the page over folders by name. It holds all that it shows, and links to the reports that they have."""
    names = None if experiments is None else list(experiments)
    collected = {name: collect(folder, spec, names, profile) for name, folder in folders.items()}
    pages_of = {name: folder / "report" / "index.html" for name, folder in folders.items()}
    addresses = {
        name: Path(os.path.relpath(page.resolve(), to.resolve().parent)).as_posix() if page.is_file() else ""
        for name, page in pages_of.items()
    }
    found = combine(collected, spec, addresses, names=names)
    write_atomic(to, pages.render_combined(found.view))
    return found


def names_of(paths: Sequence[Path]) -> list[str]:
    """A name for each path: its last part, with the one before it or a number where several share that."""
    own = [path.resolve() for path in paths]
    short = [path.name for path in own]
    long = ["/".join(path.parts[-2:]) if short.count(path.name) > 1 else path.name for path in own]
    return [name if long.count(name) == 1 else f"{name} ({number})" for number, name in enumerate(long, 1)]


def _anchor(name: str) -> str:
    return f"folder-{wording.file_part(name)}"


def _card(own: Sequence[evidence.Evidence], first: Collected) -> pages.Card:
    """A claim's card, each arm with the folder that answers for it; ``first``: that of the first arm."""
    arms = [ArmView(one.result, where=one.folder, href=f"#{_anchor(one.folder)}") for one in own]
    return pages.Card(arms, _pictures(own[0].result, first))


def _pictures(claim: ClaimResult, folder: Collected) -> tuple[pages.FigureView | pages.GridView, ...]:
    """The first that the folder's own report shows of the claim."""
    for sweep in folder.view.sweeps:
        if (sweep.experiment, sweep.profile) == (claim.experiment, claim.profile):
            own = [card.pictures for card in sweep.cards if card.first.id == claim.id]
            return tuple(replace(picture, inline=smaller(picture.inline)) for found in own for picture in found[:1])
    return ()


def smaller(uri: str) -> str:
    """A picture's data URI, of a large one with fewer pixels and bytes; a drawing of lines stays as it is."""
    if len(uri) <= MAX_PICTURE or not uri.startswith(PNG):
        return uri
    from PIL import Image

    with Image.open(io.BytesIO(base64.b64decode(uri.removeprefix(PNG)))) as image:
        copied = image.convert("RGB")  # a palette's numbers cannot be blended
    copied.thumbnail((PICTURE_WIDTH, 4 * PICTURE_WIDTH))
    content = io.BytesIO()
    copied.save(content, "WEBP", quality=85)
    return pages.data_uri(content.getvalue(), "image/webp")
