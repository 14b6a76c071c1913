"""What scripts and strangers send: endpoints whose arguments are described here and checked by our own code, in words.

Gradio's components check what they are sent before our code sees it, in sentences of their own or with a traceback.
An `argument` lets everything through, and `Page` tells what is left of Gradio's checks as one sentence.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence

import gradio as gr
from gradio.components.api_component import Api

from gan.ui.values import short

EXAMPLE = "faces64"  # the model of the examples

NAME = {"type": "string"}
WHOLE = {"type": "integer"}
NUMBER = {"type": "number"}


def argument(schema: dict, example: object) -> Api:
    """An argument of an endpoint, given to its function as it was sent.

    Args:
        schema: JSON schema, for those who ask what the endpoint takes.
        example: shown under "Use via API"; it works.
    """
    made = Api(None, dict(schema))
    made.example_payload = lambda: example
    return made


def endpoint(function: Callable, arguments: Sequence[gr.Component], outputs: object, api_name: str) -> None:
    """Register a public endpoint; names, defaults and descriptions of its arguments are those of the function.

    Args:
        function: with a docstring, whose "Args:" describe the arguments.
        arguments: in its order: `argument`s, or components for what comes as a file.
        outputs: components that show what it gives.
        api_name: of the endpoint, without "/".
    """
    described = _described(function)
    parameters = inspect.signature(function).parameters.values()
    for made, parameter in zip(arguments, parameters, strict=True):
        made.label = parameter.name
        if parameter.default is not parameter.empty:
            made.value = parameter.default
        schema = made.api_info() | {"additional_description": described[parameter.name]}
        made.api_info = lambda schema=schema: schema
    gr.on([], function, list(arguments), outputs, api_name=api_name)


def picture_file() -> gr.File:
    """An argument that is a picture's file; its function gets the path."""
    made = gr.File(type="filepath")
    made.example_payload = gr.Image(render=False).example_payload
    return made


def _described(function: Callable) -> dict[str, str]:
    """What the "Args:" of a docstring say, each in one line (Gradio takes the first line of each alone)."""
    section = re.search(r"^Args:\n(.*?)(?:\n\n|\Z)", inspect.getdoc(function), re.M | re.S)
    entries = re.findall(r"^ {4}(\w+): (.*(?:\n {5,}.*)*)", section[1] if section else "", re.M)
    return {name: " ".join(text.split()) for name, text in entries}


class Page(gr.Blocks):
    """Blocks that refuse in one sentence what a component cannot take."""

    async def preprocess_data(self, block_fn: gr.blocks.BlockFunction, inputs: list, *more: object, **named: object):
        """As Gradio's; raises `gr.Error` alone."""
        try:
            return await super().preprocess_data(block_fn, inputs, *more, **named)
        except Exception as error:
            expected = ", ".join(str(block.label) for block in block_fn.inputs)
            raise gr.Error(
                f"{block_fn.api_name} was given {short(inputs)}: expected {len(block_fn.inputs)} values ({expected}), "
                'of the kinds that "Use via API" at the foot of the page tells',
                print_exception=False,
            ) from error

    async def call_function(self, *given: object, **named: object):
        """As Gradio's; what it refuses by itself, files that are none of its own, is no traceback in the log."""
        try:
            return await super().call_function(*given, **named)
        except gr.Error as error:
            error.print_exception = False
            raise
