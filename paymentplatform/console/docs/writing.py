"""Put what is made from the code into ``docs/``: whole files, and marked sections of written ones."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

from drf_spectacular.renderers import OpenApiYamlRenderer
from drf_spectacular.settings import spectacular_settings

from paymentplatform.console.docs.commands import draw_commands
from paymentplatform.console.docs.errors import describe_errors
from paymentplatform.console.docs.machines import draw_machines
from paymentplatform.console.docs.roles import draw_roles
from paymentplatform.console.docs.tables import describe_tables, list_library_tables
from paymentplatform.kernel.errors import InvalidRequest

SECTIONS: Final[dict[str, dict[str, Callable[[], str]]]] = {
    "architecture.md": {"machines": draw_machines},
    "roles.md": {"roles": draw_roles},
    "operations.md": {"commands": draw_commands},
    "database.md": {"tables": describe_tables, "libraries": list_library_tables},
}
"""Written pages with the sections of each that are made: <!-- made:NAME --> … <!-- /made:NAME -->."""


def write_docs(*, folder: Path, dry_run: bool = False) -> list[str]:
    """Bring ``docs/`` up to date and return the names of the files that were not.

    With ``dry_run`` nothing is written. Raises InvalidRequest for a page without its marks.
    """
    stale = []
    for name, text in compose_pages(folder=folder).items():
        path = folder / name
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if not dry_run:
            path.write_text(text, encoding="utf-8")
    return stale


def compose_pages(*, folder: Path) -> dict[str, str]:
    """Return the text that each page should have. Raises InvalidRequest for a page without its marks."""
    # The schema comes first: it loads every view, and with them every declared error.
    pages = {"openapi.yaml": make_schema(), "errors.md": describe_errors()}
    for name, sections in SECTIONS.items():
        text = (folder / name).read_text(encoding="utf-8")
        for section, make in sections.items():
            text = _replace(text, section=section, content=make(), page=name)
        pages[name] = text
    return pages


def make_schema() -> str:
    """Return the OpenAPI document as YAML, the same as ``manage.py spectacular`` writes."""
    schema = spectacular_settings.DEFAULT_GENERATOR_CLASS().get_schema(request=None, public=True)
    return str(OpenApiYamlRenderer().render(schema, renderer_context={}).decode())


def _replace(text: str, *, section: str, content: str, page: str) -> str:
    first, last = f"<!-- made:{section} -->", f"<!-- /made:{section} -->"
    pattern = re.compile(f"{re.escape(first)}.*?{re.escape(last)}", re.DOTALL)
    if len(pattern.findall(text)) != 1:
        raise InvalidRequest(f"docs/{page} must have {first} … {last} exactly once.")
    return pattern.sub(lambda _: f"{first}\n\n{content}\n\n{last}", text)
