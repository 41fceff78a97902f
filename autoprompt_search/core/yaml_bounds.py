"""How much a YAML document may stand for: an alias costs a few bytes and can stand for billions of values."""

from __future__ import annotations

import yaml


def check_bounds(root: yaml.Node, most: int) -> None:
    """Raise `ValueError` where `root`, with all aliases written out, holds more than `most` values, or holds itself.

    Look at a composed node: constructing the values may already take for ever.
    """
    sizes: dict[int, int] = {}
    open_nodes: set[int] = set()

    def size(node: yaml.Node) -> int:
        if id(node) in open_nodes:
            raise ValueError(f"line {node.start_mark.line + 1}: an alias refers to itself")
        if id(node) not in sizes:
            open_nodes.add(id(node))
            sizes[id(node)] = 1 + sum(size(child) for child in _children(node))
            open_nodes.discard(id(node))
        return sizes[id(node)]

    total = size(root)
    if total > most:
        raise ValueError(f"its aliases stand for {total:.3g} values, at most {most:,} are read")


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [n for pair in node.value for n in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []
