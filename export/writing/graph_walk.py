"""Finds what a signature of a SavedModel runs, and what uses its inputs first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from tensorflow.core.framework import function_pb2, node_def_pb2
from tensorflow.core.protobuf import meta_graph_pb2

_CALLS = ("PartitionedCall", "StatefulPartitionedCall")


class Node(NamedTuple):
    """A node that a signature runs; `function` is "" in the graph itself."""

    definition: node_def_pb2.NodeDef
    function: str

    def __str__(self) -> str:
        inside = f" in function {self.function}" if self.function else ""
        return f"node {self.definition.name} ({self.definition.op}){inside}"


class GraphWalk:
    """Walks a graph and the functions that it calls.

    Args:
      graph: The meta graph of a SavedModel.
    """

    def __init__(self, graph: meta_graph_pb2.MetaGraphDef) -> None:
        self._nodes = {node.name: node for node in graph.graph_def.node}
        library = graph.graph_def.library.function
        self._functions = {function.signature.name: function for function in library}

    def reachable(
        self, signature: meta_graph_pb2.SignatureDef
    ) -> tuple[list[Node], list[function_pb2.FunctionDef]]:
        """Returns the nodes and functions that a call of the signature runs.

        Other nodes belong to other signatures, or save and restore weights.
        """
        return self.run_for(info.name for info in signature.outputs.values())

    def run_for(
        self, names: Iterable[str]
    ) -> tuple[list[Node], list[function_pb2.FunctionDef]]:
        """Returns the nodes and functions that run to compute nodes or tensors.

        Args:
          names: Names of the nodes or tensors.
        """
        nodes = [Node(node, "") for node in self._ancestors(names)]
        functions: dict[str, function_pb2.FunctionDef] = {}
        waiting = [name for node in nodes for name in self._called(node.definition)]
        while waiting:
            name = waiting.pop()
            if name in functions:
                continue
            functions[name] = function = self._functions[name]
            nodes += [Node(node, name) for node in function.node_def]
            for node in function.node_def:
                waiting += self._called(node)
        return nodes, list(functions.values())

    def is_function(self, op: str) -> bool:
        """Returns whether a node's op calls a function of the graph."""
        return op in self._functions

    def first_uses(self, tensor: str) -> Iterator[Node]:
        """Returns the first ops that use an input, through calls and identities.

        Args:
          tensor: Name of the input's tensor in the graph.
        """
        yield from self._uses(self._nodes.values(), "", tensor.partition(":")[0])

    def _uses(
        self, body: Iterable[node_def_pb2.NodeDef], function: str, name: str
    ) -> Iterator[Node]:
        body = list(body)
        for node in body:
            for position, source in enumerate(node.input):
                if source.partition(":")[0] != name:
                    continue
                if node.op == "Identity":
                    yield from self._uses(body, function, node.name)
                elif node.op in _CALLS:
                    called = self._functions[node.attr["f"].func.name]
                    argument = called.signature.input_arg[position].name
                    inside = called.signature.name
                    yield from self._uses(called.node_def, inside, argument)
                else:
                    yield Node(node, function)

    def _ancestors(self, names: Iterable[str]) -> list[node_def_pb2.NodeDef]:
        found: dict[str, node_def_pb2.NodeDef] = {}
        waiting = list(names)
        while waiting:
            name = waiting.pop().lstrip("^").partition(":")[0]
            if name not in found and name in self._nodes:
                found[name] = self._nodes[name]
                waiting += self._nodes[name].input
        return list(found.values())

    def _called(self, node: node_def_pb2.NodeDef) -> Iterator[str]:
        if node.op in self._functions:
            yield node.op
        for value in node.attr.values():
            for function in (value.func, *value.list.func):
                if function.name in self._functions:
                    yield function.name


def constants(function_nodes: Iterable[Node]) -> set[tuple[str, str]]:
    """Returns (function, name) of each constant among the nodes."""
    return {
        (node.function, node.definition.name)
        for node in function_nodes
        if node.definition.op == "Const"
    }
