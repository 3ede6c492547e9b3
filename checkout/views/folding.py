"""Templates from which everything that never changes has been taken out beforehand, once for each language.

A page of the cashier is put together from a dozen files and as many sentences that are the same for everybody. Here
a template is rewritten once: its parents, blocks and included files are joined, and sentences and static addresses
become text. What depends on the context stays as Django made it, escaping included; the page is the same, byte for
byte. One thing is different inside: what an included file or a block sets by ``as`` can be seen after it.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template import Context, Template, TemplateSyntaxError, engines
from django.template.base import Node, NodeList, TextNode, Variable, VariableNode
from django.template.defaulttags import CommentNode, IfNode, LoadNode
from django.template.loader_tags import BlockNode, ExtendsNode, IncludeNode
from django.templatetags.i18n import TranslateNode
from django.templatetags.static import StaticNode
from django.utils import translation

_Blocks = Mapping[str, BlockNode]


def render_folded(
    request: HttpRequest, name: str, context: dict[str, Any], *, status: int = 200
) -> HttpResponse:
    """Render a template as ``django.shortcuts.render`` does, in the present language."""
    template = _fold_template(name, translation.get_language())
    return HttpResponse(template.render(context, request), status=status)


@lru_cache(maxsize=256)
def _fold_template(name: str, _language: str | None) -> Any:
    """Return the template as it is in the present language; there are some twenty of them, in two languages."""
    made: Any = copy.copy(engines["django"].get_template(name))
    made.template = copy.copy(made.template)
    made.template.nodelist = _Fold(made.template).fold(made.template.nodelist, {})
    return made


class _Fold:
    """Rewrites the nodes of one template. Blocks of children stand before those of their parents."""

    def __init__(self, template: Template) -> None:
        self._engine = template.engine
        self._nothing = Context()
        self._nothing.template = template

    def fold(self, nodes: NodeList, blocks: _Blocks) -> NodeList:
        """Return the nodes with what is constant joined to one text."""
        folded = NodeList()
        for old in nodes:
            for node in self._rewrite(old, blocks):
                if isinstance(node, TextNode) and folded and isinstance(folded[-1], TextNode):
                    folded[-1] = TextNode(folded[-1].s + node.s)
                else:
                    folded.append(node)
        return folded

    def _rewrite(self, node: Node, blocks: _Blocks) -> Iterator[Node]:
        match node:
            case ExtendsNode():
                parent = self._load(node.parent_name)
                yield from self.fold(parent.nodelist, {**node.blocks, **blocks})
            case BlockNode():
                yield from self.fold(blocks.get(node.name, node).nodelist, blocks)
            case IncludeNode() if _is_plain(node):
                included = self._load(node.template)
                yield from self.fold(included.nodelist, {})  # its blocks are its own
            case TranslateNode() if not node.asvar and _is_said_by_itself(node):
                yield TextNode(node.render(self._nothing))
            case StaticNode() if node.varname is None and _is_constant(node.path):
                yield TextNode(node.render(self._nothing))
            case LoadNode() | CommentNode():
                pass
            case VariableNode() if str(node.filter_expression).startswith("block.super"):
                raise TemplateSyntaxError("A folded template has no block.super.")
            case _:
                yield self._fold_inside(node, blocks)

    def _load(self, name: Any) -> Template:
        loaded: Template = self._engine.get_template(name.resolve(self._nothing))
        return loaded

    def _fold_inside(self, node: Node, blocks: _Blocks) -> Node:
        """Return a copy of a node that stays, with what is inside it folded."""
        node = copy.copy(node)
        if isinstance(node, IfNode):
            node.conditions_nodelists = [
                (condition, self.fold(inside, blocks))
                for condition, inside in node.conditions_nodelists
            ]
            return node
        for name in node.child_nodelists:
            inside = getattr(node, name, None)
            if isinstance(inside, NodeList):
                setattr(node, name, self.fold(inside, blocks))
        return node


def _is_said_by_itself(node: TranslateNode) -> bool:
    """Tell whether a sentence, and the context that its translation is looked up under, are literals."""
    return _is_constant(node.filter_expression) and (
        node.message_context is None or _is_constant(node.message_context)
    )


def _is_plain(node: IncludeNode) -> bool:
    """Tell whether a file is included by its name and sees the whole context, neither more nor less."""
    return _is_constant(node.template) and not node.extra_context and not node.isolated_context


def _is_constant(expression: Any) -> bool:
    """Tell whether an expression is a literal text without filters."""
    literal = expression.var
    is_text = isinstance(literal, str) or (
        isinstance(literal, Variable) and literal.lookups is None
    )
    return is_text and not expression.filters
