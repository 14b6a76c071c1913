"""The fast part of `python -m tests.faults odd_requests`, and what "Use via API" shows."""

from __future__ import annotations

import app
from gan.ui.library import Library
from tests.faults import odd_requests


def test_odd_requests():
    odd_requests.run(tries=60, seed=1).check()


def test_what_is_shown_of_an_endpoint_is_what_its_docstring_says(tmp_path):
    endpoints = app.build(Library([tmp_path])).get_api_info()["named_endpoints"]
    shown = {name: {p["parameter_name"]: p for p in found["parameters"]} for name, found in endpoints.items()}
    assert all(p["python_type"]["description"].endswith(".") for found in shown.values() for p in found.values())
    told = shown["/generate"]["directions"]["python_type"]["description"]
    assert told.endswith('{"Smile": 2, "SeFa 1": -0.5}; at most 64.')
    assert shown["/generate"]["model"]["example_input"] == "faces64"
    assert shown["/morph"]["seeds"]["example_input"] == [7, 12, 3]
    size = shown["/morph"]["size"]
    assert (size["parameter_default"], size["python_type"]["type"]) == (256, "int")
    term = shown["/arithmetic"]["a"]
    assert not term["parameter_has_default"] and term["example_input"] == [0, 1, 2]
    assert shown["/generate"]["offsets"]["parameter_default"] is None
